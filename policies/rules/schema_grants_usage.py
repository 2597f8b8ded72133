"""The connector may use the captured schemas."""

from __future__ import annotations

from collections.abc import Iterator

from view.access import ON_SCHEMA
from view.links import PRIVILEGES
from view.readers import captured, has_readers, readers, reads_everything
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "schema-grants-usage"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """In each captured schema; a member of pg_read_all_data needs no grant."""
    roles = readers(stack)
    for database, schema in captured(stack):
        if not reads_everything(stack) and not database.gives(roles, ON_SCHEMA, "USAGE", schema):
            yield f"schema {schema} of {database.label}: the connector has no USAGE", ""


POLICY = stack_rule(
    NAME,
    title="The connector may use the captured schemas",
    why="Without USAGE on a schema, none of its tables can be read.",
    remedy="grant USAGE on each captured schema to the connector's role",
    url=PRIVILEGES,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=has_readers,
)
