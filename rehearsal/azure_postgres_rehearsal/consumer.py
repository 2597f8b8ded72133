"""A consumer that does what a connector does: a first snapshot, then changes from the slot.

It logs in as the connector's user and keeps a copy of every captured table. Whether the copy is
the same as the table, row for row, shows whether anything was lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from azure_postgres_rehearsal.pgoutput import UNCHANGED, Change, Decoder, Relation, Row, Truncation

Connection = psycopg.Connection[tuple[Any, ...]]

_PUBLISHED = """
SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s ORDER BY 1, 2
"""
_CHANGES = """
SELECT lsn::text, data FROM pg_logical_slot_get_binary_changes(
    %s, NULL, 10000, 'proto_version', '1', 'publication_names', %s)
"""


class Table:
    """A copy of one table. Rows are counted, because a table without a key may repeat one."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: Counter[Row] = Counter(rows)
        self._by_key: dict[Row, Row] = {}
        self._keys: tuple[int, ...] = ()

    def apply(self, change: Change) -> None:
        """Repeat one change."""
        self._index(change.relation)
        if change.kind == "insert":
            self._add(_given(change.new))
            return
        old = self._old_row(change)
        self._remove(old)
        if change.kind == "update":
            new = _given(change.new)
            self._add(tuple(o if n is UNCHANGED else n for o, n in zip(old, new, strict=True)))

    def clear(self) -> None:
        """Repeat a TRUNCATE."""
        self.rows.clear()
        self._by_key.clear()

    def _index(self, relation: Relation) -> None:
        if self._keys != relation.keys:
            self._keys = relation.keys
            self._by_key = {self._key(row): row for row in self.rows}

    def _old_row(self, change: Change) -> Row:
        if change.old is not None and change.relation.identity == "f":
            return change.old
        # Without FULL, only the key is known: of the old row where it changed, else of the new.
        source = _given(change.old if change.old is not None else change.new)
        return self._by_key[self._key(source)]

    def _key(self, row: Row) -> Row:
        return tuple(row[position] for position in self._keys)

    def _add(self, row: Row) -> None:
        self.rows[row] += 1
        self._by_key[self._key(row)] = row

    def _remove(self, row: Row) -> None:
        if not self.rows[row]:
            raise ValueError("a change speaks of a row that was never captured")
        self.rows[row] -= 1
        if not self.rows[row]:
            del self.rows[row]
            self._by_key.pop(self._key(row), None)


class Consumer:
    """Keeps copies of what a publication holds, from a slot."""

    def __init__(self, connection: Connection, publication: str, slot: str) -> None:
        self._connection = connection
        self._publication = publication
        self._slot = slot
        self._decoder = Decoder()
        self.captured: Counter[str] = Counter()
        """Changes by table."""
        self.repeated = 0
        """Changes that came again and were left out: a slot gives each at least once."""
        self.tables: dict[str, Table] = {}
        self._known: set[tuple[str, str, str, Row | None]] = set()

    def go_on(self, connection: Connection) -> None:
        """Read on, on another connection; what it has so far stays."""
        self._connection = connection
        self._decoder = Decoder()

    def snapshot(self) -> int:
        """Copy every published table as it is now; how many rows that were."""
        names = self._connection.execute(_PUBLISHED, (self._publication,)).fetchall()
        self.tables = {
            f"{schema}.{name}": Table(read_table(self._connection, schema, name))
            for schema, name in names
        }
        return sum(table.rows.total() for table in self.tables.values())

    def consume(self) -> int:
        """Take what the slot has now, as far as 10,000 changes and more; how many were taken."""
        query = self._connection.execute(_CHANGES, (self._slot, f'"{self._publication}"'))
        messages = query.fetchall()
        for position, message in messages:
            self._apply(position, self._decoder.decode(bytes(message)))
        return len(messages)

    def drain(self) -> None:
        """Take everything that the slot has."""
        while self.consume():
            pass

    def _apply(self, position: str, change: Change | Truncation | None) -> None:
        if isinstance(change, Truncation):
            for relation in change.relations:
                self.tables[_name(relation)].clear()
        elif change is not None:
            name = _name(change.relation)
            # By LSN and row: the rows of one COPY may share an LSN.
            known = (position, name, change.kind, change.new or change.old)
            if known in self._known:
                self.repeated += 1
                return
            self._known.add(known)
            self.captured[name] += 1
            self.tables[name].apply(change)


def read_table(connection: Connection, schema: str, name: str) -> list[Row]:
    """Every row of a table, in the text format in which the slot sends them."""
    query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name))
    result = connection.execute(query).pgresult
    if result is None:
        raise ValueError(f"{schema}.{name} gave no rows")
    columns = range(result.nfields)
    return [
        tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)
    ]


def _name(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}"


def _given(row: Row | None) -> Row:
    if row is None:
        raise ValueError("a change came without its row")
    return row
