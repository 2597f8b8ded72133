"""CdcServer: everything that is needed once per server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

import pulumi
import pulumi_postgresql as postgresql
from pulumi_azure_native import dbforpostgresql

from azure_postgres_cdc.azure.parameters import (
    MAX_WORKER_PROCESSES,
    configurations,
    requirements,
)
from azure_postgres_cdc.azure.restart import NEVER, WHEN_NEEDED, ServerRestart
from azure_postgres_cdc.azure.storage import StorageAutoGrow
from azure_postgres_cdc.database.connection import DEFAULT_PORT, DEFAULT_SSL_MODE, ConnectionArgs
from azure_postgres_cdc.database.effective_parameters import EffectiveParameters
from azure_postgres_cdc.database.role import AdministratorReplication, ConnectorRoles
from azure_postgres_cdc.errors import InvalidSettings
from azure_postgres_cdc.names import DEFAULT_ROLE, DEFAULT_USER, identifier_fault, shared_names

EFFECTIVE = {"wal_level": "logical", "max_worker_processes": str(MAX_WORKER_PROCESSES)}
"""What PostgreSQL itself must answer before anything is created in it."""


class CdcServerArgs(TypedDict):
    """The server, its administrator, and the connectors' logins."""

    management: Literal["existing", "none"]
    """`existing`: parameters, storage auto-grow and the restart through Azure's management API.
    `none`: another tool owns the server; only the parameters in effect are checked."""
    connection: ConnectionArgs
    """How to reach PostgreSQL as the administrator."""
    database: str
    """A database to log in to for what belongs to the whole server."""
    resourceGroup: NotRequired[pulumi.Input[str]]
    """The server's resource group. Needed with `existing`."""
    serverName: NotRequired[pulumi.Input[str]]
    """The server's name. Needed with `existing`."""
    restart: NotRequired[str]
    """`never` (default): stop where a restart is pending, and say so. `when-needed`: restart."""
    pglogical: NotRequired[bool]
    """Preload and allow pglogical, as the page asks. Default true; pgoutput does not need it."""
    users: NotRequired[Mapping[str, Sequence[str]]]
    """Login users of the connectors, each with its group roles.
    Default: `streamkap_user` in `streamkap_role`."""
    connectorPassword: NotRequired[pulumi.Input[str]]
    """The login users' password. Default: one is generated for each."""


class CdcServer(pulumi.ComponentResource):
    """One server made ready: parameters, one restart, and the connectors' roles.

    What it does not do: create the server, open its firewall, or set parameters back at destroy.
    """

    users: Mapping[str, Sequence[str]]
    """The connectors' login users, each with its group roles."""

    def __init__(
        self, name: str, args: CdcServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        self.users = args.get("users", {DEFAULT_USER: [DEFAULT_ROLE]})
        _validate(name, args, self.users)
        super().__init__("azure-postgres-cdc:index:CdcServer", name, None, opts)
        self._name = name
        self.connection: ConnectionArgs = args["connection"]
        restart = self._manage(args) if args["management"] == "existing" else None
        ready = EffectiveParameters(
            f"{name}-in-effect",
            self.connection,
            args["database"],
            EFFECTIVE,
            wait=restart is not None,
            opts=self._after(restart),
        )
        replication = AdministratorReplication(
            f"{name}-administrator", self.connection, args["database"], self._after(ready)
        )
        self.provider = self._postgresql_provider(args["database"])
        self.roles = ConnectorRoles(
            name,
            self.users,
            args.get("connectorPassword"),
            self.provider,
            parent=self,
            depends_on=[replication],
        )
        self.register_outputs({"host": self.connection["host"], "users": sorted(self.roles.users)})

    def _manage(self, args: CdcServerArgs) -> ServerRestart:
        """Azure's side, in the order that Azure wants: one operation at a time, restart last."""
        server = dbforpostgresql.get_server_output(
            resource_group_name=args["resourceGroup"],
            server_name=args["serverName"],
            opts=pulumi.InvokeOptions(parent=self),
        )
        self.connection = {"host": server.fully_qualified_domain_name, **args["connection"]}
        needed = requirements(pglogical=args.get("pglogical", True))
        storage = StorageAutoGrow(f"{self._name}-storage-auto-grow", server.id, self._after(None))
        declared = configurations(
            self._name, args["resourceGroup"], args["serverName"], needed, self, storage
        )
        return ServerRestart(
            f"{self._name}-restart",
            server.id,
            needed,
            {name: item.value.apply(str) for name, item in declared.items()},
            args.get("restart", NEVER),
            pulumi.ResourceOptions(parent=self, depends_on=list(declared.values())),
        )

    def _postgresql_provider(self, database: str) -> postgresql.Provider:
        connection = self.connection
        return postgresql.Provider(
            f"{self._name}-postgresql",
            host=connection["host"],
            port=connection.get("port", DEFAULT_PORT),
            username=connection["user"],
            password=pulumi.Output.secret(connection["password"]),
            sslmode=connection.get("sslMode", DEFAULT_SSL_MODE),
            sslrootcert=connection.get("sslRootCert"),
            database=database,
            superuser=False,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _after(self, resource: pulumi.Resource | None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[resource] if resource else [])


def _validate(name: str, args: CdcServerArgs, users: Mapping[str, Sequence[str]]) -> None:
    faults = []
    if args["management"] == "none" and "host" not in args["connection"]:
        faults.append("connection.host is missing; management none needs it")
    if args["management"] == "existing":
        faults += [
            f"{key} is missing; management existing needs it"
            for key in ("resourceGroup", "serverName")
            if key not in args
        ]
    if args.get("restart", NEVER) not in (NEVER, WHEN_NEEDED):
        faults.append(f"restart is {args.get('restart')!r}: use {WHEN_NEEDED} or {NEVER}")
    faults += shared_names(args["connection"]["user"], users)
    for user, roles in users.items():
        for kind, found in (("user", user), *(("role", role) for role in roles)):
            fault = identifier_fault(found)
            if fault:
                faults.append(f"{kind} {found!r} {fault}")
        if not roles:
            faults.append(f"user {user!r} is in no group role, which would hold its grants")
    if faults:
        raise InvalidSettings(f"CdcServer {name}", faults)
