"""Captured tables that an application could no longer update once they are published.

UPDATE and DELETE on a published table without a usable replica identity *fail for the application*:
a primary key, a chosen index or REPLICA IDENTITY FULL must tell the rows apart. So such a table is
refused before it is published, unless it is known to be only inserted into.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.identity_conflicts import conflicts
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed

_WITH_FORMER = """
WITH RECURSIVE former AS (
    SELECT c.oid, n.nspname, c.relname, wanted.identity
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted(schema, name, identity)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name),
lineage(oid, ancestor) AS (
    SELECT oid, oid FROM former
    UNION SELECT lineage.oid, i.inhparent FROM lineage
    JOIN pg_inherits i ON i.inhrelid = lineage.ancestor
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition)
SELECT former.nspname, former.relname,
    EXISTS (SELECT FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            WHERE x.indrelid = former.oid
            AND former.identity = 'USING INDEX ' || quote_ident(i.relname)),
    EXISTS (SELECT FROM pg_index x WHERE x.indrelid = former.oid
            AND x.indisprimary AND x.indimmediate AND x.indisvalid),
    former.oid IN (
        -- The view has partitions or their root, as the publication publishes them.
        SELECT lineage.oid FROM lineage JOIN pg_class c ON c.oid = lineage.ancestor
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_publication_tables t ON (t.schemaname, t.tablename) = (n.nspname, c.relname)
        JOIN pg_publication p USING (pubname) WHERE p.pubupdate OR p.pubdelete)
FROM former
"""
# From the tables without an identity, of which there are few, up to the roots that they belong to.
# Below 16384, the number of an object is one of PostgreSQL's own.
_WITHOUT = """
WITH RECURSIVE lineage(schema, name, ancestor) AS (
    SELECT n.nspname, c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AND NOT {has_identity}
    UNION SELECT lineage.schema, lineage.name, i.inhparent FROM lineage
    JOIN pg_inherits i ON i.inhrelid = lineage.ancestor
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition)
SELECT lineage.schema, lineage.name, n.nspname, c.relname FROM lineage
JOIN pg_class c ON c.oid = lineage.ancestor JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 2
"""


def restorable(connection: Connection, former: Mapping[str, str]) -> dict[str, str]:
    """Those of the former identities that can come back without an application noticing.

    An index that is gone gives way to the primary key. What is published, by anybody, and would be
    without an identity, or with one that its column list or row filter does not go with, is left
    out.
    """
    if not former:
        return {}
    columns = tables.columns(map(TableName.parse, former))
    result = {}
    for schema, name, has_index, has_key, published in rows(
        connection, _WITH_FORMER, *columns, list(former.values())
    ):
        table = str(TableName(schema, name))
        identity = former[table]
        if identity.startswith("USING INDEX") and not has_index:
            identity = "DEFAULT"
        usable = {"DEFAULT": has_key, "NOTHING": False}.get(identity, True)
        if usable or not published:
            result[table] = identity
    unfit = conflicts(connection, result)
    return {table: identity for table, identity in result.items() if table not in unfit}


def check_identities(
    connection: Connection, captured: Collection[TableName], allowed: Collection[TableName]
) -> None:
    """Raise one CdcError with every captured table without an identity that is not `allowed`.

    Partitions count for themselves, and not their root: rows are in them, and no identity is
    inherited.
    """
    lineages: dict[TableName, set[TableName]] = {}
    query = _WITHOUT.format(has_identity=tables.HAS_IDENTITY)
    for schema, name, *ancestor in rows(connection, query):
        lineages.setdefault(TableName(schema, name), set()).add(TableName(*ancestor))
    looked_at = set(captured)
    without = [
        table
        for table, lineage in lineages.items()
        if not lineage.isdisjoint(looked_at) and lineage.isdisjoint(allowed)
    ]
    if without:
        raise CdcError(
            f"{listed(without)}: no primary key and no replica identity, so that UPDATE and DELETE "
            "would fail for the application once published. Remedy: add a primary key, add them to "
            "replicaIdentityFull or replicaIdentityIndex or, where rows are only ever inserted, to "
            "allowWithoutIdentity"
        )
