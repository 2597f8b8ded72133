"""REPLICA IDENTITY USING INDEX, and identities that do not come back while they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture(autouse=True)
def tables(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.orders (id int, number int NOT NULL, note text)",
        "CREATE UNIQUE INDEX orders_number ON public.orders (number) INCLUDE (note)",
        "CREATE TABLE public.p (id int NOT NULL, sub int NOT NULL) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE public.p2 PARTITION OF public.p FOR VALUES FROM (10) TO (20)"
        " PARTITION BY RANGE (sub)",
        "CREATE TABLE public.p2a PARTITION OF public.p2 FOR VALUES FROM (0) TO (10)",
        'CREATE UNIQUE INDEX "order" ON public.p (id, sub)',
        "CREATE TABLE public.bare (id int)",
    )


def identity(shop: Shop, indexes: dict[str, str], *captures: dict[str, Any]) -> Managed:
    return shop.managed(
        ReplicaIdentityProvider(), captures=list(captures), indexes=indexes, ownTables=[]
    )


def identities(shop: Shop) -> dict[str, str]:
    """Each table's setting, and with an index its name."""
    return dict(
        shop.rows(
            "SELECT c.relname::text, coalesce(i.relname::text, c.relreplident::text)"
            " FROM pg_class c LEFT JOIN pg_index x ON x.indrelid = c.oid AND x.indisreplident"
            " LEFT JOIN pg_class i ON i.oid = x.indexrelid"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
        )
    )


BEFORE = dict.fromkeys(("orders", "p", "p1", "p2", "p2a", "bare"), "d")
ORDERS = {"public.orders": "orders_number"}


def test_index_is_the_identity_and_no_other_table_changes(shop: Shop) -> None:
    managed = identity(shop, ORDERS)
    managed.up()
    assert identities(shop) == BEFORE | {"orders": "orders_number"}
    assert managed.refresh() == []
    assert managed.up() == []
    managed.destroy()
    assert identities(shop) == BEFORE


def test_every_partition_gets_its_own_part_of_the_index(shop: Shop) -> None:
    managed = identity(shop, {"public.p": "order"})
    managed.up()
    found = identities(shop)
    assert found == BEFORE | {
        "p": "order",
        "p1": "p1_id_sub_idx",
        "p2": "p2_id_sub_idx",
        "p2a": "p2a_id_sub_idx",
    }
    shop.run("CREATE TABLE public.p3 PARTITION OF public.p FOR VALUES FROM (20) TO (30)")
    assert managed.preview() == ["identities", "toSet"]
    managed.up()
    assert identities(shop) == found | {"p3": "p3_id_sub_idx"}
    assert managed.up() == []


def test_application_can_update_what_is_published(shop: Shop) -> None:
    shop.run("CREATE PUBLICATION everything FOR TABLE public.orders, public.p")
    identity(shop, ORDERS | {"public.p": "order"}).up()
    shop.run(
        "INSERT INTO public.orders VALUES (1, 2, 'a')",
        "UPDATE public.orders SET note = 'b'",
        "INSERT INTO public.p VALUES (1, 1), (11, 1)",
        "DELETE FROM public.p",
    )


def test_index_goes_before_full_for_all(shop: Shop) -> None:
    managed = identity(shop, ORDERS, {"schemas": ["public"]})
    managed.up()
    assert identities(shop) == dict.fromkeys(BEFORE, "f") | {"orders": "orders_number"}
    managed.up(indexes={})
    assert identities(shop) == dict.fromkeys(BEFORE, "f")
    managed.destroy()
    assert identities(shop) == BEFORE


def test_every_index_that_cannot_serve_is_told_in_one_line(shop: Shop) -> None:
    shop.run(
        "CREATE INDEX plain ON public.orders (number)",
        "CREATE UNIQUE INDEX partial ON public.bare (id) WHERE id > 0",
        "CREATE TABLE public.late (id int NOT NULL, CONSTRAINT late_key UNIQUE (id) DEFERRABLE)",
        "CREATE TABLE public.computed (id int NOT NULL)",
        "CREATE UNIQUE INDEX computed_key ON public.computed ((id + 1))",
        "CREATE TABLE public.holes (id int, a int, b int NOT NULL, UNIQUE (a, b, id))",
        "CREATE TABLE public.other (id int PRIMARY KEY)",
        "CREATE TABLE public.q (id int NOT NULL) PARTITION BY RANGE (id)",
        "CREATE TABLE public.q1 PARTITION OF public.q FOR VALUES FROM (0) TO (10)",
        "CREATE UNIQUE INDEX q_key ON ONLY public.q (id)",
    )
    before = identities(shop)
    text = identity(
        shop,
        {
            "public.orders": "plain",
            "public.bare": "partial",
            "public.late": "late_key",
            "public.computed": "computed_key",
            "public.holes": "holes_a_b_id_key",
            # there, but another table's
            "public.other": "orders_number",
            "public.q": "q_key",
        },
    ).refusal()
    assert text == (
        f"database {shop.name}: no replica identity: partial of public.bare is partial, "
        "partial of public.bare is on id, which may be NULL, "
        "computed_key of public.computed is on an expression, "
        "holes_a_b_id_key of public.holes is on id, a, which may be NULL, "
        "late_key of public.late is deferrable, plain of public.orders is not unique, "
        "public.other has no index orders_number, "
        "q_key of public.q is not valid: it was not built to its end, or not every partition has "
        "it, partition public.q1 has no part of q_key. Remedy: in replicaIdentityIndex, name a "
        "unique index that is neither partial nor deferrable, on columns that are NOT NULL"
    )
    assert identities(shop) == before


def test_table_that_cannot_have_one_is_told_with_the_setting(shop: Shop) -> None:
    shop.run("CREATE VIEW public.v AS SELECT 1 AS id")
    text = identity(shop, {"public.v": "x", "public.p1": "x", "public.missing": "x"}).refusal()
    assert text == (
        f"database {shop.name} cannot be captured as asked: public.missing does not exist; "
        "public.p1 is a partition: list its root table instead; "
        "public.v is a view, which has no changes. Remedy: correct `replicaIdentityIndex`"
    )


@pytest.mark.parametrize(
    "by_hand",
    [
        "ALTER TABLE public.orders REPLICA IDENTITY FULL",
        "ALTER TABLE public.orders REPLICA IDENTITY NOTHING",
        "DROP INDEX public.orders_number;"
        "CREATE UNIQUE INDEX orders_number ON public.orders (number)",
    ],
)
@pytest.mark.parametrize("refreshed", [True, False])
def test_what_was_changed_by_hand_is_seen_and_repaired(
    shop: Shop, by_hand: str, refreshed: bool
) -> None:
    managed = identity(shop, ORDERS)
    managed.up()
    shop.run(by_hand)
    if refreshed:
        assert managed.refresh() == ["identities"]
    assert "toSet" in managed.up()
    assert identities(shop) == BEFORE | {"orders": "orders_number"}
    assert managed.up() == []
    managed.destroy()
    assert identities(shop) == BEFORE


def test_dropped_index_is_seen_and_named(shop: Shop) -> None:
    managed = identity(shop, ORDERS)
    managed.up()
    shop.run("DROP INDEX public.orders_number")
    assert managed.refresh() == ["identities"]
    assert "public.orders has no index orders_number" in managed.refusal()


# What was there before


def test_identity_that_the_application_needs_stays(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    """Were it taken away, UPDATE would fail at once, whoever has published the table."""
    capture = {"tables": ["public.bare", "public.orders", "public.p"]}
    managed = identity(shop, {}, capture)
    managed.up()
    shop.run(
        "CREATE PUBLICATION everything FOR TABLE public.bare, public.p"
        " WITH (publish_via_partition_root = true)"
    )
    managed.up(captures=[{"tables": ["public.orders"]}])
    kept = dict.fromkeys(("bare", "p", "p1", "p2", "p2a"), "f")
    assert identities(shop) == BEFORE | kept | {"orders": "f"}
    assert capfd.readouterr().err == (
        "warning: the replica identity of public.bare, public.p, public.p1, public.p2, public.p2a "
        "stays as it is: without it, UPDATE and DELETE would fail for the application, because "
        "the tables are published\n"
    )
    shop.run("INSERT INTO public.bare VALUES (1)", "UPDATE public.bare SET id = 2")
    assert managed.up() == []
    shop.run("ALTER PUBLICATION everything DROP TABLE public.p")
    managed.destroy()
    assert identities(shop) == BEFORE | {"bare": "f"}
    assert "public.bare stays as it is" in capfd.readouterr().err


def test_publication_without_updates_needs_no_identity(shop: Shop) -> None:
    managed = identity(shop, {}, {"tables": ["public.bare"]})
    managed.up()
    shop.run("CREATE PUBLICATION inserts FOR TABLE public.bare WITH (publish = 'insert')")
    managed.destroy()
    assert identities(shop) == BEFORE


def test_former_index_that_is_gone_gives_way_to_the_primary_key(shop: Shop) -> None:
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY USING INDEX orders_number")
    managed = identity(shop, {}, {"tables": ["public.orders"]})
    managed.up()
    shop.run("DROP INDEX public.orders_number", "ALTER TABLE public.orders ADD PRIMARY KEY (id)")
    managed.destroy()
    assert identities(shop) == BEFORE


def test_state_of_an_earlier_version_is_understood(shop: Shop) -> None:
    """It has `tables` instead of `identities`, and no `indexes`."""
    managed = identity(shop, {}, {"tables": ["public.bare"]})
    managed.up()
    for props in (managed.inputs, managed.outputs):
        for key in ("identities", "indexes", "toSet"):
            del props[key]
    managed.outputs["tables"] = '["public.bare"]'
    managed.refresh()
    managed.up()
    assert managed.up() == []
    managed.destroy()
    assert identities(shop) == BEFORE
