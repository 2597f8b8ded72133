"""The provider: its configuration and its resource types."""

from __future__ import annotations

from azure_postgres_rehearsal.plugins.postgresql.connections import Server, Settings
from azure_postgres_rehearsal.plugins.postgresql.declared import DeclaredType
from azure_postgres_rehearsal.plugins.postgresql.default_privileges import DefaultPrivileges
from azure_postgres_rehearsal.plugins.postgresql.grant import Grant
from azure_postgres_rehearsal.plugins.postgresql.grant_role import GrantRole
from azure_postgres_rehearsal.plugins.postgresql.role import Role
from azure_postgres_rehearsal.plugins.postgresql.schema import Schema
from azure_postgres_rehearsal.plugins.protocol import (
    Plugin,
    Properties,
    ProviderError,
    ResourceType,
)

_TYPES: dict[str, type[DeclaredType]] = {
    "postgresql:index/role:Role": Role,
    "postgresql:index/grantRole:GrantRole": GrantRole,
    "postgresql:index/grant:Grant": Grant,
    "postgresql:index/defaultPrivileges:DefaultPrivileges": DefaultPrivileges,
    "postgresql:index/schema:Schema": Schema,
}


class PostgresqlPlugin(Plugin):
    """What the engine starts for every `postgresql` provider."""

    name = "postgresql"
    version = "3.18.2"
    secret_config = frozenset({"password"})

    def __init__(self) -> None:
        self._server: Server | None = None

    def configure(self, variables: Properties) -> None:
        self._server = Server(Settings.from_variables(variables))

    def resource(self, token: str) -> ResourceType:
        if token not in _TYPES:
            raise ProviderError(f"postgresql: {token} is not part of the rehearsal")
        # Without a configuration nothing but Check and Diff is asked, and they need no server.
        return _TYPES[token](self._server)
