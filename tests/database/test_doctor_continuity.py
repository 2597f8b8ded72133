"""doctor: the slot is the one that was there before, and every table's rows have been asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.database.doctor_support import Connector

from azure_postgres_cdc.database import ledger
from azure_postgres_cdc.database.slot import ReplicationSlotProvider

if TYPE_CHECKING:
    from tests.database.conftest import Shop

SIGNAL = (
    "INSERT INTO streamkap.streamkap_signal VALUES ('1', 'execute-snapshot',"
    ' \'{"type": "incremental", "data-collections": ["public.orders"]}\')'
)


@pytest.fixture
def connector(shop: Shop) -> Iterator[Connector]:
    found = Connector(shop)
    found.make_recorded()
    yield found
    found.remove()


def consume(shop: Shop, slot: str) -> None:
    shop.run(
        "INSERT INTO public.orders SELECT coalesce(max(id), 0) + 1 FROM public.orders",
        f"SELECT pg_logical_slot_get_binary_changes('{slot}', NULL, NULL, 'proto_version', '1',"
        " 'publication_names', 'streamkap_pub')",
    )


def test_slot_that_goes_on_is_continuous_and_its_position_is_recorded(
    connector: Connector, shop: Shop
) -> None:
    assert connector.said("continuity")[0] == "ok"
    consume(shop, connector.slot)
    assert connector.said("continuity")[0] == "ok"
    position = shop.value(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
        connector.slot,
    )
    with shop.server.connect(shop.name) as connection:
        last = ledger.read(connection, "streamkap_pub").last
    assert last is not None
    assert last.position == position


@pytest.mark.parametrize("again", [False, True], ids=["vanished", "made again"])
def test_slot_that_was_lost_fails_also_where_it_is_there_again(
    connector: Connector, shop: Shop, *, again: bool
) -> None:
    shop.run(f"SELECT pg_drop_replication_slot('{connector.slot}')")
    if again:
        shop.run(f"SELECT pg_create_logical_replication_slot('{connector.slot}', 'pgoutput')")
    for _ in range(2):  # doctor does not forget by looking
        finding = connector.find("continuity")
        assert finding.state == "failed"
        assert finding.evidence.startswith(f"replication slot {connector.slot} of database ")
        assert "set acknowledgeLostSlot: " in finding.remedy


def test_slot_whose_statistics_were_reset_is_doubtful(connector: Connector, shop: Shop) -> None:
    shop.run(f"SELECT pg_stat_reset_replication_slot('{connector.slot}')", superuser=True)
    for _ in range(2):  # a doubt stays until it is acknowledged
        finding = connector.find("continuity")
        assert finding.state == "warning"
        assert "statistics were reset" in finding.evidence
    position = finding.remedy.partition("acknowledgeLostSlot: ")[2].split()[0]
    connector.settings["acknowledgeLostSlot"] = position
    assert connector.said("continuity")[0] == "ok"


def test_doctor_forgets_nothing_that_an_up_writes_at_the_same_time(
    connector: Connector, shop: Shop
) -> None:
    consume(shop, connector.slot)
    with shop.server.connect(shop.name) as up:
        up.autocommit = False
        known = ledger.read(up, "streamkap_pub")
        ledger.write(up, "streamkap_pub", replace(known, needs_snapshot={"public.orders": 7}))
        with ThreadPoolExecutor() as others:
            report = others.submit(connector.report)
            wait_for_lock(shop)
            up.commit()
            report.result()
    with shop.server.connect(shop.name) as connection:
        kept = ledger.read(connection, "streamkap_pub")
    assert kept.needs_snapshot == {"public.orders": 7}
    assert kept.last is not None
    assert known.last is not None
    assert kept.last.position != known.last.position


def wait_for_lock(shop: Shop) -> None:
    deadline = time.monotonic() + 9
    while not shop.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_time_zone_of_the_connector_is_no_reset(connector: Connector, shop: Shop) -> None:
    shop.run(f"SELECT pg_stat_reset_replication_slot('{connector.slot}')", superuser=True)
    position = connector.find("continuity").remedy.partition("acknowledgeLostSlot: ")[2].split()[0]
    shop.managed(
        ReplicationSlotProvider(),
        name=connector.slot,
        plugin="pgoutput",
        publication="streamkap_pub",
        acknowledgeLostSlot=position,
        record=True,
    ).up()
    shop.run(
        f"ALTER ROLE {connector.user} SET timezone = 'Asia/Kolkata'",
        f"ALTER ROLE {connector.user} SET datestyle = 'SQL, DMY'",
        superuser=True,
    )
    assert connector.said("continuity")[0] == "ok"


def test_table_that_came_late_needs_a_snapshot_until_one_is_signalled(
    connector: Connector, shop: Shop
) -> None:
    assert connector.said("snapshots-needed")[0] == "ok"
    with shop.server.connect(shop.name) as connection:
        known = ledger.read(connection, "streamkap_pub")
        now = connection.execute("SELECT txid_current()").fetchone()
        known.needs_snapshot["public.orders"] = now[0] if now else 0
        ledger.write(connection, "streamkap_pub", known)
    state, evidence = connector.said("snapshots-needed")
    assert state == "warning"
    assert "public.orders" in evidence
    shop.run(SIGNAL)
    assert connector.said("snapshots-needed")[0] == "ok"
