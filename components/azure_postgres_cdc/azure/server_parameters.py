"""Server parameters, written: replicas first, then the primary, only what differs, read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.azure import parameters
from azure_postgres_cdc.azure.client import FlexibleServer, ServerFacts
from azure_postgres_cdc.azure.parameters import (
    NOT_LOWER_ON_REPLICAS,
    Change,
    Requirement,
    requirements,
)
from azure_postgres_cdc.azure.restart import RestartArgs, check_failover, restart_where_due
from azure_postgres_cdc.dynamic import ConvergingProvider, Props, note
from azure_postgres_cdc.errors import CdcError

_IN_WORDS = "; ".join


class _ParametersProvider(ConvergingProvider):
    """What both have in common: look first, and write only where something is missing."""

    identity = ("serverId",)
    unsettled = ("toWrite",)

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002
        return news | {"toWrite": self.missing(news)}

    def missing(self, props: Props) -> dict[str, str]:
        """What differs: parameter, and its value now and then."""
        raise NotImplementedError

    def look(self, props: Props) -> Props:
        return props | {"toWrite": self.missing(props)}


class ServerParametersProvider(_ParametersProvider):
    """The parameters of the server itself."""

    def missing(self, props: Props) -> dict[str, str]:
        server = FlexibleServer.at(props["serverId"])
        return {change.name: str(change) for change in _plan(server, _needed(server, props))}

    def make(self, props: Props) -> Props:
        server = FlexibleServer.at(props["serverId"])
        needed = _needed(server, props)
        _write(server, _plan(server, needed), f"server {server.id.name}")
        found = _read_back(server, needed)
        names = [item.name for item in needed]
        effective = {name: found[name].value for name in names if found[name].is_told_by_postgresql}
        return props | {"toWrite": {}, "names": names, "effective": effective}

    def id_of(self, props: Mapping[str, Any]) -> str:
        return f"{props['serverId']}/configurations"


class ReplicaParametersProvider(_ParametersProvider):
    """What a standby must not have less of than its primary, on every read replica."""

    def resolve(self, olds: Props, news: Props) -> Props:
        # The first who knows how the server is to be restarted says what is wrong with that.
        check_failover(FlexibleServer.at(news["serverId"]), news["restart"])
        return super().resolve(olds, news)

    def missing(self, props: Props) -> dict[str, str]:
        found: dict[str, str] = {}
        for plan in _replica_plans(props):
            name = plan.replica.id.name
            found |= {f"{name}: {change.name}": str(change) for change in plan.changes}
            for parameter in plan.waiting:
                found.setdefault(f"{name}: {parameter}", "waits for a restart")
        return found

    def make(self, props: Props) -> Props:
        for plan in _replica_plans(props):
            _write(plan.replica, plan.changes, f"read replica {plan.replica.id.name}")
            restart_where_due(plan.replica, plan.ours, _without_failover(props), str)
        return props | {"toWrite": {}}

    def id_of(self, props: Mapping[str, Any]) -> str:
        return f"{props['serverId']}/replicas/configurations"


class ServerParameters(Resource, module="azure-postgres-cdc", name="ServerParameters"):
    """The parameters of one server. They stay as they are when the resource is deleted: writing
    the defaults back would take wal_level away from slots that others may have.

    `toWrite` is what a preview shows: each parameter that differs, from what to what.
    """

    names: pulumi.Output[list[str]]
    """The parameters that this stack needs."""
    effective: pulumi.Output[dict[str, str]]
    """Their values, sets left out."""

    def __init__(
        self,
        resource_name: str,
        server_id: pulumi.Input[str],
        demand: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = {"names": None, "effective": None, "toWrite": None}
        props = {"serverId": server_id, **demand, **given}
        super().__init__(ServerParametersProvider(), resource_name, props, opts)


class ReplicaParameters(Resource, module="azure-postgres-cdc", name="ReplicaParameters"):
    """Raises a server's read replicas, and restarts them, before the server itself: a standby
    that has less than its primary pauses or stops replay (PostgreSQL's manual, 26.4.3)."""

    def __init__(
        self,
        resource_name: str,
        server_id: pulumi.Input[str],
        demand: Mapping[str, Any],
        restart: RestartArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"serverId": server_id, **demand, "restart": restart, "toWrite": None}
        super().__init__(ReplicaParametersProvider(), resource_name, props, opts)


def demand(
    connectors: int, *, pglogical: bool, others: Sequence[Requirement], version: int | None
) -> dict[str, Any]:
    """What both resources are told: how many connectors, and what the user asks for besides.

    `version`: the major version that the stack has made the server with, if it has.
    """
    return {
        "connectors": connectors,
        "pglogical": pglogical,
        "others": [
            {"name": item.name, "value": item.value, "exactly": item.exactly} for item in others
        ],
        "version": version,
    }


def checked_facts(server: FlexibleServer) -> ServerFacts:
    """The server, refused where nothing can be done to it."""
    facts, name = server.facts(), server.id.name
    if facts.replica_of:
        raise CdcError(
            f"server {name} is a read replica of {facts.replica_of.rpartition('/')[2]}, on which "
            "nothing can be created. Remedy: give the primary in server.name"
        )
    server.check_not_down(facts.state)
    capabilities.check_azure(facts.version)
    return facts


def _needed(server: FlexibleServer, props: Props) -> list[Requirement]:
    facts = checked_facts(server)
    if props.get("version") and int(props["version"]) != facts.version:
        raise CdcError(
            f"server {server.id.name} runs PostgreSQL {facts.version}, and server.create.version "
            f"is {int(props['version'])}. A major upgrade drops every replication slot, so up does "
            f"not do it. Remedy: azure-postgres-cdc upgrade, or set it to {facts.version}"
        )
    return requirements(
        connectors=int(props["connectors"]),
        pglogical=bool(props["pglogical"]),
        version=facts.version,
        high_availability=facts.high_availability,
        replicas=len(server.replicas()),
        others=[Requirement(**item) for item in props["others"]],
    )


def _plan(server: FlexibleServer, needed: Sequence[Requirement]) -> list[Change]:
    found = server.parameters()
    faults = parameters.faults(needed, found)
    if faults:
        raise CdcError(f"server {server.id.name}: {_IN_WORDS(faults)}")
    return parameters.plan(needed, found)


@dataclass(frozen=True)
class _ReplicaPlan:
    """What has to be raised on one read replica, and which of its parameters are this stack's."""

    replica: FlexibleServer
    changes: list[Change]
    ours: list[str]
    waiting: list[str]
    """Those of ours that were written before, and wait for a restart."""


def _replica_plans(props: Props) -> list[_ReplicaPlan]:
    server = FlexibleServer.at(props["serverId"])
    replicas = server.replicas()
    if not replicas:
        return []
    needed, found = _needed(server, props), server.parameters()
    after = {change.name: change.value for change in _plan(server, needed)}
    wanted = [
        Requirement(name, after.get(name, found[name].value))
        for name in NOT_LOWER_ON_REPLICAS
        if name in found
    ]
    plans = []
    for replica in replicas:
        there = replica.parameters()
        changes = parameters.plan(wanted, there)
        ours = {item.name for item in needed if item.name in NOT_LOWER_ON_REPLICAS}
        ours |= {change.name for change in changes}
        # Raised to the very value that is wanted: by an `up` that stopped before the restart.
        ours |= {
            item.name
            for item in wanted
            if item.name in there and there[item.name].value == item.value
        }
        waiting = sorted(name for name in ours if name in there and there[name].is_pending)
        plans.append(_ReplicaPlan(replica, changes, sorted(ours), waiting))
    return plans


def _write(server: FlexibleServer, changes: Sequence[Change], which: str) -> None:
    for number, change in enumerate(changes, 1):
        note(f"writing {number} of {len(changes)}: {change.name} of {which}: {change}")
        server.set_parameter(change.name, change.requirement.merged)


def _read_back(
    server: FlexibleServer, needed: Sequence[Requirement]
) -> dict[str, parameters.Parameter]:
    """Look whether every value arrived, and write once more what did not: an operation whose end
    was not seen, or somebody else's write in between."""
    found = server.parameters()
    short = parameters.plan(needed, found)
    for change in short:
        server.set_parameter(change.name, change.requirement.merged)
    if short:
        found = server.parameters()
        short = parameters.plan(needed, found)
    if short:
        raise CdcError(
            f"server {server.id.name} accepted its parameters but does not have them: "
            + _IN_WORDS(f"{change.name}: {change}" for change in short)
            + ". Remedy: look at the server's activity log in the portal, then run pulumi up again"
        )
    return found


def _without_failover(props: Props) -> RestartArgs:
    """A read replica has no standby to fail over to."""
    rules: RestartArgs = dict(props["restart"])  # type: ignore[assignment]
    rules.pop("failover", None)
    return rules
