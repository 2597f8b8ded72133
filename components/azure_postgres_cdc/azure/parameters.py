"""The four server parameters of the page, declared one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql

PGLOGICAL = "pglogical"
MAX_WORKER_PROCESSES = 16
"""The page: with fewer, `out of background worker slots` may follow."""


@dataclass(frozen=True)
class Requirement:
    """What one parameter has to be. Never less than what the server has already."""

    name: str
    value: str
    kind: str
    """`exact`; `minimum`, a number; or `member`, one of a comma-separated set."""

    def merged(self, current: str) -> str:
        """The value to write: the server's own where that is enough, as it stands."""
        if self.is_met_by(current):
            return current
        if self.kind == "member":
            return ",".join(sorted({*_members(current), self.value}))
        return self.value

    def is_met_by(self, current: str) -> bool:
        """Whether a value that the server has is enough."""
        if self.kind == "member":
            return self.value in _members(current)
        if self.kind == "minimum":
            return current.isdigit() and int(current) >= int(self.value)
        return current.strip().lower() == self.value


def requirements(*, pglogical: bool = True) -> list[Requirement]:
    """The page's parameters, in the order in which they are written.

    `pglogical`: whether to preload and allow it, as the page asks. pgoutput works without.
    """
    needed = [Requirement("wal_level", "logical", "exact")]
    if pglogical:
        needed.append(Requirement("shared_preload_libraries", PGLOGICAL, "member"))
        needed.append(Requirement("azure.extensions", PGLOGICAL, "member"))
    needed.append(Requirement("max_worker_processes", str(MAX_WORKER_PROCESSES), "minimum"))
    return needed


def configurations(
    prefix: str,
    resource_group: pulumi.Input[str],
    server_name: pulumi.Input[str],
    needed: Sequence[Requirement],
    parent: pulumi.Resource,
    after: pulumi.Resource,
) -> dict[str, dbforpostgresql.Configuration]:
    """Declare each parameter, merged with what the server has.

    One after the other, because the server takes one management operation at a time. They stay
    as they are when the stack goes: writing the defaults back would take wal_level away from
    slots that others may have.
    """
    declared: dict[str, dbforpostgresql.Configuration] = {}
    for requirement in needed:
        current = dbforpostgresql.get_configuration_output(
            configuration_name=requirement.name,
            resource_group_name=resource_group,
            server_name=server_name,
            opts=pulumi.InvokeOptions(parent=parent),
        )
        after = declared[requirement.name] = dbforpostgresql.Configuration(
            f"{prefix}-{requirement.name}",
            configuration_name=requirement.name,
            resource_group_name=resource_group,
            server_name=server_name,
            source="user-override",
            value=current.value.apply(requirement.merged),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[after], retain_on_delete=True),
        )
    return declared


def _members(value: str) -> set[str]:
    return {item.strip().lower() for item in value.split(",") if item.strip()}
