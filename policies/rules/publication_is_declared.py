"""A slot, or a connector, has a publication to read."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import PUBLICATION
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "publication-is-declared"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """In each database that is captured."""
    for database in stack.databases:
        if not database.publications:
            yield f"{database.label} has no publication", ""


POLICY = stack_rule(
    NAME,
    title="Each captured database has a publication",
    why="The connector gets the changes of the tables in its publication; without one, none.",
    remedy="declare a publication of the captured tables",
    url=PUBLICATION,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.databases,
)
