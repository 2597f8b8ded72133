"""This project's own connections use TLS."""

from __future__ import annotations

from collections.abc import Iterator

from view.kinds import OURS
from view.links import TLS
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack
from view.values import text

NAME = "connection-requires-tls"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Each server once, however many resources connect to it."""
    seen = set()
    for resource in stack.resources:
        if resource.kind.startswith(OURS) and resource.get("connection", "sslMode") == "disable":
            host = text(resource.get("connection", "host")) or "the server"
            if host not in seen:
                seen.add(host)
                yield f"connection.sslMode to {host} is disable", resource.urn


POLICY = stack_rule(
    NAME,
    title="The administrator's connection uses TLS",
    why="Without TLS, the administrator's password crosses the network in plain text.",
    remedy="set connection.sslMode to require, or better to verify-full",
    url=TLS,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=lambda stack: any(item.kind.startswith(OURS) for item in stack.resources),
)
