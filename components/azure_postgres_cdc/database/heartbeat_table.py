"""The heartbeat table: the connector writes to it, so that a quiet database's WAL is released."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.database.connection import ConnectionArgs
from azure_postgres_cdc.database.connector_table import (
    ConnectorTableProvider,
    connector_table_props,
)
from azure_postgres_cdc.names import HEARTBEAT_TABLE


class HeartbeatTableProvider(ConnectorTableProvider):
    """The table of Streamkap's page on PostgreSQL heartbeats, with its first row."""

    table = HEARTBEAT_TABLE
    columns = (
        ("id", "integer", True, True),
        ("text", "text", False, False),
        ("last_update", "timestamp without time zone", False, False),
    )
    statements = (
        "CREATE TABLE {table} (id SERIAL PRIMARY KEY, text TEXT, "
        "last_update TIMESTAMP DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO {table} (text) VALUES ('test_heartbeat')",
    )
    grants = (
        *ConnectorTableProvider.grants,
        "GRANT USAGE ON SEQUENCE {id_sequence} TO {roles}",
    )


class HeartbeatTable(Resource, module="azure-postgres-cdc", name="HeartbeatTable"):
    """`streamkap_heartbeat`, for read-write connections. It belongs into the publication."""

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        schema: str,
        roles: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = connector_table_props(connection, database, schema, roles)
        super().__init__(HeartbeatTableProvider(), resource_name, props, opts)
