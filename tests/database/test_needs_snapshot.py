"""Tables whose earlier rows never arrived: recorded, named at every run, and how it is settled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.database.publication_support import SIGNAL, listed, make_tables, publication

from azure_postgres_cdc.database import needs_snapshot
from azure_postgres_cdc.database.needs_snapshot import Signals
from azure_postgres_cdc.dynamic import unpack
from azure_postgres_cdc.names import TableName

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ORDERS = TableName("public", "orders")


@pytest.fixture
def tables(shop: Shop) -> None:
    make_tables(shop)


@pytest.fixture
def managed(shop: Shop, tables: None) -> Managed:  # noqa: ARG001 - makes what is captured
    found = publication(shop, listed("public.a"), ownTables=[SIGNAL])
    found.up()
    return found


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


def warnings(managed: Managed, capsys: pytest.CaptureFixture[str]) -> str:
    """What the next preview says."""
    capsys.readouterr()
    managed.preview()
    return capsys.readouterr().err


def signal(shop: Shop, collections: list[str], id_: str = "1", **more: Any) -> None:
    data = json.dumps({"type": "incremental", "data-collections": collections, **more})
    with shop.server.connect(shop.name) as connection:
        statement = f"INSERT INTO {SIGNAL} VALUES (%s, 'execute-snapshot', %s)"
        connection.execute(statement.encode(), [id_, data])


# What needs one


def test_new_publication_needs_none(managed: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    assert needed(managed) == []
    assert "needs snapshot" not in warnings(managed, capsys)


def test_added_table_is_named_at_every_run(
    shop: Shop, managed: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    managed.up(capture=listed("public.a", "public.b"))
    started = unpack(managed.outputs["needsSnapshot"])["public.b"]
    assert 0 < shop.value("SELECT txid_current()") - started < 1000
    assert managed.up() == managed.refresh() == []
    for _ in range(2):
        assert warnings(managed, capsys) == (
            "warning: publication streamkap_pub needs snapshot: public.b: rows from before "
            "they were published never arrive by themselves. Remedy: snapshot them (a signal in "
            "streamkap_signal is seen here); where that was done in another way or is not wanted, "
            "add 'snapshot of public.b' to acknowledge\n"
            "not in publication streamkap_pub, though in a captured schema: public.c\n"
        )
    managed.up(capture=listed("public.a", "public.b", "public.c"))
    assert unpack(managed.outputs["needsSnapshot"])["public.b"] == started
    assert needed(managed) == ["public.b", "public.c"]


def test_signal_from_before_more_was_published_is_not_enough(shop: Shop, managed: Managed) -> None:
    """The rows that it fetched are from before, too."""
    shop.run("ALTER TABLE public.b ADD COLUMN note text")
    capture = listed("public.a", "public.b")
    managed.up(capture=capture, columns={"public.b": ["id"]})
    signal(shop, ["public.b"])
    managed.up(columns={})
    assert needed(managed) == ["public.b"]
    assert managed.up() == []
    signal(shop, ["public.b"], id_="2")
    managed.up()
    assert needed(managed) == []


@pytest.mark.usefixtures("tables")
def test_publication_that_is_made_after_its_slot(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was changed before is not in it: after one that vanished, say, or under a new name."""
    slot = f"slot_{shop.name}"
    shop.run(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    unread = publication(shop, listed("public.a"), slot=slot, name="first")
    unread.up()
    assert needed(unread) == []  # the connector's first snapshot is still to come
    shop.run("INSERT INTO public.a VALUES (1)")
    read = (
        f"SELECT count(*) FROM pg_logical_slot_get_binary_changes('{slot}', NULL, NULL,"
        " 'proto_version', '1', 'publication_names', 'first')"
    )
    shop.run(read)
    shop.run("SELECT pg_stat_force_next_flush()" if shop.server.major >= 15 else "SELECT")
    managed = publication(shop, listed("public.a", "public.b"), slot=slot, ownTables=[SIGNAL])
    assert "needs snapshot: public.a, public.b: " in warnings(managed, capsys)
    managed.up(acknowledge=["snapshot of public.b"])
    assert needed(managed) == ["public.a"]
    assert managed.up() == []
    signal(shop, ["public.a"])
    managed.up()
    assert needed(managed) == []


@pytest.mark.usefixtures("tables")
def test_generated_columns_that_begin_to_be_published(shop: Shop) -> None:
    if shop.server.major < 18:
        pytest.skip("PostgreSQL 18 publishes generated columns")
    shop.run("ALTER TABLE public.a ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED")
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    managed.up(generatedColumns="stored")
    assert needed(managed) == ["public.a"]


def test_it_is_kept_in_the_database_beside_the_comment(shop: Shop, managed: Managed) -> None:
    """A new state, or another machine's, does not forget it."""
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS 'ask Ada'")
    capture = listed("public.a", "public.b")
    managed.up(capture=capture)
    other = publication(shop, capture, ownTables=[SIGNAL])
    other.up()
    assert needed(other) == ["public.b"]
    assert other.up() == []
    other.up(acknowledge=["snapshot of public.b"])
    (comment,) = shop.column("SELECT obj_description(oid, 'pg_publication') FROM pg_publication")
    assert comment.splitlines()[0] == "ask Ada"
    assert "public.b" not in comment


def test_table_that_was_made_again_needs_one(shop: Shop, managed: Managed) -> None:
    shop.run("DROP TABLE public.a", "CREATE TABLE public.a (id int PRIMARY KEY)")
    managed.up()
    assert needed(managed) == ["public.a"]


@pytest.mark.parametrize(
    "by_hand",
    ["DROP TABLE public.a", "SET TABLE public.a WHERE (id > 5)", "SET (publish = 'delete')"],
)
def test_what_was_not_published_for_a_while_needs_one(
    shop: Shop, managed: Managed, by_hand: str
) -> None:
    shop.run(f"ALTER PUBLICATION streamkap_pub {by_hand}")
    managed.up()
    assert needed(managed) == ["public.a"]


def test_added_by_somebody_else_or_by_an_up_that_was_killed(shop: Shop, managed: Managed) -> None:
    shop.run("ALTER PUBLICATION streamkap_pub ADD TABLE public.b")
    managed.up(capture=listed("public.a", "public.b"))
    assert needed(managed) == ["public.b"]


def test_wider_columns_and_rows_need_one_and_narrower_ones_do_not(shop: Shop) -> None:
    shop.run("CREATE TABLE public.wide (id int PRIMARY KEY, x int, y int)")
    managed = publication(shop, listed("public.wide"))
    managed.up()
    narrow = {"columns": {"public.wide": ["id"]}, "rowFilters": {"public.wide": "id > 5"}}
    managed.up(**narrow)
    assert needed(managed) == []
    managed.up(columns={"public.wide": ["id", "x"]})
    assert needed(managed) == ["public.wide"]
    managed.up(acknowledge=["snapshot of public.wide"])
    assert needed(managed) == []
    managed.up(rowFilters={}, acknowledge=[])
    assert needed(managed) == ["public.wide"]


# How it is settled


def test_signal_that_names_it_settles_it(
    shop: Shop, managed: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    signal(shop, ["public.b"], "too early")
    managed.up(capture=listed("public.a", "public.b", "public.c"))
    shop.run(
        f"INSERT INTO {SIGNAL} VALUES ('x', 'execute-snapshot', '{{no json'),"
        " ('y', 'execute-snapshot', NULL), ('z', 'execute-snapshot', '[1]')"
    )
    signal(shop, ["public.b"], "some", **{"additional-conditions": [{"filter": "id > 1"}]})
    assert managed.up() == []
    assert needed(managed) == ["public.b", "public.c"]
    signal(shop, [r"public\.b"], "all")
    assert "needs snapshot: public.c:" in warnings(managed, capsys)
    assert managed.up() == ["toSnapshot"]
    assert needed(managed) == ["public.c"]
    signal(shop, ["public.*"], "regex")
    managed.up()
    assert needed(managed) == []
    assert managed.up() == []


def test_acknowledged_and_then_the_word_is_not_needed_any_more(
    managed: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    managed.up(capture=listed("public.a", "public.b", "public.c"))
    managed.up(acknowledge=["snapshot of public.b"])
    assert needed(managed) == ["public.c"]
    said = warnings(managed, capsys)
    assert "acknowledge: 'snapshot of public.b' is not needed any more; take it out" in said
    managed.up(acknowledge=["snapshot of all tables of streamkap_pub"])
    assert needed(managed) == []
    assert managed.up(acknowledge=[]) == ["acknowledge"]
    assert "warning" not in warnings(managed, capsys)


def test_table_that_is_not_captured_any_more_needs_none(
    managed: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    managed.up(capture=listed("public.a", "public.b"))
    capsys.readouterr()
    managed.up(capture=listed("public.a"))
    said = capsys.readouterr().err
    assert "warning: public.b leaves publication streamkap_pub: changes are no longer" in said
    assert needed(managed) == []


@pytest.mark.usefixtures("tables")
def test_read_only_connector_has_no_signals(shop: Shop) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    managed.up(capture=listed("public.a", "public.b"))
    signal(shop, ["public.b"])
    assert managed.up() == []
    assert needed(managed) == ["public.b"]


# What is not published


@pytest.mark.usefixtures("superuser")
def test_what_a_captured_schema_holds_beside_is_named(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run(
        "CREATE TABLE public.a (id int PRIMARY KEY)",
        "CREATE UNLOGGED TABLE public.u (id int)",
        "CREATE VIEW public.v AS SELECT 1 AS id",
        "CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.p DEFAULT",
        "CREATE SCHEMA other",
        "CREATE TABLE other.x (id int PRIMARY KEY)",
    )
    shop.run(
        "CREATE FOREIGN DATA WRAPPER nothing",
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
        "CREATE FOREIGN TABLE public.f (id int) SERVER nowhere",
        superuser=True,
    )
    line = "not in publication streamkap_pub, though in a captured schema: "
    unpublishable = "public.f (foreign), public.u (unlogged)\n"
    by_schema = publication(shop, {"schemas": ["public"]})
    assert warnings(by_schema, capsys) == line + unpublishable
    everything = publication(shop, {"allTables": True})
    said = warnings(everything, capsys)
    assert said.startswith(line)
    assert said.endswith(unpublishable)
    by_name = publication(shop, listed("public.a"))
    assert warnings(by_name, capsys) == f"{line}public.f (foreign), public.p, public.u (unlogged)\n"


@pytest.mark.usefixtures("superuser")
def test_partition_whose_root_is_in_another_schema_is_told(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """A schema's partitions are captured as their root, which is not captured here."""
    shop.run(
        "CREATE SCHEMA parts",
        "CREATE TABLE parts.t (id int PRIMARY KEY)",
        "CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE parts.middle PARTITION OF public.root DEFAULT PARTITION BY RANGE (id)",
        "CREATE TABLE parts.leaf PARTITION OF parts.middle DEFAULT",
    )
    line = "not in publication streamkap_pub, though in a captured schema: "
    by_schema = publication(shop, {"schemas": ["parts"]})
    assert warnings(by_schema, capsys) == f"{line}parts.leaf (a partition of public.root)\n"
    both = publication(shop, {"schemas": ["parts", "public"]})
    assert warnings(both, capsys) == ""
    if shop.server.major >= 15:  # PostgreSQL publishes a schema's partitions by themselves
        in_schema = publication(shop, {"schemas": ["parts"]}, tablesInSchema=True)
        assert warnings(in_schema, capsys) == ""


def test_partition_that_is_never_published_is_told(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its root's changes arrive, and those of these rows do not."""
    shop.run(
        "CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.root FOR VALUES FROM (0) TO (10)",
        "CREATE UNLOGGED TABLE public.p2 PARTITION OF public.root FOR VALUES FROM (10) TO (20)",
    )
    managed = publication(shop, {"schemas": ["public"]})
    assert warnings(managed, capsys) == (
        "not in publication streamkap_pub, though in a captured schema: public.p2 (an unlogged "
        "partition of public.root)\n"
    )


def test_table_that_inherits_is_told_until_it_is_captured(
    shop: Shop, managed: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run("CREATE TABLE public.heir (PRIMARY KEY (id)) INHERITS (public.a)")
    line = (
        "warning: tables that inherit from a published one are not published: public.heir (from "
        "public.a): a snapshot of that one reads their rows, and their changes never arrive. "
        "Remedy: capture them too\n"
    )
    assert line in warnings(managed, capsys)
    managed.up(capture=listed("public.a", "public.heir"))
    assert "inherit" not in warnings(managed, capsys)


# Without a server


@pytest.mark.parametrize(
    ("entry", "matches"),
    [
        ("public.orders", True),
        (r"public\.orders", True),
        ("public.*", True),
        (r"(public|sales)\.or.*", True),
        (r"\Qpublic.orders\E", True),
        ("orders", False),
        ("public.order", False),
        ("PUBLIC.ORDERS", False),
        ("public.(", False),
        (r"public.\p{L}+", False),
    ],
)
def test_entry_of_a_signal_is_a_regular_expression_of_the_whole_name(
    entry: str, matches: bool
) -> None:
    signals = Signals([(11, json.dumps({"data-collections": [entry]}))])
    assert needs_snapshot.signalled({ORDERS: 10}, signals) == ({ORDERS} if matches else set())
    assert needs_snapshot.signalled({ORDERS: 11}, signals) == set()


@pytest.mark.parametrize(
    ("entry", "kinds"),
    [
        ('"Odd Schema"."Table"', {"incremental", "blocking"}),
        (r"Odd Schema\.Table", {"blocking"}),
        ("Odd Schema.Ta.*", {"blocking"}),
        ('"Odd Schema"."Other"', set()),
    ],
)
def test_odd_name_counts_where_debezium_finds_it(entry: str, kinds: set[str]) -> None:
    """An incremental snapshot skips a name that needs quotes and has none."""
    odd = TableName("Odd Schema", "Table")
    for kind in ("incremental", "blocking"):
        signals = Signals([(2, json.dumps({"type": kind, "data-collections": [entry]}))])
        assert needs_snapshot.signalled({odd: 1}, signals) == ({odd} if kind in kinds else set())


@pytest.mark.parametrize("data", ["", "{", "null", "[]", "{}", '{"data-collections": "x"}'])
def test_malformed_signal_is_passed_over(data: str) -> None:
    assert needs_snapshot.signalled({ORDERS: 1}, Signals([(2, data)])) == set()


@pytest.mark.parametrize("entry", ["public.orders", "public.*"])
def test_incremental_snapshot_of_a_table_without_a_key_counts_for_nothing(entry: str) -> None:
    for kind, done in (("incremental", set()), ("blocking", {ORDERS})):
        data = json.dumps({"type": kind, "data-collections": [entry]})
        assert needs_snapshot.signalled({ORDERS: 1}, Signals([(2, data)], {ORDERS})) == done


@given(now=st.integers(2**33, 2**40), before=st.integers(0, 2**31 - 1))
def test_transaction_is_told_from_its_low_bits(now: int, before: int) -> None:
    assert needs_snapshot.full_transaction_id((now - before) % 2**32, now) == now - before
