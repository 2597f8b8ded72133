"""What is said of a publication beside its tables: every fault in words, and what it means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stack_settings import SHOP, faults, valid

from azure_postgres_cdc import acknowledge
from azure_postgres_cdc.names import TableName
from azure_postgres_cdc.plan import ConnectorArgs, Plan, faults_of
from azure_postgres_cdc.publication_options import CHANGES, PublicationOptions, option_faults
from azure_postgres_cdc.row_filter import filter_fault

ORDERS: ConnectorArgs = {"capture": {"tables": ["public.orders"]}}


def test_defaults_are_the_page_s() -> None:
    assert Plan.of(ORDERS, "cdc_admin").publication_options == PublicationOptions()
    assert PublicationOptions().publish == CHANGES
    assert PublicationOptions().via_partition_root is True


def test_order_and_spelling_mean_nothing() -> None:
    found = PublicationOptions.of(
        {
            "columns": {"public.B": ["x", "id"], "Public.a": ["id"]},
            "rowFilters": {'"public"."a"': "  id > 0 "},
            "publish": ["truncate", "insert"],
            "acknowledge": ["snapshot of public.b", "snapshot of public.a"],
        }
    )
    assert list(found.columns.items()) == [("public.a", ["id"]), ("public.b", ["id", "x"])]
    assert found.row_filters == {"public.a": "id > 0"}
    assert found.publish == ("insert", "truncate")
    assert found.acknowledge == ("snapshot of public.a", "snapshot of public.b")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"columns": {"orders": ["id"]}}, "columns: 'orders' is not of the form schema.table"),
        ({"columns": {"public.other": ["id"]}}, "columns: public.other is not captured"),
        (
            {"columns": {"public.orders": ["id"], "Public.Orders": ["id"]}},
            "columns: public.orders is there twice",
        ),
        (
            {"columns": {"public.orders": []}},
            "columns: public.orders: is empty: list at least the replica identity's columns",
        ),
        ({"columns": {"public.orders": ["id", "id"]}}, "columns: public.orders: id is there twice"),
        ({"columns": {"public.orders": [""]}}, "columns: public.orders: '' is empty"),
        ({"rowFilters": {"sales.x": "true"}}, "rowFilters: sales.x is not captured"),
        (
            {"rowFilters": {"public.orders": "true) OR (true"}},
            "rowFilters: public.orders: has parentheses that do not match",
        ),
        ({"publish": []}, "publish: is empty: nothing would be captured"),
        (
            {"publish": ["insert", "upsert"]},
            "publish: 'upsert' is none of insert, update, delete, truncate",
        ),
        ({"publish": ["insert", "insert"]}, "publish: insert is there twice"),
        (
            {"publish": ["update"]},
            "publish: lacks insert, but the connector's signals are rows inserted into "
            "streamkap_signal: add it, or use snapshots: read-only",
        ),
        (
            {"publish": ["insert"], "heartbeat": True},
            "publish: lacks update, but a heartbeat is an update of streamkap_heartbeat, and would "
            "move no slot: add it, or take heartbeat out",
        ),
        ({"tablesInSchema": True}, "tablesInSchema: needs capture.schemas"),
        (
            {"capture": {"allTables": True}, "rowFilters": {"public.orders": "true"}},
            "rowFilters: FOR ALL TABLES takes none (PostgreSQL's rule): let the module list the "
            "tables",
        ),
        (
            {
                "capture": {"schemas": ["public"]},
                "tablesInSchema": True,
                "columns": {"public.orders": ["id"]},
            },
            "columns: FOR TABLES IN SCHEMA takes none (PostgreSQL's rule): let the module list the "
            "tables",
        ),
        (
            {"acknowledge": ["everything"]},
            "acknowledge: 'everything' is no word that up asks for; copy it from the refusal (of: "
            "publication … from … to …, publish_via_partition_root … of …, snapshot of …, snapshot "
            "of all tables of …, … … renamed to …)",
        ),
    ],
)
def test_faults_are_found_in_a_stack_and_in_a_component(given: dict[str, Any], fault: str) -> None:
    assert faults({SHOP + key: value for key, value in given.items()}) == [f"databases[0]: {fault}"]
    args: Any = {**ORDERS, **given}
    assert faults_of("shop", [args]) == [f"connectors[0]: {fault}"]


def test_word_that_is_no_list_or_no_choice_is_a_fault() -> None:
    assert faults({SHOP + "generatedColumns": "virtual"}) == [
        "databases[0].generatedColumns: Input should be 'none' or 'stored' (found: 'virtual')"
    ]
    assert faults({SHOP + "acknowledge": "x"}) == ["databases[0].acknowledge: is no list"]
    args: Any = {**ORDERS, "generatedColumns": "virtual"}
    assert list(option_faults(args, ORDERS["capture"])) == [
        "generatedColumns: 'virtual' is neither none nor stored"
    ]


def test_tables_out_of_a_file_are_compared_once_it_is_read() -> None:
    valid(
        {
            SHOP + "capture": {"schemas": ["public"]},
            SHOP + "columns": {"public.any": ["id"]},
        }
    )
    args: Any = {"columns": {"public.other": ["id"]}}
    assert list(option_faults(args, None)) == []


def test_insert_may_be_left_out_where_no_signal_is_a_row() -> None:
    valid({SHOP + "publish": ["update"], SHOP + "snapshots": "read-only"})


# Row filters


@pytest.mark.parametrize(
    "text",
    [
        "total > 0",
        "(a OR b) AND c",
        "name = 'it''s (a; --'",
        '"odd)col" = 1',
        r"name ~ '^\d+$'",
        "day > date '2020-01-01'",
        "note = '/* no comment */'",
    ],
)
def test_row_filter_that_stays_within_its_parentheses(text: str) -> None:
    assert filter_fault(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("  ", "is empty"),
        ("true) WITH (publish = 'insert'", "has parentheses that do not match"),
        ("(true", "has parentheses that do not match"),
        ("true -- )", "has a comment"),
        ("true /* ) */", "has a comment"),
        ("true; DROP TABLE a", "has a semicolon"),
        ("a = 'x", "has a string without its end"),
        ('"a = 1', "has a quoted name without its end"),
        ("a = $$)$$", "has a dollar sign outside of quotes: write a string as '…'"),
        (r"a = E'\') OR (true --'", "has an escape string (E'…'): write it as '…'"),
        ("\\", "has a backslash outside of quotes"),
        ("a = 'x\0'", "holds a zero byte"),
    ],
)
def test_row_filter_that_would_reach_further_is_refused(text: str, fault: str) -> None:
    assert filter_fault(text) == fault


@given(st.text(alphabet="ab()'\"\\;-/*$eE 1\n"))
def test_row_filter_without_quotes_and_comments_is_balanced(text: str) -> None:
    if filter_fault(text) is None and not set(text) & {"'", '"'}:
        assert text.count("(") == text.count(")")
        assert not set(text) & {";", "$", "\\"}
        assert "--" not in text
        assert "/*" not in text


# Acknowledgements


def test_words_name_the_thing_and_the_change() -> None:
    words = [
        acknowledge.replace_publication("streamkap_pub", "all tables", "listed tables"),
        acknowledge.partition_root('Odd "pub"', value=False),
        acknowledge.snapshot_of(TableName("public", "Orders")),
        acknowledge.snapshot_of_all("streamkap_pub"),
    ]
    assert words == [
        "publication streamkap_pub from all tables to listed tables",
        'publish_via_partition_root false of "Odd ""pub"""',
        'snapshot of public."Orders"',
        "snapshot of all tables of streamkap_pub",
    ]
    assert list(acknowledge.word_faults(words)) == []


def test_word_s_line_is_yaml() -> None:
    assert acknowledge.settings_line("snapshot of a.b") == "acknowledge: ['snapshot of a.b']"
    assert acknowledge.settings_line('snapshot of a."it\'s"') == (
        "acknowledge: ['snapshot of a.\"it''s\"']"
    )
