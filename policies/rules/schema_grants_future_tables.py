"""The connector may read tables to come."""

from __future__ import annotations

from collections.abc import Iterator

from view.access import BY_DEFAULT
from view.links import DEFAULT_PRIVILEGES
from view.readers import captured, has_readers, readers, reads_everything
from view.rule import ADVISORY, HIGH, Config, Finding, stack_rule
from view.stack import Stack

NAME = "schema-grants-future-tables"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """In each captured schema; a member of pg_read_all_data needs no grant."""
    roles = readers(stack)
    for database, schema in captured(stack):
        if not reads_everything(stack) and not database.gives(roles, BY_DEFAULT, "SELECT", schema):
            yield (
                f"schema {schema} of {database.label}: the connector has no default privileges",
                "",
            )


POLICY = stack_rule(
    NAME,
    title="The connector may read tables to come",
    why="Without default privileges, a table that is made later cannot be read.",
    remedy="declare default privileges: SELECT on tables, for each role that makes tables",
    url=DEFAULT_PRIVILEGES,
    level=ADVISORY,
    severity=HIGH,
    validate=validate,
    applies=has_readers,
)
