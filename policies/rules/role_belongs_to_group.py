"""The user is a member of the role that holds the grants: the page's script forgets it."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import ROLE_MEMBERSHIP
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import text

NAME = "role-belongs-to-group"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Or has grants of its own."""
    holders = {text(item.role) for database in stack.databases for item in database.access}
    for role in stack.capturing:
        if (
            not role.may_have_more
            and holders
            and None not in holders
            and not role.acts_for & holders
        ):
            names = ", ".join(sorted(name for name in holders if name))
            yield (
                f"role {role.name} is no member of {names}, which the grants go to",
                role.resource.urn,
            )


POLICY = stack_rule(
    NAME,
    title="The connector's user is a member of the role with the grants",
    why="Grants to a role reach its members only; the connector could read nothing.",
    remedy="add the role to the user's `roles`",
    url=ROLE_MEMBERSHIP,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.capturing and any(item.access for item in stack.databases),
)
