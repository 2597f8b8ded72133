"""CdcServer: everything that is needed once per server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.adoption import Adoption
from azure_postgres_cdc.argument_shapes import shape_faults
from azure_postgres_cdc.azure import new_server
from azure_postgres_cdc.azure.alerts import alerts, alerts_of
from azure_postgres_cdc.azure.existing_server import ExistingServer
from azure_postgres_cdc.azure.key_vault import password_secrets
from azure_postgres_cdc.azure.network import access, firewall_rules, private_endpoint
from azure_postgres_cdc.azure.parameters import requirements
from azure_postgres_cdc.azure.restart import ServerRestart
from azure_postgres_cdc.azure.server_parameters import (
    ReplicaParameters,
    ServerParameters,
    demand,
)
from azure_postgres_cdc.azure.storage import StorageAutoGrow
from azure_postgres_cdc.database.connection import ConnectionArgs, is_entra
from azure_postgres_cdc.database.database import Database
from azure_postgres_cdc.database.effective_parameters import EffectiveParameters
from azure_postgres_cdc.database.logins import ConnectorLogins, LoginArgs, WalSenderTimeout
from azure_postgres_cdc.database.postgresql_provider import postgresql_provider
from azure_postgres_cdc.database.role import (
    ConnectorRoles,
    GeneratedPassword,
    generated_passwords,
)
from azure_postgres_cdc.errors import InvalidSettings
from azure_postgres_cdc.server_args import (
    CREATE,
    DEFAULT_DATABASE,
    NONE,
    CdcServerArgs,
    faults_of_server,
    other_requirements,
    restart_rules,
    users_of,
)
from azure_postgres_cdc.turns import Turns


@dataclass(frozen=True)
class _Managed:
    """The server in Azure, made or found."""

    id: pulumi.Output[str]
    host: pulumi.Output[str]
    storage_gib: pulumi.Input[float]
    failover_slots: pulumi.Input[bool]
    private: pulumi.Input[bool]
    """Nobody reaches it from outside of its network."""
    ready: pulumi.Resource
    """What the first operation on the server comes after."""


class CdcServer(pulumi.ComponentResource):
    """One server made ready: parameters, one restart, and the connectors' roles.

    What it does not do: set parameters back at destroy, upgrade the major version, or own a server
    that it did not make. A server that it made is protected.
    """

    users: Mapping[str, Sequence[str]]
    """The connectors' login users, each with its group roles."""
    login: LoginArgs
    """What each of them gets besides."""
    read_all_data: Sequence[str]
    """The group roles that read everything."""
    failover_slots: pulumi.Input[bool] = False
    """A standby keeps copies of the slots that ask for it."""
    storage_gib: pulumi.Input[float] | None = None
    """How large the storage is; None for a server that another tool owns."""
    turns: Turns
    """When each of the server's databases has its turn."""
    network: pulumi.Output[dict[str, Any]] | None = None
    """How the connector reaches a server in Azure: through firewall rules, or an SSH tunnel."""

    def __init__(
        self, name: str, args: CdcServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        faults = list(shape_faults(CdcServerArgs, args)) or faults_of_server(args)
        if faults:
            raise InvalidSettings(f"CdcServer {name}", faults)
        super().__init__("azure-postgres-cdc:index:CdcServer", name, None, opts)
        self._name = name
        self.users = users_of(args)
        self.turns = Turns()
        self._adoption = Adoption()
        self.connection: ConnectionArgs = args["connection"]
        self.database = args.get("database", DEFAULT_DATABASE)
        in_azure = None if args["management"] == NONE else self._manage(args)
        # The process that generates passwords imports psycopg while the engine starts the plugin.
        generated = self._generated_passwords(args)
        self.provider = postgresql_provider(
            f"{name}-postgresql",
            self.connection,
            self.database,
            self._after(*generated.values()),
        )
        in_effect = in_azure or self._in_effect(args, after=self.provider)
        ready = self._databases(args.get("databases", ()), in_effect)
        self.login = args.get("login", {})
        self.read_all_data = args.get("readAllData", ())
        self.roles = self._roles(args, ready, generated)
        if "keyVault" in args:
            password_secrets(name, args["keyVault"], self.roles.passwords, self, self._adoption)
        self.register_outputs({"host": self.connection["host"], "users": sorted(self.users)})

    def _generated_passwords(self, args: CdcServerArgs) -> dict[str, GeneratedPassword]:
        """None where one is given for all of them."""
        if args.get("connectorPassword") is not None:
            return {}
        users = sorted({*self.users, *args.get("formerUsers", ())})
        return generated_passwords(self._name, users, self)

    def _roles(
        self,
        args: CdcServerArgs,
        after: pulumi.Resource,
        generated: Mapping[str, GeneratedPassword],
    ) -> ConnectorRoles:
        """The connectors' roles, once it is sure that no login is lost over them."""
        former = args.get("formerUsers", ())
        logins = ConnectorLogins(
            f"{self._name}-logins",
            self.connection,
            self.database,
            self.users,
            former,
            self.login,
            self.read_all_data,
            self._after(after),
        )
        roles = ConnectorRoles(
            self._name,
            self.connection,
            self.database,
            self.users,
            {
                user: generated[user].password
                if generated
                else pulumi.Output.secret(args["connectorPassword"])
                for user in self.users
            },
            self.provider,
            parent=self,
            depends_on=[logins],
            adoption=self._adoption.role(self.connection, self.database),
            former_users=former,
            login=self.login,
            read_all_data=self.read_all_data,
        )
        for user, role in roles.users.items():
            if "walSenderTimeout" in self.login:
                WalSenderTimeout(
                    f"{self._name}-{user}-timeout",
                    self.connection,
                    self.database,
                    user,
                    self.login["walSenderTimeout"],
                    self._after(role),
                )
        return roles

    def _in_effect(self, args: CdcServerArgs, after: pulumi.Resource) -> pulumi.Resource:
        """Another tool owns the server: look at what it has in effect, and change nothing."""
        needed = requirements(connectors=args.get("connectors", 1), pglogical=False)
        return EffectiveParameters(
            f"{self._name}-in-effect",
            self.connection,
            self.database,
            {item.name: item.value for item in needed},
            wait=False,
            opts=self._after(after),
        )

    def _manage(self, args: CdcServerArgs) -> pulumi.Resource:
        """Azure's side, in the order that Azure wants: one operation at a time, restart last."""
        name, rules = self._name, restart_rules(args)
        server = self._create(args) if args["management"] == CREATE else self._find(args)
        self.connection = self.connection | {
            "host": self._host(server, is_new=args["management"] == CREATE)
        }
        self.storage_gib, self.failover_slots = server.storage_gib, server.failover_slots
        self.network = pulumi.Output.from_input(server.private).apply(
            lambda private: access(args.get("firewallRules", {}), private=private)
        )
        what = demand(
            args.get("connectors", 1),
            pglogical=args.get("pglogical", True),
            others=other_requirements(args),
            version=args["create"].get("version", new_server.DEFAULT_VERSION)
            if "create" in args
            else None,
        )
        replicas = ReplicaParameters(
            f"{name}-replicas", server.id, what, rules, self._after(server.ready)
        )
        parameters = ServerParameters(f"{name}-parameters", server.id, what, self._after(replicas))
        restart = ServerRestart(
            f"{name}-restart",
            server.id,
            parameters.names,
            rules,
            self.connection,
            self.database,
            own_server=args["management"] == CREATE
            and DEFAULT_DATABASE not in args.get("databases", ()),
            opts=self._after(parameters),
        )
        reachable = self._open(args, server, restart)
        if "alerts" in args:
            self._watch(args, server)
        return EffectiveParameters(
            f"{name}-in-effect",
            self.connection,
            self.database,
            parameters.effective,
            wait=True,
            opts=self._after(reachable),
        )

    def _host(self, server: _Managed, *, is_new: bool) -> pulumi.Input[str]:
        """Its own name, or the given one; of a new server, known once it is there: nobody looks
        into a server that a first preview is only about to make."""
        given = self.connection.get("host")
        if given is None:
            return server.host
        return server.host.apply(lambda _: given) if is_new else given

    def _find(self, args: CdcServerArgs) -> _Managed:
        """A server that is there: of its own settings, only storage auto-grow is touched."""
        from pulumi_azure_native import authorization

        subscription = args.get("subscription") or (
            authorization.get_client_config_output(
                pulumi.InvokeOptions(parent=self)
            ).subscription_id
        )
        server = ExistingServer(
            f"{self._name}-server",
            subscription,
            args["resourceGroup"],
            args["serverName"],
            self._after(),
        )
        storage = StorageAutoGrow(
            f"{self._name}-storage-auto-grow", server.serverId, self._after(server)
        )
        return _Managed(
            server.serverId,
            server.host,
            server.storageGiB,
            server.failoverSlots,
            server.isPrivate,
            storage,
        )

    def _create(self, args: CdcServerArgs) -> _Managed:
        """A server of the stack's own."""
        create = args["create"]
        public = "privateEndpoint" not in create or bool(args.get("firewallRules"))
        server = new_server.new_server(
            self._name,
            args["resourceGroup"],
            args["serverName"],
            create,
            self.connection["user"],
            self._password_of_new_server(),
            public=public,
            parent=self,
            adoption=self._adoption,
        )
        size = float(create.get("storageGiB", new_server.DEFAULT_STORAGE_GIB))
        private = "subnet" in create or not public
        standby = create.get("highAvailability", "Disabled") != "Disabled"
        version = create.get("version", new_server.DEFAULT_VERSION)
        failover = standby and capabilities.has_in("failover slots", version)
        return _Managed(
            server.id, server.fully_qualified_domain_name, size, failover, private, server
        )

    def _open(
        self, args: CdcServerArgs, server: _Managed, after: pulumi.Resource
    ) -> pulumi.Resource:
        """Let the connector, the administrators and the deployment itself in."""
        after = firewall_rules(
            self._name, server.id, args.get("firewallRules", {}), parent=self, after=after
        )
        if args["management"] != CREATE:
            return after
        create, group = args["create"], args["resourceGroup"]
        after = new_server.administrators(
            self._name, group, args["serverName"], create, self, after, self._adoption
        )
        if "privateEndpoint" in create:
            after = private_endpoint(
                self._name,
                server.id,
                group,
                create["privateEndpoint"],
                create.get("location"),
                parent=self,
                after=after,
                adoption=self._adoption,
            )
        return after

    def _databases(self, names: Sequence[str], after: pulumi.Resource) -> pulumi.Resource:
        """The databases of a new server, one after the other: each copies the template."""
        for name in names:
            after = Database(
                f"{self._name}-database-{name}",
                self.connection,
                self.database,
                name,
                self._after(after),
            )
        return after

    def _watch(self, args: CdcServerArgs, server: _Managed) -> None:
        """Alerts on what makes a slot dangerous."""
        wanted = args["alerts"]
        slot_sync: pulumi.Input[bool] = server.failover_slots
        if "create" in args:
            slot_sync = args["create"].get("highAvailability", "Disabled") != "Disabled"
        declared = alerts_of(wanted, server.storage_gib, slot_sync=slot_sync)
        alerts(
            self._name,
            server.id,
            args["resourceGroup"],
            wanted,
            declared,
            parent=self,
            adoption=self._adoption,
        )

    def _password_of_new_server(self) -> pulumi.Input[str]:
        """With Entra alone nobody logs in with it, but Azure wants the server to have one."""
        if not is_entra(self.connection) or "password" in self.connection:
            return self.connection["password"]
        login = f"{self._name}-server-administrator"
        return GeneratedPassword(login, login, self._after()).password

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[*resources])
