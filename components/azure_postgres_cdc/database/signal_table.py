"""The signal table: where snapshots of the captured tables are asked for (the page's method 2)."""

from __future__ import annotations

from azure_postgres_cdc.database.connector_table import ConnectorTable, ConnectorTableProvider
from azure_postgres_cdc.names import SIGNAL_TABLE


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


class SignalTable(ConnectorTable, module="azure-postgres-cdc", name="SignalTable"):
    """`streamkap_signal`, readable and writable for the connector's roles.

    The connector knows it by this name only. A table of this name with other columns is refused.
    The grants are the table's own and not `postgresql.Grant`s, which would take a schema-wide
    SELECT on a captured schema for the table's exact privileges and fight over them.
    """

    provider = SignalTableProvider
