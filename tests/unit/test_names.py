"""Names as in SQL: what they are, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from azure_postgres_cdc.names import (
    TableName,
    identifier_fault,
    listed,
    quoted,
    shared_names,
    slot_fault,
)

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
identifiers = st.text(characters, min_size=1).filter(lambda name: len(name.encode()) <= 63)
tricky = st.text(st.sampled_from('a".B $\t\u00e4\u8868\U0001f600'), min_size=1, max_size=12)
tables = st.builds(TableName, identifiers | tricky, identifiers | tricky)


@given(tables)
def test_every_name_survives_being_written_and_read(table: TableName) -> None:
    assert TableName.parse(str(table)) == table


@given(tables)
def test_spaces_around_a_name_do_not_count(table: TableName) -> None:
    assert TableName.parse(f"  {table}\n") == table


@given(tables)
def test_identifier_is_what_postgresql_would_read(table: TableName) -> None:
    """The statement's text is the quoted name, whatever is in it."""
    both = '"' + table.schema.replace('"', '""') + '"."' + table.name.replace('"', '""') + '"'
    assert table.identifier == sql.Identifier(table.schema, table.name)
    assert table.identifier.as_string(None) == both


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("public.orders", "public", "orders"),
        ("Public.ORDERS", "public", "orders"),
        ('"Public"."ORDERS"', "Public", "ORDERS"),
        ('public."Order Lines"', "public", "Order Lines"),
        ('"a.b"."c.d"', "a.b", "c.d"),
        ('"a""b".c', 'a"b', "c"),
        ('"""".c', '"', "c"),
        ("_x.y$1", "_x", "y$1"),
        ('"1st"."2nd"', "1st", "2nd"),
        # PostgreSQL folds ASCII only where the encoding is UTF-8 (measured).
        ("SCHÄFER.Äpfel", "schÄfer", "Äpfel"),
        ("表.naïve", "表", "naïve"),
    ],
)
def test_names_are_read_as_sql_reads_them(text: str, schema: str, name: str) -> None:
    assert TableName.parse(text) == TableName(schema, name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("orders", "'orders' is not of the form schema.table"),
        ("shop.public.orders", "'shop.public.orders' is not of the form schema.table"),
        ('"public.orders"', "'\"public.orders\"' is not of the form schema.table"),
        ("", "'' is no name of a table: write schema.table, with double quotes where SQL needs"),
        ("public.", "'public.' is no name of a table: write schema.table"),
        (".orders", "'.orders' is no name of a table"),
        ("public..orders", "'public..orders' is no name of a table"),
        ("public.order lines", "'public.order lines' is no name of a table: ' lines' is unexpec"),
        ("public.orders;drop", "';drop' is unexpected"),
        ("public.orders, public.lines", "', public.lines' is unexpected"),
        ("public.order-lines", "'-lines' is unexpected"),
        ("1st.orders", "'1st.orders' is no name of a table"),
        ('public."orders', "is no name of a table"),
        ('public.or"ders"', "'\"ders\"' is unexpected"),
        ('"".orders', "is no name of a table"),
        ('"a\0b".orders', "holds a zero byte"),
        (f"public.{'x' * 64}", "is 64 bytes long; PostgreSQL would cut it to 63"),
        (f"{'ä' * 32}.orders", "is 64 bytes long; PostgreSQL would cut it to 63"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        TableName.parse(text)
    assert reason in str(caught.value)


def test_tables_are_sorted_by_schema_and_then_by_name() -> None:
    names = ["b.a", "a.z", "a.b"]
    assert [str(table) for table in sorted(map(TableName.parse, names))] == ["a.b", "a.z", "b.a"]


@pytest.mark.parametrize("name", ["x", "x" * 63, "ä" * 31, "Odd Name", "'; DROP TABLE x; --"])
def test_good_identifiers_have_no_fault(name: str) -> None:
    assert identifier_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        ("a\0b", "holds a zero byte"),
        ("x" * 64, "is 64 bytes long; PostgreSQL would cut it to 63"),
        ("表" * 22, "is 66 bytes long; PostgreSQL would cut it to 63"),
    ],
)
def test_bad_identifiers_are_told_why(name: str, fault: str) -> None:
    assert identifier_fault(name) == fault


@pytest.mark.parametrize("name", ["streamkap_pgoutput_slot", "0", "_", "x" * 63])
def test_good_slot_names_have_no_fault(name: str) -> None:
    assert slot_fault(name) is None


@pytest.mark.parametrize("name", ["", "Slot", "my-slot", "my slot", "x" * 64, "slöt", "a\n"])
def test_bad_slot_names_are_told_the_rule(name: str) -> None:
    assert slot_fault(name) == (
        "is no slot name: 1 to 63 lower-case letters, digits and underscores"
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("orders", "orders"),
        ("o_1$", "o_1$"),
        ("Orders", '"Orders"'),
        ("1st", '"1st"'),
        ("a b", '"a b"'),
        ('a"b', '"a""b"'),
        ("ä", '"ä"'),
        ("$x", '"$x"'),
        ("a\n", '"a\n"'),
    ],
)
def test_quotes_are_put_only_where_sql_needs_them(name: str, shown: str) -> None:
    assert quoted(name) == shown


def test_long_lists_are_cut_with_a_count() -> None:
    assert listed([]) == ""
    assert listed(["a", "b"]) == "a, b"
    assert listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listed(range(4), most=2) == "0, 1 and 2 more"


def test_names_that_stand_for_two_are_faults() -> None:
    assert shared_names("admin", {"u": ["r"], "v": ["r", "s"]}) == []
    assert shared_names("admin", {"u": ["v"], "v": ["r"]}) == [
        "'v' is both a login user and a group role; they are two roles of PostgreSQL"
    ]
    for users in ({"admin": ["r"]}, {"u": ["admin"]}):
        assert shared_names("admin", users) == [
            "'admin' is the administrator; the connector needs its own names"
        ]
