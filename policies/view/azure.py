"""Servers in Azure and their parameters: raw azure-native resources, or this project's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from view import kinds
from view.declared import Declared
from view.values import UNKNOWN, has_unknown, number, strings, text, truth

DEFAULTS = {"max_replication_slots": "10", "max_wal_senders": "10"}
"""Azure's defaults of parameters that may well be left alone."""
_SPARE, _SPARE_WITH_STANDBY = 2, 4
_ON = "on"


@dataclass(frozen=True)
class Alert:
    """A metric alert."""

    resource: Declared
    metrics: frozenset[str] | None
    """None where they are not known yet."""
    enabled: bool | None
    """None where that is not known yet."""
    notifies: bool
    """Whether it is wired to an action group."""


@dataclass(frozen=True)
class Server:
    """A flexible server."""

    resource: Declared
    name: str
    """Empty where it is not known yet."""
    configurations: tuple[Declared, ...]
    demand: Declared | None
    """This project's `ServerParameters` of it."""
    grows: Any
    """Whether storage auto-grow is on; UNKNOWN in a preview, perhaps; None where it cannot be."""
    is_declared: bool
    """Whether the stack has the server itself and not only parameters of it."""

    @property
    def label(self) -> str:
        """For messages."""
        return f"server {self.name or self.resource.name}"

    @property
    def version(self) -> int | None:
        """The major version; None where it is not known."""
        return _whole(self.resource.get("version")) or (
            _whole(self.demand.get("version")) if self.demand else None
        )

    @property
    def has_standby(self) -> bool:
        """Whether high availability is known to be on."""
        if truth(self.resource.get("failoverSlots")):
            return True  # so this project has found it
        mode = text(self.resource.get("highAvailability", "mode"))
        return mode is not None and mode.lower() not in ("", "disabled")

    @property
    def parameters(self) -> dict[str, Any]:
        """What the stack sets, by name. This project's own resource merges sets and keeps larger
        numbers, so that what it guarantees is counted and not only what it is asked for."""
        found: dict[str, Any] = _guaranteed(self.demand, self.has_standby) if self.demand else {}
        for resource in self.configurations:
            found |= dict(parameters_of(resource))
        return found

    @property
    def may_have_more(self) -> bool:
        """Whether some parameter's name is not known yet."""
        return any(UNKNOWN in dict(parameters_of(item)) for item in self.configurations)

    def value(self, parameter: str) -> Any:
        """A parameter's value as text; None where the stack leaves it alone; or UNKNOWN."""
        found = self.parameters.get(parameter)
        if found is None and self.may_have_more:
            return UNKNOWN
        return found


def parameters_of(resource: Declared) -> Iterator[tuple[Any, Any]]:
    """Names and values, as text or UNKNOWN, of the parameters that a resource sets."""
    if resource.kind == kinds.CONFIGURATION:
        name = _first(resource.get("configurationName"), resource.get("name"), resource.name)
        value = resource.get("value")
        if value is not None:
            yield _lower(name), value if value is UNKNOWN else text(value)
    elif resource.kind == kinds.OUR_PARAMETERS:
        for item in _others(resource):
            yield _lower(item.get("name")), text(item.get("value"))


def servers_of(resources: Sequence[Declared]) -> list[Server]:
    """The servers, each with what belongs to it: by name, by dependency, or for want of another."""
    found = [item for item in resources if item.kind in (kinds.SERVER, kinds.OUR_SERVER)]
    servers = [item for item in found if not _is_replica(item)]
    configurations = [item for item in resources if item.kind == kinds.CONFIGURATION]
    homes = {item.urn: _home(item, servers) for item in configurations}
    result = [
        Server(
            item,
            _name(item) or "",
            tuple(each for each in configurations if homes[each.urn] == item.urn),
            _sibling(item, kinds.OUR_PARAMETERS, resources),
            _grows(item, resources),
            True,
        )
        for item in servers
    ]
    strangers = [item for item in configurations if not homes[item.urn]]
    for name in dict.fromkeys(text(item.get("serverName")) or "" for item in strangers):
        its = tuple(item for item in strangers if (text(item.get("serverName")) or "") == name)
        result.append(Server(its[0], name, its, None, UNKNOWN, False))
    return result


def alerts_of(server: Server, resources: Sequence[Declared]) -> Iterator[Alert]:
    """The alerts that watch a server, or may, as far as one can tell yet."""
    for item in resources:
        if item.kind in kinds.METRIC_ALERTS and _watches(item, server):
            criteria = item.get("criteria", "allOf")
            conditions = criteria if isinstance(criteria, list) else []
            known = [each for each in conditions if isinstance(each, dict)]
            metrics = (
                criteria if criteria is UNKNOWN else [each.get("metricName") for each in known]
            )
            actions = item.get("actions")
            yield Alert(
                item,
                None if has_unknown(metrics) else strings(metrics),
                True if item.get("enabled") is UNKNOWN else truth(item.get("enabled")),
                actions is UNKNOWN or any(_is_wired(each) for each in actions or ()),
            )


def restarts(resource: Declared) -> bool:
    """Whether a resource restarts a server: this project's, a resource that is called so, or a
    command that says it."""
    if "restart" in resource.kind.rpartition(":")[2].lower():
        return True
    if resource.kind not in kinds.COMMANDS:
        return False
    commands = (text(resource.get(key)) or "" for key in ("create", "update"))
    return any("restart" in command.lower() for command in commands)


def _is_replica(server: Declared) -> bool:
    """A read replica has what its primary has, and no slot of its own."""
    role, mode = (text(server.get(key)) or "" for key in ("replicationRole", "createMode"))
    return mode.lower() == "replica" or role.lower() in ("asyncreplica", "georeplica")


def _grows(server: Declared, resources: Sequence[Declared]) -> Any:
    if server.kind == kinds.OUR_SERVER:
        return _sibling(server, kinds.OUR_AUTO_GROW, resources) is not None
    if (text(server.get("storage", "type")) or "Premium_LRS").lower() != "premium_lrs":
        return None  # only Premium SSD can
    value = server.get("storage", "autoGrow")
    return UNKNOWN if value is UNKNOWN else (text(value) or "").lower() == "enabled"


def _home(configuration: Declared, servers: Sequence[Declared]) -> str:
    name = text(configuration.get("serverName"))
    if name is not None:
        named = [item.urn for item in servers if (_name(item) or name).lower() == name.lower()]
        return named[0] if named else ""
    depends = [item.urn for item in servers if item.urn in configuration.dependencies]
    if depends or len(servers) == 1:
        return (depends or [servers[0].urn])[0]
    return ""


def _watches(alert: Declared, server: Server) -> bool:
    scopes = alert.get("scopes")
    if not server.name or scopes is UNKNOWN or has_unknown(scopes):
        return True
    ending = f"/flexibleservers/{server.name}".lower()
    return any(scope.lower().rstrip("/").endswith(ending) for scope in strings(scopes))


def _sibling(one: Declared, kind: str, resources: Sequence[Declared]) -> Declared | None:
    of_kind = [item for item in resources if item.kind == kind and item.parent == one.parent]
    return of_kind[0] if of_kind else None


def _is_wired(action: Any) -> bool:
    return action is UNKNOWN or (isinstance(action, dict) and bool(action.get("actionGroupId")))


def _guaranteed(demand: Declared, has_standby: bool) -> dict[str, Any]:
    asked = int(number(demand.get("connectors")) or 0)
    room = str(max(10, asked + (_SPARE_WITH_STANDBY if has_standby else _SPARE)))
    found: dict[str, Any] = {"wal_level": "logical", "max_worker_processes": "16"}
    found |= dict.fromkeys(("max_replication_slots", "max_wal_senders"), room)
    if truth(demand.get("pglogical")) is not False:
        found |= dict.fromkeys(("shared_preload_libraries", "azure.extensions"), "pglogical")
    if has_standby:
        found |= dict.fromkeys(("hot_standby_feedback", "sync_replication_slots"), _ON)
        libraries = found.get("shared_preload_libraries", "")
        found["shared_preload_libraries"] = f"{libraries},pg_failover_slots"
    return found | dict(_exactly(demand))


def _exactly(demand: Declared) -> Iterator[tuple[str, Any]]:
    for item in _others(demand):
        if truth(item.get("exactly")):
            yield str(_lower(item.get("name"))), text(item.get("value"))


def _others(demand: Declared) -> list[dict[str, Any]]:
    found = demand.get("others")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _name(server: Declared) -> str | None:
    return text(_first(server.get("serverName"), server.get("name")))


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _whole(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None else None
