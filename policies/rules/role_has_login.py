"""The connector's user may log in."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import ROLE_ATTRIBUTES
from view.rule import CRITICAL, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "role-has-login"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """The provider's default is no."""
    for role in stack.capturing:
        if role.login is False or role.resource.get("login") is None:
            yield f"role {role.name} has no LOGIN", role.resource.urn


POLICY = stack_rule(
    NAME,
    title="The connector's user has LOGIN",
    why="Without LOGIN the connector does not get in.",
    remedy="declare the connector's user with login: true",
    url=ROLE_ATTRIBUTES,
    level=MANDATORY,
    severity=CRITICAL,
    validate=validate,
    applies=lambda stack: stack.capturing,
)
