"""High availability implies parameters that carry the slots to the standby."""

from __future__ import annotations

from collections.abc import Iterator

from view.azure import Server
from view.links import AVAILABILITY
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import UNKNOWN, members, truth

NAME = "server-with-standby-syncs-slots"

_FIRST_WITH_SYNC = 17


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """By the version, where it is known; else what either version needs is enough."""
    for server in stack.servers:
        if server.has_standby:
            for missing in _missing(server):
                yield f"{server.label} has a standby, but {missing}", server.resource.urn


def _missing(server: Server) -> Iterator[str]:
    feedback = server.value("hot_standby_feedback")
    if feedback is not UNKNOWN and not truth(feedback):
        yield "hot_standby_feedback is not on"
    sync, libraries = (
        server.value(name) for name in ("sync_replication_slots", "shared_preload_libraries")
    )
    synced = sync is UNKNOWN or truth(sync)
    loaded = libraries is UNKNOWN or "pg_failover_slots" in members(libraries)
    if server.version is None:
        if not synced and not loaded:
            yield "neither sync_replication_slots nor pg_failover_slots is there"
    elif server.version >= _FIRST_WITH_SYNC:
        if not synced:
            yield "sync_replication_slots is not on"
    elif not loaded:
        yield "shared_preload_libraries lacks pg_failover_slots"


POLICY = stack_rule(
    NAME,
    title="A standby keeps copies of the slots",
    why="A slot that the standby does not know is gone after a failover, and its changes with it.",
    remedy=(
        "set hot_standby_feedback to on and, from PostgreSQL 17, sync_replication_slots to on; "
        "up to 16, preload pg_failover_slots"
    ),
    url=AVAILABILITY,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: any(server.has_standby for server in stack.servers),
)
