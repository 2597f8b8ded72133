"""The schema of the connector's own tables, where it is none of the application's."""

from __future__ import annotations

import pulumi
from psycopg import sql
from pulumi.dynamic import Resource

from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.database.membership import acting_for
from azure_postgres_cdc.dynamic import CdcProvider, Props, note, warn
from azure_postgres_cdc.errors import explained
from azure_postgres_cdc.names import quoted

_IS_THERE = "SELECT nspname FROM pg_namespace WHERE nspname = %s"
# Creating a schema needs a privilege on the database, which its owner has.
_OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
# A schema's objects of every kind; a table brings its index, its types and its constraints along.
_IN_USE = """
SELECT count(*) FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid
WHERE d.refclassid = 'pg_namespace'::regclass AND n.nspname = %s AND d.deptype = 'n'
"""


class ConnectorSchemaProvider(CdcProvider):
    """Makes a schema where it is missing, through psycopg; adopts it where it is there."""

    identity = ("database", "name")

    def resolve(self, olds: Props, news: Props) -> Props:
        """A schema that has vanished is made again, visibly."""
        present = True
        if olds:
            with connect(news["connection"], news["database"]) as connection:
                present = _is_there(connection, news["name"])
            if not present:
                warn([f"schema {quoted(news['name'])} has vanished and is made again"])
        return news | {"present": present}

    def make(self, props: Props) -> Props:
        return self.change({"made": False}, props)

    def change(self, olds: Props, news: Props) -> Props:
        name, made = news["name"], olds["made"]
        with (
            connect(news["connection"], news["database"]) as connection,
            explained(_what(news), _remedies(news)),
        ):
            if not _is_there(connection, name):
                with acting_for(connection, rows(connection, _OWNER)):
                    statement = sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name))
                    connection.execute(statement)
                made = True
        return news | {"made": made, "present": True}

    def look(self, props: Props) -> Props | None:
        with connect(props["connection"], props["database"]) as connection:
            return props if _is_there(connection, props["name"]) else None

    def remove(self, props: Props) -> None:
        """What was there before, and what is in use, stays."""
        name = props["name"]
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot drop schema {quoted(name)} of database {props['database']}"),
        ):
            if not props["made"] or not _is_there(connection, name):
                return
            (others,) = rows(connection, _IN_USE, name)
            if others:
                note(f"warning: schema {quoted(name)} stays: there is something else in it")
                return
            connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(name)))


class ConnectorSchema(Resource, module="azure-postgres-cdc", name="ConnectorSchema"):
    """A schema that belongs to the administrator. It goes with the stack that made it, when empty.

    No `postgresql.Schema`: that one fails on a schema that is there, and takes a database that was
    renamed for another one.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        schema: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"connection": connection_props(connection), "database": database, "name": schema}
        super().__init__(ConnectorSchemaProvider(), resource_name, props, opts)


def _what(props: Props) -> str:
    return f"cannot create schema {quoted(props['name'])} in database {props['database']}"


def _remedies(props: Props) -> dict[str, str]:
    database, user = quoted(props["database"]), quoted(props["connection"]["user"])
    grant = f"GRANT CREATE ON DATABASE {database} TO {user}"
    return {"42501": f"have its owner run: {grant}; then run pulumi up again"}


def _is_there(connection: Connection, name: str) -> bool:
    return bool(rows(connection, _IS_THERE, name))
