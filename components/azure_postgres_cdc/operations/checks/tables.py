"""The captured tables: there, readable, and with an identity. As the connector's user sees them.

Each check asks for all of the tables at once, however many there are.
"""

from __future__ import annotations

from azure_postgres_cdc.database import identity_index, tables
from azure_postgres_cdc.database.capture import CaptureArgs
from azure_postgres_cdc.database.connection import rows
from azure_postgres_cdc.database.identity_audit import check_identities
from azure_postgres_cdc.database.identity_change import identities
from azure_postgres_cdc.database.identity_conflicts import conflicts
from azure_postgres_cdc.database.row_security import hidden_tables
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed, quoted
from azure_postgres_cdc.operations.findings import Result, State, failed, from_error, ok, warning
from azure_postgres_cdc.operations.subject import Subject, captured_now

_USAGE = """
SELECT nspname, has_schema_privilege(oid, 'USAGE') FROM pg_namespace
WHERE nspname = ANY(%s) ORDER BY 1
"""
_WANTED = """
FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
"""
_NOT_FULL = (
    f"SELECT n.nspname, c.relname {_WANTED} "
    "WHERE c.relreplident <> 'f' AND c.relkind = 'r' ORDER BY 1, 2"
)
_TWICE = f"""
SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attname::text)
{_WANTED}
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY 1, 2, lower(a.attname::text) HAVING count(*) > 1 ORDER BY 1, 2
"""


def captured_tables(subject: Subject) -> Result:
    """Every captured schema and table is there, and the tables are ones that have changes."""
    schemas = subject.plan.capture.get("schemas", ())
    described = tables.describe(subject.connection, subject.captured)
    faults = [
        f"schema {quoted(name)} does not exist"
        for name in tables.missing_schemas(subject.connection, schemas)
    ]
    faults += [fault for table in described if (fault := table.fault)]
    if faults:
        return failed("; ".join(faults[:10]), "correct `capture`, and run pulumi up")
    if not described:
        return warning("no table is captured", "make the tables, or correct `capture`")
    return ok(f"{_counted(described)} captured")


def column_names(subject: Subject) -> Result:
    """No table has two columns of one name in other cases: the connector would not start."""
    found = rows(subject.connection, _TWICE, *tables.columns(subject.captured))
    if not found:
        return ok("no columns that only differ in case")
    twice = [f"{TableName(*name)} ({', '.join(map(quoted, names))})" for *name, names in found]
    return failed(
        f"columns that only differ in case, with which Debezium stops at its snapshot: "
        f"{listed(twice)}",
        "rename one of the columns, or take the table out of `capture`",
    )


def schema_usage(subject: Subject) -> Result:
    """The user may look into the captured schemas and into those of its own tables."""
    schemas = {table.schema for table in (*subject.published_names, *subject.form.own_tables)}
    # One that is not there is said of its tables.
    found = rows(subject.connection, _USAGE, sorted(schemas))
    closed = [schema for schema, may_use in found if not may_use]
    if not closed:
        return ok(f"USAGE on {listed(quoted(schema) for schema, _ in found)}")
    role = quoted(subject.plan.role)
    return failed(
        f"no USAGE on schema {listed(map(quoted, closed))}: its tables cannot be read",
        f"pulumi up --refresh, or GRANT USAGE ON SCHEMA {listed(map(quoted, closed))} TO {role}",
    )


def tables_readable(subject: Subject) -> Result:
    """The user may read every captured table: a snapshot stalls on the first that it may not."""
    published = subject.published_names
    closed = tables.unreadable(subject.connection, published, subject.form.username)
    if not closed:
        return ok(f"SELECT on {_counted(published)}")
    role = quoted(subject.plan.role)
    return failed(
        f"no SELECT on {listed(closed)}",
        f"pulumi up --refresh, or GRANT SELECT ON {listed(closed, 3)} TO {role}",
    )


def row_level_security(subject: Subject) -> Result:
    """No policy hides rows from the user: they would be missing in snapshots."""
    schemas = sorted({table.schema for table in subject.captured})
    hidden = hidden_tables(subject.connection, schemas, subject.form.username, subject.plan.role)
    found = [table for table in hidden if table in subject.captured]
    if not found:
        return ok("no policy hides rows from snapshots")
    return warning(
        f"row-level security applies to the user on {listed(found)}: rows that its "
        "policies hide are missing in snapshots, with no error",
        f"ALTER ROLE {quoted(subject.form.username)} BYPASSRLS (PostgreSQL 16 and later), or a "
        "policy that lets it see every row",
    )


def replica_identity(subject: Subject) -> Result:
    """UPDATE and DELETE work on every captured table, which publishing makes a condition."""
    if not {"update", "delete"} & set(subject.plan.publication_options.publish):
        return ok("neither UPDATE nor DELETE is to be published, so no table needs one")
    allowed = {TableName.parse(name) for name in subject.plan.allow_without_identity}
    try:
        check_identities(subject.connection, subject.captured, allowed)
    except CdcError as error:
        return from_error(error)
    family = map(str, tables.with_partitions(subject.connection, subject.captured))
    unfit = conflicts(subject.connection, identities(subject.connection, family))
    if unfit:
        return failed(
            f"UPDATE and DELETE fail for the application: {listed(unfit.values(), 5)}",
            "set the replica identity again (pulumi up, where the stack has one for these tables), "
            "or change the column list or the row filter",
        )
    return ok("every captured table has a primary key or a replica identity")


def full_identity(subject: Subject) -> Result | None:
    """REPLICA IDENTITY is FULL, or an index, where the stack wants it, on every partition too."""
    wanted: CaptureArgs | None = subject.plan.full_identity
    indexed = _indexes(subject)
    if wanted is None or (indexed and indexed.state is not State.OK):
        return indexed
    chosen = captured_now(subject.connection, wanted, subject.form.own_tables)
    chosen = [table for table in chosen if str(table) not in subject.plan.identity_indexes]
    family = tables.with_partitions(subject.connection, chosen)
    found = rows(subject.connection, _NOT_FULL, *tables.columns(family))
    if not found:
        return ok(f"REPLICA IDENTITY FULL on {_counted(chosen)} and their partitions")
    return warning(
        f"REPLICA IDENTITY is not FULL on {listed(_names(found))}: deleted rows arrive with their "
        "key only",
        "run pulumi up, which sets it on tables and partitions that have come since",
    )


def _indexes(subject: Subject) -> Result | None:
    """Whether the tables that are to be identified by an index are."""
    indexes = {
        TableName.parse(name): index for name, index in subject.plan.identity_indexes.items()
    }
    if not indexes:
        return None
    try:
        wanted = identity_index.with_partitions(subject.connection, indexes)
    except CdcError as error:
        return from_error(error)
    found = identities(subject.connection, map(str, wanted))
    different = [
        f"{index} on {table}"
        for table, index in wanted.items()
        if found.get(str(table)) != f"USING INDEX {index}"
    ]
    if not different:
        return ok(f"REPLICA IDENTITY USING INDEX on {_counted(list(indexes))}, partitions too")
    return warning(f"REPLICA IDENTITY is not USING INDEX {listed(different)}", "run pulumi up")


def _names(found: list[tuple[str, str]]) -> list[TableName]:
    return [TableName(*row) for row in found]


def _counted(items: list[TableName] | list[tables.Table]) -> str:
    return "1 table" if len(items) == 1 else f"{len(items):,} tables"
