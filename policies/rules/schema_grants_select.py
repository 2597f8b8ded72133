"""The connector may read the captured tables."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import PRIVILEGES
from view.readers import captured, has_readers, readers, reads_everything
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "schema-grants-select"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """In each captured schema; a member of pg_read_all_data needs no grant."""
    roles = readers(stack)
    for database, schema in captured(stack):
        if not reads_everything(stack) and not database.reads(roles, schema):
            yield (
                f"schema {schema} of {database.label}: the connector has no SELECT on its tables",
                "",
            )


POLICY = stack_rule(
    NAME,
    title="The connector may read the captured tables",
    why="Without SELECT, snapshots of a table fail, and the connector with them.",
    remedy="grant SELECT on all tables of each captured schema to the connector's role",
    url=PRIVILEGES,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=has_readers,
)
