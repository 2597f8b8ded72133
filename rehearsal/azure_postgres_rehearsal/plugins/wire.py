"""Property values between Pulumi's wire format and plain Python.

Secrets arrive wrapped and are unwrapped; the names of the properties that held one are kept, so
that they go back wrapped. A value that a preview does not know yet is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf import struct_pb2

Properties = dict[str, Any]

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's mark, no secret
_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWN_MARKS = {
    _UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
}


class _Unknown:
    """A value that a preview does not know yet."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


def has_unknown(value: Any) -> bool:
    """Whether an unknown is in it, at any depth."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return value is UNKNOWN


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The names, sorted, whose values differ; an unknown differs from everything."""
    names = sorted(old.keys() | new.keys())
    return [n for n in names if has_unknown(new.get(n)) or old.get(n) != new.get(n)]


def decode(struct: struct_pb2.Struct) -> tuple[Properties, frozenset[str]]:
    """The plain properties, and the names of those that hold a secret at any depth.

    Nulls are left out, at any depth: to Pulumi they are the same as absent.
    """
    secret_names: set[str] = set()
    properties: Properties = {}
    for name, value in struct.fields.items():
        marks: list[bool] = []
        plain = _plain(value, lambda marks=marks: marks.append(True))  # type: ignore[misc]
        if marks:
            secret_names.add(name)
        if plain is not None:
            properties[name] = plain
    return properties, frozenset(secret_names)


def _plain(value: struct_pb2.Value, secret_found: Callable[[], None]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
            secret_found()
            return _plain(fields["value"], secret_found)
        items = {name: _plain(item, secret_found) for name, item in fields.items()}
        return {name: item for name, item in items.items() if item is not None}
    if kind == "list_value":
        return [_plain(item, secret_found) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWN_MARKS else value.string_value
    return value.bool_value if kind == "bool_value" else None


def encode(properties: Mapping[str, Any], secrets: Iterable[str] = ()) -> struct_pb2.Struct:
    """The properties for the wire, those named wrapped as secrets."""
    marked = frozenset(secrets)
    struct = struct_pb2.Struct()
    for name, value in properties.items():
        wire = _wire(value)
        struct.update({name: {_SIGNATURE: _SECRET, "value": wire} if name in marked else wire})
    return struct


def _wire(value: Any) -> Any:
    if value is UNKNOWN:
        return _UNKNOWN_STRING
    if isinstance(value, Mapping):
        return {name: _wire(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wire(item) for item in value]
    return value
