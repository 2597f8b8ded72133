"""Which index stands for a table's rows, where the setting names one: REPLICA IDENTITY USING INDEX.

PostgreSQL takes a unique index that tells all rows apart at any time. The setting is not inherited,
so every partition gets its own part of the index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed, quoted

_INDEXES = """
WITH RECURSIVE family(root, relid, indexid) AS (
    SELECT wanted.ordinal, c.oid,
           (SELECT x.indexrelid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            WHERE x.indrelid = c.oid AND i.relname = wanted.index)
    FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY
         AS wanted(schema, name, index, ordinal)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
    UNION
    SELECT family.root, child.oid,
           (SELECT x.indexrelid FROM pg_index x
            JOIN pg_inherits part ON part.inhrelid = x.indexrelid
            WHERE part.inhparent = family.indexid AND x.indrelid = child.oid)
    FROM family JOIN pg_inherits i ON i.inhparent = family.relid
    JOIN pg_class child ON child.oid = i.inhrelid AND child.relispartition)
SELECT family.root, n.nspname, c.relname, quote_ident(index.relname),
       x.indisunique, x.indimmediate, x.indpred IS NULL, x.indexprs IS NULL, x.indisvalid,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid
             AND NOT a.attnotnull AND a.attnum = ANY((x.indkey::smallint[])[0:
                 -- without INCLUDE's columns, which PostgreSQL 10 does not have
                 coalesce((to_jsonb(x) ->> 'indnkeyatts')::int, x.indnatts) - 1])
             ORDER BY a.attnum)
FROM family
JOIN pg_class c ON c.oid = family.relid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index x ON x.indexrelid = family.indexid
LEFT JOIN pg_class index ON index.oid = family.indexid
ORDER BY n.nspname, c.relname
"""
_FAULTS = (
    "is not unique",
    "is deferrable",
    "is partial",
    "is on an expression",
    "is not valid: it was not built to its end, or not every partition has it",
)


def with_partitions(
    connection: Connection, wanted: Mapping[TableName, str]
) -> dict[TableName, str]:
    """Each table and each of its partitions with the name of its own index, quoted as in SQL.

    Raises one CdcError with every index that PostgreSQL would not take.
    """
    asked = sorted(wanted.items())
    columns = [[table.schema for table, _ in asked], [table.name for table, _ in asked]]
    found = rows(connection, _INDEXES, *columns, [index for _, index in asked])
    result, faults = {}, []
    for root, schema, name, index, *rest in found:
        table, (root_table, root_index) = TableName(schema, name), asked[root - 1]
        if index is not None:
            result[table] = index
            faults += [f"{index} of {table} {fault}" for fault in _faults(*rest)]
        elif table == root_table:
            faults.append(f"{table} has no index {quoted(root_index)}")
        else:
            faults.append(f"partition {table} has no part of {quoted(root_index)}")
    if faults:
        raise CdcError(
            f"database {connection.info.dbname}: no replica identity: {listed(faults)}. Remedy: in "
            "replicaIdentityIndex, name a unique index that is neither partial nor deferrable, on "
            "columns that are NOT NULL"
        )
    return result


def _faults(*found: Any) -> Iterator[str]:
    *in_order, nullable = found
    yield from (fault for fault, fine in zip(_FAULTS, in_order, strict=True) if not fine)
    if nullable:
        yield f"is on {listed(map(quoted, nullable))}, which may be NULL"
