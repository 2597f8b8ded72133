"""Replica identities beside column lists and row filters: the application can always update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from azure_postgres_cdc.database.connection import connect
from azure_postgres_cdc.database.identity_conflicts import conflicts
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture(autouse=True)
def tables(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.t (id int PRIMARY KEY, code int NOT NULL, note text)",
        'CREATE UNIQUE INDEX "By code" ON public.t (code) INCLUDE (note)',
        "INSERT INTO public.t VALUES (1, 1, 'x')",
        "CREATE TABLE public.p (id int PRIMARY KEY, note text) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.p DEFAULT",
    )


def full(shop: Shop, *names: str) -> Managed:
    return shop.managed(
        ReplicaIdentityProvider(), captures=[{"tables": [*names]}], indexes={}, ownTables=[]
    )


def is_updatable(shop: Shop, table: str) -> bool:
    try:
        shop.run(f"UPDATE public.{table} SET note = 'y'", f"DELETE FROM public.{table}")
    except psycopg.Error:
        return False
    return True


# A publication, a table with rows in it, and an identity of it.
CASES = [
    ("TABLE t (id, note)", "t", "DEFAULT"),
    ("TABLE t (code, note)", "t", "DEFAULT"),
    ("TABLE t (id, code, note)", "t", "FULL"),
    ("TABLE t (id, note)", "t", 'USING INDEX "By code"'),
    ("TABLE t (code)", "t", 'USING INDEX "By code"'),
    ("TABLE t (code)", "t", "USING INDEX t_pkey"),
    ("TABLE t WHERE (note <> ':varattno 9 ')", "t", "DEFAULT"),
    ("TABLE t WHERE (note <> ':varattno 9 ')", "t", "FULL"),
    ("TABLE t (id, note) WHERE (id > 0)", "t", "DEFAULT"),
    ("TABLE t WHERE (note IS NULL) WITH (publish = 'insert')", "t", "DEFAULT"),
    ("TABLE t WHERE (note IS NULL) WITH (publish = 'delete')", "t", "DEFAULT"),
    ("TABLE p (id) WITH (publish_via_partition_root)", "p1", "FULL"),
    ("TABLE p WHERE (note IS NULL) WITH (publish_via_partition_root)", "p1", "DEFAULT"),
    ("TABLE p, p1 (id) WITH (publish_via_partition_root)", "p1", "FULL"),
    ("TABLE p, p1 (id)", "p1", "FULL"),
]


@pytest.mark.parametrize(("publication", "table", "identity"), CASES)
def test_conflict_is_what_postgresql_refuses(
    shop: Shop, publication: str, table: str, identity: str
) -> None:
    with connect(shop.connection, shop.name) as connection:
        connection.execute("SET search_path = public")
        connection.execute(f"CREATE PUBLICATION other FOR {publication}".encode())
        found = conflicts(connection, {f"public.{table}": identity})
    shop.run(f"ALTER TABLE public.{table} REPLICA IDENTITY {identity}")
    assert (not found) == is_updatable(shop, table), found


@pytest.mark.parametrize("identity", ["FULL", "DEFAULT"])
@pytest.mark.parametrize("published", ["none", "stored"])
def test_generated_column_of_the_identity_has_to_be_published(
    shop: Shop, published: str, identity: str
) -> None:
    if shop.server.major < 18:
        pytest.skip("PostgreSQL 18 publishes generated columns")
    shop.run(
        "CREATE TABLE public.g (note text, n int GENERATED ALWAYS AS (length(note)) STORED"
        " PRIMARY KEY)",
        "CREATE PUBLICATION other FOR TABLE public.g"
        f" WITH (publish_generated_columns = {published})",
        f"ALTER TABLE public.g REPLICA IDENTITY {identity}",
    )
    with connect(shop.connection, shop.name) as connection:
        found = conflicts(connection, {"public.g": identity})
    assert (not found) == is_updatable(shop, "g") == (published == "stored"), found


def test_identity_that_a_publication_does_not_go_with_is_refused(shop: Shop) -> None:
    """Whoever has made the publication. No other table is changed either."""
    shop.run("CREATE PUBLICATION other FOR TABLE public.t (id, note)")
    managed = full(shop, "public.p", "public.t")
    assert managed.refusal() == (
        f"database {shop.name}: with the replica identity asked for, UPDATE and DELETE would fail "
        "for the application at once: publication other has a column list of public.t, which FULL "
        "does not go with. Remedy: change the publication first (where it is this stack's, in a "
        "pulumi up of its own), or leave these tables out of replicaIdentityFull and "
        "replicaIdentityIndex"
    )
    shop.run("ALTER PUBLICATION other SET TABLE public.t")
    managed.up()
    assert is_updatable(shop, "t")


def test_identity_that_a_row_filter_needs_stays(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    managed = full(shop, "public.p", "public.t")
    managed.up()
    shop.run("CREATE PUBLICATION filtered FOR TABLE public.t WHERE (note IS NOT NULL)")
    managed.destroy()
    assert "the replica identity of public.t stays as it is" in capfd.readouterr().err
    assert identity_of(shop, "t") == "f"
    assert identity_of(shop, "p1") == "d"
    assert is_updatable(shop, "t")


def identity_of(shop: Shop, table: str) -> Any:
    return shop.value(
        f"SELECT relreplident::text FROM pg_class WHERE oid = 'public.{table}'::regclass"
    )
