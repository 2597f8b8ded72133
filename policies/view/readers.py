"""What the rules on privileges share: whose privileges they ask for."""

from __future__ import annotations

from collections.abc import Iterator

from view.database import READ_ALL_DATA, Database
from view.stack import Stack


def readers(stack: Stack) -> frozenset[str]:
    """The connectors' users and every role that they are members of."""
    found: set[str] = set()
    for role in stack.capturing:
        found |= role.acts_for
    groups = {role.name: role.acts_for for role in stack.roles}
    return frozenset(found.union(*(groups.get(name, frozenset()) for name in found)))


def reads_everything(stack: Stack) -> bool:
    """Whether a reader is a member of pg_read_all_data: it needs no grant on a schema or table."""
    return READ_ALL_DATA in readers(stack)


def captured(stack: Stack) -> Iterator[tuple[Database, str]]:
    """Each captured schema of each database."""
    for database in stack.databases:
        for schema in database.schemas:
            yield database, schema


def has_readers(stack: Stack) -> bool:
    """Where it is known who reads, all memberships included, and something is captured."""
    sure = not any(item.may_have_more for item in stack.capturing)
    return sure and bool(readers(stack)) and bool(stack.databases)
