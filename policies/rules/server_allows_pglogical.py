"""azure.extensions holds pglogical, as the page asks.

pgoutput itself does without, so this rule can be turned off.
"""

from __future__ import annotations

from collections.abc import Iterator

from view.links import LOGICAL_REPLICATION
from view.rule import ADVISORY, LOW, Config, Finding, stack_rule
from view.sizes import MEMBERS, without_members
from view.stack import Stack

NAME = "server-allows-pglogical"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """A set in any case and order."""
    return without_members(stack, config, "azure.extensions")


POLICY = stack_rule(
    NAME,
    title="The server allows the extension pglogical",
    why="Streamkap's page asks for pglogical in azure.extensions.",
    remedy="add pglogical to the server parameter azure.extensions, keeping what it has",
    url=LOGICAL_REPLICATION,
    level=ADVISORY,
    severity=LOW,
    validate=validate,
    applies=lambda stack: stack.servers,
    config=MEMBERS,
)
