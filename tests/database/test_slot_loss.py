"""A slot that is gone, or not the same any more: refused until somebody says that it is known."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.database.slot_support import (
    comment,
    consume,
    create,
    drop,
    found,
    last_seen,
    position,
    preview,
    reader,
    replication_slot,
    slot_name,  # noqa: F401 - a fixture
    slot_to_make,  # noqa: F401 - a fixture
)

from azure_postgres_cdc.database import slot_catalog, slot_creation
from azure_postgres_cdc.database.continuity import Sighting, lsn

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

GONE = "has vanished"
ANOTHER = "is not the one that was there before"


def assert_refused_everywhere(shop: Shop, managed: Managed, what: str) -> str:
    """In a preview, an up and a refresh, in one line each; the LSN that lets `up` go on."""
    name, last = managed.program["name"], last_seen(shop)
    before = found(shop, name), comment(shop)
    texts = {managed.refusal(record=False), managed.refusal(), managed.failure(managed.refresh)}
    assert len(texts) == 1
    text = texts.pop()
    assert text.startswith(f"replication slot {name} of database {shop.name} {what}")
    assert f"Its last known position: LSN {last.position}, seen {last.seen_at}." in text
    assert f"Remedy: stop the source; set acknowledgeLostSlot: {last.position} for" in text
    assert (found(shop, name), comment(shop)) == before
    return last.position


# Vanished


def test_slot_that_vanished_is_only_made_again_once_its_loss_is_acknowledged(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    consume(shop, name)
    managed.up()
    drop(shop, name)
    lost = assert_refused_everywhere(shop, managed, GONE)
    assert GONE in managed.refusal(acknowledgeLostSlot="0/1")
    assert found(shop, name) == []

    managed.program["acknowledgeLostSlot"] = lost
    assert "toDo" in preview(managed)
    assert found(shop, name) == []
    managed.up()
    assert f"replication slot {name}: snapshot every captured table" in capfd.readouterr().err
    assert managed.outputs["createdAtLsn"] == position(shop, name)
    assert managed.up() == []
    assert managed.refresh() == []

    # The word has done its work: it says nothing about another loss.
    drop(shop, name)
    assert assert_refused_everywhere(shop, managed, GONE) != lost


def test_slot_that_vanished_is_refused_by_a_state_that_never_knew_it(
    shop: Shop, managed: Managed, name: str
) -> None:
    """A state is lost, restored or begun anew; the record is in the database."""
    managed.up()
    drop(shop, name)
    fresh = replication_slot(shop, name)
    assert GONE in fresh.refusal()
    last = last_seen(shop)
    fresh.up(acknowledgeLostSlot=last.position)
    assert len(found(shop, name)) == 1
    assert fresh.up() == []


def test_slot_that_vanished_with_its_record_is_refused_too(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    drop(shop, name)
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS NULL")
    for text in (managed.refusal(), managed.failure(managed.refresh)):
        assert f"{GONE}. Its last known position: not recorded" in text
        assert "set acknowledgeLostSlot: 0/0 for" in text
    managed.up(acknowledgeLostSlot="0/0")
    assert managed.up() == []
    drop(shop, name)
    assert GONE in managed.refusal()


@pytest.mark.full
def test_slot_that_was_idle_for_too_long(shop: Shop, managed: Managed) -> None:
    if shop.server.major < 18:
        pytest.skip("idle_replication_slot_timeout came with PostgreSQL 18")
    managed.up()
    shop.run("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'", superuser=True)
    try:
        shop.run("SELECT pg_reload_conf()", superuser=True)
        time.sleep(2)
        shop.run("CHECKPOINT", superuser=True)
    finally:
        shop.run("ALTER SYSTEM RESET idle_replication_slot_timeout", superuser=True)
        shop.run("SELECT pg_reload_conf()", superuser=True)
    assert_refused_everywhere(shop, managed, "was invalidated by PostgreSQL (idle_timeout)")


def test_slot_that_postgresql_invalidated_is_replaced_once_acknowledged(
    shop: Shop, managed: Managed, name: str
) -> None:
    """It is still there, and nothing can be read from it any more."""
    managed.up()
    shop.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", superuser=True)
    try:
        shop.run("SELECT pg_reload_conf()", superuser=True)
        for number in range(4):
            shop.run(f"INSERT INTO public.orders VALUES ({number})")
            shop.run("SELECT pg_switch_wal()", "CHECKPOINT", superuser=True)
    finally:
        shop.run("ALTER SYSTEM RESET max_slot_wal_keep_size", superuser=True)
        shop.run("SELECT pg_reload_conf()", superuser=True)
    invalidated = "was invalidated by PostgreSQL (wal_removed)"
    lost = assert_refused_everywhere(shop, managed, invalidated)
    managed.up(acknowledgeLostSlot=lost)
    assert shop.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", name) in (
        "reserved",
        "extended",
    )
    assert managed.up() == []
    assert managed.refresh() == []


def test_word_is_good_until_there_is_another_slot(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making it may fail, and is tried again with the same settings."""
    monkeypatch.setattr(slot_creation, "_CREATE_TIMEOUT_SECONDS", 1)
    managed.up()
    drop(shop, name)
    lost = assert_refused_everywhere(shop, managed, GONE)
    managed.program["acknowledgeLostSlot"] = lost
    with shop.server.connect(shop.name) as writer:
        writer.autocommit = False
        writer.execute("INSERT INTO public.orders VALUES (1)")
        assert "was not created within 1 s" in managed.failure(managed.up)
        writer.rollback()
    managed.up()
    assert len(found(shop, name)) == 1
    assert managed.up() == []


@pytest.mark.parametrize("owner", ["cdc_admin", "azuresu"])
def test_slot_that_vanishes_after_the_preview_is_not_made_again(
    shop: Shop, managed: Managed, name: str, owner: str
) -> None:
    """Also where nothing could be recorded: the stack knows that it had one."""
    shop.run(f"ALTER PUBLICATION streamkap_pub OWNER TO {owner}", superuser=True)
    managed.up()
    managed.program["storageGiB"] = 64  # something else that `up` has to do
    checked = managed.check()
    drop(shop, name)
    text = managed.failure(
        lambda: managed.provider.update(managed.id, managed.outputs, checked),
    )
    assert GONE in text
    assert found(shop, name) == []


# Made again by somebody else


def test_slot_that_somebody_made_again_is_refused_until_it_is_acknowledged(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    drop(shop, name)
    create(shop, name)
    lost = assert_refused_everywhere(shop, managed, ANOTHER)
    assert ANOTHER in managed.refusal(acknowledgeLostSlot="0/1")
    before = found(shop, name)
    managed.up(acknowledgeLostSlot=lost)
    assert found(shop, name) == before
    assert managed.up() == []
    assert managed.refresh() == []
    drop(shop, name)
    assert assert_refused_everywhere(shop, managed, GONE) != lost


def test_slot_that_a_consumer_made_again_and_went_on_with_is_refused(
    shop: Shop, managed: Managed, name: str
) -> None:
    """With more transactions than were ever counted of the old one, and larger ones."""
    managed.up()
    consume(shop, name, 3)
    managed.up()
    drop(shop, name)
    create(shop, name)
    consume(shop, name, 20, rows=1000)
    counters = "SELECT spill_txns > 0, stream_txns FROM pg_stat_replication_slots"
    assert shop.rows(f"{counters} WHERE slot_name = %s", name) == [(True, 0)]
    lost = assert_refused_everywhere(shop, managed, ANOTHER)
    before = found(shop, name)
    managed.up(acknowledgeLostSlot=lost)
    assert found(shop, name) == before
    assert managed.up() == []


def test_slot_that_was_accepted_is_known_again_when_it_is_made_anew_once_more(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    for transactions in (5, 10):
        drop(shop, name)
        create(shop, name)
        consume(shop, name, transactions)
        managed.up(acknowledgeLostSlot=assert_refused_everywhere(shop, managed, ANOTHER))
        assert managed.up() == []


def test_slot_that_is_read_is_accepted_without_a_peek(
    shop: Shop, managed: Managed, name: str
) -> None:
    """PostgreSQL would refuse it: a peek needs the slot for itself."""
    managed.up()
    drop(shop, name)
    create(shop, name)
    with reader(shop, name):
        lost = assert_refused_everywhere(shop, managed, ANOTHER)
        managed.up(acknowledgeLostSlot=lost)
        assert managed.up() == []
    fresh = replication_slot(shop, name, acknowledgeLostSlot=lost)
    with reader(shop, name):
        fresh.up()
        assert fresh.up() == []


# Moved on by hand


def test_slot_that_somebody_moved_on_by_hand_is_doubted(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is advised where a slot holds too much WAL, and loses what was not read."""
    managed.up()
    consume(shop, name)
    managed.up()
    last = last_seen(shop).position
    shop.run(
        "INSERT INTO public.orders VALUES (-1)",
        f"SELECT pg_replication_slot_advance('{name}', pg_current_wal_lsn())",
    )
    assert managed.up() == []
    said = capfd.readouterr().err
    assert f"lost nothing since LSN {last}, seen" in said
    assert "has decoded nothing on the way there, as with pg_replication_slot_advance" in said
    consume(shop, name)
    managed.up()
    assert f"set acknowledgeLostSlot: {last} for this database" in capfd.readouterr().err
    managed.up(acknowledgeLostSlot=last)
    assert managed.up() == []
    assert "warning" not in capfd.readouterr().err


# Nothing happened


def test_slot_that_its_own_connector_reads_is_never_refused(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    for transactions in (1, 4):
        consume(shop, name, transactions)
        assert preview(managed) == []
        assert managed.up() == []
        assert managed.refresh() == []
        last = last_seen(shop)
        assert last.position == position(shop, name)
    with reader(shop, name):
        assert managed.up() == []
        assert managed.refresh() == []
    assert "warning" not in capfd.readouterr().err


def test_slot_whose_reader_confirms_wal_of_others_is_never_doubted(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A quiet table on a busy server: nothing is decoded but what we write down ourselves."""
    managed.up()
    with reader(shop, name):
        for _ in range(2):
            managed.up()
            seen, deadline = last_seen(shop), time.monotonic() + 60
            while lsn(position(shop, name)) <= lsn(seen.wal):
                assert time.monotonic() < deadline
                with shop.server.connect("postgres") as another:
                    another.execute("SELECT pg_logical_emit_message(true, 'x', repeat('x', 9000))")
                time.sleep(0.2)
    managed.up()
    assert "warning" not in capfd.readouterr().err


def test_slot_that_nobody_wrote_to_leaves_the_record_alone(shop: Shop, managed: Managed) -> None:
    managed.up()
    before = comment(shop)
    for _ in range(2):
        managed.up()
    assert comment(shop) == before


def test_counts_that_come_late_break_nothing_on_14(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed.up()
    consume(shop, name)
    sight, seen = slot_catalog.sight, []

    def late(*arguments: Any) -> Sighting:
        now = sight(*arguments)
        seen.append(now if seen else replace(now, counters=dict.fromkeys(now.counters, 0)))
        return seen[-1]

    monkeypatch.setattr(slot_catalog, "sight", late)
    assert ANOTHER in managed.refusal()
    seen.clear()
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 140010)
    assert managed.preview() == []
    assert len(seen) == 2
