"""What only PostgreSQL can say of a publication, put to the server before anything is changed.

Whether FOR ALL TABLES and FOR TABLES IN SCHEMA are allowed here; whether a row filter is one that
it takes, which columns it uses, and how the catalog will show it. So a publication with them is
created in a transaction that is rolled back.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.membership import acting_for, who_may_create
from azure_postgres_cdc.database.publication_catalog import (
    ALL_TABLES,
    IN_SCHEMAS,
    LISTED,
    Definition,
)
from azure_postgres_cdc.database.publication_sql import table_entry
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted

NOT_ALLOWED = {
    ALL_TABLES: "FOR ALL TABLES needs a superuser here: capture `schemas` or `tables` instead",
    IN_SCHEMAS: "FOR TABLES IN SCHEMA needs a superuser here: leave tablesInSchema out, "
    "so that the module lists the schemas' tables at each up",
    LISTED: "run up as the owner of the publication and of each of the tables, or as a "
    "member of the owner",
}
"""The remedy, where PostgreSQL refuses a kind of publication (42501)."""

# Nobody is to wait behind a look; what is locked now can be looked at in the next run.
_LOCK_TIMEOUT = "2s"

_SHOWN = """
SELECT n.nspname, c.relname, pg_get_expr(r.prqual, r.prrelid), ARRAY(
    SELECT a.attname::text FROM pg_depend d
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = r.prrelid AND d.refobjsubid > 0)
FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s
"""


def check_kind(
    connection: Connection, name: str, found: Definition | None, wanted: Definition
) -> None:
    """Raise a CdcError where the administrator may publish neither all tables nor whole schemas."""
    schemas = sorted(wanted.schemas - (found.schemas if found else frozenset()))
    if wanted.all_tables and not (found and found.all_tables):
        target: sql.Composable = sql.SQL("FOR ALL TABLES")
    elif schemas:
        names = sql.SQL(", ").join(map(sql.Identifier, schemas))
        target = sql.SQL("FOR TABLES IN SCHEMA {}").format(names)
    else:
        return
    statement = sql.SQL("CREATE PUBLICATION {} {}").format(sql.Identifier(_name()), target)
    with (
        explained(f"cannot publish {quoted(name)}", {"42501": NOT_ALLOWED[wanted.kind]}),
        connection.transaction(force_rollback=True),
        acting_for(connection, who_may_create(connection)),
    ):
        connection.execute(statement)


@dataclass(frozen=True)
class Trial:
    """What the server makes of row filters."""

    shown: dict[TableName, str] = field(default_factory=dict)
    """Each as the catalog will have it."""
    columns: dict[TableName, tuple[str, ...]] = field(default_factory=dict)
    """The columns that each uses."""


def try_out(
    connection: Connection,
    columns: Mapping[TableName, tuple[str, ...]],
    filters: Mapping[TableName, str],
    *,
    via_root: bool,
) -> Trial:
    """Put every list and filter to the server; one CdcError with all that it does not take."""
    options = sql.SQL("publish_via_partition_root = {}").format(sql.Literal(via_root))
    # Apart, because the catalog would not say which column is used by the filter.
    of_columns = {table: table_entry(table, names, "") for table, names in columns.items()}
    of_filters = {table: table_entry(table, (), text) for table, text in filters.items()}
    faults = [*_faults(connection, "columns", of_columns, options)]
    faults += _faults(connection, "rowFilters", of_filters, options)
    if faults:
        raise CdcError(
            f"database {connection.info.dbname} cannot be captured as asked: "
            f"{listed(faults, 20)}. Remedy: correct columns and rowFilters"
        )
    found = _tried(connection, of_filters, options)
    return Trial(
        shown={TableName(s, t): shown for s, t, shown, _ in found},
        columns={TableName(s, t): tuple(sorted(names)) for s, t, _, names in found},
    )


def _faults(
    connection: Connection,
    key: str,
    entries: Mapping[TableName, sql.Composable],
    options: sql.Composable,
) -> list[str]:
    """All at once; only where that fails, one by one, because an error does not name the table."""
    try:
        _tried(connection, entries, options)
    except psycopg.Error:
        faults = []
        for table, entry in entries.items():
            try:
                with explained(f"{key} of {table}"):
                    _tried(connection, {table: entry}, options)
            except CdcError as error:
                faults.append(str(error))
        return faults
    return []


def _tried(
    connection: Connection,
    entries: Mapping[TableName, sql.Composable],
    options: sql.Composable,
) -> list[tuple[str, str, str, list[str]]]:
    """What the catalog shows of a publication that was never there for anybody else."""
    if not entries:
        return []
    name = _name()
    statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH ({})").format(
        sql.Identifier(name), sql.SQL(", ").join(entries.values()), options
    )
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_TIMEOUT))
        connection.execute(statement)
        return rows(connection, _SHOWN, name)


def _name() -> str:
    """Of a publication that will never have been there."""
    return f"azure_postgres_cdc_trial_{uuid.uuid4().hex}"
