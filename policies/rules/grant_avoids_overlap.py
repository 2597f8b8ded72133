"""No two raw grants speak of the same tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from view.access import Access
from view.kinds import GRANT
from view.links import PLAIN_GRANT
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import UNKNOWN

NAME = "grant-avoids-overlap"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """A `Grant` means exactly these privileges, and revokes all others of its role there."""
    for database in stack.databases:
        # The exact ones first: what they revoke may be this project's too.
        access = sorted(database.access, key=lambda item: not item.is_exact)
        for one, other in combinations(access, 2):
            if one.is_exact and _overlap(one, other):
                where = f"schema {one.schema}" if one.schema else database.label
                yield (
                    f"the grants {one.resource.name} and {other.resource.name} to {one.role} on "
                    f"{one.what}s of {where} undo each other",
                    other.resource.urn,
                )


def _overlap(one: Access, other: Access) -> bool:
    keys = [(item.role, item.database, item.what, item.schema) for item in (one, other)]
    if keys[0] != keys[1] or not all(isinstance(key, str | None) for key in keys[0]):
        return False
    if not other.is_exact and other.privileges <= one.privileges:
        return False
    common = (one.objects & other.objects) - {UNKNOWN}
    return not one.objects or not other.objects or bool(common)


POLICY = stack_rule(
    NAME,
    title="Grants do not overlap",
    why="A Grant means exactly its privileges: two on the same tables revoke each other's.",
    remedy="put both into one Grant, or what differs (the signal table) into a schema of its own",
    url=PLAIN_GRANT,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.of(GRANT),
)
