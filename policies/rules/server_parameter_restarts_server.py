"""A static parameter comes with a restart in the same stack."""

from __future__ import annotations

from collections.abc import Iterator

from view.azure import Server, restarts
from view.links import PARAMETERS
from view.parameters import is_static
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "server-parameter-restarts-server"


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """Nothing in azure-native restarts a server, so something else has to."""
    if any(restarts(resource) for resource in stack.resources):
        return
    for server in stack.servers:
        static = sorted(name for name in server.parameters if is_static(name))
        if static:
            yield (
                f"{', '.join(static)} of {server.label} take effect with a restart only, and "
                "nothing in the stack restarts it",
                server.resource.urn,
            )


def applies(stack: Stack) -> list[Server]:
    """Where the stack sets parameters."""
    return [server for server in stack.servers if server.parameters]


POLICY = stack_rule(
    NAME,
    title="Static parameters come with a restart",
    why="A static parameter such as wal_level is in effect after the server's next restart only.",
    remedy=(
        "restart the server after its parameters: a ServerRestart of this project, a resource of "
        "your own called so, or a command with `az postgres flexible-server restart`"
    ),
    url=PARAMETERS,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=applies,
)
