"""Column lists and row filters: what is published, what the application could no longer write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.database.publication_support import exists, listed, publication

from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

BOTH = listed("public.items", "public.orders")


@pytest.fixture
def orders(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.orders (id int PRIMARY KEY, total numeric, name text, secret text)",
        "CREATE TABLE public.items (id int PRIMARY KEY, kind text)",
    )


def restrictions(shop: Shop) -> dict[str, tuple[Any, ...]]:
    """Of each published table: its columns and its row filter."""
    return {
        name: (columns, row_filter)
        for name, columns, row_filter in shop.rows(
            "SELECT tablename, attnames::text, rowfilter FROM pg_publication_tables"
        )
    }


def restricted(shop: Shop, **inputs: Any) -> Managed:
    return publication(
        shop,
        BOTH,
        **{
            "columns": {"public.orders": ["id", "name", "total"]},
            "rowFilters": {"public.items": "id>5"},
            **inputs,
        },
    )


@pytest.mark.usefixtures("orders")
def test_lists_and_filters_are_published_and_the_second_up_changes_nothing(shop: Shop) -> None:
    managed = restricted(shop)
    managed.up()
    assert restrictions(shop) == {
        "orders": ("{id,total,name}", None),
        "items": ("{id,kind}", "(id > 5)"),
    }
    assert unpack(managed.outputs["rowFilters"]) == {"public.items": "id>5"}
    assert unpack(managed.outputs["shownFilters"]) == {"public.items": "(id > 5)"}
    assert managed.preview() == managed.up() == managed.refresh() == managed.up() == []
    shop.run("UPDATE public.orders SET total = 1", "DELETE FROM public.items")
    assert shop.column("SELECT pubname FROM pg_publication") == ["streamkap_pub"]  # no trial's


@pytest.mark.usefixtures("orders")
def test_second_up_puts_nothing_to_the_server_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial locks the tables and stops their autovacuum, so it is for changes only."""
    managed = restricted(shop)
    managed.up()
    monkeypatch.setattr(
        "azure_postgres_cdc.database.publication_plan.try_out",
        lambda *_args, **_more: pytest.fail("a trial without need"),
    )
    assert managed.up() == []


@pytest.mark.usefixtures("orders")
def test_lists_and_filters_change_in_place(shop: Shop) -> None:
    managed = restricted(shop)
    managed.up()
    oid = shop.value("SELECT oid FROM pg_publication")
    assert managed.up(
        columns={"public.orders": ["id", "name"]}, rowFilters={"public.orders": "id < 9"}
    ) == ["columns", "filterColumns", "rowFilters", "shownFilters", "toSnapshot"]
    assert restrictions(shop) == {
        "orders": ("{id,name}", "(id < 9)"),
        "items": ("{id,kind}", None),
    }
    assert shop.value("SELECT oid FROM pg_publication") == oid
    assert managed.up() == []
    managed.up(columns={}, rowFilters={})
    assert restrictions(shop) == {
        "orders": ("{id,total,name,secret}", None),
        "items": ("{id,kind}", None),
    }


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize(
    "by_hand",
    [
        "SET TABLE public.orders (id, name, total), public.items WHERE (id > 6)",
        "SET TABLE public.orders (id, name), public.items WHERE (id > 5)",
        "SET TABLE public.orders, public.items",
    ],
)
def test_change_by_hand_is_seen_and_repaired(shop: Shop, by_hand: str) -> None:
    managed = restricted(shop)
    managed.up()
    before = restrictions(shop)
    shop.run(f"ALTER PUBLICATION streamkap_pub {by_hand}")
    assert "toRepair" in managed.preview()
    assert managed.refresh()
    managed.up()
    assert restrictions(shop) == before
    assert managed.up() == []


@pytest.mark.usefixtures("orders")
def test_publication_with_the_same_restrictions_is_adopted(shop: Shop) -> None:
    shop.run(
        "CREATE PUBLICATION streamkap_pub FOR TABLE public.orders (total, name, id), public.items"
        " WHERE (((id) > 5)) WITH (publish_via_partition_root = true)"
    )
    restricted(shop).up()
    other = restricted(shop, rowFilters={"public.items": "id > 6"}, name="streamkap_pub")
    assert "it publishes public.items WHERE (id > 5), needed WHERE (id > 6)" in other.refusal()


# What the server does not take


@pytest.mark.usefixtures("orders")
def test_everything_that_the_server_does_not_take_is_in_one_message(shop: Shop) -> None:
    text = restricted(
        shop,
        columns={"public.orders": ["id", "nope"]},
        rowFilters={"public.items": "kind >", "public.orders": "random() < 0.5"},
    ).refusal()
    assert text.startswith(f"database {shop.name} cannot be captured as asked: ")
    for fault in (
        'columns of public.orders: column "nope" of relation "orders" does not exist [42703]',
        'rowFilters of public.items: syntax error at or near ")" [42601]',
        "rowFilters of public.orders: invalid publication WHERE expression (User-defined or "
        "built-in mutable functions are not allowed.) [0A000]",
    ):
        assert fault in text
    assert text.endswith("Remedy: correct columns and rowFilters")
    assert not exists(shop)


@pytest.mark.usefixtures("orders")
def test_table_of_a_captured_schema_that_is_not_there_has_no_restriction(shop: Shop) -> None:
    managed = publication(
        shop, {"schemas": ["public"]}, columns={"public.missing": ["id"]}, rowFilters={}
    )
    assert "columns and rowFilters name tables that are not captured: public.missing" in (
        managed.refusal()
    )


@pytest.mark.usefixtures("orders")
def test_locked_table_holds_up_nobody(shop: Shop) -> None:
    with shop.server.connect(shop.name) as session, session.transaction():
        session.execute("LOCK TABLE public.items IN ACCESS EXCLUSIVE MODE")
        text = restricted(shop).refusal()
    assert "rowFilters of public.items: canceling statement due to lock timeout [55P03]" in text


# What the replica identity must cover


def refused(shop: Shop, fault: str, managed: Managed) -> None:
    text = managed.refusal()
    assert text.startswith("UPDATE and DELETE would fail for the application once published: ")
    assert f"{fault}. Remedy: columns must hold" in text
    assert not exists(shop)


@pytest.mark.usefixtures("orders")
def test_list_must_hold_the_identity(shop: Shop) -> None:
    fault = "columns of public.orders lack id, of the replica identity of public.orders"
    managed = restricted(shop, columns={"public.orders": ["name"]})
    refused(shop, fault, managed)
    managed.up(publish=["insert"])
    shop.run("UPDATE public.orders SET total = 1")


@pytest.mark.usefixtures("orders")
def test_filter_may_only_use_the_identity(shop: Shop) -> None:
    filters = {"public.orders": "total > 0 AND id > 0"}
    refused(
        shop,
        "the row filter of public.orders uses total, but the replica identity of public.orders is "
        "id",
        restricted(shop, columns={}, rowFilters=filters),
    )
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY FULL")
    restricted(shop, columns={}, rowFilters=filters).up()
    shop.run("INSERT INTO public.orders VALUES (1, 1)", "UPDATE public.orders SET total = 2")


@pytest.mark.usefixtures("orders")
def test_full_identity_takes_no_list_even_where_it_is_still_to_be_set(shop: Shop) -> None:
    fault = "public.orders has REPLICA IDENTITY FULL, which takes no column list"
    refused(shop, fault, restricted(shop, fullIdentity=listed("public.orders")))
    refused(shop, fault, restricted(shop, fullIdentity=BOTH))
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY FULL")
    refused(shop, fault, restricted(shop))


@pytest.mark.usefixtures("orders")
def test_index_is_an_identity_without_its_included_columns(shop: Shop) -> None:
    shop.run(
        "ALTER TABLE public.orders ALTER name SET NOT NULL",
        "CREATE UNIQUE INDEX orders_name ON public.orders (name) INCLUDE (total)",
        "ALTER TABLE public.orders REPLICA IDENTITY USING INDEX orders_name",
    )
    inputs = {"columns": {"public.orders": ["name"]}, "rowFilters": {"public.orders": "id > 0"}}
    refused(
        shop,
        "the row filter of public.orders uses id, but the replica identity of public.orders is "
        "name",
        restricted(shop, **inputs),
    )
    restricted(shop, columns={"public.orders": ["name"]}, rowFilters={}).up()
    shop.run("UPDATE public.orders SET total = 1")


@pytest.mark.usefixtures("orders")
def test_index_counts_even_where_it_is_still_to_be_set(shop: Shop) -> None:
    shop.run(
        "ALTER TABLE public.orders ALTER name SET NOT NULL, REPLICA IDENTITY FULL",
        "CREATE UNIQUE INDEX orders_name ON public.orders (name)",
    )
    inputs = {"fullIdentity": BOTH, "identityIndexes": {"public.orders": "orders_name"}}
    refused(
        shop,
        "columns of public.orders lack name, of the replica identity of public.orders",
        restricted(shop, columns={"public.orders": ["id"]}, **inputs),
    )
    restricted(shop, columns={"public.orders": ["name"]}, **inputs).up()
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY USING INDEX orders_name")
    shop.run("UPDATE public.orders SET total = 1")


def test_index_of_a_partitioned_table_counts_for_its_partitions(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.events (id int NOT NULL, day date NOT NULL) PARTITION BY RANGE (day)",
        "CREATE UNIQUE INDEX events_key ON public.events (day, id)",
        "CREATE TABLE public.events_1 PARTITION OF public.events DEFAULT",
    )
    indexes = {"public.events": "events_key"}
    managed = publication(
        shop, listed("public.events"), identityIndexes=indexes, rowFilters={"public.events": "id>0"}
    )
    managed.up()
    assert managed.up() == []
    refused_columns = managed.refusal(columns={"public.events": ["id"]})
    assert "lack day, of the replica identity of public.events_1" in refused_columns


def test_each_partition_s_own_identity_counts(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.events (id int, day date, note text) PARTITION BY RANGE (day)",
        "CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM ('2025-01-01') TO"
        " ('2026-01-01') PARTITION BY RANGE (day)",
        "CREATE TABLE public.events_1_1 PARTITION OF public.events_1 DEFAULT",
        "CREATE TABLE public.events_2 PARTITION OF public.events DEFAULT",
        "ALTER TABLE public.events_1_1 ADD PRIMARY KEY (id)",
        "ALTER TABLE public.events_2 ADD PRIMARY KEY (id, day)",
    )
    capture = listed("public.events")
    managed = publication(shop, capture, columns={"public.events": ["id"]})
    refused(
        shop,
        "columns of public.events lack day, of the replica identity of public.events_2",
        managed,
    )
    managed = publication(
        shop,
        capture,
        columns={"public.events": ["day", "id"]},
        rowFilters={"public.events": "id > 0"},
    )
    managed.up()
    shop.run(
        "INSERT INTO public.events VALUES (1, '2025-05-05')", "UPDATE public.events SET id = 2"
    )
    assert managed.up() == []
    text = managed.refusal(viaPartitionRoot=False)
    assert "publish_via_partition_root is false" in text


def test_unpublished_generated_column_in_the_identity(shop: Shop) -> None:
    """From PostgreSQL 18 on, UPDATE fails on such a table, with FULL and without a list too."""
    shop.run(
        "CREATE TABLE public.boxes (id int PRIMARY KEY, edge int,"
        " area int GENERATED ALWAYS AS (edge * edge) STORED)",
        "ALTER TABLE public.boxes REPLICA IDENTITY FULL",
    )
    managed = publication(shop, listed("public.boxes"))
    if shop.server.major < 18:
        managed.up()
        assert "generated columns in a publication needs PostgreSQL 18 or later" in (
            managed.refusal(generatedColumns="stored")
        )
    else:
        refused(
            shop,
            "the replica identity of public.boxes holds area, generated and not published",
            managed,
        )
        managed.up(generatedColumns="stored")
        assert shop.value("SELECT pubgencols FROM pg_publication") == "s"
        assert managed.refresh() == managed.up() == []
    shop.run("UPDATE public.boxes SET edge = 1")


def test_virtual_generated_column_is_never_published(shop: Shop) -> None:
    if shop.server.major < 18:
        pytest.skip("PostgreSQL has virtual generated columns from 18 on")
    shop.run(
        "CREATE TABLE public.boxes (id int PRIMARY KEY, edge int,"
        " area int GENERATED ALWAYS AS (edge * edge) VIRTUAL)"
    )
    capture = listed("public.boxes")
    publication(shop, capture).up()
    shop.run("UPDATE public.boxes SET edge = 1", "DROP PUBLICATION streamkap_pub")
    shop.run("ALTER TABLE public.boxes REPLICA IDENTITY FULL")
    fault = "the replica identity of public.boxes holds area, generated and not published"
    refused(shop, fault, publication(shop, capture, generatedColumns="stored"))


# Names and SQL


def test_column_with_an_odd_name_is_only_a_column(shop: Shop) -> None:
    odd = 'a"); DROP TABLE public.odd; --'
    shop.run(
        'CREATE TABLE public.odd (id int PRIMARY KEY, "a""); DROP TABLE public.odd; --" int)',
    )
    managed = publication(shop, listed("public.odd"), columns={"public.odd": sorted([odd, "id"])})
    managed.up()
    assert shop.column("SELECT unnest(attnames)::text FROM pg_publication_tables") == ["id", odd]
    assert managed.refresh() == []


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("name = 'it''s 100%'", "(name = 'it''s 100%'::text)"),
        (r"name ~ '^\d{2}$'", r"(name ~ '^\d{2}$'::text)"),
        ("name IN ('{}', '%s')", "(name = ANY (ARRAY['{}'::text, '%s'::text]))"),
        ("orders.total > 0.5\n OR (id = 1)", "((total > 0.5) OR (id = 1))"),
    ],
)
def test_filter_reaches_the_server_as_it_was_written(shop: Shop, text: str, shown: str) -> None:
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY FULL")
    managed = restricted(shop, columns={}, rowFilters={"public.orders": text})
    managed.up()
    assert restrictions(shop)["orders"][1] == shown
    assert managed.up() == managed.refresh() == []


@pytest.mark.usefixtures("orders")
def test_backslash_is_no_escape_whatever_the_database_s_default_is(shop: Shop) -> None:
    """Where it were one, a filter could end its own string and go on outside of it."""
    shop.run(f"ALTER DATABASE {shop.name} SET standard_conforming_strings = off")
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY FULL")
    managed = restricted(shop, columns={}, rowFilters={"public.orders": r"name = '\' OR id = 1"})
    managed.up()
    assert unpack(managed.outputs["shownFilters"]) == {
        "public.orders": r"((name = '\'::text) OR (id = 1))"
    }
    assert managed.up() == managed.refresh() == []


@pytest.mark.usefixtures("orders")
def test_fault_of_the_application_is_a_real_one(shop: Shop) -> None:
    """What is refused here is what PostgreSQL would refuse the application."""
    shop.run("CREATE PUBLICATION by_hand FOR TABLE public.orders (name)")
    with pytest.raises(psycopg.errors.InvalidColumnReference, match="does not cover"):
        shop.run("UPDATE public.orders SET total = 1")
