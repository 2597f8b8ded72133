"""Row filters are SQL that a user writes: nothing in them may reach beyond their parentheses."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*")
      | (?P<word>[^\W\d]\w*)
      | (?P<comment>--|/\*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_REFUSED = {
    "'": "has a string without its end",
    '"': "has a quoted name without its end",
    ";": "has a semicolon",
    "$": "has a dollar sign outside of quotes: write a string as '…'",
    "\\": "has a backslash outside of quotes",
    "\0": "holds a zero byte",
}


def filter_fault(text: str) -> str | None:
    """Why a row filter cannot be the one expression in `WHERE (…)`, if it cannot.

    Strings are read as PostgreSQL reads them with standard_conforming_strings, which every
    connection here turns on. Whatever else is wrong with the expression, the server says itself.
    """
    if not text.strip():
        return "is empty"
    depth, before = 0, ""
    for token in _TOKEN.finditer(text):
        kind, value = str(token.lastgroup), token[0]
        if "\0" in value:
            return _REFUSED["\0"]
        if kind == "comment":
            return "has a comment"
        if kind == "string" and before.lower() == "e":
            return "has an escape string (E'…'): write it as '…'"
        if kind == "other" and value in _REFUSED:
            return _REFUSED[value]
        depth += {"(": 1, ")": -1}.get(value, 0)
        if depth < 0:
            break
        before = value
    return None if depth == 0 else "has parentheses that do not match"
