"""Whether a server parameter is large enough, or holds what it has to: for several rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from view.azure import DEFAULTS
from view.rule import Config, Finding
from view.stack import Stack
from view.values import UNKNOWN, members, number

ROOM: dict[str, dict[str, Any]] = {
    "spare": {"type": "number", "default": 0, "description": "Wanted besides the slots."},
    "spareWithStandby": {
        "type": "number",
        "default": 4,
        "description": "The same with high availability: Azure's rule.",
    },
}
MEMBERS: dict[str, dict[str, Any]] = {
    "members": {
        "type": "array",
        "items": {"type": "string"},
        "default": ["pglogical"],
        "description": "What the set has to hold, in any case.",
    }
}


def without_room(stack: Stack, config: Config, parameter: str) -> Iterator[Finding]:
    """Servers whose parameter is less than the slots need. With a standby, Azure needs some more.

    `config` as in ROOM.
    """
    for server in stack.servers:
        value = server.value(parameter)
        found = DEFAULTS[parameter] if value is None else value
        spare = config["spareWithStandby" if server.has_standby else "spare"]
        needed = stack.slots_needed + spare
        if found is not UNKNOWN and (number(found) or 0) < needed:
            yield (
                f"{parameter} of {server.label} is {found}, and {needed:g} are needed",
                server.resource.urn,
            )


def without_members(stack: Stack, config: Config, parameter: str) -> Iterator[Finding]:
    """Servers whose parameter, a set in any case and order, lacks something.

    `config` as in MEMBERS.
    """
    for server in stack.servers:
        value = server.value(parameter)
        missing = sorted({name.lower() for name in config["members"]} - members(value))
        if value is not UNKNOWN and missing:
            yield f"{parameter} of {server.label} lacks {', '.join(missing)}", server.resource.urn
