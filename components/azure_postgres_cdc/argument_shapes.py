"""Whether arguments have the shape that their TypedDict says, where no type checker has looked.

A misspelt key would be passed over in silence, and a text in the place of a list be taken letter by
letter.
"""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pulumi

from azure_postgres_cdc.names import text_fault

_WORDS = {
    Sequence: "no list",
    bool: "neither True nor False",
    float: "no number",
    int: "no whole number",
    str: "no text",
}


def shape_faults(kind: type, args: object, path: str = "") -> Iterator[str]:
    """Every unknown or missing key, and every value of another type than the key's.

    `kind`: a TypedDict. `path`: where the arguments are, such as `connectors[0]`. What a text says
    is for others to judge, but for one of a few words.
    """
    if not isinstance(args, Mapping):
        yield f"{path or 'args'}: is no mapping of keys to values"
        return
    hints = _hints(kind)
    for key in sorted(map(str, args.keys() - hints.keys())):
        near = difflib.get_close_matches(key, hints, 1, 0.6)
        yield f"{_at(path, key)}: is no known key; {f'{near[0]} is one' if near else 'take it out'}"
    for key, hint in hints.items():
        if key in args:
            yield from _value_faults(_without_not_required(hint), args[key], _at(path, key))
            yield from _text_faults(key, args[key], _at(path, key))
        elif get_origin(hint) is not NotRequired:
            yield f"{_at(path, key)}: is missing"


@cache
def _hints(kind: type) -> dict[str, Any]:
    # Not __required_keys__, which does not see a NotRequired in an annotation that is a text.
    # pulumi.Input has a text in it, "Output[T]", with names of its own module.
    names = {"Output": pulumi.Output, "T": Any}
    return get_type_hints(kind, localns=names, include_extras=True)


def _value_faults(hint: Any, value: object, path: str) -> Iterator[str]:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kind = next((item for item in kinds if _is_a(item, value)), None)
    if value is None and kind is None:
        yield f"{path}: is None; take it out to have the default"
    elif kind is None:
        known = (_word(item) for item in kinds)
        yield f"{path}: is {' and '.join(dict.fromkeys(filter(None, known)))}"
    elif is_typeddict(kind):
        yield from shape_faults(kind, value, path)
    elif get_origin(kind) is Sequence and isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _value_faults(get_args(kind)[0], item, f"{path}[{index}]")
            yield from _text_faults("", item, f"{path}[{index}]")
    elif get_origin(kind) is Mapping and isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{path}: the key {key!r} is no text"
            else:
                yield from _value_faults(get_args(kind)[1], item, _at(path, key))


def _text_faults(key: str, value: object, path: str) -> Iterator[str]:
    """What is wrong with a text, whatever it names. A password may begin with a space."""
    fault = text_fault(value) if isinstance(value, str) else None
    if fault and not (value and key.lower().endswith("password")):
        yield f"{path}: {fault}"


def _is_a(kind: Any, value: object) -> bool:
    """Whether a value is of one kind, as far as its own type tells."""
    if get_origin(kind) is Literal:
        return type(value) in map(type, get_args(kind)) and value in get_args(kind)
    if is_typeddict(kind) or get_origin(kind) is Mapping:
        return isinstance(value, Mapping)
    if get_origin(kind) is Sequence:
        return isinstance(value, (list, tuple))
    if kind in (int, float):  # to Python, a truth value is a number
        is_finite = isinstance(value, kind) and math.isfinite(value)
        return (isinstance(value, int) or is_finite) and not isinstance(value, bool)
    if kind is Any:
        return True
    return isinstance(value, get_origin(kind) or kind)


def _word(kind: Any) -> str:
    """What a value is not, where it is not of this kind; nothing for what only Pulumi makes."""
    if get_origin(kind) is Literal:
        return f"none of {', '.join(map(str, get_args(kind)))}"
    if is_typeddict(kind) or get_origin(kind) is Mapping:
        return "no mapping of keys to values"
    return _WORDS.get(get_origin(kind) or kind, "")


def _without_not_required(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is NotRequired else hint


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
