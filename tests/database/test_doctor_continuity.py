"""doctor: the slot is the one that was there before, and every table's rows have been asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.doctor_support import Connector
from tests.database.publication_support import publication

from azure_postgres_cdc.database import ledger, publication_mark
from azure_postgres_cdc.database.slot import ReplicationSlotProvider
from azure_postgres_cdc.errors import CdcError

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

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


def test_table_that_was_taken_out_for_a_while(connector: Connector, shop: Shop) -> None:
    with shop.server.connect(shop.name) as connection:
        left = publication_mark.find(connection, "streamkap_pub")
        known = ledger.read(connection, "streamkap_pub")
        ledger.write(connection, "streamkap_pub", replace(known, left=left))
    assert connector.said("snapshots-needed")[0] == "ok"
    shop.run(
        "ALTER PUBLICATION streamkap_pub DROP TABLE sales.orders",
        "ALTER PUBLICATION streamkap_pub ADD TABLE sales.orders",
    )
    state, evidence = connector.said("snapshots-needed")
    assert (state, "sales.orders" in evidence) == ("warning", True)


# Partitions that were attached


def attach(shop: Shop, number: int, *, rows: bool) -> None:
    """A partition of public.root, made and maybe loaded as a table of its own."""
    shop.run(
        f"CREATE TABLE public.p{number} (LIKE public.root INCLUDING ALL)",
        f"INSERT INTO public.p{number} VALUES ({number}1)" if rows else "SELECT",
        f"ALTER TABLE public.root ATTACH PARTITION public.p{number}"
        f" FOR VALUES FROM ({number}0) TO ({number}9)",
    )


@pytest.fixture(name="partitioned")
def partitioned_root(connector: Connector, shop: Shop) -> Managed:
    """The publication, with a partitioned table in it that had a partition attached before."""
    shop.run(
        "CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "ALTER PUBLICATION streamkap_pub SET TABLE public.root, streamkap.streamkap_signal",
    )
    connector.settings |= {"capture": {"tables": ["public.root"]}, "heartbeat": False}
    managed = publication(
        shop, {"tables": ["public.root"]}, ownTables=["streamkap.streamkap_signal"]
    )
    attach(shop, 1, rows=True)
    managed.up()
    managed.up(acknowledge=["snapshot of public.root"])  # somebody has altered what was recorded
    managed.up(acknowledge=[])
    resource = {"inputs": managed.inputs}
    connector.export = lambda: {"deployment": {"resources": [{}, resource]}}
    return managed


def test_partition_with_rows_that_was_attached_since_up(
    connector: Connector, shop: Shop, partitioned: Managed
) -> None:
    check = "partitions-attached"
    assert connector.said(check) == (
        "ok",
        "1 attached, none since pulumi up with rows that never arrive",
    )
    attach(shop, 2, rows=False)
    assert connector.said(check)[0] == "ok"
    attach(shop, 3, rows=True)
    state, evidence = connector.said(check)
    assert state == "warning"
    assert "was attached to public.root since pulumi up" in evidence
    connector.settings["acknowledge"] = ["snapshot of public.root"]
    assert connector.said(check)[0] == "ok"
    del connector.settings["acknowledge"]
    # `up` records it, so that the other check tells it from then on.
    partitioned.up()
    connector.export = lambda: {"deployment": {"resources": [{"inputs": partitioned.inputs}]}}
    assert connector.said(check)[0] == "ok"
    assert connector.said("snapshots-needed")[0] == "warning"


def test_partition_that_was_asked_for_since(
    connector: Connector, shop: Shop, partitioned: Managed
) -> None:
    attach(shop, 2, rows=True)
    assert connector.said("partitions-attached")[0] == "warning"
    data = json.dumps({"type": "incremental", "data-collections": ["public.root"]})
    shop.run(f"INSERT INTO streamkap.streamkap_signal VALUES ('1', 'execute-snapshot', '{data}')")
    assert connector.said("partitions-attached")[0] == "ok"
    assert partitioned.up() == []


def test_state_that_the_engine_does_not_tell(
    connector: Connector,
    partitioned: Managed,  # noqa: ARG001 - makes what is captured
) -> None:
    def refuse() -> dict[str, Any]:
        raise CdcError("stack test cannot be read: locked. Remedy: try again")

    connector.export = refuse
    assert connector.said("partitions-attached") == (
        "unknown",
        "stack test cannot be read: locked",
    )
