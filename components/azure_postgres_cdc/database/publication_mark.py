"""Whether somebody has altered a publication since the last `up`, and altered it back.

Taken out for the time of a load and added again, or SET (publish = 'insert') for an hour: it says
the same as before then, and what was changed meanwhile never arrives. Its catalog entries tell: an
entry that is added again is another one, and a row that is changed has another transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.names import TableName

_FIND = """
SELECT p.oid::bigint, p.xmin::text::bigint, p.pubowner::bigint, greatest(0, {schemas},
       (SELECT max(r.oid::bigint) FROM pg_publication_rel r WHERE r.prpubid = p.oid))
FROM pg_publication p WHERE p.pubname = %s
"""
_NEWEST_SCHEMA = """
(SELECT max(s.oid::bigint) FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)
"""
_TABLES_SINCE = """
SELECT n.nspname, c.relname FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.prpubid = %s AND r.oid::bigint > %s
"""
_SCHEMAS_SINCE = """
SELECT n.nspname FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid
WHERE s.pnpubid = %s AND s.oid::bigint > %s
"""
_BY_SCHEMA = "FOR TABLES IN SCHEMA"


class Mark(NamedTuple):
    """A publication's catalog entries, as numbers that differ once it was altered."""

    publication: int
    """Its own oid. Another one was made anew: by pg_upgrade, or in a restored database."""
    row: int
    """The transaction that has written its row: options, owner and name."""
    owner: int
    newest: int
    """The highest oid among its tables and schemas: what is added again gets a higher one."""


def find(connection: Connection, name: str) -> Mark | None:
    """A publication's mark; None where there is no publication of that name."""
    by_schema = capabilities.has(_BY_SCHEMA, connection.info.server_version)
    query = _FIND.format(schemas=_NEWEST_SCHEMA if by_schema else "0")
    found = rows(connection, query, name)
    return Mark(*found[0]) if found else None


def altered(
    connection: Connection, left: Mark | None, now: Mark | None, captured: Collection[TableName]
) -> set[TableName]:
    """The captured tables that may not have been published for a while.

    `left`: the mark when this stack has altered it last; None where that is not known.
    """
    if left is None or now is None or left.publication != now.publication or left == now:
        return set()
    # Another owner is no other content; whether an option was changed too, nobody can tell.
    if left.row != now.row and left.owner == now.owner:
        return set(captured)
    if now.newest <= left.newest:
        return set()
    found = {
        TableName(*row) for row in rows(connection, _TABLES_SINCE, now.publication, left.newest)
    }
    if capabilities.has(_BY_SCHEMA, connection.info.server_version):
        schemas = rows(connection, _SCHEMAS_SINCE, now.publication, left.newest)
        found |= {table for table in captured if table.schema in schemas}
    return found.intersection(captured)
