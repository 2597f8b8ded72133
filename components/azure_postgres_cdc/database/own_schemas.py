"""The schemas of the connector's own tables, where they are not the application's.

A `postgresql.Schema` would fail on one that is there already, and could not be deleted while a
table that Pulumi's plugin does not know is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.membership import (
    acting_for,
    check_may_create,
    who_may_create,
)
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.errors import explained
from azure_postgres_cdc.names import listed, quoted

_DROPPABLE = """
SELECT nspname FROM pg_namespace
WHERE nspname = ANY(%s) AND pg_has_role(nspowner, 'USAGE') ORDER BY 1
"""


def missing(connection: Connection, names: Iterable[str]) -> list[str]:
    """Those that are missing. Raises a CdcError where the administrator may not make them."""
    found = tables.missing_schemas(connection, names)
    if found:
        check_may_create(connection, f"schema {listed(map(quoted, found))}")
    return found


def make(connection: Connection, names: Iterable[str]) -> list[str]:
    """Make those that are missing, and say which: at the end, only they are ours to drop."""
    database = quoted(connection.info.dbname)
    found = tables.missing_schemas(connection, names)
    with acting_for(connection, who_may_create(connection)):
        for name in found:
            with explained(f"cannot make schema {quoted(name)} in database {database}"):
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    return found


def drop_empty(connection: Connection, names: Iterable[str]) -> None:
    """Drop those that hold nothing any more; what somebody has put there keeps its schema."""
    for name in rows(connection, _DROPPABLE, list(names)):
        in_use = suppress(psycopg.errors.DependentObjectsStillExist)
        with in_use, connection.transaction():
            connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(name)))
