"""The publication holds the heartbeat table, where there is one."""

from __future__ import annotations

from collections.abc import Iterator

from view.access import ON_TABLES
from view.database import Database
from view.links import DEBEZIUM
from view.names import HEARTBEAT_TABLE
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "publication-holds-heartbeat-table"


def _beats(database: Database) -> bool:
    """By a table of this project's, or a grant to write to one."""
    granted = (
        item.what == ON_TABLES and HEARTBEAT_TABLE in item.objects for item in database.access
    )
    return bool(database.heartbeat_tables) or any(granted)


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """One of the database's publications is enough: only one connector may beat."""
    for database in filter(_beats, stack.databases):
        found = database.publications
        if found and not any(item.holds(HEARTBEAT_TABLE) for item in found):
            yield (
                f"publication {found[0].resource.name} lacks {HEARTBEAT_TABLE}",
                found[0].resource.urn,
            )


POLICY = stack_rule(
    NAME,
    title="The publication holds the heartbeat table",
    why="An unpublished heartbeat moves no slot, and the WAL of a quiet database is kept for ever.",
    remedy="add streamkap_heartbeat to the publication",
    url=DEBEZIUM,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: any(map(_beats, stack.databases)),
)
