"""What a record says of a server and its databases, read from the catalog.

A fixed number of queries, whatever the number of tables. Never read: rows, passwords, defaults,
CHECK constraints, comments, the text of views and functions, settings of roles. The sizes are those
of the last ANALYZE, rounded to one digit, so that the same server gives the same record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.names import TableName

Json = dict[str, Any]

PARAMETERS = (
    "azure.extensions",
    "hot_standby_feedback",
    "idle_in_transaction_session_timeout",
    "idle_replication_slot_timeout",
    "logical_decoding_work_mem",
    "max_connections",
    "max_locks_per_transaction",
    "max_logical_replication_workers",
    "max_prepared_transactions",
    "max_replication_slots",
    "max_slot_wal_keep_size",
    "max_wal_senders",
    "max_worker_processes",
    "metrics.collector_database_activity",
    "password_encryption",
    "require_secure_transport",
    "shared_preload_libraries",
    "statement_timeout",
    "sync_replication_slots",
    "track_commit_timestamp",
    "wal_keep_size",
    "wal_level",
    "wal_sender_timeout",
)
"""The server parameters that matter to change data capture, beside those that a stack sets."""

_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
_IDENTITIES = {"f": "full", "n": "nothing", "i": "index"}
_TYPES = {"e": "enum", "d": "domain", "c": "composite", "r": "range", "b": "base"}
_CHANGES = ("insert", "update", "delete", "truncate")

# pg_settings has several rows for no name, so this is as good as SHOW for each.
_PARAMETERS = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name"
# As JSON, because not every version has every column.
_ROLES = """
SELECT rolname, rolconnlimit,
       array_remove(ARRAY[
           CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
           CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
           CASE WHEN NOT rolinherit THEN 'NOINHERIT' END, CASE WHEN rolcanlogin THEN 'LOGIN' END,
           CASE WHEN rolreplication THEN 'REPLICATION' END,
           CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL)
FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY rolname
"""
# One role may be granted several times, by different grantors.
_MEMBERSHIPS = """
SELECT m.rolname, g.rolname, bool_or(a.admin_option),
       bool_or(coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, m.rolinherit)),
       bool_or(coalesce((to_jsonb(a) ->> 'set_option')::boolean, true))
FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
WHERE m.rolname NOT LIKE 'pg\\_%' GROUP BY 1, 2 ORDER BY 1, 2
"""
_SLOTS = """
SELECT slot_name, slot_type, plugin::text, database::text,
       coalesce((to_jsonb(s) ->> 'failover')::boolean, false)
FROM pg_replication_slots s WHERE NOT temporary ORDER BY slot_name
"""
_DATABASE = """
SELECT pg_get_userbyid(datdba), pg_database_size(oid), (
    SELECT json_agg(json_build_array(coalesce(r.rolname, 'public'), a.privilege_type))
    FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE a.grantee <> datdba)
FROM pg_database WHERE datname = current_database()
"""
# What stands in the braces of the queries below.
_OF_USERS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
# An extension's types may take a modifier that nothing else could read: geometry(Point,4326).
_BUILT_IN = "(SELECT oid FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace)"
_TYPE = f"format_type(a.atttypid, CASE WHEN a.atttypid IN {_BUILT_IN} THEN a.atttypmod END)"
_BASE = f"format_type(t.typbasetype, CASE WHEN t.typbasetype IN {_BUILT_IN} THEN t.typtypmod END)"

_EXTENSIONS = "SELECT extname, extversion FROM pg_extension ORDER BY extname"
_SCHEMAS = """
SELECT n.nspname, pg_get_userbyid(n.nspowner), (
    SELECT json_agg(json_build_array(coalesce(r.rolname, 'public'), a.privilege_type))
    FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE a.grantee <> n.nspowner)
FROM pg_namespace n WHERE {of_users}
"""
_TYPE_DETAILS = """
SELECT n.nspname, t.typname, t.typtype::text, pg_get_userbyid(t.typowner),
       CASE t.typtype
       WHEN 'e' THEN (SELECT json_agg(enumlabel ORDER BY enumsortorder)
                      FROM pg_enum WHERE enumtypid = t.oid)
       WHEN 'd' THEN to_json({base_type})
       WHEN 'r' THEN (SELECT to_json(format_type(rngsubtype, NULL))
                      FROM pg_range WHERE rngtypid = t.oid)
       WHEN 'c' THEN (SELECT json_agg(json_build_array(a.attname,
                          {type})
                          ORDER BY a.attnum)
                      FROM pg_attribute a
                      WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE {of_users} AND t.typtype IN ('e', 'd', 'r', 'c', 'b')
  AND coalesce(c.relkind = 'c', true) AND NOT (t.typelem <> 0 AND t.typlen = -1)
ORDER BY 1, 2
"""
_RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_get_userbyid(c.relowner),
       c.relpersistence::text, c.relreplident::text, c.relrowsecurity, c.relforcerowsecurity,
       c.relpages::bigint * current_setting('block_size')::int, c.reltuples,
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
       CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
       ARRAY(SELECT json_build_array(pn.nspname, p.relname) FROM pg_inherits i
             JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
             WHERE i.inhrelid = c.oid ORDER BY i.inhseqno)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {of_users} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 2, 3
"""
_COLUMNS = """
SELECT c.oid, json_agg(json_build_array(a.attname,
           {type}, a.attnotnull,
           {generated}) ORDER BY a.attnum)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {of_users} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1
"""
_INDEXES = """
SELECT i.indrelid, ic.relname, i.indisprimary, i.indisreplident, NOT i.indimmediate,
       i.indpred IS NOT NULL,
       (SELECT json_agg(a.attname ORDER BY k.place)
        FROM unnest(i.indkey) WITH ORDINALITY k(attnum, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.place <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts)),
       (SELECT json_build_array(pn.nspname, p.relname) FROM pg_inherits h
        JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
        WHERE h.inhrelid = i.indexrelid)
FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {of_users} AND c.relkind IN ('r', 'p', 'm')
  AND i.indisunique AND i.indisvalid AND i.indexprs IS NULL ORDER BY 2
"""
_PUBLICATIONS = """
SELECT to_jsonb(p), pg_get_userbyid(p.pubowner) FROM pg_publication p ORDER BY p.pubname
"""
_PUBLISHED = """
SELECT p.pubname, n.nspname, c.relname, {restrictions}
FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
"""
_RESTRICTIONS = """CASE WHEN r.prattrs IS NOT NULL THEN ARRAY(
    SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum = ANY(r.prattrs) ORDER BY a.attnum) END,
CASE WHEN r.prqual IS NOT NULL THEN pg_get_expr(r.prqual, r.prrelid) END"""
_PUBLISHED_SCHEMAS = """
SELECT p.pubname, n.nspname FROM pg_publication p
JOIN pg_publication_namespace s ON s.pnpubid = p.oid JOIN pg_namespace n ON n.oid = s.pnnspid
ORDER BY 1, 2
"""


def server(connection: Connection, more_parameters: Iterable[str]) -> Json:
    """What belongs to the whole server: version, parameters, roles, slots."""
    names = sorted({*PARAMETERS, *more_parameters})
    return {
        "postgresql": _version(connection),
        "parameters": dict(rows(connection, _PARAMETERS, names)),
        "roles": _roles(connection),
        "slots": {
            name: _given(type=kind, plugin=plugin, database=database, failover=failover)
            for name, kind, plugin, database, failover in rows(connection, _SLOTS)
        },
    }


def database(connection: Connection, filtered: Collection[str]) -> Json:
    """One database. `filtered`: the publications whose row filters are the stack's own.

    Another one's filter may hold what is in its tables, and is left out.
    """
    ((owner, size, privileges),) = rows(connection, _DATABASE)
    schemas: dict[str, Json] = {
        name: {"owner": schema_owner, "privileges": _privileges(granted), "types": {}, "tables": {}}
        for name, schema_owner, granted in sorted(_of_users(connection, _SCHEMAS))
    }
    for schema, name, kind, type_owner, details in _of_users(connection, _TYPE_DETAILS):
        schemas[schema]["types"][name] = _type(kind, type_owner, details)
    for schema, name, table in _tables(connection):
        schemas[schema]["tables"][name] = table
    return {
        "owner": owner,
        "bytes": rough(size),
        "privileges": _privileges(privileges),
        "extensions": dict(rows(connection, _EXTENSIONS)),
        "schemas": schemas,
        "publications": _publications(connection, filtered),
    }


def rough(number: float) -> int:
    """A number with one digit that says something, so that it does not change every day."""
    digits = len(str(int(number)))
    return int(round(number, 1 - digits))


def _version(connection: Connection) -> str:
    number = connection.info.server_version
    return f"{number // 10000}.{number % 10000}"


def _roles(connection: Connection) -> dict[str, Json]:
    found: dict[str, Json] = {
        name: _given(attributes=sorted(attributes), connectionLimit=limit if limit >= 0 else None)
        for name, limit, attributes in rows(connection, _ROLES)
    }
    for member, group, admin, inherit, may_set in rows(connection, _MEMBERSHIPS):
        options = {"admin": admin, "inherit": inherit, "set": may_set}
        of = found[member].setdefault("memberOf", {})
        of[group] = [name for name, given in options.items() if given]
    return found


def _privileges(granted: list[list[str]] | None) -> Json:
    """Who has what, beside the owner. `public` is everybody: no role can have that name."""
    found: dict[str, set[str]] = {}
    for grantee, privilege in granted or ():
        found.setdefault(grantee, set()).add(privilege)
    return {grantee: sorted(found[grantee]) for grantee in sorted(found)}


def _type(kind: str, owner: str, details: Any) -> Json:
    of = {"e": "labels", "d": "base", "r": "subtype", "c": "columns"}
    if kind == "c":
        details = dict(details or ())
    return _given(kind=_TYPES[kind], owner=owner, **({of[kind]: details} if kind in of else {}))


def _tables(connection: Connection) -> Iterable[tuple[str, str, Json]]:
    known = capabilities.has("generated columns", connection.info.server_version)
    generated = "a.attgenerated::text" if known else "''"
    columns = dict(_of_users(connection, _COLUMNS, generated))
    indexes: dict[int, list[Any]] = {}
    for table, *index in _of_users(connection, _INDEXES):
        indexes.setdefault(table, []).append(index)
    for oid, schema, name, *described in _of_users(connection, _RELATIONS):
        found = _table(*described)
        found["columns"] = {column[0]: _column(*column[1:]) for column in columns.get(oid, ())}
        yield schema, name, found | _indexes(indexes.get(oid, ()))


def _table(
    kind: str,
    owner: str,
    persistence: str,
    identity: str,
    row_security: bool,
    forced: bool,
    size: int,
    count: float,
    partition_key: str | None,
    bound: str | None,
    parents: list[Any],
) -> Json:
    names = [_name(parent) for parent in parents]
    return _given(
        kind=_KINDS[kind] if kind != "r" else None,
        owner=owner,
        persistence="unlogged" if persistence == "u" else None,
        replicaIdentity=_IDENTITIES.get(identity) if kind in "rp" else None,
        rowSecurity=("forced" if forced else "on") if row_security else None,
        bytes=rough(size) or None,
        rows=rough(count) if count > 0 else None,
        partitionKey=partition_key,
        partitionOf=names[0] if bound is not None else None,
        bound=bound,
        inherits=names if names and bound is None else None,
    )


def _column(kind: str, not_null: bool, generated: str) -> str:
    """What stands after a column's name: its type, NOT NULL, and whether it is generated."""
    words = {"s": " GENERATED STORED", "v": " GENERATED VIRTUAL"}
    return kind + (" NOT NULL" if not_null else "") + words.get(generated, "")


def _indexes(found: Iterable[Any]) -> Json:
    """The primary key, and every index that may be a replica identity or fails to be one."""
    indexes: Json = {}
    for name, primary, identity, deferrable, partial, columns, parent in found:
        indexes[name] = _given(
            columns=columns,
            primaryKey=primary,
            replicaIdentity=identity,
            deferrable=deferrable,
            partial=partial,
            partitionOf=_name(parent) if parent else None,
        )
    return {"indexes": indexes} if indexes else {}


def _publications(connection: Connection, filtered: Collection[str]) -> Json:
    version = connection.info.server_version
    found: dict[str, Json] = {}
    for row, owner in rows(connection, _PUBLICATIONS):
        found[row["pubname"]] = _given(
            owner=owner,
            allTables=row["puballtables"],
            publish=[change for change in _CHANGES if row.get(f"pub{change}")],
            viaPartitionRoot=row.get("pubviaroot", False),
            generatedColumns="stored" if row.get("pubgencols") == "s" else None,
        )
    restricted = capabilities.has("column lists and row filters of a publication", version)
    query = _PUBLISHED.format(restrictions=_RESTRICTIONS if restricted else "NULL, NULL")
    for name, schema, table, columns, shown in sorted(rows(connection, query)):
        members = found[name].setdefault("tables", {})
        kept = shown if name in filtered else None
        members[str(TableName(schema, table))] = _given(columns=columns, filter=kept)
    if capabilities.has("FOR TABLES IN SCHEMA", version):
        for name, schema in rows(connection, _PUBLISHED_SCHEMAS):
            found[name].setdefault("schemas", []).append(schema)
    return found


def _of_users(connection: Connection, query: str, generated: str = "''") -> list[Any]:
    """The rows of one of the queries on the schemas that are not PostgreSQL's own."""
    return rows(
        connection,
        query.format(of_users=_OF_USERS, type=_TYPE, base_type=_BASE, generated=generated),
    )


def _name(parts: list[str]) -> str:
    return str(TableName(*parts))


def _given(**fields: Any) -> Json:
    """What there is to say: neither None nor False."""
    return {key: value for key, value in fields.items() if value is not None and value is not False}
