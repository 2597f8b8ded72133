"""Partitions that had rows already when they were attached to a captured table.

To load a table on its own and then ATTACH PARTITION is the usual way to bring in many rows at once.
None of them is a change of the partitioned table, so that none of them ever arrives by itself. What
was attached by the last `up` is remembered, because the catalog's transaction numbers begin anew
after four billion: they tell two events of today apart, and not those of two years.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import first_rows, tables
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.membership import acting_for
from azure_postgres_cdc.database.needs_snapshot import full_transaction_id
from azure_postgres_cdc.names import TableName

_ROOTS = """
SELECT n.nspname, c.relname FROM pg_partitioned_table p
JOIN pg_class c ON c.oid = p.partrelid AND NOT c.relispartition
JOIN pg_namespace n ON n.oid = c.relnamespace
"""
# What was made as a partition got its row type in the same transaction, and its columns before;
# ATTACH PARTITION changes the columns of what was there.
_ATTACHED = """
SELECT c.oid::text || ':' || i.xmin::text, n.nspname, r.relname, c.oid::bigint, i.xmin::text,
       i.cmin::text::bigint, age(i.xmin) < age(publication.xmin),
       txid_snapshot_xmax(txid_current_snapshot())
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
JOIN pg_type t ON t.oid = c.reltype
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace n ON n.oid = r.relnamespace
LEFT JOIN pg_publication publication ON publication.pubname = %s
WHERE (n.nspname, r.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
  AND (t.xmin <> i.xmin OR EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.xmin = i.xmin AND a.cmin = i.cmin))
ORDER BY c.oid
"""
_LEAVES = """
SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner),
       has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
       a.xmin::text
FROM pg_partition_tree(%s::oid::regclass) t JOIN pg_class c ON c.oid = t.relid AND c.relkind = 'r'
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'ctid'
WHERE pg_relation_size(c.oid) > 0
"""
# Some of the first rows are enough: what is loaded before is in front. A row that has come since
# is younger, or of a later command; any other number is of before, however long ago. Rows that are
# older than their table have come with pg_upgrade, which attaches anew what was attached before; it
# makes publications at the end.
_HAS_OLDER_ROWS = """
SELECT EXISTS (SELECT FROM (SELECT xmin, cmin::text::bigint AS command FROM {} LIMIT 1000) first
               WHERE (NOT age(first.xmin) BETWEEN 0 AND age(%s::xid)
                      OR first.xmin = %s::xid AND first.command < %s)
                 AND (%s OR age(%s::xid) < 0 OR age(first.xmin) BETWEEN 0 AND age(%s::xid)))
"""


class Attached(NamedTuple):
    """One that was a table of its own before."""

    key: str
    """Which one, and since when: another one once it was detached and attached again."""
    root: TableName
    oid: int
    since: str
    """The transaction that attached it."""
    command: int
    """And which of its commands."""
    is_later: bool | None
    """Than the publication. Right for what has happened of late."""
    now: int
    """A transaction's whole number, not far from `since`."""


def find(
    connection: Connection, publication: str, captured: Collection[TableName]
) -> list[Attached] | None:
    """Every one below a captured table; None where the server is too old to tell."""
    if not capabilities.has("pg_partition_root", connection.info.server_version):
        return None
    roots = {TableName(*row) for row in rows(connection, _ROOTS)}.intersection(captured)
    if not roots:
        return []
    found = rows(connection, _ATTACHED, publication, *tables.columns(roots))
    return [Attached(key, TableName(schema, name), *rest) for key, schema, name, *rest in found]


def new_among(attached: Iterable[Attached], known: Collection[str] | None) -> list[Attached]:
    """Those that were attached since the last `up`.

    `known`: what was attached then; None where nobody has looked so far.
    """
    return [
        item for item in attached if (item.is_later if known is None else item.key not in known)
    ]


def brought_rows(
    connection: Connection, attached: Iterable[Attached], *, via_root: bool = True
) -> dict[str, int]:
    """The captured tables whose partitions brought rows along, and the last transaction that did.

    As `needs_snapshot` records them: a snapshot that is signalled afterwards settles it. Not
    `via_root`: the partitions themselves, by whose names their changes are published.
    """
    leaves = [
        (item, _Leaf(TableName(schema, name), *rest))
        for item in attached
        for schema, name, *rest in rows(connection, _LEAVES, item.oid)
    ]
    found: dict[str, int] = {}
    if not leaves:
        return found
    owners = {leaf.owner for _, leaf in leaves if not leaf.is_readable}
    with connection.transaction(force_rollback=True), acting_for(connection, owners):
        for item, leaf in leaves:
            if _has_older_rows(connection, item, leaf):
                since = full_transaction_id(int(item.since), item.now)
                name = str(item.root if via_root else leaf.table)
                found[name] = max(since, found.get(name, 0))
    return found


class _Leaf(NamedTuple):
    """A table that holds the rows of a partition."""

    table: TableName
    owner: str
    is_readable: bool
    """By the administrator, as it is."""
    made: str
    """The transaction that made it: nothing changes the row of a system column afterwards."""


def _has_older_rows(connection: Connection, attached: Attached, leaf: _Leaf) -> bool:
    since = attached.since, attached.since, attached.command
    parameters = *since, attached.is_later, leaf.made, leaf.made
    why = f"attached to {attached.root}"
    return first_rows.there_may_be(connection, _HAS_OLDER_ROWS, leaf.table, parameters, why)
