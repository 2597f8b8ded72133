"""The publication against what the stack asks for, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import publication_report, tables
from azure_postgres_cdc.database.publication_catalog import Definition, column_lists, parsed
from azure_postgres_cdc.names import TableName, listed, quoted
from azure_postgres_cdc.operations.findings import Result, failed, ok, warning
from azure_postgres_cdc.operations.subject import Subject

_NEEDED = frozenset({"insert", "update", "delete"})
_REMEDY = "run pulumi up, which sets it again or says how to go on"


def _members(subject: Subject, found: Definition) -> set[TableName]:
    """The tables that are in it now, by name or with their schema."""
    schemas = tables.user_schemas(subject.connection) if found.all_tables else sorted(found.schemas)
    by_schema = tables.in_schemas(subject.connection, schemas) if schemas else []
    return {*found.tables, *by_schema}


def publication(subject: Subject) -> Result:
    """It is there."""
    name = quoted(subject.form.publication)
    found = subject.published
    if found is None:
        return failed(
            f"there is no publication {name}: no change is captured",
            "stop the source, then run pulumi preview, which says how to go on",
        )
    what = "all tables" if found.all_tables else f"{len(_members(subject, found)):,} tables"
    return ok(f"{name} holds {what}")


def published_tables(subject: Subject) -> Result | None:
    """It holds what the stack captures by name, and nothing else."""
    found = subject.published
    if found is None:
        return None
    members = _members(subject, found)
    # Of whole schemas, `new_tables` says what is missing.
    if not subject.plan.capture.get("schemas"):
        missing = sorted(set(subject.captured) - members)
        if missing:
            return failed(
                f"captured, and not published: {listed(missing)}",
                "run pulumi up, then snapshot these tables",
            )
    wants_all = bool(subject.plan.capture.get("allTables"))
    if found.all_tables and not wants_all:
        return warning(
            "it is FOR ALL TABLES: every table of the database is published, also those to come, "
            "and the stack captures some",
            "run pulumi preview, which says how to go on",
        )
    if wants_all and not found.all_tables:
        return warning(
            "it lists tables, and the stack captures all: those to come are not published",
            "run pulumi preview, which says how to go on",
        )
    extra = sorted(members - set(subject.captured) - subject.form.own_tables)
    if extra and not wants_all:
        return warning(
            f"published, and not captured by the stack: {listed(extra)}",
            "run pulumi up, which takes them out, or add them to `capture`",
        )
    return ok("the capture list and the publication are the same")


def new_tables(subject: Subject) -> Result | None:
    """Tables of the captured schemas that are not published."""
    found = subject.published
    if found is None or subject.plan.schemas is None:
        return None
    there = tables.in_schemas(subject.connection, subject.plan.schemas)
    rest = sorted(set(there) - _members(subject, found) - set(subject.form.own_tables))
    if not rest:
        return ok("every table of the captured schemas is published")
    if subject.plan.capture.get("tables"):
        unlisted = sorted(set(rest) - set(subject.captured))
        return ok(f"not in the capture list, and not published: {listed(unlisted) or 'none'}")
    return warning(
        f"new in the captured schemas, and not published yet: {listed(rest)}",
        "run pulumi up, then snapshot these tables",
    )


def inheriting_tables(subject: Subject) -> Result | None:
    """Tables that inherit from a published one are published, too."""
    if subject.published is None:
        return None
    for line in publication_report.heirs_left_out(subject.connection, subject.published):
        evidence, _, remedy = line.partition(". Remedy: ")
        return warning(evidence, remedy)
    return None


def publication_options(subject: Subject) -> Result | None:
    """It passes on the changes that the stack asks for, partitioned tables as their root."""
    found = subject.published
    if found is None:
        return None
    asked = set(subject.plan.publication_options.publish)
    if not capabilities.has("publishing TRUNCATE", subject.version):
        asked.discard("truncate")
    lacking = asked.difference(found.publish)
    if lacking & _NEEDED:
        return failed(f"{_kinds(lacking)} are not published: they are lost", _REMEDY)
    if lacking:
        return warning(f"{_kinds(lacking)} is not published", _REMEDY)
    differences = list(_differences(subject, found))
    if differences:
        return warning("; ".join(differences), _REMEDY)
    roots = "roots stand for" if found.via_partition_root else "no root stands for"
    return ok(f"published, as asked for: {_kinds(found.publish)}; {roots} partitions")


def _differences(subject: Subject, found: Definition) -> Iterator[str]:
    """What is not as asked for, though nothing is lost by it."""
    asked = subject.plan.publication_options
    more = set(found.publish).difference(asked.publish)
    if more:
        yield f"{_kinds(more)} is published, and not asked for"
    if found.via_partition_root != asked.via_partition_root and tables.has_partitioned(
        subject.connection, subject.captured
    ):
        yield (
            "publish_via_partition_root is on, and not asked for"
            if found.via_partition_root
            else "publish_via_partition_root is off, and partitioned tables are captured: their "
            "changes come under the partitions' names"
        )
    if found.generated_columns != asked.generated_columns:
        yield (
            f"generated columns that are published: {found.generated_columns}, asked for: "
            f"{asked.generated_columns}"
        )
    if asked.tables_in_schema and not found.schemas:
        yield "tables are listed one by one, though tablesInSchema is set"
    if found.schemas and not asked.tables_in_schema:
        yield "it holds whole schemas, though tablesInSchema is not set"


def restrictions(subject: Subject) -> Result | None:
    """Column lists and row filters are on the tables that the stack has them for."""
    found = subject.published
    if found is None:
        return None
    asked = subject.plan.publication_options
    columns, filters = column_lists(asked.columns), parsed(asked.row_filters)
    if not (columns or filters or found.columns or found.filters):
        return None
    # How the server shows a filter differs from how it was written: `up` compares what it says.
    differences = [
        *(
            f"{table} is published with {_listed(found, table)}, other than asked for"
            for table in sorted({*columns, *found.columns})
            if columns.get(table) != found.columns.get(table)
        ),
        *(f"{table} lacks its row filter" for table in sorted(filters.difference(found.filters))),
        *(
            f"{table} has a row filter that nobody asked for"
            for table in sorted(set(found.filters) - filters)
        ),
    ]
    if differences:
        return failed(listed(differences, 5), _REMEDY)
    return ok(f"as asked for: {len(columns):,} column lists, {len(filters):,} row filters")


def _listed(found: Definition, table: TableName) -> str:
    columns = found.columns.get(table)
    return f"the columns {listed(columns)}" if columns else "every column"


def form_tables(subject: Subject) -> Result | None:
    """The connector's form lists what is published now."""
    found = subject.published
    if found is None or not subject.form.tables:
        return None
    now = {table.plain for table in _members(subject, found) - subject.form.own_tables}
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


def _kinds(kinds: Iterable[str]) -> str:
    return ", ".join(sorted(kinds)).upper()
