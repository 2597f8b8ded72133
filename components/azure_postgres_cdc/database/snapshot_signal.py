"""What asks a connector for a snapshot: rows of type `execute-snapshot` in the signal table.

Debezium takes the names in `data-collections` for regular expressions, which have to match the
whole of `schema.table`, without SQL's quotes. What matches none is a name for it, with its quotes.
The tables of an incremental snapshot it keeps in its offset, without quotes, and reads them back:
it skips a name that needs some, takes it for another one, or stops and does not start any more. A
blocking one has no such memory. (All of this measured with 3.0 and 3.6.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.tables import columns
from azure_postgres_cdc.names import TableName

SIGNAL_TYPE = "execute-snapshot"
ID_PREFIX = "azure-postgres-cdc-"
WHOLE = f"{ID_PREFIX}published-"
"""What the id of a signal begins with whose conditions leave out what is not published anyway."""
MAX_CHARACTERS = 2000
"""The signal table's `data` is VARCHAR(2000), and counts characters."""
INCREMENTAL = "incremental"
BLOCKING = "blocking"
"""The kind of snapshot that does without regular expressions for conditions."""

_KEYLESS = """
SELECT wanted.schema, wanted.name FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique AND i.indexprs IS NULL
GROUP BY 1, 2
HAVING NOT coalesce(bool_or(i.indisprimary), false)
    AND NOT coalesce(bool_and(i.indpred IS NULL AND (
        SELECT bool_and(a.attnotnull) FROM pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey))), false)
"""
_PLAIN = re.compile(r"\w+\.\w+")
_META = re.compile(r"([\\.\[\](){}*+?^$|])")
_NEEDS_QUOTES = re.compile(r'[\s."]')


def collection(table: TableName) -> str:
    """A table's name in `data-collections`: plain, in quotes, or as an expression.

    A dot in an expression can stand for nothing else than the one between schema and table, where
    the name has no other. What would be another expression is escaped.
    """
    if _is_expression(table):
        return _META.sub(r"\\\1", table.plain)
    return in_quotes(table) if needs_quotes(table) else table.plain


def in_quotes(table: TableName) -> str:
    """A name with both of its parts in SQL's quotes."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in table)


def is_plain(table: TableName) -> bool:
    """Whether the name has only letters, digits and underscores."""
    return _PLAIN.fullmatch(table.plain) is not None


def needs_quotes(table: TableName) -> bool:
    """Whether Debezium reads the name without quotes as none, or as another."""
    return any(map(_NEEDS_QUOTES.search, table))


def may_be_found(table: TableName, kind: str, *, filtered: bool) -> bool:
    """Whether Debezium takes a snapshot of this table, and of no other one, if it is asked to.

    `filtered`: with a condition.
    """
    if kind != BLOCKING:
        return not needs_quotes(table)
    if _is_expression(table):
        return not (needs_quotes(table) or "," in table.plain or filtered)
    return "," not in table.plain


def _is_expression(table: TableName) -> bool:
    return any(character != "." for part in table for character in _META.findall(part))


def keyless(connection: Connection, tables: Iterable[TableName]) -> set[TableName]:
    """Those of the tables that an incremental snapshot skips, or may leave rows out of.

    It goes along the primary key, or else along a unique index, of which it takes any.
    """
    return {TableName(*row) for row in rows(connection, _KEYLESS, *columns(tables))}


def signals(
    tables: Sequence[TableName], kind: str, filters: Mapping[TableName, str] | None = None
) -> list[str]:
    """The `data` of as few rows as all of the tables take. `filters`: of some tables, conditions.

    Raises ValueError where one table alone is too long.
    """
    found: list[str] = []
    batch: list[TableName] = []
    for table in tables:
        if batch and len(_data(kind, [*batch, table], filters)) > MAX_CHARACTERS:
            found.append(_data(kind, batch, filters))
            batch = []
        batch.append(table)
        alone = _data(kind, batch, filters) if len(batch) == 1 else ""
        if len(alone) > MAX_CHARACTERS:
            raise ValueError(f"{len(alone)} characters long, and {MAX_CHARACTERS} is the most")
    return [*found, _data(kind, batch, filters)] if batch else found


def _data(kind: str, tables: Iterable[TableName], filters: Mapping[TableName, str] | None) -> str:
    names = {table: collection(table) for table in tables}
    data: dict[str, Any] = {"type": kind, "data-collections": [*names.values()]}
    conditions = [
        {"data-collection": name, "filter": filters[table]}
        for table, name in names.items()
        if filters and table in filters
    ]
    if conditions:
        data["additional-conditions"] = conditions
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
