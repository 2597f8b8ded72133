"""The publication holds the signal table."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import SIGNALLING
from view.names import SIGNAL_TABLE
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "publication-holds-signal-table"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """Unless the connectors are read-only, or all tables are in it."""
    for database in stack.databases:
        for item in database.publications:
            named = [one for one in database.connectors if one.publication == item.name]
            reads_only = bool(named) and all(one.read_only for one in named)
            if not (reads_only or config["readOnly"] or item.holds(SIGNAL_TABLE)):
                yield f"publication {item.resource.name} lacks {SIGNAL_TABLE}", item.resource.urn


POLICY = stack_rule(
    NAME,
    title="The publication holds the signal table",
    why="The connector sees a signal by the change in the signal table; unpublished, it sees none.",
    remedy="add streamkap_signal to the publication, or set the connector to read-only",
    url=SIGNALLING,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.publications,
    config={
        "readOnly": {
            "type": "boolean",
            "default": False,
            "description": "Whether the connectors, unknown to the stack, are read-only.",
        }
    },
)
