"""The connector's settings do not turn TLS off."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import STREAMKAP
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "connector-requires-tls"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """The form's default is require."""
    for item in stack.connectors:
        if (item.tls or "").lower() in ("disable", "allow", "prefer"):
            yield f"{item.label} has the SSL mode {item.tls}", item.urn


POLICY = stack_rule(
    NAME,
    title="Connectors use TLS",
    why="Azure refuses connections without TLS; where it does not, every row is in plain text.",
    remedy="set the SSL mode in the connector's form to require",
    url=STREAMKAP,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: stack.connectors,
)
