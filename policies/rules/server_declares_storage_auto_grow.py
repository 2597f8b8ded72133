"""Storage auto-grow is turned on: Azure's default is off."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import STORAGE
from view.rule import ADVISORY, HIGH, Config, Finding, stack_rule
from view.stack import Stack

NAME = "server-declares-storage-auto-grow"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Every server that is itself declared."""
    for server in stack.servers:
        if server.is_declared and server.grows is False:
            yield f"{server.label} does not let its storage grow", server.resource.urn


POLICY = stack_rule(
    NAME,
    title="Storage auto-grow is declared",
    why="A server whose storage is full goes read-only; auto-grow is off unless it is asked for.",
    remedy="set storage.autoGrow to Enabled",
    url=STORAGE,
    level=ADVISORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: any(server.is_declared for server in stack.servers),
)
