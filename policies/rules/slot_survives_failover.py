"""With high availability, a slot is one that a failover keeps."""

from __future__ import annotations

from collections.abc import Iterator

from view.links import AVAILABILITY
from view.rule import HIGH, MANDATORY, Config, Finding, stack_rule
from view.stack import Stack

NAME = "slot-survives-failover"

_FIRST_WITH_FLAG = 17


def applies(stack: Stack) -> bool:
    """Up to 16, pg_failover_slots copies every slot; from 17 on the slot has to ask for it."""
    new = (item.version or _FIRST_WITH_FLAG for item in stack.servers if item.has_standby)
    return any(version >= _FIRST_WITH_FLAG for version in new) and stack.slots_needed > 0


def validate(stack: Stack, _config: Config) -> Iterator[Finding]:
    """A plain `postgresql.ReplicationSlot` has no such flag, and a connector does not set it."""
    for slot in stack.slots:
        if slot.survives_failover is False:
            name = slot.resource.name
            yield f"replication slot {name} is not made with failover", slot.resource.urn
    names = {slot.name for slot in stack.slots}
    if all(isinstance(name, str) for name in names):
        for name in sorted(stack.slots_of_connectors - names):
            yield f"replication slot {name} is left to the connector to make", ""


POLICY = stack_rule(
    NAME,
    title="Slots survive a failover",
    why="From PostgreSQL 17 on only a slot made with failover => true is copied to the standby.",
    remedy="make the slot with failover: true, and before the connector is started",
    url=AVAILABILITY,
    level=MANDATORY,
    severity=HIGH,
    validate=validate,
    applies=applies,
)
