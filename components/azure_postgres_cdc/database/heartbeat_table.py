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

    def objects(self, connection: Connection, name: TableName) -> list[tuple[str, str, TableName]]:
        """The sequence too, where there is one: a table that is adopted may do without."""
        sequence = _sequence(connection, name)
        found = super().objects(connection, name)
        return [*found, ("USAGE", "SEQUENCE", sequence)] if sequence else found

    def granted(self, connection: Connection, name: TableName) -> set[str]:
        """The roles that have all of the grants, the sequence's among them."""
        found = super().granted(connection, name)
        sequence = _sequence(connection, name)
        if sequence:
            found &= set(rows(connection, _SEQUENCE_USERS, sequence.schema, sequence.name))
        return found


def _sequence(connection: Connection, name: TableName) -> TableName | None:
    """What numbers its rows; PostgreSQL chooses the name."""
    (found,) = rows(connection, "SELECT pg_get_serial_sequence(%s, 'id')", str(name))
    return TableName.parse(found) if found else None


class HeartbeatTable(ConnectorTable, module="azure-postgres-cdc", name="HeartbeatTable"):
    """`streamkap_heartbeat`, for read-write connections. It belongs into the publication."""

    provider = HeartbeatTableProvider
