"""A whole stack: its servers, databases and connectors, whoever declares them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from view import kinds
from view.azure import Server, servers_of
from view.connectors import Connector, connectors_of
from view.database import Database, Publication, Role, databases_of, roles_of
from view.declared import Declared
from view.slots import Slot, slots_of
from view.values import truth


class Stack:
    """What the resources of a stack amount to. Each part is worked out when a rule asks for it."""

    def __init__(self, resources: Sequence[Declared]) -> None:
        self.resources = resources

    def of(self, *wanted: str) -> list[Declared]:
        """The resources of some kinds."""
        return [item for item in self.resources if item.kind in wanted]

    @cached_property
    def is_cdc(self) -> bool:
        """Whether anything here captures changes; nothing else is the rules' business."""
        capturing = (
            *(kinds.PUBLICATION, kinds.PLAIN_SLOT, kinds.CONNECTOR),
            *(kinds.OUR_PUBLICATION, kinds.OUR_SLOT, kinds.OUR_LOGINS, kinds.OUR_PARAMETERS),
        )
        replicating = (truth(role.get("replication")) for role in self.of(kinds.ROLE))
        return bool(self.of(*capturing) or any(replicating) or self.connectors or self.slots)

    @cached_property
    def servers(self) -> list[Server]:
        """The servers in Azure that the stack makes, finds, or sets parameters of."""
        return servers_of(self.resources)

    @cached_property
    def connectors(self) -> list[Connector]:
        """The connectors whose settings the stack knows."""
        return connectors_of(self.resources)

    @cached_property
    def roles(self) -> list[Role]:
        """Login users and group roles."""
        return roles_of(self.resources)

    @cached_property
    def databases(self) -> list[Database]:
        """The databases that changes are captured from, with what is granted in them."""
        return databases_of(self.resources, self.connectors)

    @property
    def publications(self) -> list[Publication]:
        """All of them."""
        return [item for database in self.databases for item in database.publications]

    @cached_property
    def slots(self) -> list[Slot]:
        """All of them."""
        return list(slots_of(self.resources))

    @cached_property
    def capturing(self) -> list[Role]:
        """The roles that connectors log in as: those they name, or else those that replicate."""
        named = {item.user for item in self.connectors if item.user}
        chosen = [role for role in self.roles if role.name in named]
        return chosen or [role for role in self.roles if role.replication]

    @property
    def slots_needed(self) -> int:
        """How many slots there will be: those declared, and those that connectors make."""
        declared = {item.name for item in self.slots}
        return len(self.slots) + len(self.slots_of_connectors - declared)

    @property
    def slots_of_connectors(self) -> set[str]:
        """The slots that connectors name: one that is missing they make by themselves."""
        return {item.slot for item in self.connectors if item.slot}
