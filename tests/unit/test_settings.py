"""A stack's settings: every fault, in words, all at once; and never a value that may be secret."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.stack_settings import ANYWHERE, SHOP, faults, valid

# One fault


UNKNOWN_KEYS = (
    "password",
    "server.password",
    "connection.password",
    SHOP + "password",
    SHOP + "capture.password",
    SHOP + "connector",
    SHOP + "connector.ssh",
)


@pytest.mark.parametrize("place", UNKNOWN_KEYS)
def test_unknown_key_is_a_fault_and_its_value_is_not_shown(place: str) -> None:
    value: Any = "hunter2"
    if place.endswith("connector"):
        value = {"password": value}
    if place.endswith("connector.ssh"):
        place, value = SHOP + "connector", {"ssh": {"host": "h", "password": value}}
    found = faults({place: value})
    assert len(found) == 1
    assert found[0].endswith("password: is no known key; check its spelling")
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        # Missing
        ({"server": ...}, "server: is missing"),
        ({"connection": ...}, "connection: is missing"),
        ({"databases": ...}, "databases: is missing"),
        ({"server.management": ...}, "server.management: is missing"),
        ({"connection.user": ...}, "connection.user: is missing"),
        ({SHOP + "name": ...}, "databases[0].name: is missing"),
        ({SHOP + "capture": ...}, "databases[0].capture: is missing"),
        ({SHOP + "connector": {"ssh": {}}}, "databases[0].connector.ssh.host: is missing"),
        ({"databases": []}, "databases: is empty"),
        ({"connection.user": ""}, "connection.user: is empty"),
        ({"connection.host": ""}, "connection.host: is empty"),
        ({SHOP + "capture.tables": []}, "databases[0].capture.tables: is empty"),
        # Of the wrong type, and nothing is shown of what is in a mapping or a list
        ({"server": "cdc-1"}, "server: is no mapping of keys to values"),
        (
            {"connection": [{"user": "u", "password": "hunter2"}]},
            "connection: is no mapping of keys to values",
        ),
        ({"databases": {"name": "shop", "password": "hunter2"}}, "databases: is no list"),
        ({SHOP + "owners": "app"}, "databases[0].owners: is no list"),
        (
            {"server.name": {"password": "hunter2"}},
            "server.name: Input should be a valid string",
        ),
        ({"server.name": 5}, "server.name: Input should be a valid string (found: 5)"),
        (
            {"connection.port": "x"},
            "connection.port: Input should be a valid integer (found: 'x')",
        ),
        (
            {"connection.port": "5432"},
            "connection.port: Input should be a valid integer (found: '5432')",
        ),
        ({"connection.host": "db "}, "connection.host: 'db ' begins or ends with a space"),
        ({SHOP + "role": " "}, "databases[0].role: ' ' begins or ends with a space"),
        (
            {"connection.port": 65536},
            "connection.port: Input should be less than or equal to 65535 (found: 65536)",
        ),
        (
            {SHOP + "heartbeat": "maybe"},
            "databases[0].heartbeat: Input should be a valid boolean (found: 'maybe')",
        ),
        # Values out of a list of words
        (
            {"server.management": "adopt"},
            "server.management: Input should be 'create', 'existing' or 'none' (found: 'adopt')",
        ),
        (
            {"server.restart": "always"},
            "server.restart: Input should be 'when-needed' or 'never' (found: 'always')",
        ),
        (
            {SHOP + "snapshots": "off"},
            "databases[0].snapshots: Input should be 'signal-table' or 'read-only' (found: 'off')",
        ),
        (
            {"connection.sslMode": "prefer"},
            "connection.sslMode: Input should be 'require', 'verify-ca', 'verify-full' or "
            "'disable' (found: 'prefer')",
        ),
        (
            {SHOP + "connector": {"sslMode": "verify-full"}},
            "databases[0].connector.sslMode: Input should be 'require' or 'disable' "
            "(found: 'verify-full')",
        ),
        # Names
        (
            {"server.name": "CDC-Prod"},
            "server.name: 'CDC-Prod' is no server name: 3 to 63 lower-case letters, digits and "
            "inner hyphens (Azure's rule)",
        ),
        (
            {"server.user": "u" * 64},
            f"server.user: '{'u' * 64}' is 64 bytes long; PostgreSQL would cut it to 63",
        ),
        (
            {SHOP + "slot": "My-Slot"},
            "databases[0].slot: 'My-Slot' is no slot name: 1 to 63 lower-case letters, digits and "
            "underscores",
        ),
        (
            {"server.user": "both", "server.role": "both"},
            "'both' is both a login user and a group role; they are two roles of PostgreSQL",
        ),
        (
            {SHOP + "user": "cdc_admin"},
            "'cdc_admin' is the administrator; the connector needs its own names",
        ),
        # What is captured
        (
            {SHOP + "capture": {}},
            "databases[0].capture: needs exactly one of tables, tablesFile, schemas and allTables "
            "(found: none)",
        ),
        (
            {SHOP + "capture": {"tables": ["public.a"], "schemas": ["b"], "allTables": True}},
            "databases[0].capture: needs exactly one of tables, tablesFile, schemas and allTables "
            "(found: allTables and schemas and tables)",
        ),
        (
            {SHOP + "capture": {"schemas": ["information_schema", "pg"]}},
            "databases[0]: capture: schema information_schema is PostgreSQL's own, which is not "
            "captured",
        ),
        (
            {SHOP + "capture": {"tables": ["pg_catalog.pg_class", "public.a"]}},
            "databases[0]: capture: schema pg_catalog is PostgreSQL's own, which is not captured",
        ),
        (
            {SHOP + "capture": {"tablesFile": "a\0b"}},
            "databases[0].capture.tablesFile: 'a\\x00b' is no name of a file",
        ),
        (
            {SHOP + "capture": {"allTables": False}},
            "databases[0].capture.allTables: Input should be True (found: False)",
        ),
        (
            {SHOP + "capture.tables": ["public.a", "orders"]},
            "databases[0].capture.tables[1]: 'orders' is not of the form schema.table",
        ),
        (
            {SHOP + "replicaIdentityFull": ["orders"]},
            "databases[0].replicaIdentityFull[0]: 'orders' is not of the form schema.table",
        ),
        (
            {SHOP + "replicaIdentityFull": "public.orders"},
            "databases[0].replicaIdentityFull: 'public.orders' is neither true nor false, and no "
            "list of tables",
        ),
        (
            {SHOP + "replicaIdentityFull": "yes"},
            "databases[0].replicaIdentityFull: 'yes' is neither true nor false, and no list of "
            "tables",
        ),
        (
            {SHOP + "replicaIdentityFull": 1},
            "databases[0].replicaIdentityFull: is neither true nor false, and no list of tables",
        ),
        (
            {SHOP + "replicaIdentityIndex": {"orders": "a"}},
            "databases[0].replicaIdentityIndex: 'orders' is not of the form schema.table",
        ),
        (
            {SHOP + "replicaIdentityIndex": ["public.orders"]},
            "databases[0].replicaIdentityIndex: is no mapping of names to values",
        ),
        (
            {SHOP + "replicaIdentityIndex": {"public.orders": ""}},
            "databases[0].replicaIdentityIndex.public.orders: is empty",
        ),
        # What does not go together
        (
            {
                SHOP + "replicaIdentityIndex": {"public.orders": "orders_key"},
                SHOP + "replicaIdentityFull": ["Public.Orders"],
            },
            "database shop: public.orders is to have the replica identities FULL and USING INDEX "
            "orders_key; a table has one",
        ),
        (
            {SHOP + "grants": {"tables": "some"}},
            "databases[0].grants.tables: Input should be 'all' or 'captured' (found: 'some')",
        ),
        (
            {SHOP + "dropSignalTable": "yes"},
            "databases[0].dropSignalTable: Input should be a valid boolean (found: 'yes')",
        ),
        # What does not go together
        (
            {SHOP + "grants": {"readAllData": True, "tables": "captured"}},
            "databases[0].grants: readAllData lets the role read every table, tables: captured "
            "only some: take one of them out",
        ),
        (
            {SHOP + "snapshots": "read-only", SHOP + "heartbeat": True},
            "databases[0]: heartbeat needs a read-write connection, but snapshots is read-only: "
            "take one of them out",
        ),
        (
            {"server": {"management": "none"}},
            "connection.host is missing; management: none needs it",
        ),
        (
            {"server": {"management": "existing"}},
            "server: management: existing needs resourceGroup and name",
        ),
        (
            {"server": {"management": "existing", "name": "cdc-1"}},
            "server: management: existing needs resourceGroup",
        ),
    ],
)
def test_one_fault_is_one_line(changes: dict[str, Any], fault: str) -> None:
    assert faults(changes) == [fault]


# Several databases


def two(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    capture = {"capture": {"tables": ["public.orders"]}}
    return {"databases": [capture | first, capture | second]}


def test_slot_of_two_databases_is_a_fault() -> None:
    assert faults(two({"name": "shop"}, {"name": "crm"})) == [
        "slot streamkap_pgoutput_slot is used 2 times; slot names are unique on a server"
    ]


def test_publication_twice_in_one_database_is_a_fault() -> None:
    assert faults(two({"name": "shop", "slot": "a"}, {"name": "shop", "slot": "b"})) == [
        "publication streamkap_pub is used 2 times in database shop; each connector needs its own"
    ]


def test_publication_of_two_databases_may_have_one_name() -> None:
    settings = valid(two({"name": "shop", "slot": "a"}, {"name": "crm", "slot": "b"}))
    assert list(settings.connectors_by_database(ANYWHERE)) == ["shop", "crm"]


def test_database_twice_is_one_source_with_two_connectors() -> None:
    settings = valid(
        two(
            {"name": "shop", "slot": "a", "publication": "p"},
            {"name": "shop", "slot": "b", "publication": "q", "user": "second"},
        )
    )
    found = settings.connectors_by_database(ANYWHERE)
    assert [(item["slot"], item["publication"]) for item in found["shop"]] == [
        ("a", "p"),
        ("b", "q"),
    ]
    assert settings.users == {"streamkap_user": ["streamkap_role"], "second": ["streamkap_role"]}


def test_user_with_several_roles_is_one_user() -> None:
    settings = valid(
        two({"name": "a", "slot": "a", "role": "r2"}, {"name": "b", "slot": "b", "role": "r1"})
    )
    assert settings.users == {"streamkap_user": ["r1", "r2"]}


# Many faults


def test_many_faults_come_at_once() -> None:
    found = faults(
        {
            "sever": {},
            "server.name": "CDC",
            "server.restart": "yes",
            "connection.user": ...,
            "connection.pasword": "hunter2",
            SHOP + "slot": "My-Slot",
            SHOP + "capture.tables": ["orders", "public.lines"],
            SHOP + "snapshot": "read-only",
        }
    )
    assert sorted(line.partition(": ")[0] for line in found) == [
        "connection.pasword",
        "connection.user",
        "databases[0].capture.tables[0]",
        "databases[0].slot",
        "databases[0].snapshot",
        "server.name",
        "server.restart",
        "sever",
    ]
    assert "hunter2" not in "".join(found)


def test_faults_of_all_databases_come_at_once() -> None:
    found = faults({"databases": [{"name": ""}, {"capture": {"tables": ["x"]}}, "shop"]})
    assert found == [
        "databases[0].name: is empty",
        "databases[0].capture: is missing",
        "databases[1].name: is missing",
        "databases[1].capture.tables[0]: 'x' is not of the form schema.table",
        "databases[2]: is no mapping of keys to values",
        "slot streamkap_pgoutput_slot is used 2 times; slot names are unique on a server",
    ]


def test_faults_between_settings_come_at_once() -> None:
    found = faults({"server": {"management": "none"}, **two({"name": "shop"}, {"name": "shop"})})
    assert found == [
        "connection.host is missing; management: none needs it",
        "slot streamkap_pgoutput_slot is used 2 times; slot names are unique on a server",
        "publication streamkap_pub is used 2 times in database shop; each connector needs its own",
    ]


def test_a_wrong_key_hides_no_fault_between_settings() -> None:
    found = faults(
        {
            "server": {"management": "existing", "restart": "x"},
            "databases": [
                {"name": "a", "capture": {"tables": ["x"], "schemas": ["s"]}, "foo": 1},
                {"name": "b", "capture": {"tablesFile": "nowhere.csv"}},
            ],
        }
    )
    assert [fault.partition(":")[0] for fault in found] == [
        "server.restart",
        "databases[0].capture.tables[0]",
        "databases[0].foo",
        "server",
        "databases[0].capture",
        "slot streamkap_pgoutput_slot is used 2 times; slot names are unique on a server",
        "databases[1].capture.tablesFile",
    ]


@pytest.mark.parametrize("name", ["pg_streamkap", "public", "none", "current_user"])
@pytest.mark.parametrize("key", ["server.user", "server.role", SHOP + "user", SHOP + "role"])
def test_names_that_postgresql_keeps_for_itself_are_no_roles(key: str, name: str) -> None:
    (fault,) = faults({key: name})
    assert fault.endswith(f"{key[-4:]}: {name!r} is a name that PostgreSQL keeps for itself")


def test_a_boolean_is_no_number_and_a_number_no_boolean() -> None:
    assert faults({"connection.port": True}) == [
        "connection.port: Input should be a valid integer (found: True)"
    ]
    assert len(faults({SHOP + "heartbeat": 1})) == 1
