"""There is a signal table, and it has the name that the connector knows."""

from __future__ import annotations

from collections.abc import Iterator

from view.database import Database
from view.kinds import PUBLICATION
from view.links import STREAMKAP
from view.names import SIGNAL_TABLE
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "signal-table-keeps-name"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """In each captured database, unless its connectors are read-only.

    A raw publication that names it speaks for a table that something else has made: PostgreSQL
    itself would refuse it otherwise.
    """
    for database in stack.databases:
        if database.reads_only or config["readOnly"] or _is_published(database):
            continue
        names = sorted(str(item.table) for item in database.signal_tables)
        if not names:
            yield f"{database.label} has no signal table, and is not known to be read-only", ""
        elif not any(item.table.name == SIGNAL_TABLE for item in database.signal_tables):
            yield (
                f"{database.label} has {names[0]} and no {SIGNAL_TABLE}",
                database.signal_tables[0].resource.urn,
            )


def _is_published(database: Database) -> bool:
    return any(
        item.resource.kind == PUBLICATION
        and any(table.name == SIGNAL_TABLE for table in item.tables)
        for item in database.publications
    )


POLICY = stack_rule(
    NAME,
    title="The signal table is there, under its name",
    why="The connector recognises streamkap_signal by this name only; without it, no snapshot.",
    remedy="create the table streamkap_signal, or set the connector to read-only",
    url=STREAMKAP,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.databases,
    config={
        "readOnly": {
            "type": "boolean",
            "default": False,
            "description": "Whether the connectors, unknown to the stack, are read-only.",
        }
    },
)
