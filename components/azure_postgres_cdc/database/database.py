"""A database on a server that the stack has made."""

from __future__ import annotations

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    looking_at,
    rows,
)
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import explained


class DatabaseProvider(CdcProvider):
    """Makes a database where it is missing. It stays when the resource is deleted."""

    identity = ("name",)

    def make(self, props: Props) -> Props:
        name, database = props["name"], props["database"]
        with connect(props["connection"], database, autocommit=True) as connection:
            if not _is_there(connection, name):
                with explained(f"cannot create the database {name}"):
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return props

    def look(self, props: Props) -> Props | None:
        with looking_at(props["connection"], props["database"]) as connection:
            return props if _is_there(connection, props["name"]) else None


class Database(Resource, module="azure-postgres-cdc", name="Database"):
    """A database that is made where it is missing, and never dropped.

    Made by SQL, so that it belongs to the administrator that signs in here: one made through
    Azure's management API belongs to the server's own login, and an administrator from Microsoft
    Entra could grant nothing on it.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        name: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"connection": connection_props(connection), "database": database, "name": name}
        super().__init__(DatabaseProvider(), resource_name, props, opts)


def _is_there(connection: Connection, name: str) -> bool:
    return bool(rows(connection, "SELECT datname FROM pg_database WHERE datname = %s", name))
