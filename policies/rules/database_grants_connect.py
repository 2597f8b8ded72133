"""The connector may connect."""

from __future__ import annotations

from collections.abc import Iterator

from view.access import ON_DATABASE
from view.links import PRIVILEGES
from view.readers import has_readers, readers
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "database-grants-connect"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """To each database that is captured."""
    roles = readers(stack)
    for database in stack.databases:
        if not database.gives(roles, ON_DATABASE, "CONNECT"):
            yield f"{database.label} grants CONNECT to none of {', '.join(sorted(roles))}", ""


POLICY = stack_rule(
    NAME,
    title="The connector may connect to the database",
    why="Where PUBLIC has no CONNECT, which is good practice, the connector needs its own.",
    remedy="grant CONNECT on the database to the connector's role",
    url=PRIVILEGES,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=has_readers,
)
