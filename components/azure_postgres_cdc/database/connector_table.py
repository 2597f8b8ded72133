"""What the signal table and the heartbeat table share: a fixed shape, and grants to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.dynamic import CdcProvider, Props, warn
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed

PRIVILEGES = ("SELECT", "INSERT", "UPDATE")

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       coalesce(a.attnum = ANY(i.indkey), false)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_GRANTED = """
SELECT pg_get_userbyid(acl.grantee) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) acl
WHERE n.nspname = %s AND c.relname = %s
GROUP BY 1 HAVING array_agg(acl.privilege_type) @> %s::text[]
"""

Column = tuple[str, str, bool, bool]
"""Name, type, NOT NULL, part of the primary key."""


class ConnectorTableProvider(CdcProvider):
    """Creates a table of the connector's, with its grants, through psycopg."""

    identity = ("database", "schema")

    table: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    statements: ClassVar[tuple[str, ...]]
    """How to make it. Placeholders: `{table}`, `{roles}` that write to it, `{id_sequence}`."""
    grants: ClassVar[tuple[str, ...]] = (
        "GRANT SELECT, INSERT, UPDATE ON TABLE {table} TO {roles}",
    )

    def resolve(self, olds: Props, news: Props) -> Props:
        """A table that has vanished is made again, visibly: what it held were requests, no data."""
        present = True
        name = self._name(news)
        if olds and self._name(olds) == name:
            with connect(news["connection"], news["database"]) as connection:
                present = bool(_columns(connection, name))
            if not present:
                warn([f"table {name} has vanished and is made again"])
        return news | {"present": present}

    def make(self, props: Props) -> Props:
        name = self._name(props)
        with connect(props["connection"], props["database"]) as connection:
            found = _columns(connection, name)
            with explained(f"cannot create table {name}"):
                if not found:
                    self._run(connection, props, self.statements)
                elif found != list(self.columns):
                    raise CdcError(self._refusal(name, found))
                self._run(connection, props, self.grants)
        return props | {"present": True}

    def change(self, olds: Props, news: Props) -> Props:
        name = self._name(news)
        dropped = set(olds["roles"]) - set(news["roles"])
        with (
            connect(news["connection"], news["database"]) as connection,
            explained(f"cannot change the grants on table {name}"),
        ):
            for role in sorted(dropped):
                revoke = sql.SQL("REVOKE ALL ON TABLE {} FROM {}")
                connection.execute(revoke.format(name.identifier, sql.Identifier(role)))
            if not _columns(connection, name):
                self._run(connection, news, self.statements)
            self._run(connection, news, self.grants)
        return olds | news | {"present": True}

    def look(self, props: Props) -> Props | None:
        name = self._name(props)
        with connect(props["connection"], props["database"]) as connection:
            found = _columns(connection, name)
            if not found:
                return None
            if found != list(self.columns):
                raise CdcError(self._refusal(name, found))
            granted = self.granted(connection, name)
        return props | {"roles": sorted(set(props["roles"]) & granted)}

    def remove(self, props: Props) -> None:
        """The table is dropped; a signal table with rows needs `dropSignalTable: true` first."""
        name = self._name(props)
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot drop table {name}"),
        ):
            self.before_drop(connection, props, name)
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name.identifier))

    def before_drop(self, connection: Connection, props: Props, name: TableName) -> None:
        """Raise a CdcError where the table must not go."""

    def fault(self, connection: Connection, schema: str) -> str | None:
        """Why a connector could not use the table of this schema, if it could not."""
        name = TableName(schema, self.table)
        found = _columns(connection, name)
        if not found:
            return f"table {name} does not exist. Remedy: run pulumi up, which makes it again"
        return None if found == list(self.columns) else self._refusal(name, found)

    def granted(self, connection: Connection, name: TableName) -> set[str]:
        """The roles that have all of the grants."""
        return set(rows(connection, _GRANTED, name.schema, name.name, list(PRIVILEGES)))

    def _name(self, props: Props) -> TableName:
        return TableName(props["schema"], self.table)

    def _run(self, connection: Connection, props: Props, statements: Sequence[str]) -> None:
        name = self._name(props)
        roles = sql.SQL(", ").join(map(sql.Identifier, props["roles"]))
        for statement in statements:
            text = sql.SQL(statement)
            connection.execute(
                text.format(
                    table=name.identifier,
                    roles=roles,
                    id_sequence=sql.Identifier(name.schema, f"{name.name}_id_seq"),
                )
            )

    def _refusal(self, name: TableName, found: Sequence[Column]) -> str:
        wanted = [_spelt(column) for column in self.columns]
        have = [_spelt(column) for column in found]
        lacks = [column for column in wanted if column not in have]
        extra = [column for column in have if column not in wanted]
        differences = [
            f"it lacks {listed(lacks)}" if lacks else "",
            f"it has {listed(extra)} instead" if extra else "",
            "" if lacks or extra else "its columns are in another order",
        ]
        return (
            f"table {name} is there already, but is not the connector's: "
            f"{', '.join(filter(None, differences))}. Remedy: rename or drop it, or choose another "
            "schema for it"
        )


class ConnectorTable(Resource):
    """A table of the connector's in one schema, writable for its roles."""

    provider: ClassVar[type[ConnectorTableProvider]]

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        schema: str,
        roles: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
        *,
        drop_with_rows: bool = True,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "schema": schema,
            "roles": sorted(roles),
            "dropWithRows": drop_with_rows,
        }
        super().__init__(self.provider(), resource_name, props, opts)


def _columns(connection: Connection, name: TableName) -> list[Column]:
    return [tuple(row) for row in rows(connection, _COLUMNS, name.schema, name.name)]


def _spelt(column: Column) -> str:
    name, type_, not_null, primary = column
    suffix = " PRIMARY KEY" if primary else " NOT NULL" if not_null else ""
    return f"{name} {type_}{suffix}"
