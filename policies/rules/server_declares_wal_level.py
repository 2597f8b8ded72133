"""wal_level is declared at all: the default is replica."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import LOGICAL_REPLICATION
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "server-declares-wal-level"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Every server of the stack."""
    for server in stack.servers:
        if server.value("wal_level") is None:
            yield f"{server.label} leaves wal_level at replica", server.resource.urn


POLICY = stack_rule(
    NAME,
    title="The server parameter wal_level is declared",
    why="Azure's default of wal_level is replica, with which no change can be captured.",
    remedy="declare the server parameter wal_level with the value logical",
    url=LOGICAL_REPLICATION,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.servers,
)
