"""A slot has the plug-in that the connector reads."""

from __future__ import annotations

from collections.abc import Iterator

from view.declared import Declared
from view.kinds import OUR_SLOT, PLAIN_SLOT
from view.links import SLOTS
from view.rule import CRITICAL, MANDATORY, Config, resource_rule
from view.values import UNKNOWN, text

NAME = "slot-uses-pgoutput"


def validate(slot: Declared, _config: Config) -> Iterator[str]:
    """It is fixed when the slot is made."""
    plugin = slot.get("plugin")
    if plugin is not UNKNOWN and (text(plugin) or "").strip().lower() != "pgoutput":
        yield f"the slot's plug-in is {text(plugin)!r}"


POLICY = resource_rule(
    NAME,
    title="Slots use pgoutput",
    why="The connector reads slots of the plug-in pgoutput; it does not start on another one.",
    remedy="make the slot with the plug-in pgoutput",
    url=SLOTS,
    level=MANDATORY,
    severity=CRITICAL,
    kinds=(OUR_SLOT, PLAIN_SLOT),
    validate=validate,
)
