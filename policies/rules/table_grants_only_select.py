"""The connector may do nothing to captured tables but read them."""

from __future__ import annotations

from collections.abc import Iterator

from view.access import BY_DEFAULT, ON_TABLES
from view.links import PRIVILEGES
from view.names import OWN_TABLES
from view.readers import has_readers, readers
from view.rule import ADVISORY, HIGH, Config, Finding, stack_rule
from view.stack import Stack
from view.values import UNKNOWN

NAME = "table-grants-only-select"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """On its own tables it may write, and in a schema that is captured for nothing else."""
    allowed = {name.upper() for name in config["privileges"]}
    roles = readers(stack)
    for database in stack.databases:
        everywhere = any(item.all_tables for item in database.publications)
        for item in database.access:
            captured = everywhere or item.schema is None or item.schema in database.schemas
            own = bool(item.objects) and item.objects <= {*OWN_TABLES, UNKNOWN}
            extra = sorted(item.privileges - allowed)
            on_tables = item.what in (ON_TABLES, BY_DEFAULT)
            if on_tables and captured and item.role in roles and extra and not own:
                where = f"schema {item.schema}" if item.schema else "every schema"
                said = f"role {item.role} has {', '.join(extra)} on tables of {where}"
                yield said, item.resource.urn


POLICY = stack_rule(
    NAME,
    title="The connector may only read the captured tables",
    why="A connector reads; whoever has its password should not be able to change the data.",
    remedy="grant SELECT and nothing else on captured tables",
    url=PRIVILEGES,
    level=ADVISORY,
    severity=HIGH,
    validate=validate,
    applies=has_readers,
    config={
        "privileges": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["SELECT"],
            "description": "What the connector's role may have on captured tables.",
        }
    },
)
