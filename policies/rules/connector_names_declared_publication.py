"""Connectors name the stack's publication."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import DEBEZIUM
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.shared import strays
from view.stack import Stack

NAME = "connector-names-declared-publication"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Of one database; names repeat between databases."""
    yield from strays(stack, "publication", lambda item: item.publication)


POLICY = stack_rule(
    NAME,
    title="Connectors name the stack's publication",
    why="A connector that names a publication which is not there does not start.",
    remedy="enter the stack's publication in the connector's form",
    url=DEBEZIUM,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.connectors,
)
