"""What is remembered of a slot and where, and what cannot be proved from it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tenacity import stop_after_attempt
from tests.database.conftest import Shop
from tests.database.slot_support import (
    comment,
    consume,
    create,
    drop,
    found,
    last_seen,
    position,
    prepare,
    preview,
    reader,
    recorded,
    replication_slot,
    slot_name,  # noqa: F401 - a fixture
    slot_to_make,  # noqa: F401 - a fixture
)

from azure_postgres_cdc import dynamic
from azure_postgres_cdc.database import ledger
from azure_postgres_rehearsal import keeper
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from tests.database.conftest import Managed

DOUBT = "it cannot be proved that replication slot "


# The record


def test_record_is_written_by_an_up_and_never_by_a_preview(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    before = comment(shop)
    consume(shop, name)
    assert preview(managed) == []
    assert managed.refresh() == []
    assert comment(shop) == before
    assert managed.up() == []
    last = last_seen(shop)
    assert last.position == position(shop, name)
    assert last.system == shop.value("SELECT system_identifier::text FROM pg_control_system()")


def test_record_leaves_alone_what_somebody_else_wrote(
    shop: Shop, managed: Managed, name: str
) -> None:
    theirs = "Owned by team A.\nAsk before you change it: it's ours."
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS " + "'" + theirs.replace("'", "''") + "'")
    managed.up()
    consume(shop, name)
    managed.up()
    assert (comment(shop) or "").startswith(theirs + "\nazure-postgres-cdc: ")
    assert (comment(shop) or "").count("azure-postgres-cdc: ") == 1
    managed.destroy()
    assert comment(shop) == theirs


def test_record_that_may_not_be_written_is_a_warning(
    shop: Shop, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """FOR ALL TABLES belongs to a superuser, and so does what is said of it."""
    shop.run("CREATE TABLE public.orders (id int PRIMARY KEY)")
    shop.run("CREATE PUBLICATION streamkap_pub FOR ALL TABLES", superuser=True)
    managed = replication_slot(shop, name)
    managed.up()
    assert len(found(shop, name)) == 1
    consume(shop, name)
    assert managed.up() == []
    assert comment(shop) is None
    text = capfd.readouterr().err
    assert f"what was seen of replication slot {name} cannot be written into the comment" in text
    for word in ("0/0", "0/1", "0/0"):  # the one before is used up
        drop(shop, name)
        for text in (managed.refusal(), managed.failure(managed.refresh)):
            assert "has vanished" in text
            assert f"set acknowledgeLostSlot: {word} for" in text
        managed.up(acknowledgeLostSlot=word)
        assert len(found(shop, name)) == 1


def test_record_that_somebody_keeps_locked_is_waited_for_in_vain(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open transaction has the publication, for hours: nothing hangs for it."""
    monkeypatch.setattr(ledger, "LOCK_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(dynamic._patiently, "stop", stop_after_attempt(2))
    create(shop, name)
    with shop.server.connect(shop.name) as other:
        other.autocommit = False
        other.execute("COMMENT ON PUBLICATION streamkap_pub IS 'theirs'")
        adopting = managed.failure(managed.up)
        other.rollback()
        managed.up()
        other.execute("COMMENT ON PUBLICATION streamkap_pub IS 'theirs'")
        changing = managed.failure(lambda: managed.up(storageGiB=64))
        other.rollback()
    for text in (adopting, changing):
        assert "canceling statement due to lock timeout [55P03]" in text
    managed.up()
    assert managed.up() == []


def test_record_that_is_gone_is_a_doubt(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS NULL")
    assert_doubted_until_acknowledged(shop, managed, capfd, position(shop, name))


# Doubts


def assert_doubted_until_acknowledged(
    shop: Shop, managed: Managed, capfd: pytest.CaptureFixture[str], lsn: str
) -> None:
    capfd.readouterr()
    for _ in range(2):
        assert preview(managed) == []
        assert managed.up() == []
        assert managed.refresh() == []
        text = capfd.readouterr().err
        assert text.count(DOUBT) == 3, text
        assert f"has lost nothing since LSN {lsn}, seen " in text
    managed.up(acknowledgeLostSlot="0/1")
    assert DOUBT in capfd.readouterr().err
    managed.up(acknowledgeLostSlot=lsn)
    assert recorded(shop).doubt is None
    del managed.program["acknowledgeLostSlot"]
    managed.up()
    assert managed.up() == []
    assert managed.refresh() == []
    assert DOUBT not in capfd.readouterr().err


def test_counters_that_somebody_reset_are_a_doubt(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    before = position(shop, name)
    consume(shop, name)
    shop.run(f"SELECT pg_stat_reset_replication_slot('{name}')", superuser=True)
    assert_doubted_until_acknowledged(shop, managed, capfd, before)


@pytest.fixture
def own(server: EmbeddedPostgres) -> Iterator[Shop]:
    """A server that may be stopped, without a word to the other tests."""
    with EmbeddedPostgres(server.major, settings={"wal_level": "logical"}) as embedded:
        shop = Shop(embedded, "postgres")
        prepare(shop)
        yield shop


def test_restart_is_no_doubt_and_a_crash_is_one(
    own: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    managed = replication_slot(own, "own")
    managed.up()
    consume(own, "own")
    managed.up()
    own.server.restart()
    assert managed.up() == []
    consume(own, "own")
    assert managed.up() == []
    assert managed.refresh() == []
    assert "warning" not in capfd.readouterr().err

    before = position(own, "own")
    keeper.stop_postmaster(own.server.folder, signal.SIGQUIT)
    own.server.stop()
    own.server.start()
    assert_doubted_until_acknowledged(own, managed, capfd, before)


def test_word_for_a_doubt_is_good_for_no_loss_after_it(
    shop: Shop, managed: Managed, name: str
) -> None:
    """Also where the slot stands where it stood, and the word is still in the settings."""
    managed.up()
    for _ in range(2):
        shop.run(f"SELECT pg_stat_reset_replication_slot('{name}')", superuser=True)
        managed.up()
        doubt = recorded(shop).doubt
        assert doubt is not None
        managed.up(acknowledgeLostSlot=doubt.position)
        assert recorded(shop).doubt is None
    drop(shop, name)
    for again in (False, True):
        text = managed.refusal()
        assert text == managed.failure(managed.refresh)
        word = text.partition("acknowledgeLostSlot: ")[2].split()[0]
        assert word != doubt.position
        if not again:
            create(shop, name)
            consume(shop, name, 5)
    managed.up(acknowledgeLostSlot=word)
    assert managed.up() == []


# Left to the connector


def test_slot_that_the_connector_makes_is_watched_from_then_on(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up(createSlot=False)
    assert found(shop, name) == []
    assert managed.up() == []
    assert managed.refresh() == []
    create(shop, name)
    assert preview(managed) == []
    assert managed.up() == []
    drop(shop, name)
    for text in (managed.refusal(record=False), managed.refusal()):
        assert text.startswith(f"replication slot {name} of database {shop.name} has vanished")
    assert "has vanished" in managed.failure(managed.refresh)
    last = last_seen(shop)
    managed.up(acknowledgeLostSlot=last.position)
    assert found(shop, name) == []
    assert managed.up() == []
    assert "toDo" in managed.up(createSlot=True)
    assert len(found(shop, name)) == 1


# Going


def test_slot_is_retained_where_that_is_said(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up(onDestroy="retain")
    managed.destroy()
    assert len(found(shop, name)) == 1
    text = capfd.readouterr().err
    assert f"warning: replication slot {name} stays. It holds 0 MiB of WAL now, and more" in text
    replication_slot(shop, name).up()
    assert len(found(shop, name)) == 1


def test_slot_that_was_dropped_with_its_stack_may_be_made_again(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up(onDestroy="drop")
    managed.destroy()
    assert found(shop, name) == []
    assert comment(shop) is None
    managed.up()
    assert len(found(shop, name)) == 1


# Another name


def test_another_slot_for_a_publication_needs_a_word(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The new name is a new resource, so its state knows nothing."""
    managed.up()
    renamed = replication_slot(shop, f"{name}_2")
    text = renamed.refusal()
    assert text.startswith(
        f"database {shop.name} is captured through slot {name}, and the settings name {name}_2: "
    )
    word = f"slot {name} renamed to {name}_2"
    assert f"set acknowledge: ['{word}']; pulumi state unprotect --all, where the old" in text
    assert found(shop, f"{name}_2") == []
    renamed.up(acknowledge=[word])
    assert f"the source has to name slot {name}_2 in the Streamkap app" in capfd.readouterr().err
    managed.destroy()
    last = last_seen(shop)
    assert last.slot == f"{name}_2"
    del renamed.program["acknowledge"]
    renamed.up()
    assert renamed.up() == []


def test_another_slot_for_one_that_is_lost_needs_two_words(
    shop: Shop, managed: Managed, name: str
) -> None:
    """The first is about the new name, and about no loss."""
    managed.up()
    last = last_seen(shop)
    drop(shop, name)
    renamed = replication_slot(shop, f"{name}_2")
    renamed.program["acknowledge"] = [f"slot {name} renamed to {name}_2"]
    text = renamed.refusal()
    assert text.startswith(f"replication slot {name} of database {shop.name} has vanished. ")
    assert found(shop, f"{name}_2") == []
    renamed.up(acknowledgeLostSlot=last.position)
    assert len(found(shop, f"{name}_2")) == 1


def test_another_slot_beside_the_first_needs_no_word(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    shop.run("CREATE PUBLICATION second_pub FOR TABLE public.orders")
    both = [name, f"{name}_2"]
    second = replication_slot(shop, f"{name}_2", publication="second_pub", slots=both)
    second.up()
    assert len(found(shop, f"{name}_2")) == 1
    assert managed.up(slots=both) == ["slots"]
    assert managed.up() == []


def test_another_publication_for_a_slot_needs_a_word_once(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    before = found(shop, name)
    shop.run("CREATE PUBLICATION second_pub FOR TABLE public.orders")
    text = managed.refusal(publication="second_pub")
    assert "is captured through publication streamkap_pub, and the settings name second" in text
    word = "publication streamkap_pub renamed to second_pub"
    assert f"set acknowledge: ['{word}']; pulumi state unprotect --all, where the old" in text
    managed.up(publication="second_pub", acknowledge=[word])
    assert "the source has to name publication second_pub" in capfd.readouterr().err
    assert found(shop, name) == before
    assert recorded(shop).last is None
    assert recorded(shop, "second_pub").last is not None
    del managed.program["acknowledge"]
    managed.up()
    assert managed.up() == []
    assert managed.refresh() == []
    assert "warning" not in capfd.readouterr().err


def test_publication_is_not_renamed_while_its_changes_wait(
    shop: Shop, managed: Managed, name: str
) -> None:
    """Up to PostgreSQL 17 they cannot be read through one that was made after them."""
    managed.up()
    shop.run("CREATE PUBLICATION second_pub FOR TABLE public.orders")
    change = {
        "publication": "second_pub",
        "acknowledge": ["publication streamkap_pub renamed to second_pub"],
    }
    with reader(shop, name):
        assert managed.refusal(**change) == (
            f"replication slot {name} is being read through publication streamkap_pub, which is to "
            "give its place to second_pub: its connector would stop with an error. Remedy: stop "
            "the source once it has drained, then run pulumi up again"
        )

    shop.run(
        "DROP PUBLICATION second_pub",
        "INSERT INTO public.orders VALUES (-1)",
        "CREATE PUBLICATION second_pub FOR TABLE public.orders",
    )
    if shop.server.major < 18:
        text = managed.failure(lambda: managed.up(**change))
        assert text == (
            f'replication slot {name} is there, but cannot be read: publication "second_pub" does '
            "not exist [42704]. Remedy: resume the source with publication streamkap_pub, which is "
            "still there, until it has read what was written before; stop it, then run pulumi up "
            "again"
        )
        assert recorded(shop).last is not None
        consume(shop, name)
    managed.up(**change)
    assert recorded(shop, "second_pub").last is not None
    assert managed.up() == []
