"""max_wal_senders has room for every slot of the stack."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import AVAILABILITY
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.sizes import ROOM, without_room
from view.stack import Stack

NAME = "server-sizes-wal-senders"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """With a standby, Azure needs some more."""
    return without_room(stack, config, "max_wal_senders")


POLICY = stack_rule(
    NAME,
    title="The server has a WAL sender for each slot",
    why="A connector that finds no WAL sender cannot read its slot.",
    remedy="raise the server parameter max_wal_senders and restart the server",
    url=AVAILABILITY,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.servers and stack.slots_needed,
    config=ROOM,
)
