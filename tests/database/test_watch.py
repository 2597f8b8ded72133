"""watch: samples of a real slot, what follows from them, and a slot that is lost meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from tests.database.doctor_support import PASSWORD, Connector
from tests.database.slot_support import consume, create, drop, last_seen, position, reader, recorded

from azure_postgres_cdc.database import idle_connections, ledger
from azure_postgres_cdc.database.continuity import lsn
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.watch import sample
from azure_postgres_cdc.operations.watch.history import History
from azure_postgres_cdc.operations.watch.loop import Options, Watch
from azure_postgres_cdc.operations.watch.sample import Look, Room, State

if TYPE_CHECKING:
    from tests.database.conftest import Shop

BIG = (
    "INSERT INTO public.orders SELECT n, repeat('x', 200) FROM"
    " (SELECT coalesce(max(id), 0) AS m FROM public.orders) o, generate_series(m + 1, m + 5000) n"
)


@pytest.fixture
def connector(shop: Shop) -> Iterator[Connector]:
    """One whose slot is recorded, as after `up`."""
    found = Connector(shop)
    found.make_recorded()
    yield found
    found.remove()


def look_at(connector: Connector, storage_gib: float | None = 1) -> Look:
    stack = connector.stack()
    return Look(stack, connector.form, Room(stack, storage_gib))


def watched(connector: Connector, **options: Any) -> tuple[int, str]:
    """The exit status of a watch where there is no terminal, and what it has printed."""
    file = StringIO()
    watch = Watch(connector.stack(), [connector.form], Options(interval=0.2, **options))
    return watch.run(Console(file=file, width=80)), file.getvalue()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Samples


def test_lag_and_retained_wal_are_those_of_the_catalog(connector: Connector, shop: Shop) -> None:
    look, seen = look_at(connector), History()
    seen.add(look())
    shop.run(BIG)
    seen.add(look())
    before, after = seen.samples
    assert (before.state, after.state, after.pid) == (State.UNREAD, State.UNREAD, None)
    assert after.confirmed == lsn(position(shop, connector.slot)) == before.confirmed
    written = after.wal - before.wal  # type: ignore[operator]
    assert written > 5000 * 200
    assert after.lag_bytes - before.lag_bytes == written  # type: ignore[operator]
    assert after.retained_bytes - before.retained_bytes == written  # type: ignore[operator]
    assert after.wal_status == "reserved"
    consume(shop, connector.slot)
    seen.add(look())
    assert seen.last.lag_bytes < written  # type: ignore[operator]


def test_a_slot_that_is_read_has_a_pid_and_a_lag_in_seconds(
    connector: Connector, shop: Shop
) -> None:
    look, seen = look_at(connector), History()
    with reader(shop, connector.slot):
        shop.run(BIG)
        until(lambda: bool(seen.add(look()) or seen.last.state is State.READ))
        pid = shop.value(
            "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", connector.slot
        )
        assert seen.last.pid == pid
        assert seen.last.behind is not None
        assert 0 <= seen.last.behind.seconds < 60
    seen.add(look())
    assert (seen.last.state, seen.last.pid) == (State.UNREAD, None)


def test_what_is_not_confirmed_grows_older(connector: Connector, shop: Shop) -> None:
    look, seen = look_at(connector), History()
    shop.run(BIG)
    seen.add(look())
    first = seen.last.behind
    time.sleep(1.1)
    seen.add(look())
    last = seen.last.behind
    assert first is not None
    assert last is not None
    assert last.is_bound
    # The record's own clock has seconds only.
    assert 1 <= last.seconds - first.seconds <= 3
    consume(shop, connector.slot)
    seen.add(look())
    assert seen.last.behind is not None
    assert seen.last.behind.seconds < last.seconds


def test_forecast_is_what_is_written_against_what_is_free(
    connector: Connector, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azure_postgres_cdc.operations.watch.history.SHORTEST_UNREAD", 1)
    look, seen = look_at(connector, storage_gib=10), History()
    began = time.time()
    while time.time() - began < 2:
        shop.run(BIG)
        seen.add(look())
        time.sleep(0.1)
    found, last, first = seen.outlook(), seen.last, seen.samples[0]
    rate = (last.wal - first.wal) / (last.at - first.at)  # type: ignore[operator]
    assert found.rate == pytest.approx(rate, rel=0.25)
    used = shop.value("SELECT sum(pg_database_size(oid)) FROM pg_database")
    assert last.total_bytes == 10 * 2**30
    # Beside the databases, there is the WAL.
    assert last.free_bytes is not None
    assert 8 * 2**30 < last.free_bytes < 10 * 2**30 - used / 2
    assert found.seconds == pytest.approx(last.free_bytes / found.rate)  # type: ignore[operator]


def test_storage_of_unknown_size_says_why(connector: Connector) -> None:
    room = Room(connector.stack(), None)
    assert (
        room.reason == "how large the storage is, is not known: management: none leaves Azure alone"
    )
    look = Look(connector.stack(), connector.form, room)
    found = look()
    assert (found.total_bytes, found.free_bytes) == (None, None)
    connector.storage_gib = 32  # as Azure would tell
    assert Room(connector.stack(), None).total == 32 * 2**30


# What was last seen is recorded


def test_position_is_recorded_as_by_doctor(connector: Connector, shop: Shop) -> None:
    consume(shop, connector.slot)
    look_at(connector)()
    last = last_seen(shop)
    assert last.position == position(shop, connector.slot)


def test_it_is_recorded_once_a_minute(
    connector: Connector, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = look_at(connector)
    look()
    before = recorded(shop)
    consume(shop, connector.slot)
    look()
    assert recorded(shop) == before
    monkeypatch.setattr(sample, "RECORD_SECONDS", 0)
    look()
    assert recorded(shop) != before


def test_nothing_is_recorded_where_up_has_recorded_nothing(
    connector: Connector, shop: Shop
) -> None:
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS NULL")
    assert look_at(connector)().state is State.UNREAD
    assert recorded(shop) == ledger.Ledger()


def test_read_only_server_is_watched_all_the_same(connector: Connector, shop: Shop) -> None:
    consume(shop, connector.slot)  # there is something to record
    before = recorded(shop)
    idle_connections.close_all()
    with shop.server.superuser() as elsewhere:
        setting = f"ALTER DATABASE {shop.name} {{}} default_transaction_read_only {{}}"
        elsewhere.execute(setting.format("SET", "= on").encode())
        try:
            assert look_at(connector)().confirmed == lsn(position(shop, connector.slot))
            assert recorded(shop) == before
        finally:
            elsewhere.execute(setting.format("RESET", "").encode())
    idle_connections.close_all()


# Lost


def test_slot_that_vanishes_while_it_is_watched_ends_the_watch(
    connector: Connector, shop: Shop, tmp_path: Path
) -> None:
    file, ended = StringIO(), []
    page = tmp_path / "slots.html"
    watch = Watch(connector.stack(), [connector.form], Options(interval=0.1, html=page))
    watcher = threading.Thread(target=lambda: ended.append(watch.run(Console(file=file, width=80))))
    watcher.start()
    until(lambda: "nobody has read it" in file.getvalue())
    drop(shop, connector.slot)
    watcher.join(20)
    assert ended == [1]
    *_, last, summary = file.getvalue().splitlines()
    assert f"slot {connector.slot}: LOST; replication slot {connector.slot} of database " in last
    assert " has vanished. Its last known position: LSN " in last
    assert "Remedy: stop the source; set acknowledgeLostSlot: " in last
    assert summary.endswith(f"; LOST: {connector.slot}")
    text = page.read_text(encoding="utf-8")
    assert " has vanished. " in text
    assert "http-equiv" not in text


def test_slot_that_is_there_again_was_lost_all_the_same(connector: Connector, shop: Shop) -> None:
    """What `up` has recorded nothing of cannot be told from another one, once it is there again."""
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS NULL")
    file, ended = StringIO(), []
    crm = replace(connector.form, slot=f"{connector.slot}_2")  # keeps the watch going
    create(shop, crm.slot)
    watch = Watch(connector.stack(), [connector.form, crm], Options(interval=0.1, count=60))
    watcher = threading.Thread(target=lambda: ended.append(watch.run(Console(file=file))))
    watcher.start()
    until(lambda: "nobody has read it" in file.getvalue())
    drop(shop, connector.slot)
    until(lambda: "LOST" in file.getvalue())
    create(shop, connector.slot)
    watcher.join(60)
    assert ended == [1]
    assert file.getvalue().splitlines()[-1].endswith(f"; LOST: {connector.slot}")
    assert "nobody has read it" in file.getvalue().splitlines()[-3]


def test_slot_that_was_made_again_is_lost(connector: Connector, shop: Shop) -> None:
    consume(shop, connector.slot, 3)
    look = look_at(connector)
    assert look().state is State.UNREAD
    drop(shop, connector.slot)
    create(shop, connector.slot)
    for _ in range(2):  # looking does not make it forget
        found = look()
        assert found.state is State.LOST
        assert "is not the one that was there before: " in found.trouble


def test_slot_of_another_kind_is_lost(connector: Connector, shop: Shop) -> None:
    drop(shop, connector.slot)
    shop.run(f"SELECT pg_create_physical_replication_slot('{connector.slot}')")
    found = look_at(connector)()
    drop(shop, connector.slot)  # it is of no database, and would outlive this one
    assert (found.state, "is not this stack's" in found.trouble) == (State.LOST, True)


def test_invalidated_slot_is_lost(connector: Connector, shop: Shop) -> None:
    look = look_at(connector)
    assert look().safe_bytes is None
    shop.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", superuser=True)
    shop.run("SELECT pg_reload_conf()", superuser=True)
    try:
        until(lambda: look().safe_bytes is not None)
        for _ in range(3):
            shop.run("SELECT pg_switch_wal()", BIG, superuser=True)
        shop.run("CHECKPOINT", superuser=True)
        found = look()
    finally:
        shop.run("ALTER SYSTEM RESET max_slot_wal_keep_size", superuser=True)
        shop.run("SELECT pg_reload_conf()", superuser=True)
    assert found.state is State.LOST
    assert "was invalidated by PostgreSQL (wal_removed)" in found.trouble


def test_slot_that_the_connector_makes_is_waited_for(connector: Connector, shop: Shop) -> None:
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS NULL")
    drop(shop, connector.slot)
    assert "has vanished" in look_at(connector)().trouble
    connector.settings["createSlot"] = False
    look = look_at(connector)
    assert look().state is State.NOT_YET
    create(shop, connector.slot)
    assert look().state is State.UNREAD


# The server does not answer


def test_server_that_is_away_is_asked_again(connector: Connector) -> None:
    form = connector.form
    connector.form = replace(form, port=1)
    status, said = watched(connector, count=2)
    assert status == 2
    first, second, _ = said.splitlines()[-3:]
    for line in (first, second):
        assert ": no answer since " in line
        assert "cannot connect to database" in line
        assert PASSWORD not in line
    look, seen = look_at(connector), History()
    seen.add(look())
    connector.form = form
    look.form = form
    seen.add(look())
    assert [item.state for item in seen.samples] == [State.SILENT, State.UNREAD]


def test_connection_that_is_ended_is_made_again(connector: Connector, shop: Shop) -> None:
    look = look_at(connector)
    look()
    shop.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'azure-postgres-cdc' AND datname = current_database()"
        " AND pid <> pg_backend_pid()",
        superuser=True,
    )
    assert look().state is State.UNREAD


def test_refused_login_stops_a_watch_that_begins_and_not_one_that_goes_on(
    connector: Connector,
) -> None:
    look = look_at(connector)
    assert look().state is State.UNREAD
    look.form = replace(connector.form, password="wrong")
    found = look()
    assert (found.state, "password authentication failed" in found.trouble) == (State.SILENT, True)
    connector.form = look.form
    with pytest.raises(CdcError, match="password authentication failed"):
        watched(connector, count=1)


# Without a terminal


def test_a_line_for_each_sample(connector: Connector) -> None:
    status, said = watched(connector, count=3, storage_gib=16)
    assert status == 0
    *lines, summary = said.splitlines()
    assert len(lines) == 3
    assert all(
        f" {connector.shop.name}, slot {connector.slot}: nobody has read it for " in line
        for line in lines
    )
    assert summary.endswith(", 3 samples")
    assert "\x1b" not in said


def test_an_object_for_each_sample(connector: Connector) -> None:
    status, said = watched(connector, count=2, as_json=True)
    assert status == 0
    first, second = map(json.loads, said.splitlines())
    assert first["slot"] == second["slot"] == connector.slot
    assert first["state"] == "unread"
    assert first["walBytesPerSecond"] is None
    assert second["walBytesPerSecond"] >= 0
    assert PASSWORD not in said


def test_page_that_cannot_be_written_is_one_line(connector: Connector, tmp_path: Path) -> None:
    with pytest.raises(CdcError) as caught:
        watched(connector, count=1, html=tmp_path / "no" / "slots.html")
    assert "Remedy: another --html" in str(caught.value)
