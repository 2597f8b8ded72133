"""What comes before a slot changes nothing once the slot is lost, whatever an `up` finds first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.publication_support import listed, publication
from tests.database.slot_support import (
    PUBLICATION,
    create,
    drop,
    last_seen,
    slot_name,  # noqa: F401 - a fixture
    slot_to_make,  # noqa: F401 - a fixture
)

from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.slot_guard import ConnectorSlot, guarded

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ORDERS = listed("public.orders")


def access(shop: Shop, **inputs: Any) -> Managed:
    role = {"role": "streamkap_role", "allSchemas": False, "schemas": ["public"], "owners": []}
    return shop.managed(SchemaAccessProvider(), **role, captures=[], **inputs)


def heartbeat(shop: Shop, **inputs: Any) -> Managed:
    return shop.managed(HeartbeatTableProvider(), schema="public", roles=[], **inputs)


def identity(shop: Shop, **inputs: Any) -> Managed:
    return shop.managed(
        ReplicaIdentityProvider(), captures=[ORDERS], indexes={}, ownTables=[], **inputs
    )


def published(shop: Shop, **inputs: Any) -> Managed:
    return publication(shop, ORDERS, **inputs)


MAKERS = pytest.mark.parametrize("make", [access, heartbeat, identity, published])


@MAKERS
def test_nothing_is_made_or_changed_until_the_loss_is_acknowledged(
    shop: Shop, managed: Managed, name: str, make: Callable[..., Managed]
) -> None:
    managed.up()
    last = last_seen(shop)
    slot = ConnectorSlot(name, PUBLICATION, None)
    earlier = make(shop, **guarded([slot]))
    drop(shop, name)
    earlier.check()  # a preview leaves the refusal to the slot
    text = earlier.failure(earlier.up)
    assert text.startswith(f"replication slot {name} of database {shop.name} has vanished")
    assert f"set acknowledgeLostSlot: {last.position} for" in text
    inputs = earlier.program | guarded([slot._replace(acknowledged="0/1")])
    assert earlier.failure(lambda: earlier.up(**inputs)) == text

    earlier.up(**guarded([slot._replace(acknowledged=last.position)]))
    # Which slots there are is no difference.
    assert earlier.up(**guarded([slot])) == []
    again = earlier.provider.update
    assert earlier.failure(lambda: again(earlier.id, earlier.outputs, earlier.inputs)) == text


@MAKERS
def test_slot_that_is_as_it_was_or_that_nobody_has_seen_holds_nothing_back(
    shop: Shop, managed: Managed, name: str, make: Callable[..., Managed]
) -> None:
    managed.up()
    slots = [ConnectorSlot(name, PUBLICATION, None), ConnectorSlot("another", "other_pub", None)]
    earlier = make(shop, **guarded(slots))
    earlier.up()
    assert earlier.up() == []


def test_slot_that_was_made_again_holds_everything_back(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    earlier = identity(shop, **guarded([ConnectorSlot(name, PUBLICATION, None)]))
    drop(shop, name)
    create(shop, name)
    text = earlier.failure(earlier.up)
    assert "is not the one that was there before" in text
    assert managed.refusal() == text
