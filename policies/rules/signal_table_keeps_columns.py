"""The signal table has the page's columns."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import SIGNALLING
from view.names import SIGNAL_TABLE
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.signal import COLUMNS
from view.stack import Stack

NAME = "signal-table-keeps-columns"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """In their order, which is how the connector writes to it."""
    wanted = ", ".join(" ".join(column) for column in COLUMNS)
    for database in stack.databases:
        for item in database.signal_tables:
            if item.table.name == SIGNAL_TABLE and item.columns != COLUMNS:
                found = ", ".join(" ".join(column) for column in item.columns)
                yield f"{item.table} has {found or 'no columns'}, not {wanted}", item.resource.urn


POLICY = stack_rule(
    NAME,
    title="The signal table has its columns",
    why="The connector reads and writes the signal table's columns as the page has them.",
    remedy=(
        "make it with id VARCHAR(255) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2000)"
    ),
    url=SIGNALLING,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: any(item.signal_tables for item in stack.databases),
)
