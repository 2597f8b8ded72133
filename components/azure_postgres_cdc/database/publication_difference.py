"""In what a publication differs: from what is wanted, and from what the last `up` left."""

from __future__ import annotations

from collections.abc import Iterator

from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.database.publication_sql import is_changed
from azure_postgres_cdc.names import TableName, listed, quoted

_OPTIONS = {
    "publish": "publish",
    "via_partition_root": "publish_via_partition_root",
    "generated_columns": "publish_generated_columns",
}


def difference(found: Definition, wanted: Definition) -> list[str]:
    """Why a publication that somebody else has made does not fit; nothing where it does."""
    if found.all_tables != wanted.all_tables:
        return [f"it is one of {found.kind}, needed one of {wanted.kind}"]
    lacking, beyond = wanted.tables - found.tables, found.tables - wanted.tables
    return [
        *([f"it lacks {listed(sorted(lacking))}"] if lacking else []),
        *([f"it also holds {listed(sorted(beyond))}"] if beyond else []),
        *(
            f"it publishes {table}{_restriction(table, found)}, needed"
            f"{_restriction(table, wanted) or ' all of it'}"
            for table in sorted(found.tables & wanted.tables)
            if is_changed(table, found, wanted)
        ),
        *(f"it lacks every table of schema {quoted(s)}" for s in wanted.schemas - found.schemas),
        *(f"it holds every table of schema {quoted(s)}" for s in found.schemas - wanted.schemas),
        *(
            f"{name} is {_option(found, key)}, needed {_option(wanted, key)}"
            for key, name in _OPTIONS.items()
            if getattr(found, key) != getattr(wanted, key)
        ),
    ]


def drift(known: Definition, found: Definition, wanted: Definition) -> list[str]:
    """What is neither as the last `up` left it nor as it is wanted: somebody has changed it."""
    return [str(item) for item in _drifted(known, found, wanted)]


def _drifted(known: Definition, found: Definition, wanted: Definition) -> Iterator[TableName | str]:
    if found.all_tables != known.all_tables and found.all_tables != wanted.all_tables:
        yield "FOR ALL TABLES"
    yield from known.tables & wanted.tables - found.tables
    yield from (f"{table} (added)" for table in found.tables - known.tables - wanted.tables)
    yield from (
        f"{table} (columns or row filter)"
        for table in found.tables & wanted.tables
        if is_changed(table, found, wanted) and is_changed(table, known, found)
    )
    for schema in (found.schemas ^ known.schemas) & (found.schemas ^ wanted.schemas):
        yield f"schema {quoted(schema)}"
    for key, name in _OPTIONS.items():
        if getattr(found, key) not in (getattr(known, key), getattr(wanted, key)):
            yield name


def _restriction(table: TableName, definition: Definition) -> str:
    columns, shown = definition.columns.get(table), definition.filters.get(table)
    return (f" ({', '.join(columns)})" if columns else "") + (f" WHERE {shown}" if shown else "")


def _option(definition: Definition, key: str) -> str:
    value = getattr(definition, key)
    return ", ".join(value) if isinstance(value, tuple) else str(value).lower()
