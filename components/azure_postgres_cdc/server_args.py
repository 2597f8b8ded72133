"""The arguments of CdcServer, and everything that may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

import pulumi

from azure_postgres_cdc.azure.alerts import COLLECTOR, AlertsArgs, alert_faults
from azure_postgres_cdc.azure.key_vault import vault_faults
from azure_postgres_cdc.azure.network import AddressRange, firewall_fault
from azure_postgres_cdc.azure.new_server import CreateArgs, create_faults
from azure_postgres_cdc.azure.parameters import (
    NEVER_EXACTLY,
    SETS,
    ExactlyArgs,
    Requirement,
    as_text,
)
from azure_postgres_cdc.azure.restart import (
    NEVER,
    WHEN_NEEDED,
    RestartArgs,
    contradiction,
    restart_fault,
)
from azure_postgres_cdc.database.connection import ConnectionArgs, is_entra
from azure_postgres_cdc.database.logins import LoginArgs, login_faults
from azure_postgres_cdc.names import DEFAULT_ROLE, DEFAULT_USER, identifier_fault, shared_names
from azure_postgres_cdc.secret_settings import connector_password_fault

CREATE, EXISTING, NONE = "create", "existing", "none"
DEFAULT_DATABASE = "postgres"

ParameterValue = str | int | float | bool | ExactlyArgs


class CdcServerArgs(TypedDict):
    """The server, its administrator, and the connectors' logins."""

    management: Literal["create", "existing", "none"]
    """`create`: the stack makes the server and owns it. `existing`: of a server that is there, it
    changes the parameters and storage auto-grow, and restarts it where allowed. `none`: another
    tool owns the server; only what is in effect is checked."""
    connection: ConnectionArgs
    """How to reach PostgreSQL as the administrator."""
    database: NotRequired[str]
    """A database to log in to for what belongs to the whole server. Default `postgres`."""
    resourceGroup: NotRequired[pulumi.Input[str]]
    """The server's resource group. Needed with `create` and `existing`."""
    serverName: NotRequired[pulumi.Input[str]]
    """The server's name. Needed with `create` and `existing`."""
    subscription: NotRequired[pulumi.Input[str]]
    """The server's subscription. Default: that of the azure-native provider."""
    create: NotRequired[CreateArgs]
    """What is made. Needed with `create`."""
    databases: NotRequired[Sequence[str]]
    """With `create`: databases to make on the new server. They are never dropped."""
    connectors: NotRequired[int]
    """How many connectors have a slot on it: replication slots and WAL senders are sized for
    them, for the read replicas and for a standby. Default 1."""
    parameters: NotRequired[Mapping[str, ParameterValue]]
    """More server parameters, by name. Sets are merged with what the server has, numbers are
    minimums; `{"exactly": value}` sets this very value. In the parameter's own unit."""
    pglogical: NotRequired[bool]
    """Preload and allow pglogical, as the page asks. Default true; pgoutput does not need it."""
    restart: NotRequired[Literal["when-needed", "never"] | RestartArgs]
    """Whether a pending restart is carried out. Default: `when-needed` with `create`, `never`
    with `existing`, which stops and says what is pending."""
    firewallRules: NotRequired[Mapping[str, str | AddressRange]]
    """Who may reach a server with public access: a name, and an IPv4 address or a range."""
    alerts: NotRequired[AlertsArgs]
    """Metric alerts on storage, WAL and replication delay. Default: none."""
    keyVault: NotRequired[str]
    """The resource id of a Key Vault that gets the connectors' passwords, as secrets called
    `<server>-<user>`. Default: none."""
    users: NotRequired[Mapping[str, Sequence[str]]]
    """Login users of the connectors, each with its group roles.
    Default: `streamkap_user` in `streamkap_role`."""
    formerUsers: NotRequired[Sequence[str]]
    """Login users from before that go on working beside the new ones, each with the password and
    the roles that it has, until they are taken out. Default: none."""
    login: NotRequired[LoginArgs]
    """What every login user gets besides."""
    readAllData: NotRequired[Sequence[str]]
    """Group roles that are to be members of pg_read_all_data (PostgreSQL 14+). Default: none."""
    connectorPassword: NotRequired[pulumi.Input[str]]
    """The login users' password. Default: one is generated for each."""


def users_of(args: CdcServerArgs) -> Mapping[str, Sequence[str]]:
    """The connectors' login users, each with its group roles."""
    return args.get("users", {DEFAULT_USER: [DEFAULT_ROLE]})


def restart_rules(args: CdcServerArgs) -> RestartArgs:
    """Whether and when a restart is carried out, with the default of this management.

    Sorted: the order of a list means nothing.
    """
    given = args.get("restart")
    default: RestartArgs = {"mode": WHEN_NEEDED if args["management"] == CREATE else NEVER}
    if given is None:
        return default
    if not isinstance(given, Mapping):
        return {"mode": given}
    found: RestartArgs = {**default, **given}
    if "window" in found:
        found["window"] = {**found["window"], "days": sorted(set(found["window"]["days"]))}
    if "allowPending" in found:
        found["allowPending"] = sorted(set(found["allowPending"]))
    return found


def other_requirements(args: CdcServerArgs) -> list[Requirement]:
    """What the user asks for besides what logical replication needs."""
    asked = dict(args.get("parameters", {}))
    if args.get("alerts", {}).get("collector", False):
        asked.setdefault(COLLECTOR, True)
    return [_requirement(name, value) for name, value in sorted(asked.items())]


def faults_of_server(args: CdcServerArgs) -> list[str]:
    """Everything that is wrong; empty where nothing is."""
    return [
        *_management_faults(args),
        *_connection_faults(args),
        *_parameter_faults(args.get("parameters", {})),
        *(_azure_faults(args) if args["management"] != NONE else ()),
        *_user_faults(args["connection"]["user"], users_of(args)),
        *_former_user_faults(args),
        *login_faults(args.get("login", {})),
        *_password_faults(args),
    ]


def _management_faults(args: CdcServerArgs) -> Iterator[str]:
    management = args["management"]
    needed = {
        CREATE: ("resourceGroup", "serverName", "create"),
        EXISTING: ("resourceGroup", "serverName"),
        NONE: (),
    }
    if management not in needed:
        yield f"management is {management!r}: use {CREATE}, {EXISTING} or {NONE}"
        return
    for key in needed[management]:
        if key not in args:
            yield f"{key} is missing; management {management} needs it"
    if management != CREATE:
        for key in ("create", "databases"):
            if args.get(key):
                yield f"{key} is for management {CREATE}; this is {management}"
    if management == NONE:
        for key in ("parameters", "restart", "firewallRules", "alerts", "keyVault"):
            if args.get(key):
                yield f"{key} needs Azure's management API, which management none leaves alone"


def _connection_faults(args: CdcServerArgs) -> Iterator[str]:
    connection = args["connection"]
    if args["management"] == NONE and "host" not in connection:
        yield "connection.host is missing; management none needs it"
    if is_entra(connection):
        if "tenantId" not in connection:
            yield "connection.tenantId is missing; auth entra needs it"
        if "password" in connection and args["management"] != CREATE:
            yield "connection.password is given, and auth entra needs none: take it out"
    elif "password" not in connection:
        yield "connection.password is missing; auth password needs it"
    # pulumi-postgresql puts them into a URL.
    host = connection.get("host")
    if isinstance(host, str) and host.startswith("/"):
        yield f"connection.host {host} is a socket's folder: give the server's name or address"
    if ":" in connection["user"]:
        yield (
            f"connection.user {connection['user']} holds a colon, at which pulumi-postgresql cuts "
            "it off: choose another administrator"
        )


def _password_faults(args: CdcServerArgs) -> Iterator[str]:
    password = args.get("connectorPassword")
    if isinstance(password, str) and (fault := connector_password_fault(password)):
        yield fault


def _entra_faults(connection: ConnectionArgs, create: CreateArgs) -> Iterator[str]:
    """A new server takes a token of its own administrators and tenant only."""
    if not is_entra(connection):
        return
    if "entra" not in create:
        yield "create.entra is missing; without an administrator there, no token is accepted"
        return
    entra, user = create["entra"], connection["user"]
    if user not in [item["name"] for item in entra["administrators"]]:
        yield f"connection.user {user} is none of create.entra.administrators"
    if connection.get("tenantId", entra["tenantId"]) != entra["tenantId"]:
        yield "connection.tenantId is not create.entra.tenantId"
    if create.get("administrator", user) == user:
        yield (
            "create.administrator is missing, or connection.user: the login with a password that "
            "Azure wants a server to have needs a name of its own"
        )


def _parameter_faults(parameters: Mapping[str, ParameterValue]) -> Iterator[str]:
    for name, value in parameters.items():
        exactly = isinstance(value, Mapping)
        if exactly and name in NEVER_EXACTLY:
            yield (
                f"parameters.{name}: exactly could take something away from whoever shares the "
                "server: give the value alone, which is merged with what is there"
            )
        text = as_text(value["exactly"]) if isinstance(value, Mapping) else as_text(value)
        if name in NEVER_EXACTLY - SETS - {"wal_level"} and not text.isdigit():
            yield f"parameters.{name} is {text}: it is a whole number"
        if name == "wal_level" and text.strip().lower() != "logical":
            yield (
                f"parameters.wal_level is {text}: no change could be captured, and with a logical "
                "slot PostgreSQL would not start. Take it out"
            )


def _azure_faults(args: CdcServerArgs) -> Iterator[str]:
    rules, given = restart_rules(args), args.get("restart")
    fault = restart_fault(rules) or (contradiction(given) if isinstance(given, Mapping) else "")
    if fault:
        yield fault
    if args["management"] == CREATE and "create" in args:
        yield from create_faults(args["create"])
        yield from _entra_faults(args["connection"], args["create"])
        if rules.get("failover") and args["create"].get("highAvailability", "Disabled") == (
            "Disabled"
        ):
            yield "restart.failover needs create.highAvailability: there is no standby"
    for name, value in args.get("firewallRules", {}).items():
        fault = firewall_fault(name, value)
        if fault:
            yield fault
    if args.get("firewallRules") and "subnet" in args.get("create", {}):
        yield (
            "firewallRules: a server in a virtual network has none. Take them out; let the "
            "connector in through the network's security group, a peering, or an SSH tunnel"
        )
    if "alerts" in args:
        yield from alert_faults(args["alerts"])
    if "keyVault" in args:
        yield from vault_faults(args["keyVault"], users_of(args))


def _user_faults(administrator: str, users: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield from shared_names(administrator, users)
    for user, roles in users.items():
        for kind, found in (("user", user), *(("role", role) for role in roles)):
            fault = identifier_fault(found)
            if fault:
                yield f"{kind} {found!r} {fault}"
        if not roles:
            yield f"user {user!r} is in no group role, which would hold its grants"


def _former_user_faults(args: CdcServerArgs) -> Iterator[str]:
    users = users_of(args)
    roles = {role for mine in users.values() for role in mine}
    for user in args.get("formerUsers", ()):
        fault = identifier_fault(user)
        if fault:
            yield f"formerUsers: {user!r} {fault}"
        if user in users:
            yield f"formerUsers: {user!r} is in use: a connector's user is no former one"
        if user in roles:
            yield f"formerUsers: {user!r} is no login, but a group role"
        if user == args["connection"]["user"]:
            yield f"formerUsers: {user!r} is the administrator, and no connector's login"


def _requirement(name: str, value: ParameterValue) -> Requirement:
    if isinstance(value, Mapping):
        return Requirement(name, as_text(value["exactly"]), exactly=True)
    return Requirement(name, as_text(value))
