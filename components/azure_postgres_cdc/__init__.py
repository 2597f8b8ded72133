"""Pulumi components that make Azure Database for PostgreSQL ready for change data capture."""

from azure_postgres_cdc.server import CdcServer
from azure_postgres_cdc.server_args import CdcServerArgs
from azure_postgres_cdc.source import CdcSource, CdcSourceArgs

__all__ = ["CdcServer", "CdcServerArgs", "CdcSource", "CdcSourceArgs"]
