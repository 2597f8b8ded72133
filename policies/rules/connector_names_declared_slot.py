"""Connectors name the stack's slot."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import DEBEZIUM
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.shared import strays
from view.stack import Stack

NAME = "connector-names-declared-slot"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Of one database; names repeat between databases."""
    yield from strays(stack, "slot", lambda item: item.slot)


POLICY = stack_rule(
    NAME,
    title="Connectors name the stack's slot",
    why=(
        "A connector that names another slot makes it and reads from there: nobody reads the "
        "stack's slot, and its WAL is kept for ever."
    ),
    remedy="enter the stack's slot in the connector's form",
    url=DEBEZIUM,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.connectors,
)
