"""A stack's settings: every fault, in words, all at once; and never a value that may be secret."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from azure_postgres_cdc.settings import Settings, parse, read_tables

SHOP = "databases.0."
ANYWHERE = Path("nowhere")


def minimal() -> dict[str, Any]:
    return {
        "server": {"management": "existing", "resourceGroup": "rg", "name": "cdc-1"},
        "connection": {"user": "cdc_admin"},
        "databases": [{"name": "shop", "capture": {"tables": ["public.orders"]}}],
    }


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The minimal settings with changes, by dotted path; `...` takes a key out."""
    settings = copy.deepcopy(minimal())
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = settings
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return settings


def faults(changes: dict[str, Any], root: Path = ANYWHERE) -> list[str]:
    settings, found = parse(changed(changes), root)
    assert (settings is None) == bool(found)
    return found


def valid(changes: dict[str, Any] | None = None, root: Path = ANYWHERE) -> Settings:
    settings, found = parse(changed(changes or {}), root)
    assert found == []
    assert settings is not None
    return settings


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
        ({"connection.user": ""}, "connection.user: '' is empty"),
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
            "connection.port: Input should be a valid integer, unable to parse string as an "
            "integer (found: 'x')",
        ),
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
            {"server.management": "create"},
            "server.management: create is not there yet: make the server first, then use existing",
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
            "databases[0].replicaIdentityFull: Input should be a valid boolean, unable to "
            "interpret input (found: 'public.orders')",
        ),
        # What does not go together
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
        "databases[0].name: '' is empty",
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
    assert faults({"connection.port": True}) == ["connection.port: is no number"]
    assert len(faults({SHOP + "heartbeat": 1})) == 1


# A file of tables


def with_file(root: Path, content: bytes | None) -> list[str]:
    if content is not None:
        (root / "tables.csv").write_bytes(content)
    return faults({SHOP + "capture": {"tablesFile": "tables.csv"}}, root)


@pytest.mark.parametrize(
    "content",
    [
        b"public.orders\npublic.lines\n",
        b"public.orders\r\npublic.lines\r\n",
        b"\xef\xbb\xbfpublic.orders\npublic.lines",
        b"\n  public.orders  \n\n\tpublic.lines\n\n",
    ],
    ids=["lf", "crlf", "bom", "blanks"],
)
def test_file_of_tables_is_read_whoever_wrote_it(tmp_path: Path, content: bytes) -> None:
    assert with_file(tmp_path, content) == []
    assert read_tables(tmp_path / "tables.csv") == ["public.orders", "public.lines"]
    settings = valid({SHOP + "capture": {"tablesFile": "tables.csv"}}, tmp_path)
    (connector,) = settings.connectors_by_database(tmp_path)["shop"]
    assert connector["capture"] == {"tables": ["public.orders", "public.lines"]}


def test_file_of_tables_takes_names_as_in_sql(tmp_path: Path) -> None:
    assert with_file(tmp_path, 'Public.Orders\n"Odd, ""Schema"""."表"\n'.encode()) == []
    assert read_tables(tmp_path / "tables.csv") == ["public.orders", '"Odd, ""Schema"""."表"']


FILE = "databases[0].capture.tablesFile: "


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (
            None,
            [
                f"{FILE}tables.csv cannot be read: No such file or directory; the path is relative "
                "to the project"
            ],
        ),
        (b"", [f"{FILE}tables.csv names no table"]),
        (b"\xef\xbb\xbf\r\n  \r\n", [f"{FILE}tables.csv names no table"]),
        (b"public.\xff", [f"{FILE}tables.csv is not UTF-8 text"]),
        (
            b"schema,table\r\npublic.orders\r\n\r\npublic.a.b\r\n",
            [
                f"{FILE}tables.csv:1: 'schema,table' is no name of a table: ',table' is unexpected",
                f"{FILE}tables.csv:4: 'public.a.b' is not of the form schema.table",
            ],
        ),
    ],
    ids=["missing", "empty", "blank", "not text", "bad rows"],
)
def test_faults_of_a_file_name_its_lines(
    tmp_path: Path, content: bytes | None, found: list[str]
) -> None:
    assert with_file(tmp_path, content) == found


def test_many_faults_of_a_file_do_not_fill_the_screen(tmp_path: Path) -> None:
    found = with_file(tmp_path, b"bad\n" * 25)
    assert len(found) == 21
    assert found[19].startswith(f"{FILE}tables.csv:20: ")
    assert found[20] == f"{FILE}and 5 more"


def test_folder_is_no_file_of_tables(tmp_path: Path) -> None:
    (tmp_path / "tables.csv").mkdir()
    assert with_file(tmp_path, None) == [
        f"{FILE}tables.csv cannot be read: Is a directory; the path is relative to the project"
    ]


# What is valid


def test_defaults_are_the_page_s() -> None:
    settings = valid()
    assert settings.name == "cdc-1"
    assert settings.server.restart == "never"
    assert settings.server.pglogical is True
    assert (settings.connection.port, settings.connection.sslMode) == (5432, "require")
    assert settings.users == {"streamkap_user": ["streamkap_role"]}
    assert settings.connectors_by_database(ANYWHERE) == {
        "shop": [
            {
                "capture": {"tables": ["public.orders"]},
                "user": "streamkap_user",
                "role": "streamkap_role",
                "publication": "streamkap_pub",
                "slot": "streamkap_pgoutput_slot",
                "snapshots": "signal-table",
                "heartbeat": False,
                "replicaIdentityFull": False,
                "owners": [],
                "form": {
                    "sslMode": "require",
                    "prefixWithDatabaseName": False,
                    "binaryHandling": "bytes",
                },
            }
        ]
    }


def test_everything_can_be_said() -> None:
    settings = valid(
        {
            "server": {
                "management": "none",
                "user": "u",
                "role": "r",
                "restart": "when-needed",
                "pglogical": False,
            },
            "connection": {
                "host": "db.example",
                "port": 6432,
                "user": "admin",
                "sslMode": "verify-full",
                "sslRootCert": "ca.pem",
            },
            "databases": [
                {
                    "name": "Shop",
                    "capture": {"schemas": ["sales", "Odd Schema"]},
                    "owners": ["app"],
                    "heartbeat": True,
                    "replicaIdentityFull": ["Sales.Orders"],
                    "publication": "pub",
                    "slot": "slot_1",
                    "user": "own_user",
                    "role": "own_role",
                    "connector": {
                        "name": "prod-shop",
                        "sslMode": "disable",
                        "ssh": {"host": "jump"},
                        "signalSchema": "cdc",
                        "heartbeatSchema": "beat",
                        "prefixWithDatabaseName": True,
                        "binaryHandling": "hex",
                    },
                }
            ],
        }
    )
    assert settings.name == "postgresql"
    assert settings.users == {"own_user": ["own_role"]}
    (connector,) = settings.connectors_by_database(ANYWHERE)["Shop"]
    assert connector == {
        "capture": {"schemas": ["sales", "Odd Schema"]},
        "user": "own_user",
        "role": "own_role",
        "publication": "pub",
        "slot": "slot_1",
        "snapshots": "signal-table",
        "heartbeat": True,
        "replicaIdentityFull": ["sales.orders"],
        "owners": ["app"],
        "form": {
            "name": "prod-shop",
            "sslMode": "disable",
            "ssh": {"host": "jump", "port": 22, "user": "streamkap"},
            "signalSchema": "cdc",
            "heartbeatSchema": "beat",
            "prefixWithDatabaseName": True,
            "binaryHandling": "hex",
        },
    }


@pytest.mark.parametrize("full", [True, False])
def test_replica_identity_full_for_all_or_none(full: bool) -> None:
    (connector,) = valid({SHOP + "replicaIdentityFull": full}).connectors_by_database(ANYWHERE)[
        "shop"
    ]
    assert connector["replicaIdentityFull"] is full


def test_all_tables_are_captured() -> None:
    (connector,) = valid({SHOP + "capture": {"allTables": True}}).connectors_by_database(ANYWHERE)[
        "shop"
    ]
    assert connector["capture"] == {"allTables": True}


@pytest.mark.parametrize("name", ["abc", "a-b-c", "x" * 63, "0a1"])
def test_server_names_that_azure_takes(name: str) -> None:
    assert valid({"server.name": name}).name == name


@pytest.mark.parametrize("name", ["ab", "-abc", "abc-", "a_b", "ABC", "x" * 64, "", "abc\n"])
def test_server_names_that_azure_does_not_take(name: str) -> None:
    (fault,) = faults({"server.name": name})
    assert "is no server name" in fault


def test_the_caller_s_values_are_left_as_they_are() -> None:
    values = minimal()
    parse(values, ANYWHERE)
    assert values == minimal()
