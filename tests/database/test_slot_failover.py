"""The standby keeps a copy of the slot, or no longer does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.slot_support import (
    found,
    reader,
    slot_name,  # noqa: F401 - a fixture
    slot_to_make,  # noqa: F401 - a fixture
)

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


def test_failover_is_set_when_the_slot_is_made(shop: Shop, managed: Managed, name: str) -> None:
    if shop.server.major < 17:
        text = managed.refusal(failover=True)
        assert text.startswith("failover slots needs PostgreSQL 17 or later")
        assert found(shop, name) == []
        return
    managed.up(failover=True)
    assert failover(shop, name)
    assert managed.up() == []


def test_failover_is_set_later_but_not_while_the_slot_is_read(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if shop.server.major < 17:
        pytest.skip("failover slots came with PostgreSQL 17")
    managed.up()
    before = found(shop, name)
    with reader(shop, name):
        managed.up(failover=True)
        assert managed.up() == []
    assert f"replication slot {name} would not survive a failover" in capfd.readouterr().err
    assert not failover(shop, name)
    assert managed.up() == ["toDo"]
    assert failover(shop, name)
    assert found(shop, name) == before
    assert managed.up() == []


def test_failover_is_taken_back_only_where_the_settings_say_so(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if shop.server.major < 17:
        pytest.skip("failover slots came with PostgreSQL 17")
    managed.up(failover=True)
    assert managed.up(failover=False) == ["failover"]
    assert failover(shop, name)  # nobody asked for that: the server has no standby just now
    with reader(shop, name):
        managed.up(noFailover=True)
    assert (
        f"replication slot {name} keeps its copy on the standby, and cannot be changed while it is "
        "read" in capfd.readouterr().err
    )
    assert failover(shop, name)
    assert managed.up() == ["toDo"]
    assert not failover(shop, name)
    assert managed.up() == []
    assert managed.refresh() == []


def failover(shop: Shop, name: str) -> bool:
    query = "SELECT failover FROM pg_replication_slots WHERE slot_name = %s"
    return bool(shop.value(query, name))
