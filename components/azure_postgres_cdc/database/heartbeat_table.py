"""The heartbeat table: the connector writes to it, so that a quiet database's WAL is released."""

from __future__ import annotations

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.connector_table import ConnectorTable, ConnectorTableProvider
from azure_postgres_cdc.names import HEARTBEAT_TABLE, TableName

_SEQUENCE_USERS = """
SELECT pg_get_userbyid(acl.grantee) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) acl
WHERE n.nspname = %s AND c.relname = %s AND acl.privilege_type = 'USAGE'
"""


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

    def granted(self, connection: Connection, name: TableName) -> set[str]:
        """The roles that have all of the grants, the sequence's among them."""
        users = rows(connection, _SEQUENCE_USERS, name.schema, f"{name.name}_id_seq")
        return super().granted(connection, name) & set(users)


class HeartbeatTable(ConnectorTable, module="azure-postgres-cdc", name="HeartbeatTable"):
    """`streamkap_heartbeat`, for read-write connections. It belongs into the publication."""

    provider = HeartbeatTableProvider
