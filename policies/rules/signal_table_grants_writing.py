"""The connector may write to its signal table."""

from __future__ import annotations

from collections.abc import Iterator

from view.access import ON_TABLES
from view.links import SIGNALLING
from view.names import SIGNAL_TABLE
from view.readers import has_readers, readers
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import may_be

NAME = "signal-table-grants-writing"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """By a grant on it, or on all tables of its schema."""
    roles, wanted = readers(stack), sorted({name.upper() for name in config["privileges"]})
    for database in stack.databases:
        for table in database.signal_tables:
            schema = table.table.schema or None
            its = [
                item
                for item in database.access
                if any(may_be(item.role, role) for role in roles)
                and (not item.objects or item.names(SIGNAL_TABLE))
            ]
            missing = [
                privilege
                for privilege in wanted
                if not any(item.gives(ON_TABLES, privilege, schema) for item in its)
            ]
            if missing and table.table.name == SIGNAL_TABLE and not database.reads_only:
                yield (
                    f"the connector's role has no {', '.join(missing)} on {table.table}",
                    table.resource.urn,
                )


POLICY = stack_rule(
    NAME,
    title="The connector may write to the signal table",
    why="An incremental snapshot writes its windows to the signal table, or stops.",
    remedy="grant SELECT, INSERT and UPDATE on streamkap_signal to the connector's role",
    url=SIGNALLING,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: (
        has_readers(stack) and any(item.signal_tables for item in stack.databases)
    ),
    config={
        "privileges": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["SELECT", "INSERT", "UPDATE"],
            "description": "What the connector's role needs on the signal table.",
        }
    },
)
