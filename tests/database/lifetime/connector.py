"""A connector without Debezium: its first snapshot, the slot's changes, and what it never got.

Every table has rows with a unique `id`. What the connector has of each is kept by the name under
which it arrived, so that a row that is in the table and not here has been lost, unless the stack
says that the table needs a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from azure_postgres_rehearsal.pgoutput import UNCHANGED, Change, Decoder, Row, Truncation

if TYPE_CHECKING:
    from tests.database.lifetime.home import Home

USER = "streamkap_user"
_PUBLISHED = """
SELECT schemaname, tablename, c.relkind::text, rowfilter, attnames
FROM pg_publication_tables t JOIN pg_class c
  ON c.oid = format('%I.%I', schemaname, tablename)::regclass
WHERE pubname = $1 AND tablename NOT LIKE 'streamkap%' ORDER BY 1, 2
"""
_CHANGES = """
SELECT data FROM pg_logical_slot_get_binary_changes(
    %s, NULL, NULL, 'proto_version', '1', 'publication_names', %s)
"""
_IS_PARTITIONED = """
SELECT c.relkind = 'p' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
Values = dict[str, bytes | None]
Copy = dict[bytes, Values]
"""A table's rows, each by its id."""


class Connector:
    """What one connector has got so far."""

    def __init__(self, shop: Home, slot: str) -> None:
        self.shop = shop
        self.slot = slot
        self.copies: dict[str, Copy] = {}
        self.started = False

    def published(self, publication: str) -> list[tuple[str, str, str, str | None, list[str]]]:
        """Schema, name, kind, row filter and columns of what is published, our own left out."""
        query = _PUBLISHED.replace("%", "%%").replace("$1", "%s")
        return self.shop.rows(query, publication)

    def start(self, publication: str) -> None:
        """The first snapshot, of everything."""
        self.copies = {}
        for schema, name, *_ in self.published(publication):
            self.snapshot(schema, name)
        self.started = True

    def snapshot(self, schema: str, name: str) -> None:
        """Every row of a table, read as the connector's user."""
        with self.shop.kept.transaction():
            self.shop.kept.execute(f"SET LOCAL ROLE {USER}".encode())
            found = list(_rows(self.shop.kept, schema, name, "true"))
        self.copies[f"{schema}.{name}"] = {_id(row): row for row in found}

    def drain(self, publication: str) -> None:
        """Take all that the slot has."""
        decoder = Decoder()
        found = self.shop.kept.execute(_CHANGES, (self.slot, f'"{publication}"')).fetchall()
        for (message,) in found:
            self._apply(decoder.decode(bytes(message)))

    def lost(self, publication: str) -> dict[str, int]:
        """The published tables that have rows which never arrived, and how many."""
        missing: dict[str, int] = {}
        for schema, name, _, row_filter, columns in self.published(publication):
            copy = self.copies.get(f"{schema}.{name}", {})
            number = sum(
                _has_not(copy, row, columns)
                for row in _rows(self.shop.kept, schema, name, row_filter or "true")
            )
            if number:
                missing[f"{schema}.{name}"] = number
        return missing

    def _apply(self, change: Change | Truncation | None) -> None:
        if isinstance(change, Truncation):
            for relation in change.relations:
                self.copies[f"{relation.schema}.{relation.name}"] = {}
        elif change is not None:
            names = change.relation.columns
            copy = self.copies.setdefault(f"{change.relation.schema}.{change.relation.name}", {})
            old = _named(names, change.old) or _named(names, change.new)
            before = copy.pop(_id(old), {}) if "id" in old else {}
            if change.kind != "delete":
                new = _named(names, change.new)
                # What the message leaves out is as it was.
                copy[_id(new)] = before | new


def _has_not(copy: Copy, row: Values, columns: list[str]) -> bool:
    have = copy.get(_id(row))
    # The value that ALTER TABLE ... ADD COLUMN gives to every row is no change of a row.
    return have is None or any(
        name in row and have.get(name, b"never sent") != row[name]
        for name in columns
        if name != "extra"
    )


def _rows(
    connection: psycopg.Connection[Any], schema: str, name: str, row_filter: str
) -> Iterator[Values]:
    """Partitions' rows are their root's; a table that others inherit from has its own only."""
    partitioned = connection.execute(_IS_PARTITIONED, (schema, name)).fetchone() == (True,)
    query = sql.SQL("SELECT * FROM {} {} WHERE {}").format(
        sql.SQL("" if partitioned else "ONLY"), sql.Identifier(schema, name), sql.SQL(row_filter)
    )
    result = connection.execute(query).pgresult
    assert result is not None
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    for number in range(result.ntuples):
        yield {name: result.get_value(number, column) for column, name in enumerate(names)}


def _named(names: tuple[str, ...], row: Row | None) -> Values:
    pairs = zip(names, row or (), strict=False)
    return {name: value for name, value in pairs if value is not UNCHANGED}


def _id(row: Values) -> bytes:
    return row["id"] or b""
