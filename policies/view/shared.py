"""What the rules on one slot and one publication a connector share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from view.connectors import Connector
from view.stack import Stack


def shared(
    stack: Stack, what: str, name_of: Callable[[Connector], str | None]
) -> Iterator[tuple[str, str]]:
    """Connectors of one database that name the same thing."""
    for database in stack.databases:
        first: dict[str, Connector] = {}
        for item in database.connectors:
            name = name_of(item)
            other = first.setdefault(name, item) if name else item
            if other is not item:
                yield f"{other.label} and {item.label} share the {what} {name}", item.urn


def strays(
    stack: Stack, what: str, name_of: Callable[[Connector], str | None]
) -> Iterator[tuple[str, str]]:
    """Connectors that name a slot or publication which the stack does not have."""
    for database in stack.databases:
        have = database.slots if what == "slot" else database.publications
        names = {item.name for item in have}
        for item in database.connectors:
            name = name_of(item)
            known = all(isinstance(each, str) for each in names)
            if name and names and known and name not in names:
                listed = ", ".join(sorted(names))
                yield f"{item.label} names the {what} {name}; the stack has {listed}", item.urn
