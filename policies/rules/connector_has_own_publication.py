"""Each connector has a publication of its own."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import DEBEZIUM
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.shared import shared
from view.stack import Stack

NAME = "connector-has-own-publication"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Of one database; names repeat between databases."""
    yield from shared(stack, "publication", lambda item: item.publication)


POLICY = stack_rule(
    NAME,
    title="Each connector has a publication of its own",
    why="A publication is changed for one connector; one that shares it gets its tables too.",
    remedy="give each connector a publication of its own",
    url=DEBEZIUM,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.connectors,
)
