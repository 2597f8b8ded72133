"""max_worker_processes is at least 16."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import PARAMETERS
from view.rule import ADVISORY, MEDIUM, Config, Finding, stack_rule
from view.stack import Stack
from view.values import UNKNOWN, number

NAME = "server-sizes-worker-processes"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """Azure's default is 8."""
    least = config["minimum"]
    for server in stack.servers:
        value = server.value("max_worker_processes")
        if value is not UNKNOWN and (number(value or 8) or 0) < least:
            found = value or "8 by default"
            yield (
                f"max_worker_processes of {server.label} is {found}, less than {least:g}",
                server.resource.urn,
            )


POLICY = stack_rule(
    NAME,
    title="The server has worker processes enough",
    why="With fewer than 16, PostgreSQL may run out of background worker slots, says the page.",
    remedy="set the server parameter max_worker_processes to 16 or more and restart the server",
    url=PARAMETERS,
    level=ADVISORY,
    severity=MEDIUM,
    validate=validate,
    applies=lambda stack: stack.servers,
    config={
        "minimum": {"type": "number", "default": 16, "description": "The least that is enough."}
    },
)
