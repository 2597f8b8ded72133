"""The mark by which a slot is told from one that was made again: who has none gets one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.slot_support import (
    consume,
    create,
    drop,
    position,
    preview,
    reader,
    recorded,
    slot_name,  # noqa: F401 - a fixture
    slot_to_make,  # noqa: F401 - a fixture
)

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


def is_marked(shop: Shop, name: str) -> bool:
    query = "SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = %s"
    return bool(shop.value(query, name))


@pytest.mark.parametrize("owner", ["adopted", "connector"])
def test_slot_without_a_mark_gets_one_once_nobody_reads_it(
    shop: Shop, managed: Managed, name: str, owner: str
) -> None:
    """One made in its place is noticed then, however much it has decoded."""
    managed.program["createSlot"] = owner == "adopted"
    if owner == "connector":
        managed.up()
    create(shop, name)
    consume(shop, name)
    with reader(shop, name):
        managed.up()
        assert managed.up() == []
    assert not is_marked(shop, name)
    assert preview(managed) == []
    assert not is_marked(shop, name)
    before = position(shop, name)
    assert managed.up() == []
    assert is_marked(shop, name)
    assert position(shop, name) == before
    drop(shop, name)
    create(shop, name)
    consume(shop, name, 50)  # more than autovacuum may have had decoded meanwhile
    assert "its stream_txns went from 1 back to 0" in managed.refusal()


def test_slot_that_lost_its_mark_gets_it_again_once_the_doubt_is_settled(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    shop.run(f"SELECT pg_stat_reset_replication_slot('{name}')", superuser=True)
    managed.up()
    assert not is_marked(shop, name)
    doubt = recorded(shop).doubt
    assert doubt is not None
    managed.up(acknowledgeLostSlot=doubt.position)
    managed.up()
    assert is_marked(shop, name)
    assert managed.up() == []
    assert managed.refresh() == []
