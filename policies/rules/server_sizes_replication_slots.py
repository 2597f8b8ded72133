"""max_replication_slots has room for every slot of the stack."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import AVAILABILITY
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.sizes import ROOM, without_room
from view.stack import Stack

NAME = "server-sizes-replication-slots"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """With a standby, Azure needs some more."""
    return without_room(stack, config, "max_replication_slots")


POLICY = stack_rule(
    NAME,
    title="The server has room for the slots",
    why="A slot that finds no room is not created, and its connector does not start.",
    remedy="raise the server parameter max_replication_slots and restart the server",
    url=AVAILABILITY,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.servers and stack.slots_needed,
    config=ROOM,
)
