"""max_wal_senders has room for every slot of the stack."""

from __future__ import annotations

from collections.abc import Iterator

from view.azure import DEFAULTS
from view.links import AVAILABILITY
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import UNKNOWN, number

NAME = "server-sizes-wal-senders"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """With a standby, Azure needs some more."""
    for server in stack.servers:
        value = server.value("max_wal_senders")
        found = DEFAULTS["max_wal_senders"] if value is None else value
        spare = config["spareWithStandby" if server.has_standby else "spare"]
        needed = stack.slots_needed + spare
        if found is not UNKNOWN and (number(found) or 0) < needed:
            yield (
                f"max_wal_senders of {server.label} is {found}, and {needed:g} are needed",
                server.resource.urn,
            )


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
    config={
        "spare": {"type": "number", "default": 0, "description": "Wanted besides the slots."},
        "spareWithStandby": {
            "type": "number",
            "default": 4,
            "description": "The same with high availability: Azure's rule.",
        },
    },
)
