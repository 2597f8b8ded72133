"""Replica identities are changed while the application works: it never waits for long."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc import progress
from azure_postgres_cdc.database import identity_change
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_change, "LOCK_TIMEOUTS", (100, 200, 300))
    monkeypatch.setattr(identity_change, "_PAUSE_SECONDS", 0.2)


def full(shop: Shop, count: int) -> Managed:
    """A resource that sets `count` tables without a primary key to FULL, once they are there."""
    shop.run(
        *(
            f"DO $$BEGIN FOR i IN {first}..{min(first + 499, count)} LOOP"
            " EXECUTE format('CREATE TABLE public.t%s (id int)', i); END LOOP; END$$"
            for first in range(1, count + 1, 500)
        )
    )
    captures = [{"schemas": ["public"]}]
    return identity(shop, captures)


def identity(shop: Shop, captures: list[Any], owner: str = "shop") -> Managed:
    inputs = {"captures": captures, "indexes": {}, "ownTables": [], "owner": owner}
    return shop.managed(ReplicaIdentityProvider(), **inputs)


def not_full(shop: Shop) -> list[str]:
    return shop.column(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind = 'r' AND relreplident <> 'f' ORDER BY 1"
    )


@contextmanager
def long_transaction(shop: Shop, *tables: str) -> Iterator[Callable[[], None]]:
    """An application that has read some tables and not finished yet. Gives what ends it."""
    with shop.server.connect(shop.name) as session:
        session.autocommit = False
        for table in tables:
            session.execute(f"SELECT FROM public.{table}".encode())
        yield session.rollback


def test_locked_tables_do_not_keep_the_others_from_theirs(shop: Shop) -> None:
    managed = full(shop, 450)
    with long_transaction(shop, "t1", "t200", "t450"):
        text = managed.failure(managed.up)
        assert not_full(shop) == ["t1", "t200", "t450"]
    assert text == (
        "the replica identity of public.t1, public.t200, public.t450 could not be changed: other "
        "sessions keep the tables locked (3 attempts). Remedy: run pulumi up again when their long "
        "transactions are over; the other tables are done"
    )
    managed.up()
    assert not_full(shop) == []


def test_table_that_is_unlocked_in_time_is_done(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    managed = full(shop, 3)
    with long_transaction(shop, "t2") as end:
        timer = threading.Timer(0.4, end)
        timer.start()
        managed.up()
        timer.join()
    assert not_full(shop) == []
    assert "public.t2 locked by other sessions; trying again" in capfd.readouterr().err


def test_table_that_is_dropped_while_it_is_waited_for_needs_nothing(shop: Shop) -> None:
    managed = full(shop, 3)
    with shop.server.connect(shop.name) as session:
        session.autocommit = False
        session.execute("DROP TABLE public.t2")
        timer = threading.Timer(0.4, session.commit)
        timer.start()
        managed.up()
        timer.join()
    assert not_full(shop) == []
    assert managed.up() == ["identities"]


def test_application_waits_no_longer_than_the_lock_timeout(shop: Shop) -> None:
    """Whoever reads a table after ALTER TABLE has queued for it waits behind it."""
    managed = full(shop, 2)
    waits: list[float] = []
    over = threading.Event()

    def read_all_the_time() -> None:
        with shop.server.connect(shop.name) as session:
            while not over.is_set():
                began = time.monotonic()
                session.execute("SELECT FROM public.t1")
                waits.append(time.monotonic() - began)

    reader = threading.Thread(target=read_all_the_time)
    with long_transaction(shop, "t1"):
        reader.start()
        managed.failure(managed.up)
        over.set()
        reader.join()
    assert not_full(shop) == ["t1"]
    assert len(waits) > 100
    # It did meet the queue, and the longest lock_timeout here is 0.3 s.
    assert 0.05 < max(waits) < 0.3 + 0.2


def test_session_that_is_ended_in_the_middle_is_started_again(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    managed = full(shop, 450)
    with long_transaction(shop, "t300") as end:

        def end_both() -> None:
            while not shop.column(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                " AND application_name = 'azure-postgres-cdc' AND wait_event_type = 'Lock'",
                shop.name,
            ):
                time.sleep(0.01)
            end()

        helper = threading.Thread(target=end_both)
        helper.start()
        managed.up()
        helper.join()
    assert not_full(shop) == []
    assert capfd.readouterr().err.endswith("; trying again\n")
    # What the first try had done is known to be its own.
    managed.destroy()
    assert len(not_full(shop)) == 450


def test_what_a_failed_up_has_changed_was_not_there_before(shop: Shop) -> None:
    """Pulumi remembers nothing of it; the database does, until the next one gets through."""
    managed = full(shop, 4)
    shop.run("ALTER TABLE public.t4 REPLICA IDENTITY FULL")
    with long_transaction(shop, "t2"):
        managed.failure(managed.up)
    assert not_full(shop) == ["t2"]
    assert kept(shop) == [{"shop": {"public.t1": "DEFAULT", "public.t3": "DEFAULT"}}]
    managed.up()
    assert not_full(shop) == kept(shop) == []
    shop.run("CREATE TABLE public.t5 (id int PRIMARY KEY)", "CREATE TABLE public.t6 (id int)")
    with long_transaction(shop, "t6"):
        managed.failure(managed.up)
    managed.destroy()
    assert not_full(shop) == ["t1", "t2", "t3", "t5", "t6"]
    assert kept(shop) == []


def test_another_stacks_record_stays_until_that_one_gets_through(shop: Shop) -> None:
    managed = full(shop, 4)
    managed.program["captures"] = [{"tables": ["public.t1", "public.t2"]}]
    other = identity(shop, [{"tables": ["public.t3", "public.t4"]}], "another")
    with long_transaction(shop, "t2", "t4"):
        managed.failure(managed.up)
        other.failure(other.up)
    record = {"shop": {"public.t1": "DEFAULT"}, "another": {"public.t3": "DEFAULT"}}
    assert kept(shop) == [record]
    other.up()
    assert not_full(shop) == ["t2"]
    assert kept(shop) == [{"shop": record["shop"]}]
    other.destroy()
    assert not_full(shop) == ["t2", "t3", "t4"]
    managed.up()
    assert kept(shop) == []
    managed.destroy()
    assert not_full(shop) == ["t1", "t2", "t3", "t4"]


def test_record_of_an_earlier_version_is_taken_over(shop: Shop) -> None:
    managed = full(shop, 2)
    shop.run(
        "ALTER TABLE public.t1 REPLICA IDENTITY FULL",
        "CREATE PUBLICATION azure_postgres_cdc_former_identities",
        "COMMENT ON PUBLICATION azure_postgres_cdc_former_identities"
        """ IS '{"public.t1": "DEFAULT"}'""",
    )
    managed.up()
    assert kept(shop) == []
    managed.destroy()
    assert not_full(shop) == ["t1", "t2"]


def test_table_that_is_not_asked_for_after_a_failed_up(shop: Shop) -> None:
    managed = full(shop, 3)
    with long_transaction(shop, "t2"):
        managed.failure(managed.up)
    managed.up(captures=[{"tables": ["public.t3"]}])
    assert not_full(shop) == ["t1", "t2"]
    assert kept(shop) == []


def test_without_create_on_the_database_it_is_said_and_goes_on(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    managed = full(shop, 2)
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO CURRENT_USER", superuser=True)
    managed.up()
    assert capfd.readouterr().err == (
        "replica identity: without CREATE on the database, what was there before is not kept\n"
    )
    managed.destroy()
    assert not_full(shop) == ["t1", "t2"]
    assert capfd.readouterr().err == ""


def kept(shop: Shop) -> list[Any]:
    """The identities that an unfinished up has left behind."""
    return [
        json.loads(comment)
        for comment in shop.column(
            "SELECT obj_description(oid, 'pg_publication') FROM pg_publication"
            " WHERE pubname = 'azure_postgres_cdc_former_identities'"
        )
    ]


def test_other_fault_names_its_table(shop: Shop) -> None:
    managed = full(shop, 300)
    inputs = managed.check()
    shop.run("ALTER TABLE public.t17 OWNER TO azuresu", superuser=True)
    text = managed.failure(lambda: managed.provider.create(inputs))
    assert text.startswith(
        "cannot change the replica identity of public.t17: must be owner of table t17 [42501]"
    )
    # and what was done before it stays done
    admin = shop.server.admin_user
    shop.run(f"ALTER TABLE public.t17 OWNER TO {admin}", superuser=True)
    assert managed.up() == []
    assert not_full(shop) == []


def test_progress_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0)
    monkeypatch.setattr(identity_change, "Pace", lambda: progress.Pace(0))
    full(shop, 1250).up()
    lines = capfd.readouterr().err.splitlines()
    told = f"database {shop.name}: replica identity: "
    assert lines[0].startswith(f"{told}200 of 1,250 tables, ")
    assert all(
        re.fullmatch(r"[\d,]+ of 1,250 tables, \d+\.\d s", line.removeprefix(told))
        for line in lines
    )


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.full)])
def test_many_tables_take_no_longer_than_with_psql(shop: Shop, count: int) -> None:
    managed = full(shop, count)
    statements = "\n".join(
        f"ALTER TABLE public.t{number} REPLICA IDENTITY {identity};"
        for identity in ("FULL", "DEFAULT")
        for number in range(1, count + 1)
    )

    def psql() -> None:
        subprocess.run(
            [shop.server.tool("psql"), "-qX", "-v", "ON_ERROR_STOP=1"],
            input=statements.encode(),
            env=shop.server.client_environment(shop.name),
            check=True,
        )

    def again() -> None:
        assert managed.up() == []

    with_psql, ours, nothing = [], [], []
    for _ in range(3):  # what else the machine does only ever adds
        with_psql.append(seconds(psql) / 2)
        ours.append(seconds(managed.up))
        assert not_full(shop) == []
        nothing.append(seconds(again))
        managed.destroy()
    assert min(ours) < 2 * min(with_psql) + 0.3
    assert min(nothing) < min(with_psql) + 0.3


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began
