"""What `up` says of a publication at each run: what leaves it, and what is not in it."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence

from azure_postgres_cdc import acknowledge, capabilities
from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.capture import CaptureArgs, captured_schemas
from azure_postgres_cdc.database.connection import Connection, together
from azure_postgres_cdc.database.publication_catalog import (
    ALL_TABLES,
    IN_SCHEMAS,
    LISTED,
    Definition,
)
from azure_postgres_cdc.names import CONNECTORS_TABLES, TableName, listed, quoted
from azure_postgres_cdc.publication_options import CHANGES

# Those that are listed in the publication, and stay in it, need not travel.
_CANDIDATES = """
SELECT n.nspname, c.relname, CASE WHEN c.relkind = 'f' THEN ' (foreign)'
                                  WHEN c.relpersistence = 'u' THEN ' (unlogged)' ELSE '' END,
       c.relkind = 'f' OR c.relpersistence = 'u'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (SELECT r.prrelid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
           WHERE p.pubname = %s) listed ON listed.prrelid = c.oid
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
  AND NOT c.relispartition AND c.relname <> ALL(%s)
  AND (listed.prrelid IS NULL
       OR (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[])))
"""
# Those whose root is in another schema: a partition is captured as its root, and by no other name.
_PARTITIONS = """
UNION ALL
SELECT n.nspname, c.relname, format(' (a partition of %%I.%%I)', o.nspname, r.relname), false
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace o ON o.oid = r.relnamespace
WHERE c.relispartition AND c.relkind IN ('r', 'f') AND n.nspname = ANY(%s) AND o.nspname <> ALL(%s)
"""
# Rows of a published root that are in no WAL, or in another server's.
_SILENT_PARTITIONS = """
SELECT n.nspname, c.relname, format(' (%%s partition of %%I.%%I)', CASE WHEN c.relkind = 'f'
           THEN 'a foreign' ELSE 'an unlogged' END, o.nspname, r.relname), o.nspname, r.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace o ON o.oid = r.relnamespace
WHERE c.relispartition AND (c.relkind = 'f' OR c.relkind = 'r' AND c.relpersistence = 'u')
  AND o.nspname = ANY(%s)
ORDER BY 1, 2
"""


def unpublished(
    connection: Connection,
    name: str,
    capture: CaptureArgs,
    found: Definition | None,
    published: Definition,
) -> Iterator[str]:
    """At most one line: tables of the captured schemas whose changes nobody gets.

    `found`: the publication as it is now; `published`: as it is going to be.
    """
    schemas = captured_schemas(capture)
    if schemas is None:
        schemas = tables.user_schemas(connection)
    leaving = tables.columns(found.tables - published.tables if found else ())
    query, parameters = _CANDIDATES, [name, schemas, [*CONNECTORS_TABLES], *leaving]
    partitioned = capabilities.has("pg_partition_root", connection.info.server_version)
    if partitioned:
        query, parameters = query + _PARTITIONS, [*parameters, schemas, schemas]
    silent, candidates = together(
        connection,
        (_SILENT_PARTITIONS, schemas) if partitioned else None,
        (f"{query} ORDER BY 1, 2", *parameters),
    )
    missing = [
        f"{TableName(schema, table)}{kind}"
        for schema, table, kind, never in candidates
        if never or TableName(schema, table) not in published
    ]
    missing += [
        f"{TableName(schema, table)}{kind}"
        for schema, table, kind, *root in silent
        if TableName(*root) in published
    ]
    if missing:
        yield f"not in publication {quoted(name)}, though in a captured schema: {listed(missing)}"


def heirs_left_out(connection: Connection, published: Container[TableName]) -> Iterator[str]:
    """At most one line: tables whose rows a snapshot of a published one reads, unfollowed."""
    left_out = [
        f"{heir} (from {ancestor})"
        for heir, ancestor in tables.heirs(connection)
        if ancestor in published and heir not in published
    ]
    if left_out:
        yield (
            f"tables that inherit from a published one are not published: {listed(left_out)}: a "
            "snapshot of that one reads their rows, and their changes never arrive. Remedy: "
            "capture them too"
        )


def dropped(
    connection: Connection, name: str, found: Definition, wanted: Definition
) -> Iterator[str]:
    """At most two lines: tables, or schemas, that leave a publication of the same kind."""
    gone = {table for table in found.tables if table not in wanted}
    if gone:  # one that became a partition goes on as its root
        gone -= set(tables.with_partitions(connection, wanted.tables))
    schemas = sorted(found.schemas - wanted.schemas)
    if gone:
        names = listed(sorted(gone))
        yield f"{names} leaves publication {quoted(name)}: changes are no longer captured"
    if schemas and not wanted.all_tables:
        yield (
            f"publication {quoted(name)} no longer takes new tables of schema {listed(schemas)} by "
            "itself"
        )


def gone(
    connection: Connection, before: Sequence[str], now: Sequence[str], found: Definition
) -> Iterator[str]:
    """At most one line: what was published at the last `up`, and is not there under its name.

    What is taken out of the publication now is `dropped`.
    """
    if before == now:
        return
    names = {TableName.parse(name) for name in set(before).difference(now)} - found.tables
    if names:  # one that became a partition goes on as its root
        names -= set(tables.with_partitions(connection, map(TableName.parse, now)))
    if names:
        yield (
            f"{listed(sorted(names))}, published until the last up, is not any more: dropped, "
            "renamed, moved, made unlogged, or its schema is not captured any more"
        )


def narrowed(name: str, found: Definition, wanted: Definition) -> Iterator[str]:
    """What is no longer published of tables that stay, and what was not published for a while."""
    publication = f"publication {quoted(name)}"
    less, more = set(found.publish) - set(wanted.publish), set(wanted.publish) - set(found.publish)
    if less:
        yield (
            f"{publication} no longer publishes {_kinds(less)}: from now on they are lost to the "
            "connector, of every table"
        )
    missed = more & {"delete", "truncate"}
    if missed:
        yield (
            f"{publication} publishes {_kinds(missed)} again: rows that went meanwhile are still "
            "in the destination, and no snapshot takes them away. Remedy: empty the destination's "
            "tables before their snapshot"
        )
    stay = sorted(found.tables & wanted.tables)
    filtered = [
        table for table in stay if wanted.filters.get(table) not in (None, found.filters.get(table))
    ]
    if filtered:
        yield (
            f"{publication} has another row filter for {listed(filtered)}: what it leaves out is "
            "not captured from now on, and stays in the destination as it is"
        )
    columns = [
        f"{table} ({listed(left)})" for table in stay if (left := _left_out(table, found, wanted))
    ]
    if columns:
        yield (
            f"{publication} no longer publishes columns of {listed(columns)}: from now on their "
            "values are lost to the connector"
        )
    if found.generated_columns != "none" and wanted.generated_columns == "none":
        yield f"{publication} no longer publishes generated columns"


def _left_out(table: TableName, found: Definition, wanted: Definition) -> list[str]:
    """The columns that leave; of a table that had no list, those that stay are told."""
    columns = wanted.columns.get(table)
    if columns is None:
        return []
    if table not in found.columns:
        return [f"all but {listed(columns)}"]
    return sorted(set(found.columns[table]).difference(columns))


def _kinds(kinds: Collection[str]) -> str:
    return ", ".join(kind.upper() for kind in CHANGES if kind in kinds)


def unneeded_words(
    name: str,
    words: Collection[str],
    found: Definition,
    wanted: Definition,
    captured: Iterable[TableName],
    needed: Collection[TableName],
) -> Iterator[str]:
    """Acknowledgements that have done their work: left in, they would allow it another time."""
    if not words:
        return
    done = {acknowledge.snapshot_of(table) for table in captured if table not in needed}
    if found.kind == wanted.kind:
        kinds = (ALL_TABLES, IN_SCHEMAS, LISTED)
        done |= {acknowledge.replace_publication(name, kind, wanted.kind) for kind in kinds}
    if found.via_partition_root == wanted.via_partition_root:
        done.add(acknowledge.partition_root(name, value=wanted.via_partition_root))
    if not needed:
        done.add(acknowledge.snapshot_of_all(name))
    for word in sorted(done.intersection(words)):
        yield f"acknowledge: '{word}' is not needed any more; take it out"
