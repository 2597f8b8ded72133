"""An emulated Azure Resource Manager: Microsoft.DBforPostgreSQL in front of embedded PostgreSQLs.

Beside it are what a server is used with: alerts, private endpoints and DNS, secrets of a Key Vault,
and managed identities with their tokens.

It is never more lenient than Azure. Where Azure's answer is not documented, the stricter one was
taken, or `Behaviour` offers both. What goes wrong there now and then can be ordered: see `faults`.
"""

from azure_postgres_rehearsal.azure_api.behaviour import Behaviour
from azure_postgres_rehearsal.azure_api.definition import Authentication, HighAvailability, Network
from azure_postgres_rehearsal.azure_api.embedded_factory import EmbeddedFactory
from azure_postgres_rehearsal.azure_api.emulator import EmulatedAzure
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.azure_api.key_vault import Vault
from azure_postgres_rehearsal.azure_api.operations import Journal, Operation, Refusal, Status
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.provisioning import PostgresFactory
from azure_postgres_rehearsal.azure_api.server import FlexibleServer

__all__ = [
    "ApiError",
    "Authentication",
    "Behaviour",
    "EmbeddedFactory",
    "EmulatedAzure",
    "Faults",
    "FlexibleServer",
    "HighAvailability",
    "Journal",
    "Network",
    "Operation",
    "Postgres",
    "PostgresFactory",
    "Refusal",
    "Status",
    "Vault",
]
