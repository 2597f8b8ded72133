"""Values as a rule may read them: plain ones or UNKNOWN, and never an exception.

The properties that a policy gets are proxies, raise where a value is unknown in a preview, hold
wrapped secrets in a remediation, and have every number as a float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from pulumi_policy import Secret, proxy


class _Unknown(Enum):
    UNKNOWN = "a value that is known after the update only"


UNKNOWN: Final = _Unknown.UNKNOWN
"""Stands for a value that a preview cannot know."""

_SENTINELS = frozenset(
    value for name, value in vars(proxy).items() if name.startswith("UNKNOWN_") and "VALUE" in name
)
_TRUE = frozenset({"true", "on", "1", "yes"})
_FALSE = frozenset({"false", "off", "0", "no"})


def read(props: Mapping[str, Any], *path: str) -> Any:
    """The value at a path: plain, None where it is missing, UNKNOWN where it is or lies in one."""
    found: Any = props
    for key in path:
        if not isinstance(found, Mapping) or key not in set(found):
            return None
        found = _item(found, key, plainly=False)
        if found is UNKNOWN:
            return UNKNOWN
    return plain(found)


def plain(value: Any) -> Any:
    """A value without proxies and secrets; UNKNOWN stays where it is, at any depth."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(container: Any, key: Any, *, plainly: bool = True) -> Any:
    try:
        found = container[key]
    except proxy.UnknownValueError:
        return UNKNOWN
    if isinstance(found, Secret):
        found = found.value
    if isinstance(found, str) and found in _SENTINELS:
        return UNKNOWN
    return plain(found) if plainly else found


def text(value: Any) -> str | None:
    """A value as text, 16.0 as `16`; None where it is missing or UNKNOWN."""
    if value is None or value is UNKNOWN or isinstance(value, Mapping | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def number(value: Any) -> float | None:
    """A value as a number, however it is written; None where it is none."""
    try:
        return float(text(value) or "")
    except ValueError:
        return None


def truth(value: Any) -> bool | None:
    """A switch, however it is written (true, "true", "on", 1); None where it is none."""
    word = (text(value) or "").strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def strings(value: Any) -> frozenset[str]:
    """The known texts of a list."""
    items = value if isinstance(value, list) else ()
    return frozenset(item for item in items if isinstance(item, str))


def has_unknown(value: Any) -> bool:
    """Whether a value, or something in it, is UNKNOWN."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def members(value: Any) -> frozenset[str]:
    """The names in a set such as `pg_cron,PGLOGICAL`, in lower case."""
    return frozenset(item.strip().lower() for item in (text(value) or "").split(",")) - {""}


def may_be(value: Any, wanted: str | None) -> bool:
    """Whether a value is the wanted one, as far as one can tell yet."""
    return value is UNKNOWN or wanted is None or value == wanted
