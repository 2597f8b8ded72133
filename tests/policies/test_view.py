"""How the rules see a stack: values of every kind, names that are lent, several servers."""

from __future__ import annotations

from typing import Any

import pytest
from cases_server import CDC, alert, parameter, server
from declaring import (
    UNKNOWN,
    Made,
    findings,
    form,
    grant,
    ours,
    publication,
    role,
    user,
    verdict,
)
from mutations import captured
from pulumi_policy.proxy import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    unknown_checking_proxy,
)

from view import kinds
from view.kinds import type_of
from view.names import Table
from view.values import UNKNOWN as NOT_KNOWN
from view.values import has_unknown, members, number, read, text, truth


@pytest.mark.parametrize(
    "token",
    [
        "azure-native:dbforpostgresql:Configuration",
        "azure-native:dbforpostgresql/v20250801:Configuration",
        "azure-native:dbforpostgresql/v20240301preview:Configuration",
        "azure-native_dbforpostgresql_v20250801:dbforpostgresql:Configuration",
    ],
)
def test_a_type_is_the_same_in_every_version(token: str) -> None:
    assert type_of(token) == kinds.CONFIGURATION


@pytest.mark.parametrize("token", ["postgresql:index/role:Role", "postgresql:index:Role"])
def test_a_bridged_type_is_the_same_however_it_is_written(token: str) -> None:
    assert type_of(token) == kinds.ROLE


@pytest.mark.parametrize(
    "unknown",
    [
        UNKNOWN,
        UNKNOWN_BOOLEAN_VALUE,
        UNKNOWN_NUMBER_VALUE,
        UNKNOWN_ARRAY_VALUE,
        UNKNOWN_OBJECT_VALUE,
    ],
)
def test_an_unknown_value_is_one_at_any_depth_and_of_any_kind(unknown: str) -> None:
    raw = {"a": unknown, "b": {"c": unknown, "d": [1.0, unknown, {"e": unknown}]}, "f": "known"}
    for props in (raw, unknown_checking_proxy(raw)):
        assert read(props, "a") is NOT_KNOWN
        assert read(props, "a", "x") is NOT_KNOWN
        assert read(props, "b", "c") is NOT_KNOWN
        assert read(props, "b", "d") == [1.0, NOT_KNOWN, {"e": NOT_KNOWN}]
        assert read(props, "b", "x") is None
        assert read(props, "f", "x") is None
        assert read(props, "f") == "known"
        assert has_unknown(read(props, "b"))
        assert not has_unknown(read(props, "f"))


@pytest.mark.parametrize(
    ("value", "as_text", "as_number", "as_truth"),
    [
        (16.0, "16", 16.0, None),
        ("16", "16", 16.0, None),
        (0.5, "0.5", 0.5, None),
        (1.0, "1", 1.0, True),
        (True, "true", None, True),
        ("On", "On", None, True),
        ("false", "false", None, False),
        ("", "", None, None),
        (None, None, None, None),
        (NOT_KNOWN, None, None, None),
        ([1.0], None, None, None),
    ],
)
def test_values_are_read_however_they_are_written(
    value: Any, as_text: str | None, as_number: float | None, as_truth: bool | None
) -> None:
    assert (text(value), number(value), truth(value)) == (as_text, as_number, as_truth)


def test_names_are_read_as_sql_writes_them() -> None:
    assert Table.parse("public.orders") == ("public", "orders")
    assert Table.parse("orders") == ("public", "orders")
    assert Table.parse('"Odd. Schema"."Tab""le"') == ("Odd. Schema", 'Tab"le')
    assert members("pg_cron, PGLOGICAL,,") == {"pg_cron", "pglogical"}


def test_a_parameter_counts_for_its_own_server() -> None:
    one, other = server("one"), server("other")
    stack = (one, other, parameter("wal_level", "logical", on="ONE"), *CDC)
    said = findings("server-declares-wal-level", stack)
    assert said is not None
    assert [line for line in said if "server other" in line] == said
    assert len(said) == 1


def test_a_parameter_of_a_server_to_be_made_counts_for_the_one_that_lends_its_name() -> None:
    one, other = server("one"), server("other")
    level = parameter("wal_level", "logical", on=UNKNOWN)
    level.references = {"serverName": [one.urn]}
    said = findings("server-declares-wal-level", (one, other, level, *CDC))
    assert said is not None
    assert len(said) == 1
    assert "server other" in said[0]


def test_a_read_replica_is_not_looked_at() -> None:
    assert findings("server-declares-wal-level", (server(createMode="Replica"), *CDC)) is None


def test_resources_are_found_under_whatever_parent() -> None:
    stack = [server(), parameter("wal_level", "logical"), alert("txlogs_storage_used"), *CDC]
    for number_, item in enumerate(stack):
        item.parent = f"urn:component-{number_}"
    assert findings("server-declares-wal-level", stack) == []
    assert findings("server-alerts-on-wal", stack) == []


def test_a_lent_name_is_known_before_the_role_is_made() -> None:
    """With a provider whose server is still to be made, the engine knows no output."""
    member = user(roles=[UNKNOWN])
    lender = role()
    lender.outputs = {}
    connect = grant("database", "CONNECT", role=UNKNOWN)
    pub = publication("public.orders")
    stack = (member, lender, connect, pub)
    assert findings("database-grants-connect", stack) is None  # who reads is not known
    member.references = {"roles": [lender.urn]}
    connect.references = {"role": [lender.urn]}
    assert findings("database-grants-connect", stack) == []
    connect.inputs["privileges"] = ["CREATE"]
    assert findings("database-grants-connect", stack)


def test_one_unknown_resource_does_not_hide_another_s_fault() -> None:
    stack = (
        publication("public.orders", UNKNOWN, name=UNKNOWN, database=UNKNOWN),
        publication("public.orders", resource_name="second"),
        form(replicationSlotName=UNKNOWN),
    )
    assert findings("publication-holds-signal-table", stack)


@pytest.mark.parametrize("name", ["ours", "raw"])
def test_every_resource_may_be_unknown(name: str) -> None:
    """Of a whole good stack, one resource after the other: that is no fault, and stops no rule."""
    for index, known in enumerate(captured(name)):
        if known.type.endswith(":Sql"):
            continue  # without its text, nobody knows what it makes
        stack = captured(name)
        _forget(stack[index], {*known.inputs, *(known.outputs or ())})
        assert verdict(stack) == {}, known.urn


@pytest.mark.full
@pytest.mark.parametrize("name", ["ours", "raw"])
def test_every_property_may_be_unknown(name: str) -> None:
    """And one property after the other."""
    for index, known in enumerate(captured(name)):
        if known.type.endswith(":Sql"):
            continue
        for key in {*known.inputs, *(known.outputs or ())}:
            stack = captured(name)
            _forget(stack[index], {key})
            assert verdict(stack) == {}, (known.urn, key)


def _forget(item: Made, keys: set[str]) -> None:
    for props in (item.inputs, item.outputs):
        if props is not None:
            props.update(dict.fromkeys(keys & {*props}, UNKNOWN))


def test_a_program_without_anything_to_capture_is_left_alone() -> None:
    stack: tuple[Made, ...] = (server(), parameter("work_mem", "65536"), role(name="app"))
    assert verdict(stack) == {}
    assert verdict(()) == {}
    assert verdict((*stack, ours("ReplicationSlot", protect=True, plugin="pgoutput"))) != {}
