"""Signal tables: this project's resource, or one that a team's own program makes with SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from view import kinds
from view.declared import Declared
from view.names import SIGNAL_TABLE, Table
from view.statements import statements_of
from view.values import strings, text

COLUMNS = (
    ("id", "varchar(255)"),
    ("type", "varchar(32)"),
    ("data", "varchar(2000)"),
)
"""The page's columns and their types."""

_CREATE = re.compile(r"create\s+table\s+(?:if\s+not\s+exists\s+)?([\w\".]+)\s*\(", re.IGNORECASE)
_BRACKETS = re.compile(r"[()]")
_TOP_LEVEL_COMMA = re.compile(r",(?![^(]*\))")
_COLUMN = re.compile(r'"?(\w+)"?\s+(character varying|\w+)\s*(\(\s*\d+\s*\))?', re.IGNORECASE)


@dataclass(frozen=True)
class SignalTable:
    """A table for signals."""

    resource: Declared
    table: Table
    columns: tuple[tuple[str, str], ...]
    """Names and types."""
    writers: frozenset[str] = frozenset()
    """Roles that this project's resource lets write to it."""


def signal_tables_of(resources: Sequence[Declared]) -> Iterator[SignalTable]:
    """Every table that the stack makes and that has `signal` in its name."""
    for item in resources:
        if item.kind == kinds.OUR_SIGNAL_TABLE:
            table = Table(text(item.get("schema")) or "", SIGNAL_TABLE)
            yield SignalTable(item, table, COLUMNS, strings(item.get("roles")))
    for item, statements in statements_of(resources, "signal"):
        yield from _made(item, statements)


def _made(resource: Declared, statements: str) -> Iterator[SignalTable]:
    for match in _CREATE.finditer(statements):
        table = Table.parse(match[1].lower())
        if "signal" in table.name:
            yield SignalTable(resource, table, tuple(_columns(statements[match.end() :])))


def _columns(rest: str) -> Iterator[tuple[str, str]]:
    """What stands between the table's brackets."""
    depth, end = 1, len(rest)
    for bracket in _BRACKETS.finditer(rest):
        depth += 1 if bracket[0] == "(" else -1
        if depth == 0:
            end = bracket.start()
            break
    for part in _TOP_LEVEL_COMMA.split(rest[:end]):
        match = _COLUMN.match(part.strip())
        if match and match[1].lower() not in ("primary", "constraint", "unique", "check"):
            kind = match[2].lower().replace("character varying", "varchar")
            yield match[1].lower(), kind + re.sub(r"\s", "", match[3] or "")
