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
    """On its own tables it may write, and so may a grant that names no others."""
    allowed = {name.upper() for name in config["privileges"]}
    roles = readers(stack)
    for database in stack.databases:
        for item in database.access:
            own = bool(item.objects) and item.objects <= {*OWN_TABLES, UNKNOWN}
            extra = sorted(item.privileges - allowed)
            if item.what in (ON_TABLES, BY_DEFAULT) and item.role in roles and extra and not own:
                where = f"schema {item.schema}" if isinstance(item.schema, str) else "every schema"
                yield (
                    f"role {item.role} has {', '.join(extra)} on tables of {where}",
                    item.resource.urn,
                )


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
