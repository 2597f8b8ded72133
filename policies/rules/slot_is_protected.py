"""A slot is not deleted by accident."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import PROTECT
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "slot-is-protected"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """By the resource option, or because deleting the resource leaves the slot alone."""
    for slot in stack.slots:
        if not slot.is_kept:
            yield f"replication slot {slot.resource.name} is not protected", slot.resource.urn


POLICY = stack_rule(
    NAME,
    title="Slots are protected",
    why="A deleted slot takes with it every change that the connector has not read yet.",
    remedy="give the slot the resource option protect (here: onDestroy: refuse)",
    url=PROTECT,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.slots,
)
