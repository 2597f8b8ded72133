"""The publication against the capture list, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import rows
from azure_postgres_cdc.names import TableName, listed, quoted
from azure_postgres_cdc.operations.findings import Result, failed, ok, warning
from azure_postgres_cdc.operations.subject import Subject

# As JSON, because not every version has every column.
_FIND = """
SELECT p.puballtables, coalesce((to_jsonb(p) ->> 'pubviaroot')::boolean, false), ARRAY(
    SELECT upper(substr(key, 4)) FROM jsonb_each_text(to_jsonb(p)) WHERE value = 'false'
    AND key IN ('pubinsert', 'pubupdate', 'pubdelete', 'pubtruncate') ORDER BY 1)
FROM pg_publication p WHERE pubname = %s
"""
_TABLES = """
SELECT n.nspname, c.relname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s
"""
_SCHEMAS = """
SELECT n.nspname FROM pg_publication p JOIN pg_publication_namespace s ON s.pnpubid = p.oid
JOIN pg_namespace n ON n.oid = s.pnnspid WHERE p.pubname = %s
"""
_PARTITIONED = """
SELECT count(*) FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name WHERE c.relkind = 'p'
"""
_NEEDED = frozenset({"INSERT", "UPDATE", "DELETE"})


@dataclass(frozen=True)
class Published:
    """A publication as the catalog has it."""

    everything: bool
    via_root: bool
    unpublished: frozenset[str]
    """Kinds of changes that are not in it, such as DELETE."""
    tables: frozenset[TableName]


def published(subject: Subject) -> Published | None:
    """The connector's publication; None where there is none."""
    name, connection = subject.form.publication, subject.connection
    found = rows(connection, _FIND, name)
    if not found:
        return None
    everything, via_root, unpublished = found[0]
    members = {TableName(*row) for row in rows(connection, _TABLES, name)}
    schemas: list[str] = []
    if everything:
        schemas = tables.user_schemas(connection)
    elif capabilities.has("FOR TABLES IN SCHEMA", subject.version):
        schemas = rows(connection, _SCHEMAS, name)
    if schemas:
        members.update(tables.in_schemas(connection, schemas))
    return Published(everything, via_root, frozenset(unpublished), frozenset(members))


def publication(subject: Subject) -> Result:
    """It is there."""
    name = quoted(subject.form.publication)
    found = published(subject)
    if found is None:
        return failed(
            f"there is no publication {name}: no change is captured",
            "stop the source, then run pulumi preview, which says how to go on",
        )
    what = "all tables" if found.everything else f"{len(found.tables):,} tables"
    return ok(f"{name} holds {what}")


def published_tables(subject: Subject) -> Result | None:
    """It holds what the stack captures by name, and nothing else."""
    found = published(subject)
    if found is None:
        return None
    if subject.plan.capture.get("tables"):
        missing = sorted(set(subject.captured) - found.tables)
        if missing:
            return failed(
                f"captured, and not published: {listed(missing)}",
                "run pulumi up, then snapshot these tables",
            )
    extra = sorted(found.tables - set(subject.captured) - subject.form.own_tables)
    if extra and not found.everything:
        return warning(
            f"published, and not captured by the stack: {listed(extra)}",
            "run pulumi up, which takes them out, or add them to `capture`",
        )
    return ok("the capture list and the publication are the same")


def new_tables(subject: Subject) -> Result | None:
    """Tables of the captured schemas that are not published."""
    found = published(subject)
    if found is None or subject.plan.schemas is None:
        return None
    there = tables.in_schemas(subject.connection, subject.plan.schemas)
    rest = sorted(set(there) - found.tables - set(subject.form.own_tables))
    if not rest:
        return ok("every table of the captured schemas is published")
    if subject.plan.capture.get("tables"):
        unlisted = sorted(set(rest) - set(subject.captured))
        return ok(f"not in the capture list, and not published: {listed(unlisted) or 'none'}")
    return warning(
        f"new in the captured schemas, and not published yet: {listed(rest)}",
        "run pulumi up, then snapshot these tables",
    )


def publication_options(subject: Subject) -> Result | None:
    """Every kind of change is published, and partitioned tables as their root."""
    found = published(subject)
    if found is None:
        return None
    remedy = "run pulumi up --refresh, which sets it again"
    if found.unpublished & _NEEDED:
        return failed(f"{_kinds(found.unpublished)} are not published: they are lost", remedy)
    if found.unpublished:
        return warning(f"{_kinds(found.unpublished)} is not published", remedy)
    if not found.via_root and _partitioned(subject):
        return warning(
            "publish_via_partition_root is off, and partitioned tables are captured: their changes "
            "come under the partitions' names",
            "turn it on while the source is stopped and drained",
        )
    root = "roots stand for partitions" if found.via_root else "no partitioned table is captured"
    return ok(f"every kind of change is published; {root}")


def form_tables(subject: Subject) -> Result | None:
    """The connector's form lists what is published now."""
    found = published(subject)
    if found is None or not subject.form.tables:
        return None
    now = {_plain(table) for table in found.tables - subject.form.own_tables}
    then = set(subject.form.tables)
    differences = [
        *(f"{name} is published and not in the form" for name in sorted(now - then)),
        *(f"{name} is in the form and not published" for name in sorted(then - now)),
    ]
    if not differences:
        return ok("the form that pulumi up put out lists what is published")
    return warning(
        listed(differences, 5),
        "run pulumi up, and bring the connector's list of tables in the Streamkap app in line",
    )


def _partitioned(subject: Subject) -> bool:
    schemas = [table.schema for table in subject.captured]
    names = [table.name for table in subject.captured]
    return bool(rows(subject.connection, _PARTITIONED, schemas, names)[0])


def _kinds(kinds: Iterable[str]) -> str:
    return ", ".join(sorted(kinds))


def _plain(table: TableName) -> str:
    return f"{table.schema}.{table.name}"
