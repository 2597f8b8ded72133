"""The one restart: after the last parameter, and only where the server says that one is pending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NotRequired, TypedDict

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.azure.client import FlexibleServer
from azure_postgres_cdc.azure.identity import first_line
from azure_postgres_cdc.azure.window import Window, WindowArgs
from azure_postgres_cdc.database.connection import (
    ConnectionArgs,
    connection_props,
    looking_at,
    rows,
)
from azure_postgres_cdc.dynamic import ConvergingProvider, Props, note, warn
from azure_postgres_cdc.errors import CdcError

WHEN_NEEDED: Final = "when-needed"
NEVER: Final = "never"
FAILOVERS = {"planned": "PlannedFailover", "forced": "ForcedFailover"}

_SESSIONS = """
    SELECT count(*) FILTER (WHERE backend_type = 'client backend'),
           count(*) FILTER (WHERE backend_type = 'walsender')
    FROM pg_stat_activity WHERE pid <> pg_backend_pid()
"""


class RestartArgs(TypedDict):
    """When and how a server may be restarted."""

    mode: NotRequired[Literal["when-needed", "never"]]
    """`never`: stop where a restart is pending, and say so. `when-needed`: restart then. Default:
    `when-needed` with `create`, `never` with `existing`; a window goes before it."""
    window: NotRequired[WindowArgs]
    """Restart within these hours only; outside of them, stop and say when they begin."""
    failover: NotRequired[Literal["planned", "forced"]]
    """Restart by a failover to the standby. Needs high availability. Default: a plain restart."""
    allowPending: NotRequired[Sequence[str]]
    """Parameters that somebody else changed, and that the restart may bring into effect too."""


class ServerRestartProvider(ConvergingProvider):
    """Restarts the server where the parameters of this stack wait for it."""

    identity = ("serverId",)
    unsettled = ("pending",)

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002
        server = FlexibleServer.at(news["serverId"])
        return news | {"pending": pending_of(server, news["parameters"])[0]}

    def make(self, props: Props) -> Props:
        server = FlexibleServer.at(props["serverId"])
        rules = props["rules"]
        if props["ownServer"] and not server.databases():
            rules = rules | {"mode": WHEN_NEEDED, "window": None}  # nobody is there to interrupt
        restart_where_due(server, props["parameters"], rules, lambda: _sessions(props))
        return props | {"pending": []}

    def look(self, props: Props) -> Props:
        server = FlexibleServer.at(props["serverId"])
        return props | {"pending": pending_of(server, props["parameters"])[0]}

    def id_of(self, props: Mapping[str, Any]) -> str:
        return f"{props['serverId']}/restart"


class ServerRestart(Resource, module="azure-postgres-cdc", name="ServerRestart"):
    """Brings static parameters into effect. Deleting it does nothing.

    `parameters` are the names of those that are waited for: nobody else's cause a restart.
    `own_server`: the stack makes the server. As long as that has no database, `up` may restart it
    at any time.
    """

    def __init__(
        self,
        resource_name: str,
        server_id: pulumi.Input[str],
        parameters: pulumi.Input[Sequence[str]],
        rules: RestartArgs,
        connection: ConnectionArgs,
        database: str,
        *,
        own_server: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "serverId": server_id,
            "parameters": parameters,
            "rules": rules,
            "connection": connection_props(connection),
            "database": database,
            "ownServer": own_server,
            "pending": None,
        }
        super().__init__(ServerRestartProvider(), resource_name, props, opts)


def pending_of(server: FlexibleServer, ours: Sequence[str]) -> tuple[list[str], list[str]]:
    """What waits for a restart of the server: this stack's parameters, and those of others."""
    pending = sorted(name for name, item in server.parameters().items() if item.is_pending)
    return [name for name in pending if name in ours], [n for n in pending if n not in ours]


def restart_where_due(
    server: FlexibleServer, ours: Sequence[str], rules: RestartArgs, sessions: Any
) -> None:
    """Restart a server whose parameters wait for it, where the rules allow that; once.

    `sessions` says what would be interrupted, and is asked only where that is to be told.
    """

    def due() -> list[str]:
        # Asked again after a wait: a window may have closed, another stack may have restarted it.
        waiting, others = pending_of(server, ours)
        if waiting:
            _check_allowed(server, waiting, others, rules, sessions)
        return waiting

    waiting = due()
    if not waiting:
        return
    note(f"restarting server {server.id.name} for {', '.join(waiting)}")
    server.restart(FAILOVERS.get(rules.get("failover", ""), ""), lambda: bool(due()))
    still = pending_of(server, ours)[0]
    if still:
        raise CdcError(
            f"server {server.id.name} was restarted, and {', '.join(still)} still wait for one. "
            "Remedy: look at the server's activity log in the portal, then run pulumi up again"
        )


def check_failover(server: FlexibleServer, rules: RestartArgs) -> None:
    """Raise a CdcError where the restart is to be a failover, and the server has no standby."""
    if rules.get("failover") and not server.facts().high_availability:
        raise CdcError(
            f"server.restart.failover is {rules['failover']}, and server {server.id.name} has no "
            "standby: it is without high availability. Remedy: take it out, for a plain restart"
        )


def restart_fault(rules: RestartArgs) -> str:
    """What is wrong with the rules; empty where nothing is."""
    if rules.get("mode", NEVER) not in (WHEN_NEEDED, NEVER):
        return f"restart is {rules.get('mode')!r}: use {WHEN_NEEDED}, {NEVER} or a window"
    if rules.get("failover", "planned") not in FAILOVERS:
        return f"restart.failover is {rules['failover']!r}: use {' or '.join(FAILOVERS)}"
    try:
        if rules.get("window"):
            Window.of(rules["window"])
    except ValueError as error:
        return f"restart.{error}"
    return ""


def contradiction(given: RestartArgs) -> str:
    """What the user has said that does not go together; empty where it does."""
    if given.get("mode") == NEVER and given.get("window"):
        return "restart: mode never and a window exclude each other: take mode out"
    return ""


def _check_allowed(
    server: FlexibleServer,
    waiting: Sequence[str],
    others: Sequence[str],
    rules: RestartArgs,
    sessions: Any,
) -> None:
    name = server.id.name
    must = f"server {name} must be restarted before {', '.join(waiting)} can be in effect"
    foreign = [item for item in others if item not in rules.get("allowPending", ())]
    if foreign:
        raise CdcError(
            f"{must}, and a restart would also bring into effect what somebody else has changed: "
            f"{', '.join(foreign)}. Remedy: ask who changed them, then allow it: "
            f"server.restart.allowPending: [{', '.join(foreign)}]"
        )
    if rules.get("window"):
        window, now = Window.of(rules["window"]), datetime.now(UTC)
        if not window.is_open(now):
            raise CdcError(
                f"{must}, and the maintenance window ({window}) is closed. The parameters are "
                f"written. Remedy: run pulumi up again when it opens, "
                f"{window.next_opening(now):%A %Y-%m-%d %H:%M %Z}"
            )
    elif rules.get("mode", NEVER) == NEVER:
        raise CdcError(
            f"{must}, and server.restart is {NEVER}. A restart ends every connection to the server "
            f"for about a minute{sessions()}. Remedy: restart it yourself and run pulumi up again, "
            f"or allow it: server.restart: {WHEN_NEEDED}"
        )


def _sessions(props: Props) -> str:
    """How many connections a restart would end; nothing where that cannot be looked up."""
    try:
        with looking_at(props["connection"], props["database"]) as connection:
            ((clients, senders),) = rows(connection, _SESSIONS)
    except CdcError as error:  # it may be restarting this very moment
        warn([f"cannot count the connections that a restart would end: {first_line(error)}"])
        return ""
    return f" (now: {clients} sessions, {senders} of replication)"
