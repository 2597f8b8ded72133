"""Which tables a capture set means, as the database has them now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.names import CONNECTORS_TABLES, TableName, is_system_schema

# Kinds in pg_class that a publication takes: ordinary and partitioned tables.
_KINDS = {
    "r": "a table",
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "c": "a composite type",
}

# A deferrable primary key is none, nor is an index whose creation has failed.
HAS_IDENTITY = """
(c.relreplident = 'f'
 OR c.relreplident = 'd' AND c.oid IN (
    SELECT indrelid FROM pg_index WHERE indisprimary AND indimmediate AND indisvalid)
 OR c.relreplident = 'i' AND c.oid IN (
    SELECT indrelid FROM pg_index WHERE indisreplident AND indimmediate AND indisvalid))
"""
_DESCRIBE = """
SELECT wanted.schema, wanted.name, c.relkind::text, c.relpersistence::text, c.relispartition,
       pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'), {has_identity}
FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
LEFT JOIN pg_namespace n ON n.nspname = wanted.schema
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
"""
_NOT_PLAIN = """
WHERE (c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition
       AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
       AND pg_has_role(c.relowner, 'USAGE')) IS NOT TRUE
"""
_NOT_OURS = "WHERE pg_has_role(c.relowner, 'USAGE') IS FALSE "
_IN_ORDER = "ORDER BY 1, 2"
# What an extension has made (PostGIS: spatial_ref_sys) is the extension's, where it is not the
# administrator's own. And a connector's signals and heartbeats are nobody's data: another one that
# captures the schema would send them to its destination.
_IN_SCHEMAS = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
  AND NOT c.relispartition AND c.relname <> ALL(%s)
  AND (pg_has_role(c.relowner, 'USAGE') OR NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
"""
# A query of a table shows the rows of those that inherit from it, at any depth.
_HEIRS = """
WITH RECURSIVE heir(oid, ancestor) AS (
    SELECT i.inhrelid, i.inhparent FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'f') AND NOT c.relispartition
    UNION SELECT heir.oid, i.inhparent FROM heir JOIN pg_inherits i ON i.inhrelid = heir.ancestor)
SELECT n.nspname, c.relname, o.nspname, a.relname FROM heir
JOIN pg_class c ON c.oid = heir.oid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class a ON a.oid = heir.ancestor JOIN pg_namespace o ON o.oid = a.relnamespace
ORDER BY 1, 2, 3, 4
"""
# What FOR TABLES IN SCHEMA publishes by its own name, as long as the root is not published.
_PARTITIONS_IN_SCHEMAS = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.relispartition
"""
# As with tables.
_USER_SCHEMAS = """
SELECT nspname FROM pg_namespace n
WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'
  AND (pg_has_role(nspowner, 'USAGE') OR NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'))
ORDER BY 1
"""
_WITH_PARTITIONS = """
WITH RECURSIVE family(oid) AS (
    SELECT c.oid FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
    UNION SELECT i.inhrelid FROM family JOIN pg_inherits i ON i.inhparent = family.oid
          JOIN pg_class child ON child.oid = i.inhrelid AND child.relispartition)
SELECT n.nspname, c.relname FROM family
JOIN pg_class c ON c.oid = family.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
"""
_LEAVES = """
WITH RECURSIVE family(schema, name, oid) AS (
    SELECT wanted.schema, wanted.name, c.oid
    FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name AND c.relkind = 'p'
    UNION ALL SELECT schema, name, i.inhrelid
    FROM family JOIN pg_inherits i ON i.inhparent = family.oid)
SELECT family.schema, family.name, n.nspname, c.relname
FROM family JOIN pg_class c ON c.oid = family.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
   OR (n.nspname, c.relname) = (family.schema, family.name)
"""
# What FOR TABLES IN SCHEMA publishes by its own name: no table above it is in one of the schemas.
_ORPHANS = """
SELECT o.nspname, r.relname, n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace o ON o.oid = r.relnamespace
WHERE n.nspname = ANY(%s) AND c.relispartition AND c.relkind = ANY(%s) AND c.relpersistence = 'p'
  AND NOT EXISTS (
    SELECT FROM pg_partition_ancestors(c.oid) above JOIN pg_class a ON a.oid = above.relid
    JOIN pg_namespace s ON s.oid = a.relnamespace
    WHERE a.oid <> c.oid AND a.relkind = 'p' AND s.nspname = ANY(%s))
"""
_OWNERS = """
SELECT DISTINCT pg_get_userbyid(c.relowner)
FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
"""
# A grant by the owner is seen in the row itself; to look up the rest takes its time.
IS_CLOSED = """
CASE WHEN c.relacl @> makeaclitem(r.oid, c.relowner, 'SELECT', false) THEN false
     ELSE NOT coalesce(has_table_privilege(r.oid, c.oid, 'SELECT'), false) END
"""
_UNREADABLE = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles r ON r.rolname = %s
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND {is_closed}
"""


class Table(NamedTuple):
    """What matters about a table that is to be captured."""

    name: TableName
    kind: str | None
    persistence: str | None
    is_partition: bool
    owner: str
    is_ours: bool
    """Whether the administrator is the owner or has its privileges, which publishing needs."""
    has_identity: bool
    """Whether UPDATE and DELETE can be published: a primary key, a chosen index, or FULL."""

    @property
    def fault(self) -> str | None:
        """Why the table cannot be published, if it cannot."""
        if self.kind is None:
            return f"{self.name} does not exist"
        if self.kind not in "rp":
            return f"{self.name} is {_KINDS.get(self.kind, 'no table')}, which has no changes"
        if self.persistence != "p":
            kind = "an unlogged" if self.persistence == "u" else "a temporary"
            return f"{self.name} is {kind} table, whose changes are not in the WAL"
        if self.is_partition:
            return f"{self.name} is a partition: list its root table instead"
        if is_system_schema(self.name.schema):
            return f"{self.name} is PostgreSQL's own, which is not captured"
        return None

    def ownership_fault(self, statements: Mapping[str, str]) -> str | None:
        """Why the administrator may neither publish nor alter the table, if it may not.

        `statements`: for each owner out of reach, what would give the administrator its privileges.
        """
        if self.is_ours or self.owner not in statements:
            return None
        return (
            f"{self.name} belongs to {self.owner}: publishing it needs membership in that role "
            f"({statements[self.owner]}, run by a role that may)"
        )


def describe(connection: Connection, names: Iterable[TableName]) -> list[Table]:
    """Look up any number of tables in one round trip."""
    return _described(connection, _IN_ORDER, names)


def has_partitioned(connection: Connection, names: Iterable[TableName]) -> bool:
    """Whether any of the tables is the root of partitions."""
    return any(table.kind == "p" for table in describe(connection, names))


def in_the_way(connection: Connection, names: Iterable[TableName]) -> list[Table]:
    """Only those that are no tables of the administrator's own: of ten thousand, hardly any."""
    return _described(connection, _NOT_PLAIN + _IN_ORDER, names)


def of_others(connection: Connection, names: Iterable[TableName]) -> list[Table]:
    """Only those whose owner's privileges the administrator has not."""
    return _described(connection, _NOT_OURS + _IN_ORDER, names)


def unreadable(connection: Connection, names: Collection[TableName], role: str) -> list[TableName]:
    """Those that a role may not read: a connector's snapshot would stall on the first of them."""
    schemas = sorted({table.schema for table in names})
    found = rows(connection, _UNREADABLE.format(is_closed=IS_CLOSED), role, schemas)
    return sorted({TableName(*row) for row in found}.intersection(names))


def owners_of(connection: Connection, names: Iterable[TableName]) -> list[str]:
    """The roles that own any of the tables."""
    return rows(connection, _OWNERS, *columns(names))


def in_schemas(connection: Connection, schemas: Sequence[str]) -> list[TableName]:
    """Every table of the schemas to be captured: roots, not partitions, and no extension's.

    Nor a connector's own: whoever has it adds it.
    """
    found = rows(connection, _IN_SCHEMAS, list(schemas), [*CONNECTORS_TABLES])
    return sorted(TableName(*row) for row in found)


def partitions_in_schemas(connection: Connection, schemas: Sequence[str]) -> list[TableName]:
    """Every partition with rows in it, wherever its root is."""
    found = rows(connection, _PARTITIONS_IN_SCHEMAS, list(schemas)) if schemas else ()
    return sorted(TableName(*row) for row in found)


def heirs(connection: Connection) -> list[tuple[TableName, TableName]]:
    """Every table that inherits from another one, and that one; no partitions."""
    return [(TableName(*row[:2]), TableName(*row[2:])) for row in rows(connection, _HEIRS)]


def user_schemas(connection: Connection) -> list[str]:
    """Every schema that is neither PostgreSQL's own nor a foreign extension's."""
    return rows(connection, _USER_SCHEMAS)


def missing_schemas(connection: Connection, schemas: Iterable[str]) -> list[str]:
    """Those that are not in the database."""
    present = set(rows(connection, "SELECT nspname FROM pg_namespace"))
    return [schema for schema in schemas if schema not in present]


def with_partitions(connection: Connection, names: Iterable[TableName]) -> list[TableName]:
    """The tables, and every partition below them at any depth; no foreign tables."""
    found = rows(connection, _WITH_PARTITIONS, *columns(names))
    return sorted(TableName(*row) for row in found)


def leaves(connection: Connection, names: Iterable[TableName]) -> dict[TableName, set[TableName]]:
    """Of those that are partitioned: the partitions that hold their rows, if there are any."""
    found = _by_root(rows(connection, _LEAVES, *columns(names)))
    return {root: leaves - {root} for root, leaves in found.items()}


def orphans(
    connection: Connection, schemas: Sequence[str], *, via_root: bool
) -> dict[TableName, set[TableName]]:
    """Of roots that are in none of the schemas: the partitions that FOR TABLES IN SCHEMA publishes.

    `via_root`: one that has partitions itself stands for them.
    """
    kinds = ["r", "p"] if via_root else ["r"]
    return _by_root(rows(connection, _ORPHANS, schemas, kinds, schemas))


def _by_root(found: Iterable[Sequence[str]]) -> dict[TableName, set[TableName]]:
    """Each partition, which is the second of two names, under its root."""
    by_root: dict[TableName, set[TableName]] = {}
    for schema, name, *leaf in found:
        by_root.setdefault(TableName(schema, name), set()).add(TableName(*leaf))
    return by_root


def columns(names: Iterable[TableName]) -> tuple[str, str]:
    """Names as two arrays, of the schemas and of the tables, for a query's unnest()."""
    ordered = list(names)
    return _array([table.schema for table in ordered]), _array([table.name for table in ordered])


def _array(texts: Sequence[str]) -> str:
    """As PostgreSQL reads an array: ten times as fast for a long one as a list that is adapted."""
    escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '{"' + '","'.join(escaped) + '"}' if escaped else "{}"


def _described(connection: Connection, which: str, names: Iterable[TableName]) -> list[Table]:
    query = _DESCRIBE.format(has_identity=HAS_IDENTITY) + which
    found = rows(connection, query, *columns(names))
    return [Table(TableName(schema, name), *rest) for schema, name, *rest in found]
