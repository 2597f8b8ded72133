"""Rows of an application's table, looked at to tell whether any of them is from before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.errors import explained
from azure_postgres_cdc.names import TableName


def there_may_be(
    connection: Connection, query: str, table: TableName, parameters: Sequence[Any], why: str
) -> bool:
    """Whether EXISTS in a query of the table says so, or nobody here may read it and tell.

    `query` has the placeholder `{}` for the table; `why` it is read, for an error. In a transaction
    of the caller's, which goes on.
    """
    statement = sql.SQL(query).format(table.identifier)
    with explained(f"cannot read {table}, {why}"):
        try:
            with connection.transaction():
                return connection.execute(statement, parameters).fetchone() == (True,)
        except psycopg.errors.InsufficientPrivilege:
            return True
