"""Tables that are published under another name than before, without a change of the publication.

FOR ALL TABLES and FOR TABLES IN SCHEMA take a table by themselves that is renamed, moves into a
captured schema, stops to be unlogged, or is detached from its root. Its rows have arrived under
another name, or never. A table that was made since has no such rows: every table has a number of
its own, which grows in a database and which pg_upgrade keeps, so that a name is new while its
number is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.tables import columns
from azure_postgres_cdc.names import TableName

_YOUNGEST = "SELECT coalesce(max(oid::bigint), 0) FROM pg_class WHERE relkind IN ('r', 'p')"
_NO_YOUNGER = """
SELECT n.nspname, c.relname FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
WHERE c.oid::bigint <= %s
"""


def youngest(connection: Connection) -> int:
    """The number of the table that was made last."""
    (found,) = rows(connection, _YOUNGEST)
    return int(found)


def find(
    connection: Connection,
    captured: Iterable[TableName],
    known: Collection[TableName],
    youngest_then: float | None,
) -> set[TableName]:
    """Those that were there by the last `up`, under none of the names `known` from it.

    `youngest_then`: the number of the youngest table by then; None where nobody has looked.
    """
    new = set(captured).difference(known)
    if not new or youngest_then is None:
        return set()
    found = rows(connection, _NO_YOUNGER, *columns(new), int(youngest_then))
    return {TableName(*row) for row in found}
