"""Azure's server parameters: `parameters.txt`, one a line with its kind and what it may be.

Kinds: `dynamic`, `static` (in effect after a restart) and `fixed` (read-only). Allowed: `5..100`, a
list of words, or nothing for what is free. PostgreSQL's own of 16 to 18 joined, with what Azure
fixes and bounds over them (Microsoft's tables of parameters of 17); and names that 11 to 15 have
besides.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from view.values import number

_STATIC, _FIXED = "static", "fixed"


class _Parameter(NamedTuple):
    kind: str
    allowed: str


@cache
def _table() -> dict[str, _Parameter]:
    lines = Path(__file__).with_name("parameters.txt").read_text(encoding="utf-8").splitlines()
    rows = (f"{line}  ".split(" ", 2) for line in lines)
    return {name: _Parameter(kind, allowed.strip()) for name, kind, allowed in rows}


def is_known(name: Any) -> bool:
    """Whether there is such a parameter, or may be: with a dot it is an extension's, or Azure's."""
    return "." in name or name in _table()


def is_static(name: Any) -> bool:
    """Whether it needs a restart."""
    return name in _table() and _table()[name].kind == _STATIC


def is_read_only(name: Any) -> bool:
    """Whether Azure has fixed it."""
    return name in _table() and _table()[name].kind == _FIXED


def fault(name: str, value: str) -> str:
    """Why a value is not allowed; empty where it is, or where that is not known."""
    allowed = _table()[name].allowed if name in _table() else ""
    low, dots, high = allowed.partition("..")
    if dots:
        found = number(value)
        within = found is not None and float(low) <= found <= float(high)
        return "" if within else f"allowed are {low} to {high}"
    words = allowed.lower().split(",")
    return "" if not allowed or value.strip().lower() in words else f"allowed are {allowed}"
