"""Column lists and row filters that the replica identity must cover.

PostgreSQL refuses UPDATE and DELETE, *for the application*, on a published table whose replica
identity has a column that is not published, or whose row filter uses a column that is not in the
identity. It does so when the application writes, not when the publication is made; so it is looked
at here, before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import identity_index
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.database.tables import columns
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed

# Rows are in leaves, and each leaf has an identity of its own.
_LEAVES = """
WITH RECURSIVE family(root_schema, root_name, oid) AS (
    SELECT n.nspname, c.relname, c.oid
    FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
    UNION ALL SELECT root_schema, root_name, i.inhrelid
    FROM family JOIN pg_inherits i ON i.inhparent = family.oid
    JOIN pg_class child ON child.oid = i.inhrelid AND child.relispartition)
SELECT root_schema, root_name, n.nspname, c.relname,
    c.relreplident = 'f' AND chosen.index IS NULL,
    ARRAY(SELECT a.attname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
          JOIN pg_attribute a ON a.attrelid = x.indrelid
          AND a.attnum = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1])
          WHERE x.indrelid = c.oid AND CASE
              WHEN chosen.index IS NOT NULL THEN quote_ident(i.relname) = chosen.index
              WHEN c.relreplident = 'd' THEN x.indisprimary
              ELSE c.relreplident = 'i' AND x.indisreplident END),
    ARRAY(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attgenerated = 's' AND NOT a.attisdropped),
    ARRAY(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attgenerated = 'v' AND NOT a.attisdropped)
FROM family JOIN pg_class c ON c.oid = family.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN unnest(%s::text[], %s::text[], %s::text[]) AS chosen(schema, name, index)
    ON (chosen.schema, chosen.name) = (n.nspname, c.relname)
WHERE c.relkind = 'r' ORDER BY 1, 2, 3, 4
"""
_WITH_GENERATED_COLUMNS = """
SELECT DISTINCT n.nspname, c.relname
FROM pg_attribute a JOIN pg_class leaf ON leaf.oid = a.attrelid AND leaf.relkind IN ('r', 'p')
JOIN pg_class c ON c.oid = coalesce(pg_partition_root(leaf.oid), leaf.oid)
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attgenerated <> '' AND NOT a.attisdropped
"""

FilterColumns = Mapping[TableName, tuple[str, ...]]


@dataclass(frozen=True)
class _Leaf:
    """A table that holds rows, and the captured table that it is or is a partition of."""

    root: TableName
    name: TableName
    is_full: bool
    identity: frozenset[str]
    stored: frozenset[str]
    virtual: frozenset[str]

    def faults(self, wanted: Definition, used: FilterColumns) -> Iterator[str]:
        """Why UPDATE and DELETE would fail on it."""
        columns = wanted.columns.get(self.root)
        if self.is_full:
            if columns:
                yield f"{self.name} has REPLICA IDENTITY FULL, which takes no column list"
        elif self.identity:
            lacking = self.identity - set(columns or self.identity)
            if lacking:
                yield (
                    f"columns of {self.root} lack {listed(sorted(lacking))}, of the replica "
                    f"identity of {self.name}"
                )
            beyond = set(used.get(self.root, ())) - self.identity
            if beyond:
                identity = listed(sorted(self.identity))
                yield (
                    f"the row filter of {self.root} uses {listed(sorted(beyond))}, but the replica "
                    f"identity of {self.name} is {identity}"
                )

    def generated_fault(self, wanted: Definition) -> Iterator[str]:
        """From PostgreSQL 18 on: a generated column in the identity has to be published."""
        published = self.stored if wanted.generated_columns == "stored" else frozenset()
        published = frozenset(wanted.columns.get(self.root, published))
        unpublished = (self.stored | self.virtual) - (published - self.virtual)
        inside = unpublished if self.is_full else unpublished & self.identity
        if inside:
            yield (
                f"the replica identity of {self.name} holds {listed(sorted(inside))}, generated "
                "and not published"
            )


def check_coverage(
    connection: Connection,
    captured: Collection[TableName],
    wanted: Definition,
    used: FilterColumns,
    full: Collection[TableName],
    indexes: Mapping[TableName, str],
) -> None:
    """Raise one CdcError with every table that could no longer be updated.

    `used`: the columns that each row filter uses. `full` and `indexes`: what is going to be REPLICA
    IDENTITY FULL or USING INDEX by the time it is published.
    """
    if not {"update", "delete"} & set(wanted.publish):
        return
    looked_at = {*wanted.columns, *wanted.filters}
    by_generated = capabilities.has(
        "generated columns in a publication", connection.info.server_version
    )
    if by_generated:
        generated = {TableName(*row) for row in rows(connection, _WITH_GENERATED_COLUMNS)}
        looked_at |= generated.intersection(captured)
    faults: list[str] = []
    for leaf in _leaves(connection, looked_at, full, indexes):
        faults += leaf.faults(wanted, used)
        faults += leaf.generated_fault(wanted) if by_generated else ()
    if faults:
        raise CdcError(
            f"UPDATE and DELETE would fail for the application once published: "
            f"{'; '.join(dict.fromkeys(faults[:20]))}. Remedy: columns must hold the whole replica "
            "identity, and a row filter may only use the identity's columns or needs "
            "replicaIdentityFull, with which no column list goes (where FULL has just left the "
            "settings: pulumi up without the list first); generatedColumns: stored publishes "
            "stored generated columns; or leave update and delete out of publish"
        )


def _leaves(
    connection: Connection,
    names: Collection[TableName],
    full: Collection[TableName],
    indexes: Mapping[TableName, str],
) -> Iterator[_Leaf]:
    if not names:
        return
    wanted = {table: index for table, index in indexes.items() if table in names}
    chosen = identity_index.with_partitions(connection, wanted) if wanted else {}
    found = rows(
        connection, _LEAVES, *columns(sorted(names)), *columns(chosen), list(chosen.values())
    )
    for root_schema, root_name, schema, name, is_full, *sets in found:
        root, leaf = TableName(root_schema, root_name), TableName(schema, name)
        will_be_full = is_full or root in full or leaf in full
        yield _Leaf(root, leaf, will_be_full, *map(frozenset, sets))
