"""What comes before a database's slots changes nothing once one of them is lost.

The slot itself refuses at every preview, up and refresh. But an `up` without a preview has changed
grants, tables, identities and the publication by the time that it comes to the slot. So each of
them looks at the slots first, where it has something to change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from azure_postgres_cdc.database import ledger
from azure_postgres_cdc.database.connection import looking_at
from azure_postgres_cdc.database.slot_loss import acknowledged, examine
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import CdcError

GUARDED = "connectorSlots"
"""The property that holds them."""


class ConnectorSlot(NamedTuple):
    """What has to be known of one connector's slot."""

    name: str
    publication: str
    acknowledged: str | None
    """`acknowledgeLostSlot` in the settings."""


def guarded(slots: Iterable[ConnectorSlot]) -> Props:
    """As properties of a resource with a `GuardedProvider`."""
    return {GUARDED: [slot._asdict() for slot in sorted(slots, key=lambda slot: slot.name)]}


class GuardedProvider(CdcProvider):
    """One whose resource comes before the slots of its database.

    Only the record in the database counts here: whether the stack has made a slot of which there is
    no record, only the slot's own resource knows.
    """

    only_looked_at: tuple[str, ...] = (GUARDED,)

    def before_change(self, props: Props) -> None:
        """Raise the CdcError that the slot itself would raise."""
        slots = [ConnectorSlot(**{"acknowledged": None} | slot) for slot in props.get(GUARDED, ())]
        if not slots:
            return
        with looking_at(props["connection"], props["database"]) as connection:
            records = ledger.read_all(connection)
            for slot in slots:
                where = slot.name, props["database"], slot.publication
                loss = examine(connection, *where, known=False, records=records).loss
                if loss is not None and not acknowledged(loss, slot.acknowledged):
                    raise CdcError(loss.text)
