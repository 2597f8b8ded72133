"""Connections that are kept for the next resource: never a dead one, nor another one's settings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database import idle_connections
from azure_postgres_cdc.database.connection import Connection, connect, rows
from azure_postgres_cdc.errors import CdcError

if TYPE_CHECKING:
    from tests.database.conftest import Shop


@pytest.fixture(autouse=True)
def none_kept() -> Iterator[None]:
    idle_connections.close_all()
    yield
    idle_connections.close_all()


def pid(connection: Connection) -> int:
    return connection.info.backend_pid


def used(shop: Shop, **options: Any) -> int:
    with connect(shop.connection, shop.name, **options) as connection:
        rows(connection, "SELECT 1")
        return pid(connection)


def sessions(shop: Shop) -> int:
    found: int = shop.value(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = %s AND application_name = 'azure-postgres-cdc'",
        shop.name,
    )
    return found


def eventually(shop: Shop, count: int) -> bool:
    deadline = time.monotonic() + 10
    while sessions(shop) != count and time.monotonic() < deadline:
        time.sleep(0.05)
    return sessions(shop) == count


def test_the_next_one_gets_the_same_connection(shop: Shop) -> None:
    first = used(shop)
    assert used(shop) == used(shop) == first
    assert sessions(shop) == 1


def test_transactions_and_single_statements_share_none(shop: Shop) -> None:
    """Only in a transaction is a lock waited for no longer than some seconds, from its start."""
    in_transaction, single = used(shop), used(shop, autocommit=True)
    assert in_transaction != single
    assert (used(shop), used(shop, autocommit=True)) == (in_transaction, single)


def test_what_was_set_is_forgotten(shop: Shop) -> None:
    with connect(shop.connection, shop.name) as connection:
        first = pid(connection)
        for setting in ("statement_timeout = 60000", "lock_timeout = 7", "search_path = app"):
            connection.execute(f"SET {setting}".encode())
        connection.execute("CREATE TEMPORARY TABLE leftover ()")
        connection.execute("SELECT pg_advisory_lock(5)")
    with connect(shop.connection, shop.name) as connection:
        assert pid(connection) == first
        for setting, value in (
            ("statement_timeout", "0"),
            ("lock_timeout", "10s"),
            ("search_path", "pg_catalog"),
            ("application_name", "azure-postgres-cdc"),
        ):
            assert rows(connection, "SELECT current_setting(%s)", setting) == [value]
        assert rows(connection, "SELECT to_regclass('pg_temp.leftover')") == [None]
        assert rows(connection, "SELECT pid FROM pg_locks WHERE locktype = 'advisory'") == []


def test_a_transaction_is_one_whatever_the_connection_was_used_for(shop: Shop) -> None:
    used(shop, autocommit=True)
    with pytest.raises(CdcError), connect(shop.connection, shop.name) as connection:
        connection.execute("CREATE TABLE public.undone (); SELECT 1 / 0")
    assert shop.value("SELECT to_regclass('public.undone')") is None
    used(shop)
    with connect(shop.connection, shop.name, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.done ()")
        assert shop.value("SELECT to_regclass('public.done')") == "done"


def test_one_on_which_something_failed_is_closed(shop: Shop) -> None:
    first = used(shop)
    with pytest.raises(CdcError), connect(shop.connection, shop.name) as connection:
        connection.execute("SELECT 1 / 0")
    assert eventually(shop, 0)
    assert used(shop) != first


def test_a_dead_one_is_replaced(shop: Shop) -> None:
    first = used(shop)
    shop.run(f"SELECT pg_terminate_backend({first}, 5000)", superuser=True)
    assert used(shop) != first


def test_two_at_once_never_share_one(shop: Shop) -> None:
    used(shop)
    with (
        connect(shop.connection, shop.name) as one,
        connect(shop.connection, shop.name) as other,
    ):
        assert pid(one) != pid(other)


def test_another_password_is_another_connection(shop: Shop) -> None:
    shop.run("CREATE ROLE reader LOGIN PASSWORD 'a'", superuser=True)
    try:
        with connect(
            shop.connection | {"user": "reader", "password": "a"}, shop.name
        ) as connection:
            assert rows(connection, "SELECT current_user") == ["reader"]
        wrong = shop.connection | {"user": "reader", "password": "b"}
        with pytest.raises(Exception, match="password authentication failed"):
            connect(wrong, shop.name).__enter__()
    finally:
        idle_connections.close_all()
        shop.run("DROP ROLE reader", superuser=True)


def test_few_are_kept_and_not_for_long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_connections, "SECONDS", 0.5)
    opened = [connect(shop.connection, shop.name) for _ in range(idle_connections.MOST + 2)]
    for item in opened:
        item.__enter__()
    for item in opened:
        item.__exit__(None, None, None)
    assert eventually(shop, idle_connections.MOST) or sessions(shop) == 0
    assert eventually(shop, 0)
