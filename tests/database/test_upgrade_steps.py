"""The steps one by one: what makes each true, what does not, and what it says then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.database.doctor_support import PASSWORD, Connector
from tests.database.doctor_support import ready_connector as ready_connector
from tests.database.slot_support import create, drop, reader
from tests.database.upgrade_support import LATER, as_app, let_write, said, upgrade_of

from azure_postgres_cdc import progress
from azure_postgres_cdc.database import slot_catalog
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.upgrade import drain
from azure_postgres_cdc.operations.upgrade.change import ChangeVersion
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.drain import Drain, StopSource
from azure_postgres_cdc.operations.upgrade.fence import Fence
from azure_postgres_cdc.operations.upgrade.release import Unfence
from azure_postgres_cdc.operations.upgrade.slots import DropSlots, leak

ReadOnly = "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase"


@pytest.fixture(name="run")
def new_run(connector: Connector, tmp_path: Path) -> Upgrade:
    return upgrade_of(connector, tmp_path)


@pytest.fixture(name="app")
def application(connector: Connector) -> Iterator[str]:
    """A user that writes to a captured table."""
    user, shop = f"app_{connector.shop.name}", connector.shop
    let_write(shop, user)
    yield user
    with shop.server.superuser() as connection:
        connection.execute(f"ALTER DATABASE {shop.name} RESET ALL".encode())
    shop.run(f"DROP OWNED BY {user}", f"DROP ROLE {user}", superuser=True)


def refusal(action: Callable[[], object], *, remedies: int = 1) -> str:
    """What it stops with: one line that says what helps, and no secret.

    `remedies`: 0 where each of several reasons has its own.
    """
    with pytest.raises(CdcError) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text
    assert text.count(". Remedy: ") == remedies
    assert PASSWORD not in text
    return text


def write(connector: Connector, number: int = 1) -> None:
    connector.shop.run(f"INSERT INTO public.orders VALUES ({number})")


def consume(connector: Connector) -> None:
    """The connector reads and confirms everything."""
    connector.shop.rows(
        "SELECT count(*) FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL,"
        " 'proto_version', '1', 'publication_names', 'streamkap_pub')",
        connector.slot,
    )


def drained(run: Upgrade, connector: Connector) -> None:
    """The drain, with a connector that reads."""
    record = run.record(connector.form)
    record.marker_lsn = drain._mark(run, connector.form, f"{drain.PREFIX}1")
    record.marker = f"{drain.PREFIX}1"
    consume(connector)
    assert Drain().is_true(run)


def database_setting(connector: Connector) -> list[str] | None:
    found = connector.shop.column(f"{ReadOnly} WHERE d.datname = %s", connector.shop.name)
    return found[0] if found else None


# The fence


def test_session_that_can_write_is_named_and_ended_only_where_that_is_wanted(
    run: Upgrade, connector: Connector, app: str
) -> None:
    with as_app(connector.shop, app) as session:
        assert not Fence().is_true(run)
        text = refusal(lambda: Fence().make_true(run))
        assert f"these sessions can still write: {session.info.backend_pid} ({app}" in text
        assert session.execute("SELECT 1").fetchone() == (1,)
        run.terminate = True
        Fence().make_true(run)
        assert Fence().is_true(run)
        assert f"ended session {session.info.backend_pid}" in said(run)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_who_may_only_read_and_the_connector_are_no_hole(
    run: Upgrade, connector: Connector
) -> None:
    shop = connector.shop
    with shop.server.connect(shop.name, connector.user, PASSWORD):
        assert Fence().is_true(run)


@pytest.mark.parametrize("before", [None, "on", "off"])
def test_read_only_database_gets_back_what_it_had(
    connector: Connector, tmp_path: Path, before: str | None, app: str
) -> None:
    shop = connector.shop
    if before:
        shop.run(f"ALTER DATABASE {shop.name} SET default_transaction_read_only = {before}")
    run = upgrade_of(connector, tmp_path, read_only=True)
    assert not Fence().is_true(run)
    Fence().make_true(run)
    assert Fence().is_true(run)
    assert database_setting(connector) == ["default_transaction_read_only=on"]
    with as_app(shop, app) as session:  # a new one is no hole: it cannot write
        assert Fence().is_true(run)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.execute("INSERT INTO public.orders VALUES (1)")
    assert Unfence().is_true(run) is (before == "on")
    Unfence().make_true(run)
    assert Unfence().is_true(run)
    expected = [f"default_transaction_read_only={before}"] if before else None
    assert database_setting(connector) == expected


def test_older_session_is_a_hole_in_a_read_only_database(
    connector: Connector, tmp_path: Path, app: str
) -> None:
    run = upgrade_of(connector, tmp_path, read_only=True)
    with as_app(connector.shop, app):
        assert "can still write" in refusal(lambda: Fence().make_true(run))
    assert Fence().is_true(run)


def test_killed_between_the_record_and_the_fence_it_is_fenced_again(
    connector: Connector, tmp_path: Path, app: str
) -> None:
    run = upgrade_of(connector, tmp_path, read_only=True)
    Fence().make_true(run)
    run.state.database(connector.shop.name).fenced_at = ""  # as if killed before that was saved
    assert not Fence().is_true(run)
    with as_app(connector.shop, app) as session:
        session.execute("SET default_transaction_read_only = off")
        assert "can still write" in refusal(lambda: Fence().make_true(run))


def test_role_that_is_excepted_and_prepared_transaction_are_holes(
    connector: Connector, tmp_path: Path, app: str
) -> None:
    run = upgrade_of(connector, tmp_path, read_only=True)
    Fence().make_true(run)
    writable = "SET default_transaction_read_only = off"
    excepted = f"ALTER ROLE {app} SET default_transaction_read_only = off"
    connector.shop.run(writable, excepted, superuser=True)
    assert f"is off for {app}" in refusal(lambda: Fence().make_true(run))
    connector.shop.run(writable, f"ALTER ROLE {app} RESET ALL", superuser=True)
    assert Fence().is_true(run)
    Unfence().make_true(run)
    run.state.read_only_database = False
    connector.shop.run("BEGIN", "INSERT INTO public.orders VALUES (1)", "PREPARE TRANSACTION 'p'")
    assert "prepared transactions p" in refusal(lambda: Fence().make_true(run))
    connector.shop.run("ROLLBACK PREPARED 'p'")


# The drain


def test_drained_once_the_marker_is_confirmed(run: Upgrade, connector: Connector) -> None:
    write(connector)
    run.patience = 0.1
    text = refusal(lambda: Drain().make_true(run))
    assert f"slot {connector.slot} is not drained after" in text
    assert re.search(r"drain: slot \S+ is [\d.]+ \w+ behind the marker; nobody reads it", said(run))
    assert connector.shop.column("SELECT id FROM streamkap.streamkap_signal") == [
        run.record(connector.form).marker
    ]
    consume(connector)
    assert Drain().is_true(run)
    assert StopSource().is_true(run)


def test_marker_reaches_past_the_fence_of_its_own_database(
    connector: Connector, tmp_path: Path
) -> None:
    run = upgrade_of(connector, tmp_path, read_only=True, patience=0.1)
    Fence().make_true(run)
    refusal(lambda: Drain().make_true(run))
    assert run.record(connector.form).marker_lsn
    Unfence().make_true(run)


@pytest.mark.parametrize(
    "fields",
    [{"signalTableSchema": None}, {"signalTableSchema": None, "heartbeatTableSchema": None}],
)
def test_marker_without_a_signal_table(
    connector: Connector, tmp_path: Path, fields: dict[str, Any]
) -> None:
    names = {"signalTableSchema": "signal_schema", "heartbeatTableSchema": "heartbeat_schema"}
    for key in fields:
        vars(connector.form)[names[key]] = None
    run = upgrade_of(connector, tmp_path)
    drained(run, connector)
    with run.connect(connector.shop.name) as connection:
        there = drain.has_marker(connection, connector.form, f"{drain.PREFIX}1")
    assert there is (True if len(fields) == 1 else None)
    assert StopSource().is_true(run)


def test_connector_that_confirms_one_transaction_late_is_drained_by_further_markers(
    run: Upgrade, connector: Connector
) -> None:
    """As Debezium does: with each event it confirms the transaction before."""
    write(connector)
    record = run.record(connector.form)
    record.marker_lsn = drain._mark(run, connector.form, f"{drain.PREFIX}1")
    second = drain._mark(run, connector.form, f"{drain.PREFIX}2")
    connector.shop.run(f"SELECT pg_replication_slot_advance('{connector.slot}', '{second}')")
    assert Drain().is_true(run)
    assert StopSource().is_true(run)  # the second marker is left, and nothing else


def test_further_markers_follow_while_nothing_is_confirmed(
    run: Upgrade, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "MARKER_SECONDS", 0.05)
    run.patience = 0.3
    refusal(lambda: Drain().make_true(run))
    assert connector.shop.value("SELECT count(*) FROM streamkap.streamkap_signal") >= 2


def test_drain_says_how_far_and_how_fast_it_is(
    run: Upgrade, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "Pace", lambda: progress.Pace(0))
    monkeypatch.setattr(progress, "_SHARE", 1e9)
    write(connector)
    half = drain._mark(run, connector.form, f"{drain.PREFIX}1")
    write(connector, 2)
    run.record(connector.form).marker_lsn = drain._mark(run, connector.form, f"{drain.PREFIX}2")
    told = drain._Progress(run, connector.form)
    told.look()
    assert "; nobody reads it: " in said(run)
    connector.shop.run(f"SELECT pg_replication_slot_advance('{connector.slot}', '{half}')")
    told.look()
    assert re.search(r"behind the marker, [\d.]+ \w+/s, about \d+ seconds left; nobody", said(run))


def test_slot_that_was_made_anew_is_never_drained(run: Upgrade, connector: Connector) -> None:
    connector.report()
    connector.shop.run(  # as `up` records it
        f"SELECT pg_create_logical_replication_slot('{connector.slot}_2', 'pgoutput')"
    )
    drop(connector.shop, f"{connector.slot}_2")
    drop(connector.shop, connector.slot)
    text = refusal(lambda: Drain().make_true(run))
    assert "has vanished" in text
    assert "--snapshot-afterwards" in text
    run.snapshot_afterwards = True
    Drain().make_true(run)
    assert Drain().is_true(run)
    assert "NOT PROVED" in said(run)


# Stop source


def test_source_that_is_not_stopped(run: Upgrade, connector: Connector) -> None:
    drained(run, connector)
    run.patience = 0.2
    with reader(connector.shop, connector.slot):
        assert not StopSource().is_true(run)
        assert "is still read by its connector" in refusal(lambda: StopSource().make_true(run))
        assert f"stop the source of slot {connector.slot}" in said(run)
    run.patience = 5
    StopSource().make_true(run)
    assert StopSource().is_true(run)


def test_source_that_comes_back_before_the_peek(
    run: Upgrade, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained(run, connector)
    with run.connect(connector.form.database) as connection:
        before = slot_catalog.find(connection, connector.slot)
    with reader(connector.shop, connector.slot):
        monkeypatch.setattr(slot_catalog, "find", lambda _connection, _name: before)
        assert "is still read by its connector" in drain.unread(run, connector.form)


def test_writes_that_went_on(run: Upgrade, connector: Connector) -> None:
    drained(run, connector)
    write(connector)
    assert "still holds 1 changes" in refusal(lambda: StopSource().make_true(run))
    assert "still holds 1 changes" in refusal(lambda: DropSlots().make_true(run))
    assert connector.shop.value("SELECT count(*) FROM pg_replication_slots") == 1


def test_heartbeats_may_be_left_and_a_request_for_a_snapshot_may_not(
    run: Upgrade, connector: Connector
) -> None:
    drained(run, connector)
    connector.shop.run("UPDATE streamkap.streamkap_heartbeat SET text = 'later'")
    assert StopSource().is_true(run)
    connector.shop.run("INSERT INTO streamkap.streamkap_signal VALUES ('1', 'execute-snapshot')")
    assert not StopSource().is_true(run)
    connector.shop.run("TRUNCATE public.orders")
    assert "still holds 2 changes" in refusal(lambda: StopSource().make_true(run))


# Drop slot


def test_slot_is_dropped_with_what_is_known_of_it_on_disk(
    run: Upgrade, connector: Connector
) -> None:
    drained(run, connector)
    position = connector.shop.value("SELECT confirmed_flush_lsn::text FROM pg_replication_slots")
    assert not DropSlots().is_true(run)
    DropSlots().make_true(run)
    assert DropSlots().is_true(run)
    kept = run.file.read_text()
    assert PASSWORD not in kept
    assert connector.shop.server.admin_password not in kept
    record = run.record(connector.form)
    assert record.position == position
    assert set(record.tables) == {"public.orders", "sales.orders"}
    assert not leak(run, connector.form)
    assert Drain().is_true(run)
    assert StopSource().is_true(run)


def test_slot_is_not_dropped_behind_a_hole_in_the_fence(
    run: Upgrade, connector: Connector, app: str
) -> None:
    drained(run, connector)
    with as_app(connector.shop, app):
        assert "can still write" in refusal(lambda: DropSlots().make_true(run))
    DropSlots().make_true(run)


def test_connector_that_makes_the_slot_again_is_noticed(run: Upgrade, connector: Connector) -> None:
    drained(run, connector)
    DropSlots().make_true(run)
    create(connector.shop, connector.slot)
    assert not DropSlots().is_true(run)
    text = refusal(lambda: ChangeVersion().make_true(run))
    assert "is there again: its source is not stopped" in text
    DropSlots().make_true(run)  # nothing was written meanwhile
    assert DropSlots().is_true(run)


def test_writes_after_the_slot_is_gone_are_noticed(run: Upgrade, connector: Connector) -> None:
    drained(run, connector)
    DropSlots().make_true(run)
    write(connector)
    run.wait(lambda: Fence().is_true(run), "the session has not ended")
    assert "1 rows were written to captured tables" in leak(run, connector.form)
    text = refusal(lambda: ChangeVersion().make_true(run))
    assert "1 rows were written" in text
    assert "azure-postgres-cdc upgrade abort" in text


def test_own_procedure_is_waited_for_behind_the_fence(
    run: Upgrade, connector: Connector, app: str
) -> None:
    drained(run, connector)
    DropSlots().make_true(run)
    run.patience = 0.1
    text = refusal(lambda: ChangeVersion().make_true(run))
    assert f"the server is not on version {LATER} after" in text
    assert f"upgrade the server to PostgreSQL {LATER} now" in said(run)
    with as_app(connector.shop, app):
        assert "nothing was upgraded yet" in refusal(lambda: ChangeVersion().make_true(run))
