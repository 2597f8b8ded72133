"""Replica identity: where it is asked for, partitions too, and what was there comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture(autouse=True)
def tables(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.keyed (id int PRIMARY KEY)",
        "CREATE TABLE public.bare (id int)",
        "CREATE TABLE public.indexed (id int NOT NULL)",
        'CREATE UNIQUE INDEX "Odd Index" ON public.indexed (id)',
        'ALTER TABLE public.indexed REPLICA IDENTITY USING INDEX "Odd Index"',
        "CREATE TABLE public.nothing (id int PRIMARY KEY)",
        "ALTER TABLE public.nothing REPLICA IDENTITY NOTHING",
        "CREATE TABLE public.p (id int, sub int, PRIMARY KEY (id, sub)) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE public.p2 PARTITION OF public.p FOR VALUES FROM (10) TO (20)"
        " PARTITION BY RANGE (sub)",
        "CREATE TABLE public.p2a PARTITION OF public.p2 FOR VALUES FROM (0) TO (10)",
        "CREATE SCHEMA streamkap",
        "CREATE TABLE streamkap.streamkap_signal (id text PRIMARY KEY)",
    )


def identity(shop: Shop, *captures: dict[str, Any], **inputs: Any) -> Managed:
    """As the resource's constructor writes its properties."""
    return shop.managed(
        ReplicaIdentityProvider(),
        **{"captures": list(captures), "indexes": {}, "ownTables": [], **inputs},
    )


def listed(*names: str) -> dict[str, list[str]]:
    return {"tables": sorted(f"public.{name}" for name in names)}


def identities(shop: Shop) -> dict[str, str]:
    return dict(
        shop.rows(
            "SELECT c.relname::text, relreplident::text || coalesce(' ' || i.indexrelid::regclass,"
            " '') FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN"
            " ('public'::regnamespace, 'streamkap'::regnamespace)"
        )
    )


BEFORE = {
    "bare": "d",
    "indexed": 'i "Odd Index"',
    "keyed": "d",
    "nothing": "n",
    "p": "d",
    "p1": "d",
    "p2": "d",
    "p2a": "d",
    "streamkap_signal": "d",
}


def test_listed_tables_are_full_and_no_other(shop: Shop) -> None:
    managed = identity(shop, listed("bare", "indexed"))
    managed.up()
    assert identities(shop) == BEFORE | {"bare": "f", "indexed": "f"}
    assert managed.refresh() == []
    assert managed.up() == []


def test_every_partition_is_full_too(shop: Shop) -> None:
    identity(shop, listed("p")).up()
    assert identities(shop) == BEFORE | dict.fromkeys(("p", "p1", "p2", "p2a"), "f")


def test_whole_schema_is_full_but_not_our_own_tables(shop: Shop) -> None:
    managed = identity(
        shop,
        {"schemas": ["public", "streamkap"]},
        ownTables=["streamkap.streamkap_signal"],
    )
    managed.up()
    assert identities(shop) == dict.fromkeys(BEFORE, "f") | {"streamkap_signal": "d"}


def test_several_captures_are_taken_together(shop: Shop) -> None:
    identity(shop, listed("bare"), listed("bare", "keyed")).up()
    assert identities(shop) == BEFORE | {"bare": "f", "keyed": "f"}


def test_what_was_there_before_comes_back_at_destroy(shop: Shop) -> None:
    managed = identity(shop, {"schemas": ["public"]})
    managed.up()
    managed.destroy()
    assert identities(shop) == BEFORE


def test_full_from_before_stays_full_at_destroy(shop: Shop) -> None:
    shop.run("ALTER TABLE public.bare REPLICA IDENTITY FULL")
    managed = identity(shop, listed("bare", "keyed"))
    managed.up()
    managed.destroy()
    assert identities(shop) == BEFORE | {"bare": "f"}


def test_table_taken_out_gets_back_what_it_had(shop: Shop) -> None:
    managed = identity(shop, listed("indexed", "bare"))
    managed.up()
    managed.up(captures=[listed("keyed", "bare")])
    assert identities(shop) == BEFORE | {"bare": "f", "keyed": "f"}
    managed.destroy()
    assert identities(shop) == BEFORE


def test_drift_is_seen_and_repaired_and_the_past_is_kept(shop: Shop) -> None:
    managed = identity(shop, listed("indexed", "keyed"))
    managed.up()
    shop.run("ALTER TABLE public.indexed REPLICA IDENTITY DEFAULT")
    assert managed.refresh() == ["identities"]
    assert managed.up() == ["identities", "toSet"]
    assert identities(shop) == BEFORE | {"indexed": "f", "keyed": "f"}
    managed.destroy()
    assert identities(shop) == BEFORE


def test_new_partition_and_new_table_are_a_difference(shop: Shop) -> None:
    managed = identity(shop, {"schemas": ["public"]})
    managed.up()
    shop.run(
        "CREATE TABLE public.p3 PARTITION OF public.p FOR VALUES FROM (20) TO (30)",
        "CREATE TABLE public.later (id int)",
    )
    assert managed.preview() == ["identities", "toSet"]
    assert identities(shop)["p3"] == "d"
    managed.up()
    assert (identities(shop)["p3"], identities(shop)["later"]) == ("f", "f")


def test_dropped_table_is_no_obstacle_at_destroy(shop: Shop) -> None:
    managed = identity(shop, listed("bare", "keyed"))
    managed.up()
    shop.run("DROP TABLE public.bare")
    managed.destroy()
    assert identities(shop)["keyed"] == "d"


def test_lost_index_counts_as_no_identity(shop: Shop) -> None:
    shop.run('DROP INDEX public."Odd Index"')
    managed = identity(shop, listed("indexed"))
    managed.up()
    assert unpack(managed.outputs["before"]) == {"public.indexed": "NOTHING"}
    managed.destroy()
    assert identities(shop)["indexed"] == "n"


def test_table_that_cannot_be_captured_is_refused(shop: Shop) -> None:
    shop.run("CREATE VIEW public.v AS SELECT 1 AS id")
    text = identity(shop, listed("v", "missing", "keyed")).refusal()
    assert "public.missing does not exist" in text
    assert "public.v is a view" in text
    assert identities(shop) == BEFORE


def test_odd_name_is_quoted(shop: Shop) -> None:
    shop.run('CREATE TABLE public."a"";DROP TABLE public.keyed;--" (id int)')
    identity(shop, {"tables": ['public."a"";DROP TABLE public.keyed;--"']}).up()
    assert identities(shop) == BEFORE | {'a";DROP TABLE public.keyed;--': "f"}


# Partitions that are not like the others


def test_foreign_partition_has_no_identity(shop: Shop) -> None:
    """What is in it is written elsewhere, and PostgreSQL takes no identity for it."""
    shop.run(
        "CREATE FOREIGN DATA WRAPPER elsewhere",
        "CREATE SERVER far FOREIGN DATA WRAPPER elsewhere",
        f"GRANT USAGE ON FOREIGN SERVER far TO {shop.server.admin_user}",
        superuser=True,
    )
    shop.run(
        "CREATE TABLE public.mixed (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE public.near PARTITION OF public.mixed FOR VALUES FROM (0) TO (10)",
        "CREATE FOREIGN TABLE public.far PARTITION OF public.mixed FOR VALUES FROM (10) TO (20)"
        " SERVER far",
    )
    managed = identity(shop, listed("mixed"))
    managed.up()
    assert identities(shop) == BEFORE | {"mixed": "f", "near": "f"}
    assert managed.up() == []


def test_somebody_else_s_partition_is_told_before_anything_is_changed(shop: Shop) -> None:
    """Publishing needs the root's ownership only, and an identity that of each partition."""
    shop.run("ALTER TABLE public.p2a OWNER TO CURRENT_USER", superuser=True)
    owner = shop.value("SELECT CURRENT_USER")  # a superuser, for whom nobody else acts
    managed = identity(shop, listed("keyed", "p"))
    assert managed.refusal() == (
        f"database {shop.name}: no replica identity: public.p2a belongs to {owner}: publishing it "
        f"needs membership in that role (GRANT {owner} TO {shop.server.admin_user}, run by a role "
        "that may). Remedy: grant that, or leave these tables out of replicaIdentityFull and "
        "replicaIdentityIndex"
    )
    assert identities(shop) == BEFORE
    shop.run("ALTER TABLE public.p2a REPLICA IDENTITY FULL", superuser=True)
    managed.up()
    assert identities(shop) == BEFORE | dict.fromkeys(("keyed", "p", "p1", "p2", "p2a"), "f")


@pytest.mark.parametrize("first", [True, False])
def test_table_that_is_dropped_in_between_keeps_no_other_from_its_identity(
    shop: Shop, *, first: bool
) -> None:
    managed = identity(shop, {"schemas": ["public"]})
    if not first:
        managed.program["captures"] = [listed("keyed")]
        managed.up()
        managed.program["captures"] = [{"schemas": ["public"]}]
    checked = managed.check()
    shop.run("DROP TABLE public.bare", "DROP TABLE public.p1")
    if first:
        managed.provider.create(checked)
    else:
        managed.provider.update(managed.id, managed.outputs, checked)
    found = identities(shop)
    assert {name: found[name] for name in ("indexed", "keyed", "nothing", "p", "p2", "p2a")} == (
        dict.fromkeys(("indexed", "keyed", "nothing", "p", "p2", "p2a"), "f")
    )
