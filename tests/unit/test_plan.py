"""What a connector's arguments mean: the capture set, the defaults, the grants, the faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from azure_postgres_cdc.connector import uploaded
from azure_postgres_cdc.database.capture import capture_fault, captured_schemas, normalised
from azure_postgres_cdc.database.schema_access import RoleAccess
from azure_postgres_cdc.names import TableName
from azure_postgres_cdc.plan import (
    ConnectorArgs,
    Plan,
    access_of,
    faults_of,
    identity_faults,
    own_table_schemas,
)

ORDERS: ConnectorArgs = {"capture": {"tables": ["public.orders"]}}


def plan(**args: Any) -> Plan:
    return Plan.of({**ORDERS, **args}, "cdc_admin")  # type: ignore[typeddict-item]


# The capture set


@pytest.mark.parametrize(
    ("capture", "found"),
    [
        ({}, "none"),
        ({"tables": []}, "none"),
        ({"allTables": False}, "none"),
        ({"tables": ["a.b"], "schemas": ["c"]}, "tables, schemas"),
        ({"tables": ["a.b"], "allTables": True}, "tables, allTables"),
        ({"tables": ["a.b"], "schemas": ["c"], "allTables": True}, "tables, schemas, allTables"),
    ],
)
def test_capture_needs_exactly_one_key(capture: dict[str, Any], found: str) -> None:
    assert capture_fault(capture) == (
        f"needs exactly one of tables, schemas and allTables (found: {found})"
    )


@pytest.mark.parametrize(
    ("capture", "normal", "schemas"),
    [
        (
            {"tables": ["public.b", "Public.A", '"Odd".x', "public.a"]},
            {"tables": ['"Odd".x', "public.a", "public.b"]},
            ["Odd", "public"],
        ),
        ({"schemas": ["b", "a", "b"]}, {"schemas": ["a", "b"]}, ["a", "b"]),
        ({"allTables": True}, {"allTables": True}, None),
        # What is empty says nothing
        ({"tables": [], "schemas": ["a"]}, {"schemas": ["a"]}, ["a"]),
        ({"schemas": [], "tables": ["a.b"]}, {"tables": ["a.b"]}, ["a"]),
        ({"allTables": True, "tables": []}, {"allTables": True}, None),
        ({"allTables": False, "schemas": ["a"]}, {"schemas": ["a"]}, ["a"]),
    ],
)
def test_capture_is_sorted_and_without_repetitions(
    capture: Any, normal: dict[str, Any], schemas: list[str] | None
) -> None:
    assert capture_fault(capture) is None
    assert normalised(capture) == normal
    assert captured_schemas(capture) == schemas
    assert normalised(normalised(capture)) == normal  # type: ignore[arg-type]


# Defaults


def test_defaults_are_the_page_s() -> None:
    found = plan()
    assert (found.user, found.role) == ("streamkap_user", "streamkap_role")
    assert (found.publication, found.slot) == ("streamkap_pub", "streamkap_pgoutput_slot")
    assert (found.read_only, found.signal_schema, found.heartbeat_schema) == (
        False,
        "streamkap",
        None,
    )
    assert found.owners == ("cdc_admin",)
    assert found.full_identity is None
    assert found.own_tables == (TableName("streamkap", "streamkap_signal"),)
    assert found.schemas == ["public"]


def test_heartbeat_is_beside_the_signal_table_unless_told_otherwise() -> None:
    assert plan(heartbeat=True).own_tables == (
        TableName("streamkap", "streamkap_signal"),
        TableName("streamkap", "streamkap_heartbeat"),
    )
    assert plan(heartbeat=True, form={"signalSchema": "cdc"}).own_tables == (
        TableName("cdc", "streamkap_signal"),
        TableName("cdc", "streamkap_heartbeat"),
    )
    form = {"signalSchema": "cdc", "heartbeatSchema": "beat"}
    assert plan(heartbeat=True, form=form).heartbeat_schema == "beat"
    assert plan(form=form).heartbeat_schema is None


def test_read_only_connector_has_no_tables_of_its_own() -> None:
    found = plan(snapshots="read-only", form={"signalSchema": "cdc"})
    assert (found.read_only, found.signal_schema, found.own_tables) == (True, None, ())


@pytest.mark.parametrize(
    ("full", "captured"),
    [
        (False, None),
        ([], None),
        (True, {"tables": ["public.orders"]}),
        (["a.b"], {"tables": ["a.b"]}),
    ],
)
def test_full_identity_for_all_or_some(full: Any, captured: Any) -> None:
    assert plan(replicaIdentityFull=full).full_identity == captured


def test_owners_default_to_the_administrator_and_whoever_is_found() -> None:
    assert (plan(owners=[]).owners, plan(owners=[]).discover_owners) == (("cdc_admin",), True)
    listed = plan(owners=["app", "team"])
    assert (listed.owners, listed.discover_owners) == (("app", "team"), False)


def test_the_form_names_the_published_tables_without_sql_s_quotes() -> None:
    odd = ['"Odd Schema"."Tab""le"', '"a,b"."c\nd"']
    published = [*odd, "public.orders", "streamkap.streamkap_signal"]
    text = plan().captured_tables(json.dumps(published))
    assert text == '"Odd Schema.Tab""le"\n"a,b.c\nd"\npublic.orders\n'
    assert uploaded(text) == ('Odd Schema.Tab"le', "a,b.c\nd", "public.orders")
    assert plan().captured_tables(None) == ""
    assert uploaded("") == ()
    assert plan(capture={"allTables": True}).schemas is None


def test_the_form_names_partitions_where_they_are_published_by_their_own_names() -> None:
    """And their schemas: of anything else, the connector would pass every change over."""
    wanted = plan(capture={"tables": ["public.root", "public.b"]}, publishViaPartitionRoot=False)
    published, partitions = ["public.b", "public.root"], {"public.root": ["parts.p", "public.a"]}
    found = json.dumps(published), json.dumps(partitions)
    assert wanted.captured_tables(*found) == "parts.p\npublic.a\npublic.b\n"
    assert wanted.captured_schemas(*found) == ["parts", "public"]


# Grants


def test_access_of_one_connector() -> None:
    assert access_of("streamkap_role", [plan()]) == RoleAccess(
        role="streamkap_role",
        captured=frozenset({"public"}),
        writes=frozenset({"streamkap"}),
        own_schemas=frozenset({"streamkap"}),
        captures=({"tables": ["public.orders"]},),
        owners=("cdc_admin",),
        discover_owners=True,
        create=True,
        table_grants="all",
        users=("streamkap_user",),
    )


def test_access_of_connectors_that_share_a_role_is_joined() -> None:
    plans = [
        plan(owners=["b"]),
        plan(capture={"schemas": ["sales"]}, owners=["a", "b"], form={"signalSchema": "sales"}),
        plan(capture={"schemas": ["hr"]}, role="hr", form={"signalSchema": "hr"}),
    ]
    assert access_of("streamkap_role", plans) == RoleAccess(
        role="streamkap_role",
        captured=frozenset({"public", "sales"}),
        writes=frozenset({"streamkap", "sales"}),
        own_schemas=frozenset({"streamkap"}),
        captures=({"schemas": ["sales"]}, {"tables": ["public.orders"]}),
        owners=("a", "b"),
        discover_owners=False,
        users=("streamkap_user",),
    )
    assert access_of("hr", plans).captured == frozenset({"hr"})
    assert access_of("hr", plans).discover_owners
    assert access_of("hr", plans).own_schemas == frozenset()
    assert own_table_schemas(plans) == {"streamkap", "sales", "hr"}


def test_all_tables_means_every_schema() -> None:
    assert access_of("streamkap_role", [plan(), plan(capture={"allTables": True})]).captured is None


@pytest.mark.parametrize(
    ("grants", "create", "tables"),
    [
        ([{}, {}], True, "all"),
        ([{"create": False}], False, "all"),
        ([{"create": False}, {"create": True}], True, "all"),
        ([{"tables": "captured"}], True, "captured"),
        ([{"tables": "captured"}, {"tables": "all"}], True, "all"),
        ([{"readAllData": True}, {"tables": "captured"}], True, "none"),
    ],
)
def test_role_gets_what_any_of_its_connectors_needs(
    grants: list[Any], create: bool, tables: str
) -> None:
    found = access_of("streamkap_role", [plan(grants=item) for item in grants])
    assert (found.create, found.table_grants) == (create, tables)


# Faults


def test_good_arguments_have_no_fault() -> None:
    assert faults_of("shop", [ORDERS]) == []
    second: ConnectorArgs = {**ORDERS, "publication": "p", "slot": "s"}
    assert faults_of("shop", [ORDERS, second]) == []


@pytest.mark.parametrize(
    ("args", "faults"),
    [
        (
            {"capture": {}},
            [
                "capture needs exactly one of tables, schemas and allTables (found: none)",
            ],
        ),
        (
            {"capture": {"tables": ["orders", "public.a"]}},
            ["capture.tables: 'orders' is not of the form schema.table"],
        ),
        ({"capture": {"schemas": ["", "a"]}}, ["capture.schemas: '' is empty"]),
        (
            {"capture": {"schemas": ["a", "pg_catalog"]}},
            ["capture: schema pg_catalog is PostgreSQL's own, which is not captured"],
        ),
        (
            {"replicaIdentityFull": ["orders"]},
            ["replicaIdentityFull: 'orders' is not of the form schema.table"],
        ),
        (
            {"replicaIdentityIndex": {"orders": "a", "public.orders": ""}},
            [
                "replicaIdentityIndex: 'orders' is not of the form schema.table",
                "replicaIdentityIndex: '' is empty",
            ],
        ),
        (
            {"allowWithoutIdentity": ["orders"]},
            ["allowWithoutIdentity: 'orders' is not of the form schema.table"],
        ),
        (
            {"owners": ["x" * 64]},
            [f"owners: '{'x' * 64}' is 64 bytes long; PostgreSQL would cut it to 63"],
        ),
        ({"user": "", "role": ""}, ["user '' is empty", "role '' is empty"]),
        ({"grants": {"tables": "some"}}, ["grants.tables is 'some': use all or captured"]),
        (
            {"grants": {"readAllData": True, "tables": "captured"}},
            [
                "grants: readAllData lets the role read every table, tables: captured only some: "
                "take one of them out"
            ],
        ),
        (
            {"publication": "x" * 64},
            [f"publication '{'x' * 64}' is 64 bytes long; PostgreSQL would cut it to 63"],
        ),
        (
            {"slot": "Slot"},
            [
                "slot 'Slot' is no slot name: 1 to 63 lower-case letters, digits and underscores",
            ],
        ),
        (
            {"snapshots": "read-only", "heartbeat": True},
            ["heartbeat needs a read-write connection, but snapshots is read-only"],
        ),
    ],
)
def test_faults_of_a_connector(args: Any, faults: list[str]) -> None:
    assert faults_of("shop", [{**ORDERS, **args}]) == [f"connectors[0]: {item}" for item in faults]


def test_faults_of_a_source() -> None:
    assert faults_of("", []) == [
        "connectors is empty: a source has at least one",
        "database '' is empty",
    ]
    assert faults_of("shop", [ORDERS, ORDERS]) == [
        "publication streamkap_pub is used by two connectors; each needs its own",
        "slot streamkap_pgoutput_slot is used by two connectors; each needs its own",
    ]
    bad: ConnectorArgs = {"capture": {}, "slot": "S"}
    assert len(faults_of("", [bad, bad])) == 7


def by_index(index: str = "orders_key", **args: Any) -> ConnectorArgs:
    return {**ORDERS, "replicaIdentityIndex": {"Public.Orders": index}, **args}  # type: ignore[typeddict-item]


FULL_OF_ALL: ConnectorArgs = {"capture": {"allTables": True}, "replicaIdentityFull": True}
FULL_OF_SCHEMA: ConnectorArgs = {"capture": {"schemas": ["public"]}, "replicaIdentityFull": True}


@pytest.mark.parametrize(
    ("connectors", "identities"),
    [
        ([by_index()], ""),
        # `true` is for the rest of them
        ([by_index(replicaIdentityFull=True)], ""),
        ([by_index(), ORDERS], ""),
        ([by_index(), by_index()], ""),
        ([by_index(), {**FULL_OF_SCHEMA, "capture": {"schemas": ["sales"]}}], ""),
        ([by_index(), {**ORDERS, "replicaIdentityFull": ["public.x"]}], ""),
        ([by_index(replicaIdentityFull=["public.orders"])], "FULL and USING INDEX orders_key"),
        ([FULL_OF_ALL, by_index()], "FULL and USING INDEX orders_key"),
        ([by_index(), FULL_OF_SCHEMA], "FULL and USING INDEX orders_key"),
        ([by_index(), {**ORDERS, "replicaIdentityFull": True}], "FULL and USING INDEX orders_key"),
        (
            [by_index(), by_index(index="Other")],
            'USING INDEX "Other" and USING INDEX orders_key',
        ),
        (
            [by_index(replicaIdentityIndex={"public.orders": "a", "PUBLIC.orders": "b"})],
            "USING INDEX a and USING INDEX b",
        ),
    ],
)
def test_a_table_has_one_replica_identity(connectors: list[ConnectorArgs], identities: str) -> None:
    fault = f"public.orders is to have the replica identities {identities}; a table has one"
    assert list(identity_faults(connectors)) == ([fault] if identities else [])


def test_indexes_are_looked_up_by_the_table_s_name() -> None:
    assert plan(replicaIdentityIndex={"Public.Orders": "Key"}).identity_indexes == {
        "public.orders": "Key"
    }
    assert plan().identity_indexes == {}
