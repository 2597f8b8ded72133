"""A slot is not deleted by accident."""

from __future__ import annotations

from collections.abc import Iterator

from view.declared import Declared
from view.kinds import OUR_SLOT, PLAIN_SLOT
from view.links import PROTECT
from view.rule import CRITICAL, MANDATORY, Config, resource_rule

NAME = "slot-is-protected"


def validate(slot: Declared, _config: Config) -> Iterator[str]:
    """By the resource option, or because deleting the resource leaves the slot alone."""
    if not slot.protected and slot.get("onDestroy") != "retain":
        yield "the replication slot is not protected"


POLICY = resource_rule(
    NAME,
    title="Slots are protected",
    why="A deleted slot takes with it every change that the connector has not read yet.",
    remedy="give the slot the resource option protect (here: onDestroy: refuse)",
    url=PROTECT,
    level=MANDATORY,
    severity=CRITICAL,
    kinds=(OUR_SLOT, PLAIN_SLOT),
    validate=validate,
)
