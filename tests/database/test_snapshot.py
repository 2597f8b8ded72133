"""`azure-postgres-cdc snapshot`: the signals that reach the connector's table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.doctor_support import Connector

from azure_postgres_cdc.database import needs_snapshot
from azure_postgres_cdc.database.connection import connect
from azure_postgres_cdc.database.snapshot_signal import collection, may_be_found
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName
from azure_postgres_cdc.operations.snapshot import ID_PREFIX, Choice, Kind, signal

if TYPE_CHECKING:
    from tests.database.conftest import Shop

ORDERS = Choice(("public.orders",))


@pytest.fixture
def ready(shop: Shop) -> Iterator[Connector]:
    found = Connector(shop)
    found.make_ready()
    yield found
    found.remove()


def written(shop: Shop) -> list[dict[str, Any]]:
    rows = shop.rows("SELECT id, type, data FROM streamkap.streamkap_signal ORDER BY data")
    assert all(id_.startswith(ID_PREFIX) and kind == "execute-snapshot" for id_, kind, _ in rows)
    return [json.loads(data) for _, _, data in rows]


def refusal(ready: Connector, choice: Choice, **options: Any) -> str:
    with pytest.raises(CdcError) as caught:
        signal(ready.form, choice, options.pop("kind", Kind.INCREMENTAL), **options)
    assert "\n" not in str(caught.value)
    assert written(ready.shop) == []
    return str(caught.value)


def test_signal_is_written_as_the_connector_s_user(ready: Connector, shop: Shop) -> None:
    said = signal(ready.form, ORDERS, Kind.INCREMENTAL)
    assert written(shop) == [{"type": "incremental", "data-collections": ["public.orders"]}]
    assert said[0] == "wrote 1 signal to streamkap.streamkap_signal, for public.orders"
    assert said[1].startswith(ID_PREFIX)
    assert said[2].startswith(f"note: nobody reads slot {ready.slot}")


def test_signal_reaches_the_slot(ready: Connector, shop: Shop) -> None:
    signal(ready.form, ORDERS, Kind.INCREMENTAL)
    changes = shop.column(
        "SELECT chr(get_byte(data, 0)) FROM pg_logical_slot_peek_binary_changes("
        "%s, NULL, NULL, 'proto_version', '1', 'publication_names', 'streamkap_pub')",
        ready.slot,
    )
    assert changes == ["B", "R", "I", "C"]


def test_all_captured_tables_are_those_that_are_published(ready: Connector, shop: Shop) -> None:
    signal(ready.form, Choice(everything=True), Kind.BLOCKING)
    assert written(shop) == [
        {"type": "blocking", "data-collections": ["public.orders", "sales.orders"]}
    ]


def test_many_tables_are_as_many_rows_as_it_takes(ready: Connector, shop: Shop) -> None:
    """Characters count, not bytes; an odd name means one table only."""
    names = [f"Bücher_{number}_{'ü' * 20}" for number in range(60)] + ["odd+name", "oddd+name"]
    for name in names:
        quoted = '"' + name.replace('"', '""') + '"'
        shop.run(
            f"CREATE TABLE sales.{quoted} (id int PRIMARY KEY)",
            f"ALTER PUBLICATION streamkap_pub ADD TABLE sales.{quoted}",
        )
    said = signal(ready.form, Choice(everything=True), Kind.INCREMENTAL)
    found = written(shop)
    assert len(found) > 1
    assert said[0].startswith(f"wrote {len(found)} signals to ")
    assert shop.value("SELECT max(length(data)) FROM streamkap.streamkap_signal") <= 2000
    patterns = [pattern for data in found for pattern in data["data-collections"]]
    tables = ["public.orders", "sales.orders", *(f"sales.{name}" for name in names)]
    matched = [[table for table in tables if re.fullmatch(each, table)] for each in patterns]
    assert sorted(matched) == [[table] for table in sorted(tables)]


def test_table_that_debezium_would_not_find_is_left_out(ready: Connector, shop: Shop) -> None:
    """And is needed still: nothing says that a snapshot of it was asked for."""
    shop.run(
        'CREATE TABLE sales."odd (name)" (id int PRIMARY KEY)',
        'ALTER PUBLICATION streamkap_pub ADD TABLE sales."odd (name)"',
    )
    assert refusal(ready, Choice(('sales."odd (name)"',))).startswith(
        'sales."odd (name)": Debezium finds no such name'
    )
    said = signal(ready.form, Choice(everything=True), Kind.INCREMENTAL)
    assert written(shop) == [
        {"type": "incremental", "data-collections": ["public.orders", "sales.orders"]}
    ]
    assert said[-1].startswith('note: sales."odd (name)": Debezium finds no such name')


@pytest.mark.parametrize(
    ("columns", "index", "skipped"),
    [
        ("id int PRIMARY KEY", "", False),
        ("id int", "", True),
        ("id int NOT NULL", "(id)", False),
        ("id int", "(id)", True),
        ("id int NOT NULL", "(id) WHERE id > 0", True),
        ("id int NOT NULL", "((id + 1))", True),
    ],
)
def test_incremental_snapshot_needs_a_key(
    ready: Connector, shop: Shop, columns: str, index: str, skipped: bool
) -> None:
    """Debezium skips it with a line in its log; along another index it may leave rows out."""
    shop.run(
        f"CREATE TABLE sales.keyless ({columns})",
        *([f"CREATE UNIQUE INDEX ON sales.keyless {index}"] if index else []),
        "ALTER PUBLICATION streamkap_pub ADD TABLE sales.keyless",
    )
    only = Choice(("sales.keyless",))
    if not skipped:
        signal(ready.form, only, Kind.INCREMENTAL)
        return
    assert refusal(ready, only) == (
        "sales.keyless: without a primary key, Debezium takes no incremental snapshot. Remedy: "
        "--type blocking, or a primary key"
    )
    said = signal(ready.form, Choice(everything=True), Kind.INCREMENTAL)
    assert said[-1].startswith("note: sales.keyless: without a primary key")
    assert "sales.keyless" not in str(written(shop))
    signal(ready.form, only, Kind.BLOCKING)


@pytest.mark.parametrize(
    ("name", "collection_", "ways"),
    [
        ("orders", "public.orders", "incremental, blocking, filtered"),
        ("Bücher-1", "public.Bücher-1", "incremental, blocking, filtered"),
        ("Odd Table", '"public"."Odd Table"', "blocking, filtered"),
        ("dot.ted", '"public"."dot.ted"', "blocking, filtered"),
        ('quo"ted', '"public"."quo""ted"', "blocking, filtered"),
        ("comma,ted", "public.comma,ted", "incremental"),
        ("a(b", r"public\.a\(b", "incremental, blocking"),
        ("back\\slash", r"public\.back\\slash", "incremental, blocking"),
        ("(b c)", r"public\.\(b c\)", ""),
    ],
)
def test_words_under_which_debezium_finds_a_table(name: str, collection_: str, ways: str) -> None:
    """Measured with Debezium 3.0 and 3.6."""
    table = TableName("public", name)
    assert collection(table) == collection_
    found = {
        "incremental": may_be_found(table, "incremental", filtered=True),
        "blocking": may_be_found(table, "blocking", filtered=False),
        "filtered": may_be_found(table, "blocking", filtered=True),
    }
    assert ", ".join(way for way, finds in found.items() if finds) == ways


def test_only_captured_tables(ready: Connector, shop: Shop) -> None:
    shop.run("CREATE TABLE sales.more (id int PRIMARY KEY)")
    said = refusal(ready, Choice(("public.orders", "sales.more", "streamkap.streamkap_signal")))
    assert said.startswith(
        f"not captured by the connector on {shop.name}: sales.more, streamkap.streamkap_signal. "
    )


def test_signal_that_the_connector_would_never_see_is_not_written(
    ready: Connector, shop: Shop
) -> None:
    """It reads the signal table's changes, which it gets where the table is published."""
    shop.run("ALTER PUBLICATION streamkap_pub DROP TABLE streamkap.streamkap_signal")
    assert refusal(ready, ORDERS) == (
        "signal table streamkap.streamkap_signal is not in publication streamkap_pub: the "
        "connector would never see the signal. Remedy: pulumi up --refresh, which puts it back"
    )


@pytest.mark.parametrize("choice", [ORDERS, Choice(everything=True)])
def test_publication_that_is_gone_is_what_is_said(
    ready: Connector, shop: Shop, choice: Choice
) -> None:
    """And not that the tables were to be captured: they are."""
    shop.run("DROP PUBLICATION streamkap_pub")
    assert refusal(ready, choice) == (
        f"there is no publication streamkap_pub in database {shop.name}: no change would follow a "
        "snapshot. Remedy: stop the source, then run pulumi preview, which says how to go on"
    )


def test_publication_without_a_captured_table(ready: Connector, shop: Shop) -> None:
    shop.run("ALTER PUBLICATION streamkap_pub DROP TABLE public.orders, sales.orders")
    assert refusal(ready, Choice(everything=True)) == (
        "publication streamkap_pub holds no captured table. Remedy: run pulumi up, which puts the "
        "tables of `capture` into it"
    )


def test_tables_of_a_file(ready: Connector, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "tables.csv"
    file.write_text("orders\n")
    assert "'orders' is not of the form schema.table" in refusal(ready, Choice(file=file))
    file.write_text("sales.orders\n\n")
    signal(ready.form, Choice(file=file), Kind.INCREMENTAL)
    assert written(shop) == [{"type": "incremental", "data-collections": ["sales.orders"]}]


@pytest.mark.parametrize(
    "choice", [Choice(), Choice(("public.orders",), everything=True)], ids=["none", "two"]
)
def test_tables_are_said_in_one_way(ready: Connector, choice: Choice) -> None:
    assert refusal(ready, choice).startswith("say which tables in one way")


@pytest.mark.parametrize(
    ("kind", "filter_"),
    [
        (Kind.INCREMENTAL, "(id > 5)"),
        (Kind.BLOCKING, "SELECT * FROM public.orders WHERE (id > 5)"),
    ],
)
def test_condition(ready: Connector, shop: Shop, kind: Kind, filter_: str) -> None:
    signal(ready.form, ORDERS, kind, "id > 5")
    (found,) = written(shop)
    assert found["additional-conditions"] == [
        {"data-collection": "public.orders", "filter": filter_}
    ]


@pytest.mark.parametrize(
    ("condition", "filter_", "is_whole"),
    [(None, "(id < 9)", True), ("id > 5", "(id < 9) AND (id > 5)", False)],
)
def test_row_filter_is_a_condition_of_every_snapshot(
    ready: Connector, shop: Shop, condition: str | None, filter_: str, is_whole: bool
) -> None:
    """A snapshot knows nothing of the publication's. With no more than that, it is one of all."""
    orders = TableName("public", "orders")
    form = replace(ready.form, row_filters={orders: "id < 9"})
    signal(form, ORDERS, Kind.INCREMENTAL, condition)
    (found,) = written(shop)
    assert found["additional-conditions"] == [
        {"data-collection": "public.orders", "filter": filter_}
    ]
    own = [TableName("streamkap", "streamkap_signal")]
    with connect(shop.connection, shop.name) as connection:
        signals = needs_snapshot.read_signals(connection, own, {"public.orders": 1})
    assert needs_snapshot.signalled({orders: 1}, signals) == ({orders} if is_whole else set())


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("", "--condition is empty"),
        (" \n", "--condition is empty"),
        ('id > "', "unterminated quoted identifier at or near "),
        ("nosuch = 1", 'column "nosuch" does not exist'),
        ("id", "argument of WHERE must be type boolean, not type"),
        ("id > 1; SELECT 1", "syntax error at or near |multiple commands"),
        ("id > 'x'", "invalid input syntax for type"),
        ("count(*) > 1", "aggregate functions are not allowed in WHERE"),
        ("id = $1", "supplies 0 parameters"),
        ("id::nosuch = 1", 'type "nosuch" does not exist'),
        ("1 / 0 = id", "division by zero"),
        ("row_number() OVER () = 1", "window functions are not allowed in WHERE"),
        ("generate_series(1, id) = 1", "argument of WHERE must not return a set|not allowed in"),
    ],
)
def test_a_condition_that_the_connector_would_fail_on(
    ready: Connector, kind: Kind, condition: str, reason: str
) -> None:
    """It would stop at the query, with the signal already read. No second statement is run."""
    said = refusal(ready, ORDERS, kind=kind, condition=condition, dry_run=True)
    assert re.search(reason, said)
    assert re.search(r"\. Remedy: (an SQL condition|leave it out)", said)


def test_condition_goes_with_one_table_and_into_one_row(ready: Connector) -> None:
    both = Choice(("public.orders", "sales.orders"))
    assert refusal(ready, both, condition="id > 5").startswith("--condition goes with one table")
    long = refusal(ready, ORDERS, condition="id > 5 OR " * 200 + "id = 1")
    assert re.match(r"the signal is \d+ characters long, and 2000 is the most\. Remedy: ", long)


def test_dry_run_writes_nothing(ready: Connector, shop: Shop) -> None:
    said = signal(ready.form, ORDERS, Kind.INCREMENTAL, dry_run=True)
    assert said[0] == "would write 1 signal to streamkap.streamkap_signal, for public.orders"
    assert written(shop) == []


def test_read_only_snapshots_have_no_signal_table(ready: Connector) -> None:
    ready.form = replace(ready.form, read_only=True, signal_schema=None)
    assert "Remedy: start the snapshot in the Streamkap app" in refusal(ready, ORDERS)


def test_what_postgresql_refuses_is_one_line(ready: Connector, shop: Shop) -> None:
    shop.run("REVOKE INSERT ON streamkap.streamkap_signal FROM streamkap_role")
    said = refusal(ready, ORDERS)
    assert said.startswith("cannot write to streamkap.streamkap_signal: permission denied")
    assert "Remedy: pulumi up --refresh" in said


def test_one_connector_is_meant(ready: Connector) -> None:
    stack = ready.stack()
    assert stack.form_of(None, None) == ready.form
    two = replace(stack, forms=(ready.form, replace(ready.form, slot="second")))
    with pytest.raises(CdcError, match=r"has several connectors: .* choose one with --database"):
        two.form_of(ready.form.database)
    assert two.form_of(None, "second").slot == "second"
    with pytest.raises(CdcError, match="has no connector for --database nowhere; it has "):
        stack.form_of("nowhere")
