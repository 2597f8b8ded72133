"""The statements that make a publication and change it in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.names import TableName

Filters = Mapping[TableName, str]
"""Row filters as they were asked for."""


def create_statement(name: str, wanted: Definition, filters: Filters) -> sql.Composed:
    """One CREATE PUBLICATION. What is the default on every version is left out."""
    options = [_option("publish", ", ".join(wanted.publish))]
    if wanted.via_partition_root:
        options.append(_option("publish_via_partition_root", "true"))
    if wanted.generated_columns != "none":
        options.append(_option("publish_generated_columns", wanted.generated_columns))
    target: sql.Composable = sql.SQL("FOR ALL TABLES" if wanted.all_tables else "")
    objects = _objects(wanted.tables, wanted.schemas, wanted, filters)
    if objects:
        target = sql.SQL("FOR {}").format(_joined(objects))
    return sql.SQL("CREATE PUBLICATION {} {} WITH ({})").format(
        sql.Identifier(name), target, _joined(options)
    )


def alterations(
    name: str, found: Definition, wanted: Definition, filters: Filters
) -> Iterator[sql.Composed]:
    """What brings a publication in line, three statements at most, to be run in one transaction.

    In this order, because a row filter of a partitioned table needs publish_via_partition_root,
    and no column list goes with a schema.
    """
    differing = {
        table for table in found.tables & wanted.tables if is_changed(table, found, wanted)
    }
    gone = _objects((found.tables - wanted.tables) | differing, found.schemas - wanted.schemas)
    come = _objects(
        (wanted.tables - found.tables) | differing,
        wanted.schemas - found.schemas,
        wanted,
        filters,
    )
    options = list(_changed_options(found, wanted))
    changes = [
        sql.SQL("DROP {}").format(_joined(gone)) if gone else None,
        sql.SQL("SET ({})").format(_joined(options)) if options else None,
        sql.SQL("ADD {}").format(_joined(come)) if come else None,
    ]
    for change in filter(None, changes):
        yield sql.SQL("ALTER PUBLICATION {} {}").format(sql.Identifier(name), change)


def is_changed(table: TableName, found: Definition, wanted: Definition) -> bool:
    """Whether other columns or other rows of a table are to be published."""
    return found.columns.get(table) != wanted.columns.get(table) or (
        found.filters.get(table) != wanted.filters.get(table)
    )


def _changed_options(found: Definition, wanted: Definition) -> Iterator[sql.Composed]:
    if found.publish != wanted.publish:
        yield _option("publish", ", ".join(wanted.publish))
    if found.via_partition_root != wanted.via_partition_root:
        yield _option("publish_via_partition_root", str(wanted.via_partition_root).lower())
    if found.generated_columns != wanted.generated_columns:
        yield _option("publish_generated_columns", wanted.generated_columns)


def table_entry(table: TableName, columns: Iterable[str], row_filter: str) -> sql.Composable:
    """A table as a publication lists it. The filter was looked at by `filter_fault`.

    ONLY leaves out tables that inherit from it: each is captured, and its identity audited, by its
    own name. Partitions go with their root all the same.
    """
    entry: sql.Composable = sql.SQL("ONLY {}").format(table.identifier)
    if columns:
        entry = sql.SQL("{} ({})").format(entry, _joined(map(sql.Identifier, columns)))
    if row_filter:
        entry = sql.SQL("{} WHERE ({})").format(entry, sql.SQL(row_filter))
    return entry


def _objects(
    tables: Iterable[TableName],
    schemas: Iterable[str],
    wanted: Definition | None = None,
    filters: Filters | None = None,
) -> list[sql.Composable]:
    """TABLE …, TABLES IN SCHEMA …; with `wanted`, the tables' column lists and row filters."""
    columns = wanted.columns if wanted else {}
    entries: list[sql.Composable] = [
        table_entry(table, columns.get(table, ()), (filters or {}).get(table, ""))
        for table in sorted(tables)
    ]
    objects = [sql.SQL("TABLE {}").format(_joined(entries))] if entries else []
    names = [sql.Identifier(schema) for schema in sorted(schemas)]
    return [*objects, *([sql.SQL("TABLES IN SCHEMA {}").format(_joined(names))] if names else [])]


def _option(key: str, value: str) -> sql.Composed:
    return sql.SQL("{} = {}").format(sql.SQL(key), sql.Literal(value))


def _joined(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
