"""A membership is the user's own property or a GrantRole, not both."""

from __future__ import annotations

from collections.abc import Iterator

from view.kinds import GRANT_ROLE
from view.links import ROLE_MEMBERSHIP
from view.rule import ADVISORY, MEDIUM, Config, Finding, stack_rule
from view.stack import Stack

NAME = "role-declares-membership-once"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """A Role's `roles` are exactly its memberships, also where there are none."""
    for role in stack.roles:
        for group in sorted(role.granted - role.groups if role.groups else ()):
            yield (
                f"role {role.name} gets {group} by a GrantRole, which its `roles` lack",
                role.resource.urn,
            )
        for group in sorted(role.granted & role.groups):
            yield (
                f"role {role.name} gets {group} by its `roles` and by a GrantRole",
                role.resource.urn,
            )


POLICY = stack_rule(
    NAME,
    title="A membership is declared once",
    why="A Role and a GrantRole for its memberships undo each other at every refresh.",
    remedy="declare the membership in the user's `roles`, and take the GrantRole out",
    url=ROLE_MEMBERSHIP,
    level=ADVISORY,
    severity=MEDIUM,
    validate=validate,
    applies=lambda stack: stack.of(GRANT_ROLE),
)
