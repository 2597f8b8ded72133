"""What is said of a publication beside its tables: columns, row filters, kinds of changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

from azure_postgres_cdc.acknowledge import word_faults
from azure_postgres_cdc.database.capture import CaptureArgs, captured_schemas
from azure_postgres_cdc.names import TableName, identifier_fault, is_system_schema
from azure_postgres_cdc.row_filter import filter_fault

CHANGES = ("insert", "update", "delete", "truncate")
"""The kinds of changes that a publication passes on, in PostgreSQL's order."""


class PublicationArgs(TypedDict):
    """The optional part of a connector's arguments that is about its publication."""

    columns: NotRequired[Mapping[str, Sequence[str]]]
    """For some captured tables, the only columns that are published (PostgreSQL 15+). Names of
    tables as in SQL, names of columns as they are, without quotes. They must hold the replica
    identity. Snapshots read every column, unless the connector is told. Default: every column."""
    rowFilters: NotRequired[Mapping[str, str]]
    """For some captured tables, an SQL expression: only rows for which it is true are published
    (PostgreSQL 15+). It may only use columns of the replica identity. A connector's own snapshots
    read every row. Default: every row."""
    publish: NotRequired[Sequence[str]]
    """Which changes are published: `insert`, `update`, `delete`, `truncate`. Default: all."""
    publishViaPartitionRoot: NotRequired[bool]
    """Changes of partitions are published as their root's, as the page asks (PostgreSQL 13+).
    Default true."""
    generatedColumns: NotRequired[Literal["none", "stored"]]
    """Whether stored generated columns are published (PostgreSQL 18+). Default `none`."""
    tablesInSchema: NotRequired[bool]
    """With `capture.schemas`: FOR TABLES IN SCHEMA (PostgreSQL 15+; needs a superuser on plain
    PostgreSQL), so that a new table is published at once. Default false: listed at each `up`."""
    acknowledge: NotRequired[Sequence[str]]
    """The words that a refusal asked for, each for one change. Default: none."""


@dataclass(frozen=True)
class PublicationOptions:
    """The same with every default filled in, sorted, names as SQL shows them."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    row_filters: dict[str, str] = field(default_factory=dict)
    publish: tuple[str, ...] = CHANGES
    via_partition_root: bool = True
    generated_columns: str = "none"
    tables_in_schema: bool = False
    acknowledge: tuple[str, ...] = ()

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> PublicationOptions:
        """Out of a connector's arguments, which have no fault."""
        columns = {
            _table(name): sorted(set(given)) for name, given in args.get("columns", {}).items()
        }
        filters = {_table(name): text.strip() for name, text in args.get("rowFilters", {}).items()}
        return cls(
            columns=dict(sorted(columns.items())),
            row_filters=dict(sorted(filters.items())),
            publish=tuple(kind for kind in CHANGES if kind in args.get("publish", CHANGES)),
            via_partition_root=args.get("publishViaPartitionRoot", True),
            generated_columns=args.get("generatedColumns", "none"),
            tables_in_schema=args.get("tablesInSchema", False),
            acknowledge=tuple(sorted(set(args.get("acknowledge", ())))),
        )


def option_faults(args: Mapping[str, Any], capture: CaptureArgs | None) -> Iterator[str]:
    """Every fault of a connector's arguments about its publication.

    `capture` is None where the captured tables stand in a file that nobody has read yet.
    """
    yield from _system_faults(capture or {})
    for key in ("columns", "rowFilters"):
        yield from _name_faults(key, args.get(key, {}), capture)
    for name, columns in args.get("columns", {}).items():
        yield from (f"columns: {name}: {fault}" for fault in _column_faults(columns))
    for name, text in args.get("rowFilters", {}).items():
        fault = filter_fault(text)
        if fault:
            yield f"rowFilters: {name}: {fault}"
    yield from _publish_faults(args)
    yield from _kind_faults(args, capture or {})
    yield from (f"acknowledge: {fault}" for fault in word_faults(args.get("acknowledge", ())))


def _system_faults(capture: Mapping[str, Any]) -> Iterator[str]:
    """What PostgreSQL publishes for nobody, and which grants would be asked for all the same."""
    tables = filter(None, map(_parsed_or_none, capture.get("tables", ())))
    schemas = {table.schema for table in tables} | set(capture.get("schemas", ()))
    for schema in sorted(filter(is_system_schema, schemas)):
        yield f"capture: schema {schema} is PostgreSQL's own, which is not captured"


def _name_faults(key: str, names: Mapping[str, Any], capture: CaptureArgs | None) -> Iterator[str]:
    """Names that are no tables, that stand for one table twice, or for one that is not captured."""
    seen: set[TableName] = set()
    tables = {_parsed_or_none(text) for text in (capture or {}).get("tables", ())}
    schemas = None if capture is None or tables else captured_schemas(capture)
    for name in names:
        try:
            table = TableName.parse(name)
        except ValueError as error:
            yield f"{key}: {error}"
            continue
        if table in seen:
            yield f"{key}: {table} is there twice"
        # As far as the settings tell: which tables there are, the database knows.
        elif (tables and table not in tables) or (schemas and table.schema not in schemas):
            yield f"{key}: {table} is not captured"
        seen.add(table)


def _column_faults(columns: Sequence[str]) -> Iterator[str]:
    if not columns:
        yield "is empty: list at least the replica identity's columns"
    for column in columns:
        fault = identifier_fault(column)
        if fault:
            yield f"{column!r} {fault}"
    yield from (f"{item} is there twice" for item in _repeated(columns))


def _publish_faults(args: Mapping[str, Any]) -> Iterator[str]:
    kinds = args.get("publish", CHANGES)
    if not kinds:
        yield "publish: is empty: nothing would be captured"
    for kind in kinds:
        if kind not in CHANGES:
            yield f"publish: {kind!r} is none of {', '.join(CHANGES)}"
    yield from (f"publish: {kind} is there twice" for kind in _repeated(kinds))
    if kinds and "insert" not in kinds and args.get("snapshots") != "read-only":
        yield (
            "publish: lacks insert, but the connector's signals are rows inserted into "
            "streamkap_signal: add it, or use snapshots: read-only"
        )
    if kinds and "update" not in kinds and args.get("heartbeat"):
        yield (
            "publish: lacks update, but a heartbeat is an update of streamkap_heartbeat, and would "
            "move no slot: add it, or take heartbeat out"
        )
    generated = args.get("generatedColumns", "none")
    if generated not in ("none", "stored"):
        yield f"generatedColumns: {generated!r} is neither none nor stored"


def _kind_faults(args: Mapping[str, Any], capture: CaptureArgs) -> Iterator[str]:
    """What goes with no publication of this kind."""
    restricted = [key for key in ("columns", "rowFilters") if args.get(key)]
    if args.get("tablesInSchema") and not capture.get("schemas"):
        yield "tablesInSchema: needs capture.schemas"
    if args.get("tablesInSchema") or capture.get("allTables"):
        kind = "FOR ALL TABLES" if capture.get("allTables") else "FOR TABLES IN SCHEMA"
        for key in restricted:
            yield f"{key}: {kind} takes none (PostgreSQL's rule): let the module list the tables"


def _repeated(items: Sequence[str]) -> list[str]:
    return sorted({item for item in items if list(items).count(item) > 1})


def _parsed_or_none(text: str) -> TableName | None:
    try:
        return TableName.parse(text)
    except ValueError:
        return None  # a fault of the capture set's own


def _table(text: str) -> str:
    return str(TableName.parse(text))
