"""A slot has the plug-in that the connector reads."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import SLOTS
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import UNKNOWN, text

NAME = "slot-uses-pgoutput"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """It is fixed when the slot is made."""
    for slot in stack.slots:
        found = text(slot.plugin)
        if slot.plugin is not UNKNOWN and (found or "").strip().lower() != "pgoutput":
            yield f"the plug-in of slot {slot.resource.name} is {found!r}", slot.resource.urn


POLICY = stack_rule(
    NAME,
    title="Slots use pgoutput",
    why="The connector reads slots of the plug-in pgoutput; it does not start on another one.",
    remedy="make the slot with the plug-in pgoutput",
    url=SLOTS,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.slots,
)
