"""Each connector has a slot of its own."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import DEBEZIUM
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.shared import shared
from view.stack import Stack

NAME = "connector-has-own-slot"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Of one database; names repeat between databases."""
    yield from shared(stack, "slot", lambda item: item.slot)


POLICY = stack_rule(
    NAME,
    title="Each connector has a slot of its own",
    why="Two connectors on one slot take the changes away from each other.",
    remedy="give each connector a slot of its own",
    url=DEBEZIUM,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.connectors,
)
