"""An emulated Azure Resource Manager: Microsoft.DBforPostgreSQL in front of embedded PostgreSQLs.

It is never more lenient than Azure. Where Azure's answer is not documented, the stricter one was
taken, or `Behaviour` offers both.
"""

from azure_postgres_rehearsal.azure_api.emulator import EmulatedAzure
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.operations import Journal, Operation, Refusal, Status
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.server import Behaviour, FlexibleServer

__all__ = [
    "ApiError",
    "Behaviour",
    "EmulatedAzure",
    "FlexibleServer",
    "Journal",
    "Operation",
    "Postgres",
    "Refusal",
    "Status",
]
