"""Others at work at the same time, sessions that are ended, a server that restarts.

What happens at the same moment is made to: somebody else's transaction is open, ours waits for
it, and only then does it go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tenacity import stop_after_attempt, wait_none

from azure_postgres_cdc import dynamic
from azure_postgres_cdc.database import connection as connections
from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider
from azure_postgres_cdc.database.slot import ReplicationSlotProvider
from azure_postgres_cdc.errors import CdcError
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROLE = "streamkap_role"
A, B, C = "public.a", "public.b", "public.c"


@pytest.fixture(autouse=True)
def tables(shop: Shop) -> None:
    shop.run(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in (A, B, C)))


# As the resources' constructors write their properties


def publication(shop: Shop, *tables: str) -> Managed:
    return shop.managed(
        PublicationProvider(),
        name="streamkap_pub",
        capture={"tables": list(tables)},
        ownTables=[],
        fullIdentity={},
        allowWithoutIdentity=[],
        role=ROLE,
    )


def access(shop: Shop, role: str = ROLE) -> Managed:
    owners = [shop.server.admin_user]
    inputs = {"role": role, "owners": owners, "allSchemas": False, "schemas": ["public"]}
    return shop.managed(SchemaAccessProvider(), **inputs)


def slot(shop: Shop) -> Managed:
    inputs = {"name": shop.name, "plugin": "pgoutput", "publication": "streamkap_pub"}
    return shop.managed(ReplicationSlotProvider(), **inputs)


# Somebody else


@contextmanager
def somebody(shop: Shop, *statements: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Somebody else's transaction, in which these have been run."""
    with shop.server.connect(shop.name) as session:
        session.autocommit = False
        for statement in statements:
            session.execute(statement.encode())
        yield session


@contextmanager
def when_ours_waits(shop: Shop, action: Callable[[], object]) -> Iterator[None]:
    """Do something as soon as one of our sessions waits for a lock."""

    def watch() -> None:
        while not ours_waiting(shop):
            time.sleep(0.01)
        action()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        watcher.join(30)
    assert not watcher.is_alive()


def ours_waiting(shop: Shop) -> list[int]:
    return shop.column(
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        " AND application_name = 'azure-postgres-cdc'",
        shop.name,
    )


def end_ours(shop: Shop) -> None:
    for pid in ours_waiting(shop):
        shop.rows("SELECT pg_terminate_backend(%s)", pid)


# At the same moment


def test_two_that_grant_on_one_table_at_once(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    managed = access(shop)
    with (
        somebody(shop, f"GRANT SELECT ON {B} TO other_role") as other,
        when_ours_waits(shop, other.commit),
    ):
        managed.up()
    assert "tuple concurrently updated [XX000]; trying again" in capfd.readouterr().err
    assert shop.privileges(B) == {"SELECT"}
    assert shop.privileges(B, "other_role") == {"SELECT"}
    assert managed.refresh() == []
    assert managed.up() == []


def test_two_of_ours_at_once(shop: Shop) -> None:
    """Two stacks' grants on the same tables: each is done, whoever came first."""
    shop.run(*(f"CREATE TABLE public.t{number} (id int)" for number in range(40)))
    both = [access(shop), access(shop, "other_role")]
    start = threading.Barrier(2)
    faults: list[BaseException] = []

    def up(managed: Managed) -> None:
        start.wait()
        try:
            managed.up()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=up, args=(managed,)) for managed in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    for managed in both:
        assert managed.refresh() == []


def test_two_that_add_one_table_at_once(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    managed = publication(shop, A)
    managed.up()
    with (
        somebody(shop, f"ALTER PUBLICATION streamkap_pub ADD TABLE {B}") as other,
        when_ours_waits(shop, other.commit),
    ):
        managed.up(capture={"tables": [A, B, C]})
    assert "trying again" in capfd.readouterr().err
    assert shop.published() == [A, B, C]
    assert managed.up() == []


def test_two_that_make_the_publication_at_once(shop: Shop) -> None:
    managed = publication(shop, A)
    with (
        somebody(
            shop,
            f"CREATE PUBLICATION streamkap_pub FOR TABLE {A}"
            " WITH (publish_via_partition_root = true)",
            f"GRANT SELECT ON {A} TO {ROLE}",
        ) as other,
        when_ours_waits(shop, other.commit),
    ):
        managed.up()
    assert shop.published() == [A]
    assert managed.refresh() == []


def test_deadlock_is_sat_out(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    # Who has waited for so long looks for a circle, once. It is closed by then, and ours looks.
    shop.run(f"ALTER DATABASE {shop.name} SET deadlock_timeout = '3s'", superuser=True)
    managed = publication(shop, A)
    managed.up()
    with shop.server.superuser(shop.name) as other:
        other.autocommit = False
        other.execute("SET deadlock_timeout = '1min'")
        other.execute(f"LOCK TABLE {C}".encode())

        def close_the_circle() -> None:
            other.execute(f"LOCK TABLE {B}".encode())
            other.commit()

        with when_ours_waits(shop, close_the_circle):
            managed.up(capture={"tables": [A, B, C]})
    assert "deadlock detected" in capfd.readouterr().err
    assert shop.published() == [A, B, C]


# Locked for too long


@pytest.mark.full
def test_lock_that_stays_is_one_line_and_nothing_is_half_done(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(dynamic._patiently, "stop", stop_after_attempt(2))
    monkeypatch.setattr(dynamic._patiently, "wait", wait_none())
    managed = publication(shop, A)
    managed.up()
    with somebody(shop, f"LOCK TABLE {C}"):
        text = managed.failure(lambda: managed.up(capture={"tables": [B, C]}))
    assert text == (
        "cannot change publication streamkap_pub: canceling statement due to lock timeout [55P03]. "
        "Remedy: run pulumi up again when the transactions that keep the lock are over"
    )
    assert shop.published() == [A]
    assert shop.privileges(B) == set()
    managed.up()
    assert shop.published() == [B, C]


# Ended in the middle


def test_session_that_is_ended_starts_again(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    managed = publication(shop, A)
    managed.up()
    with somebody(shop, f"LOCK TABLE {C}") as other:

        def end_both() -> None:
            end_ours(shop)
            other.rollback()

        with when_ours_waits(shop, end_both):
            managed.up(capture={"tables": [B, C]})
    assert "trying again" in capfd.readouterr().err
    assert shop.published() == [B, C]
    assert managed.up() == []


def test_slot_whose_session_is_ended_is_made_once(shop: Shop) -> None:
    publication(shop, A).up()
    managed = slot(shop)
    # A slot waits for every transaction that has written.
    with somebody(shop, f"INSERT INTO {A} VALUES (1)") as other:

        def end_both() -> None:
            end_ours(shop)
            other.commit()

        with when_ours_waits(shop, end_both):
            managed.up()
    assert shop.column(
        "SELECT temporary FROM pg_replication_slots WHERE database = %s", shop.name
    ) == [False]
    assert managed.refresh() == []


def test_ended_session_at_preview_is_one_line(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    managed = publication(shop, A)
    together = connections.together

    def ended_before(connection: connections.Connection, *queries: Any) -> Any:
        shop.rows("SELECT pg_terminate_backend(%s, 5000)", connection.info.backend_pid)
        return together(connection, *queries)

    monkeypatch.setattr("azure_postgres_cdc.database.publication_catalog.together", ended_before)
    text = managed.refusal()
    assert text.startswith(f"database {shop.name} on 127.0.0.1:{shop.server.port}: ")
    assert text.endswith("Remedy: run pulumi up again")


# A restart


@pytest.fixture
def own_shop(server: EmbeddedPostgres, shop: Shop) -> Iterator[Shop]:
    """A database on a server that nobody else needs."""
    settings = {"wal_level": "logical", "max_prepared_transactions": "2"}
    with EmbeddedPostgres(server.major, settings=settings) as embedded:
        own = type(shop)(embedded, "postgres")
        own.run(f"CREATE ROLE {ROLE}", "CREATE SCHEMA streamkap")
        own.run(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in (A, B, C)))
        yield own


def test_restart_in_between_is_waited_for(
    own_shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = own_shop
    managed = publication(shop, A)
    managed.up()
    # What is prepared keeps its lock while the sessions end, in whatever order, and afterwards.
    shop.run("BEGIN", f"LOCK TABLE {C}", "PREPARE TRANSACTION 'others'")

    def restart() -> None:
        shop.server.stop()
        time.sleep(1)
        shop.server.start()
        shop.run("ROLLBACK PREPARED 'others'")

    with when_ours_waits(shop, restart):
        managed.up(capture={"tables": [B, C]})
    assert "trying again" in capfd.readouterr().err
    assert shop.published() == [B, C]
    assert managed.up() == []


def test_stopped_server_is_one_line_and_the_next_up_goes_on(
    own_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic._patiently, "stop", stop_after_attempt(2))
    monkeypatch.setattr(dynamic._patiently, "wait", wait_none())
    shop = own_shop
    managed = shop.managed(SignalTableProvider(), schema="streamkap", roles=[ROLE])
    inputs = managed.check()
    shop.server.stop()
    text = managed.failure(lambda: managed.provider.create(inputs))
    assert text.startswith(f"cannot connect to database postgres on 127.0.0.1:{shop.server.port}")
    assert text.endswith(
        "Remedy: check connection.host and connection.port, the firewall rules and the network "
        "route"
    )
    with pytest.raises(CdcError, match="cannot connect"):
        managed.provider.read("x", inputs)
    shop.server.start()
    managed.up()
    assert managed.refresh() == []
