"""Read-only snapshots have the version that they need."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import STREAMKAP
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "server-version-serves-snapshots"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """Where the connector is read-only and the version known."""
    reading = [item.label for item in stack.connectors if item.read_only]
    for server in stack.servers:
        if reading and server.version is not None and server.version < config["oldest"]:
            yield (
                f"{reading[0]} is read-only, and {server.label} runs PostgreSQL {server.version}",
                server.resource.urn,
            )


POLICY = stack_rule(
    NAME,
    title="Read-only snapshots have PostgreSQL 13 or later",
    why="The page's method 1, a read-only connection, requires PostgreSQL 13 or higher.",
    remedy="use a signal table (Read only: No), or a newer version",
    url=STREAMKAP,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.servers and any(item.read_only for item in stack.connectors),
    config={
        "oldest": {"type": "number", "default": 13, "description": "The oldest major version."}
    },
)
