"""Some role may read a slot."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import ROLE_ATTRIBUTES
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import UNKNOWN

NAME = "role-has-replication"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """The users that connectors name, or else any role at all."""
    unsure = any(role.resource.get("replication") is UNKNOWN for role in stack.roles)
    if not stack.capturing and not unsure:
        yield "no role of the stack has REPLICATION, and no connector names its user", ""
    for role in stack.capturing:
        if role.replication is False or role.resource.get("replication") is None:
            yield f"role {role.name} has no REPLICATION", role.resource.urn


POLICY = stack_rule(
    NAME,
    title="The connector's user has REPLICATION",
    why="Without REPLICATION a role can neither make nor read a replication slot.",
    remedy="declare the connector's user with replication: true",
    url=ROLE_ATTRIBUTES,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.slots or stack.publications or stack.connectors,
)
