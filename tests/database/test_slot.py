"""The replication slot: made once, watched, and never made again without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.database.slot_support import (
    PUBLICATION,
    create,
    drop,
    found,
    last_seen,
    reader,
    replication_slot,
    slot_name,  # noqa: F401 - a fixture
    slot_to_make,  # noqa: F401 - a fixture
)

from azure_postgres_cdc.database import slot_creation
from azure_postgres_cdc.database.publication import PublicationProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


# Making


def test_slot_is_made_with_pgoutput_on_its_database(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    assert managed.id == f"{shop.name}/{name}"
    lsn = managed.outputs["createdAtLsn"]
    assert found(shop, name) == [("logical", "pgoutput", shop.name, lsn)]
    assert managed.refresh() == []
    assert managed.up() == []


def test_slot_holds_every_change_from_then_on(shop: Shop, managed: Managed, name: str) -> None:
    """And nothing of what marked it, for a connector that asks for messages either."""
    managed.up()
    streamed = "SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = %s"
    assert shop.value(streamed, name) == 1
    shop.run("INSERT INTO public.orders VALUES (1), (2)")
    kinds = shop.column(
        "SELECT chr(get_byte(data, 0)) FROM pg_logical_slot_peek_binary_changes("
        "%s, NULL, NULL, 'proto_version', '1', 'messages', 'true',"
        " 'publication_names', 'streamkap_pub')",
        name,
    )
    assert kinds == ["B", "R", "I", "I", "C"]


def test_slot_is_verified_with_a_peek_that_takes_nothing(
    shop: Shop, managed: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    original = slot_creation.rows

    def recording(connection: Any, query: str, *parameters: Any) -> list[Any]:
        statements.append(query)
        return original(connection, query, *parameters)

    monkeypatch.setattr(slot_creation, "rows", recording)
    managed.up()
    assert [query for query in statements if "peek" in query] == [slot_creation._PEEK]
    assert managed.outputs["createdAtLsn"] == found(shop, managed.inputs["name"])[0][3]


def test_slot_s_peek_understands_an_odd_publication(shop: Shop, name: str) -> None:
    odd = 'odd, "pub" \'s 表'
    publication = shop.managed(
        PublicationProvider(),
        name=odd,
        capture={"schemas": ["public"]},
        ownTables=[],
        fullIdentity={},
        role="streamkap_role",
    )
    publication.up()
    replication_slot(shop, name, publication=odd).up()
    assert found(shop, name)


def test_slot_whose_peek_fails_says_that_it_is_there(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_creation, "_options", lambda *_, **__: ["proto_version", "none"])
    text = managed.failure(managed.up)
    assert text.startswith(f"replication slot {name} was created, but cannot be read: ")
    assert found(shop, name)


def test_slot_that_its_connector_is_quicker_to_read_needs_no_peek(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits for it takes hold of it as soon as it is there."""
    original = slot_creation._mark

    def while_it_is_read(*arguments: Any) -> None:
        with reader(shop, name):
            original(*arguments)

    monkeypatch.setattr(slot_creation, "_mark", while_it_is_read)
    managed.up()
    assert managed.up() == []


def test_slot_that_is_far_behind_is_adopted_without_a_peek(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peek decodes all that it retains."""
    monkeypatch.setattr(slot_creation, "_PEEK_AT_MOST", 0)
    monkeypatch.setattr(slot_creation, "_PEEK", "SELECT 'no peek', %s, %s FROM nothing")
    shop.run(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
    before = found(shop, name)
    managed.up()
    assert managed.up() == []
    assert found(shop, name) == before


def test_slot_that_fits_is_adopted_where_it_stands(shop: Shop, managed: Managed, name: str) -> None:
    with shop.server.connect(shop.name) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
    before = found(shop, name)
    shop.run("INSERT INTO public.orders VALUES (1)")
    managed.up()
    assert found(shop, name) == before
    assert managed.outputs["createdAtLsn"] == before[0][3]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        ("pg_create_logical_replication_slot(%s, 'test_decoding')", "logical slot of plug-in test"),
        ("pg_create_physical_replication_slot(%s)", "physical slot of plug-in None"),
    ],
)
def test_slot_of_another_kind_is_refused_and_left_alone(
    shop: Shop, managed: Managed, name: str, make: str, what: str
) -> None:
    with shop.server.connect(shop.name) as connection:
        try:
            connection.execute(f"SELECT {make}".encode(), [name])
        except Exception as error:  # not every build brings test_decoding along
            pytest.skip(str(error))
    before = found(shop, name)
    try:
        text = managed.refusal()
        assert text.startswith(f"replication slot {name} is not this stack's: found a {what}")
        assert f"needed a logical one of pgoutput on {shop.name}. Remedy: " in text
        assert found(shop, name) == before
    finally:
        shop.run(f"SELECT pg_drop_replication_slot('{name}')")


def test_slot_of_another_database_is_refused(shop: Shop, managed: Managed, name: str) -> None:
    with shop.server.connect("postgres") as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
        try:
            text = managed.refusal()
            assert text.startswith(
                f"replication slot {name} is on database postgres, and the settings want it on "
                f"{shop.name}: another database is another source, and a slot stays with its own. "
            )
            assert len(found(shop, name)) == 1
        finally:
            connection.execute("SELECT pg_drop_replication_slot(%s)", [name])


def test_temporary_slot_is_refused(shop: Shop, managed: Managed, name: str) -> None:
    """It goes with its session, and every change with it."""
    make = "SELECT pg_create_logical_replication_slot(%s, 'pgoutput', true)"
    with shop.server.connect(shop.name) as session:
        session.execute(make.encode(), [name])
        text = managed.refusal()
        assert text.startswith(
            f"replication slot {name} is not this stack's: found a temporary logical slot of "
            f"plug-in pgoutput on database {shop.name}, needed a logical one of pgoutput on "
        )
    managed.up()
    assert managed.up() == []


def test_slot_with_two_phase_is_refused(shop: Shop, managed: Managed, name: str) -> None:
    """It sends what protocol 1 has no messages for, though nobody has asked for it."""
    shop.run(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput', false, true)")
    shop.run("BEGIN; INSERT INTO public.orders VALUES (1); PREPARE TRANSACTION 'one'")
    shop.run("COMMIT PREPARED 'one'")
    messages = shop.value(
        "SELECT string_agg(chr(get_byte(data, 0)), '') FROM pg_logical_slot_peek_binary_changes"
        f"('{name}', NULL, NULL, 'proto_version', '1', 'publication_names', 'streamkap_pub')"
    )
    assert messages == "bRIPK"  # and not BRIC
    assert f"found a two-phase logical slot of plug-in pgoutput on database {shop.name}" in (
        managed.refusal()
    )
    shop.run(f"SELECT pg_drop_replication_slot('{name}')")
    managed.up()
    assert managed.up() == []


# Limits


def test_slot_that_waits_for_writers_names_them(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_creation, "_CREATE_TIMEOUT_SECONDS", 1)
    with shop.server.connect(shop.name) as writer:
        writer.autocommit = False
        writer.execute("INSERT INTO public.orders VALUES (1)")
        text = managed.failure(managed.up)
        pid = writer.info.backend_pid
        writer.rollback()
    assert text.startswith(f"replication slot {name} was not created within 1 s: it waits for")
    assert f"pids: {pid} ({shop.server.admin_user}, open for " in text
    assert "Remedy: let them end, or end them with pg_terminate_backend" in text
    assert found(shop, name) == []
    managed.up()
    assert len(found(shop, name)) == 1


def test_slot_that_waits_for_a_prepared_transaction_names_it(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No session has it, and it may be forgotten."""
    monkeypatch.setattr(slot_creation, "_CREATE_TIMEOUT_SECONDS", 1)
    shop.run("BEGIN", "INSERT INTO public.orders VALUES (1)", f"PREPARE TRANSACTION '{name}'")
    try:
        text = managed.failure(managed.up)
    finally:
        shop.run(f"ROLLBACK PREPARED '{name}'")
    assert f"pids: none, but the prepared transaction '{name}' of database {shop.name}. " in text
    assert "(a prepared one with ROLLBACK PREPARED)" in text
    managed.up()


def test_slot_that_waits_for_a_stranger_names_it(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not read all statistics sees the pid at least."""
    monkeypatch.setattr(slot_creation, "_CREATE_TIMEOUT_SECONDS", 1)
    shop.run("REVOKE pg_monitor FROM azure_pg_admin", superuser=True)
    try:
        with shop.server.superuser(shop.name) as writer:
            writer.autocommit = False
            writer.execute("INSERT INTO public.orders VALUES (1)")
            writer.execute("SAVEPOINT one")
            writer.execute("INSERT INTO public.orders VALUES (2)")
            text = managed.failure(managed.up)
            pid = writer.info.backend_pid
            writer.rollback()
    finally:
        shop.run("GRANT pg_monitor TO azure_pg_admin WITH ADMIN OPTION", superuser=True)
    assert f"pids: {pid} (azuresu). Remedy" in text
    assert found(shop, name) == []


def test_slot_too_many_says_what_to_raise(shop: Shop, managed: Managed, name: str) -> None:
    with shop.server.connect(shop.name) as connection:
        for number in range(10):
            connection.execute(
                "SELECT pg_create_physical_replication_slot(%s)", [f"{name}_{number}"]
            )
        try:
            text = managed.failure(managed.up)
        finally:
            for number in range(10):
                connection.execute("SELECT pg_drop_replication_slot(%s)", [f"{name}_{number}"])
    assert text.startswith(f"cannot create replication slot {name}: ")
    assert "[53400]. Remedy: raise max_replication_slots" in text


# Another one


def test_slot_replaced_by_hand_with_another_kind_is_refused(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    shop.run(
        f"SELECT pg_drop_replication_slot('{name}')",
        f"SELECT pg_create_physical_replication_slot('{name}')",
    )
    last = last_seen(shop)
    try:
        for text in (managed.refusal(), managed.failure(managed.refresh)):
            assert "is not this stack's: found a physical slot" in text
            assert f"of the one that was there: LSN {last.position}, seen {last.seen_at}." in text
            assert f"set acknowledgeLostSlot: {last.position} for this database, once" in text
        assert "found a physical slot" in managed.refusal(acknowledgeLostSlot=last.position)
    finally:
        shop.run(f"SELECT pg_drop_replication_slot('{name}')")
    managed.up(acknowledgeLostSlot=last.position)
    assert managed.up() == []


def test_slot_that_is_older_than_its_publication_says_how_to_go_on(
    shop: Shop, managed: Managed, name: str
) -> None:
    """The connector has made it first, and the publication was made under it."""
    shop.run(f"DROP PUBLICATION {PUBLICATION}")
    create(shop, name)
    shop.run(
        "INSERT INTO public.orders VALUES (1)",
        f"CREATE PUBLICATION {PUBLICATION} FOR TABLE public.orders",
    )
    if shop.server.major < 18:  # from then on PostgreSQL passes over what it cannot place
        text = managed.failure(managed.up)
        assert text.startswith(f"replication slot {name} is there, but cannot be read: publication")
        assert "older than its publication" in text
        last = last_seen(shop)
        drop(shop, name)
        managed.program["acknowledgeLostSlot"] = last.position
    managed.up()
    assert managed.up() == []


def test_slot_whose_name_another_database_took_says_what_is_lost(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    last = last_seen(shop)
    drop(shop, name)
    with shop.server.connect("postgres") as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
        try:
            for text in (managed.refusal(), managed.failure(managed.refresh)):
                assert "found a logical slot of plug-in pgoutput on database postgres" in text
                assert f"set acknowledgeLostSlot: {last.position} for this database, once" in text
        finally:
            connection.execute("SELECT pg_drop_replication_slot(%s)", [name])


# Going


def test_slot_is_dropped_at_destroy_and_destroying_twice_is_no_error(
    shop: Shop, managed: Managed, name: str
) -> None:
    managed.up()
    managed.provider.delete(managed.id, managed.outputs)
    assert found(shop, name) == []
    managed.destroy()


def test_slot_of_somebody_else_under_the_same_name_is_not_dropped(
    shop: Shop, managed: Managed, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    drop(shop, name)
    shop.run(f"SELECT pg_create_physical_replication_slot('{name}')")
    managed.destroy()
    assert found(shop, name) == [("physical", None, None, None)]
    drop(shop, name)
    text = capfd.readouterr().err
    assert f"warning: replication slot {name} stays: it is not this stack's, but a physical" in text


def test_slot_that_is_being_read_is_not_dropped(shop: Shop, managed: Managed, name: str) -> None:
    managed.up()
    with reader(shop, name):
        text = managed.failure(managed.destroy)
        assert len(found(shop, name)) == 1
        assert managed.refresh() == []
        assert managed.up() == []
    assert text == (
        f"replication slot {name} is being read: dropping it would cut its connector off. "
        "Remedy: stop the source in the Streamkap app, then try again"
    )


def test_slot_is_verified_without_a_mark_where_nothing_is_counted(
    shop: Shop, managed: Managed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before PostgreSQL 14; what the mark needs is not there before 13."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 120020)
    managed.up()
    counted = "SELECT total_txns, stream_txns FROM pg_stat_replication_slots WHERE slot_name = %s"
    assert shop.rows(counted, name) == [(1, 0)]
    assert managed.up() == []
