"""What somebody has set for the administrator's role or database does not get in the way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from psycopg import sql
from tests.database.publication_support import publication

from azure_postgres_cdc.database import identity_change
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    import pytest
    from tests.database.conftest import Managed, Shop

CAPTURE = {"schemas": ["public"]}
HOSTILE = {
    "client_encoding": "LATIN1",
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "search_path": "app",
    "standard_conforming_strings": "off",
    "statement_timeout": "100ms",
    "idle_in_transaction_session_timeout": "1ms",
    "default_transaction_isolation": "serializable",
}


def set_for_administrator(shop: Shop, **settings: str) -> None:
    names = sql.Identifier(shop.server.admin_user), sql.Identifier(shop.name)
    for key, value in settings.items():
        statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
            *names, sql.Identifier(key), sql.Literal(value)
        )
        shop.run(statement, superuser=True)


def full(shop: Shop) -> Managed:
    return shop.managed(ReplicaIdentityProvider(), captures=[CAPTURE], indexes={}, ownTables=[])


def published(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT tablename, rowfilter FROM pg_publication_tables ORDER BY 1")


def test_names_and_filters_are_what_they_are(shop: Shop) -> None:
    shop.run(
        'CREATE TABLE public."表 \U0001f30d" (id int PRIMARY KEY)',
        "CREATE TABLE public.orders (id int PRIMARY KEY, day date)",
    )
    set_for_administrator(shop, **HOSTILE)
    identity = full(shop)
    identity.up()
    filters = {"public.orders": "day >= '2024-01-31'"}
    managed = publication(shop, CAPTURE, fullIdentity=CAPTURE, rowFilters=filters)
    managed.up()
    assert published(shop) == [
        ("orders", "(day >= '2024-01-31'::date)"),
        ("表 \U0001f30d", None),
    ]
    assert identity.up() == managed.up() == managed.refresh() == []
    assert sorted(unpack(identity.outputs["identities"])) == [
        'public."表 \U0001f30d"',
        "public.orders",
    ]


def test_statement_timeout_ends_no_wait_for_a_lock(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lock_timeout does, and what it ends is tried again."""
    shop.run("CREATE TABLE public.orders (id int PRIMARY KEY)")
    set_for_administrator(shop, statement_timeout="20ms")
    monkeypatch.setattr(identity_change, "LOCK_TIMEOUTS", (100, 5000))
    monkeypatch.setattr(identity_change, "_PAUSE_SECONDS", 0)
    with shop.server.superuser(shop.name) as session:
        session.autocommit = False
        session.execute("SELECT FROM public.orders")
        timer = threading.Timer(0.5, session.rollback)
        timer.start()
        full(shop).up()
        timer.join()
    assert shop.value("SELECT relreplident FROM pg_class WHERE relname = 'orders'") == "f"
