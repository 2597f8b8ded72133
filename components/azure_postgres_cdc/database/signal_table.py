"""The signal table: where snapshots of the captured tables are asked for (the page's method 2)."""

from __future__ import annotations

from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.connector_table import ConnectorTable, ConnectorTableProvider
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import SIGNAL_TABLE, TableName

_COUNT = "SELECT count(*) FROM {}"


class SignalTableProvider(ConnectorTableProvider):
    """The page's table, column for column."""

    table = SIGNAL_TABLE
    columns = (
        ("id", "character varying(255)", True, True),
        ("type", "character varying(32)", True, False),
        ("data", "character varying(2000)", False, False),
    )
    statements = (
        "CREATE TABLE {table} ("
        "id VARCHAR(255) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2000) NULL)",
    )

    def before_drop(self, connection: Connection, props: Props, name: TableName) -> None:
        """Its rows are requests and their progress: they go only by the word that says so."""
        if props.get("dropWithRows"):
            return
        # Nobody writes another one meanwhile.
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(name.identifier))
        found = connection.execute(sql.SQL(_COUNT).format(name.identifier)).fetchone()
        if found and found[0]:
            raise CdcError(
                f"signal table {name} of database {props['database']} holds {found[0]} "
                f"row{'s' if found[0] > 1 else ''} and is not dropped. Remedy: set "
                "dropSignalTable: true on the database and run pulumi up before the deletion, or "
                "empty the table"
            )


class SignalTable(ConnectorTable, module="azure-postgres-cdc", name="SignalTable"):
    """`streamkap_signal`, readable and writable for the connector's roles.

    The connector knows it by this name only. A table of this name with other columns is refused.
    The grants are the table's own and not `postgresql.Grant`s, which would take a schema-wide
    SELECT on a captured schema for the table's exact privileges and fight over them.
    """

    provider = SignalTableProvider
