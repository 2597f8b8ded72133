"""What valid settings become: the components' arguments, with the page's defaults."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.program import (
    ENTRA,
    PASSWORD,
    VAULT,
    alone,
    created_with_entra,
    named,
    whole,
)
from tests.unit.stack_settings import ANYWHERE, MADE, SHOP, WINDOW, faults, minimal, valid

from azure_postgres_cdc.server_args import faults_of_server
from azure_postgres_cdc.settings import parse


def test_defaults_are_the_page_s() -> None:
    settings = valid()
    assert settings.name == "cdc-1"
    assert settings.server.restart is None  # CdcServer's own default
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
                "replicaIdentityIndex": {},
                "allowWithoutIdentity": [],
                "owners": [],
                "grants": {"create": True, "tables": "all", "readAllData": False},
                "dropSignalTable": False,
                "form": {
                    "sslMode": "require",
                    "prefixWithDatabaseName": False,
                    "binaryHandling": "bytes",
                },
                "columns": {},
                "rowFilters": {},
                "publish": ["insert", "update", "delete", "truncate"],
                "publishViaPartitionRoot": True,
                "generatedColumns": "none",
                "tablesInSchema": False,
                "acknowledge": [],
                "createSlot": True,
                "onDestroy": "refuse",
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
                    "grants": {"create": False, "tables": "captured"},
                    "dropSignalTable": True,
                    "heartbeat": True,
                    "replicaIdentityFull": ["Sales.Orders"],
                    "replicaIdentityIndex": {"Sales.Events": "Events Key"},
                    "allowWithoutIdentity": ["Sales.Log"],
                    "columns": {"Sales.Orders": ["id", "Total"]},
                    "rowFilters": {"sales.log": "level > 2"},
                    "publish": ["insert", "update"],
                    "publishViaPartitionRoot": False,
                    "generatedColumns": "stored",
                    "acknowledge": ["snapshot of sales.orders"],
                    "publication": "pub",
                    "slot": "slot_1",
                    "createSlot": False,
                    "slotFailover": True,
                    "onDestroy": "retain",
                    "acknowledgeLostSlot": "1A/2B3C",
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
        "replicaIdentityIndex": {"Sales.Events": "Events Key"},
        "allowWithoutIdentity": ["sales.log"],
        "owners": ["app"],
        "grants": {"create": False, "tables": "captured", "readAllData": False},
        "dropSignalTable": True,
        "form": {
            "name": "prod-shop",
            "sslMode": "disable",
            "ssh": {"host": "jump", "port": 22, "user": "streamkap"},
            "signalSchema": "cdc",
            "heartbeatSchema": "beat",
            "prefixWithDatabaseName": True,
            "binaryHandling": "hex",
        },
        "columns": {"Sales.Orders": ["id", "Total"]},
        "rowFilters": {"sales.log": "level > 2"},
        "publish": ["insert", "update"],
        "publishViaPartitionRoot": False,
        "generatedColumns": "stored",
        "tablesInSchema": False,
        "acknowledge": ["snapshot of sales.orders"],
        "createSlot": False,
        "slotFailover": True,
        "onDestroy": "retain",
        "acknowledgeLostSlot": "1A/2B3C",
    }


def test_options_of_logins_reach_the_server() -> None:
    settings = valid(
        {
            "server.user": "second",
            "server.formerUsers": ["first"],
            "server.login": {"walSenderTimeout": 0, "connectionLimit": 9},
            SHOP + "grants": {"readAllData": True},
        }
    )
    args = settings.server_arguments()
    assert args["formerUsers"] == ("first",)
    assert args["login"] == {"walSenderTimeout": 0, "connectionLimit": 9}
    assert args["readAllData"] == ["streamkap_role"]
    plain = valid().server_arguments()
    assert not {"formerUsers", "login", "readAllData"} & set(plain)


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


# The server's arguments


@pytest.mark.parametrize("databases", [[], ...])
def test_server_may_be_made_before_its_databases(databases: object) -> None:
    settings = valid({"server": MADE, "databases": databases})
    found = settings.server_arguments()
    assert (found["databases"], found["database"], found["users"]) == ([], "postgres", {})
    assert found["connectors"] == 0
    assert settings.connectors_by_database(ANYWHERE) == {}
    program = alone({**found, "connection": {**found["connection"], "password": PASSWORD}})
    assert program.of("Role") == program.of("Database") == []


def test_new_server_gets_its_databases_once_each() -> None:
    capture = {"capture": {"tables": ["public.orders"]}}
    databases = [
        {"name": name, "slot": f"s_{index}", "publication": f"p_{index}", **capture}
        for index, name in enumerate(["shop", "crm", "shop"])
    ]
    found = valid({"server": MADE, "databases": databases}).server_arguments()
    assert found["databases"] == ["shop", "crm"]
    assert (found["connectors"], found["database"]) == (3, "postgres")


def test_existing_server_is_logged_in_to_at_the_first_database() -> None:
    found = valid().server_arguments()
    assert (found["database"], "databases" in found) == ("shop", False)
    assert found["connection"] == {
        "user": "cdc_admin",
        "port": 5432,
        "auth": "password",
        "sslMode": "require",
    }


def test_what_is_not_said_is_left_to_the_component() -> None:
    assert valid().server_arguments() == {
        "management": "existing",
        "resourceGroup": "rg",
        "serverName": "cdc-1",
        "pglogical": True,
        "connection": {
            "user": "cdc_admin",
            "port": 5432,
            "auth": "password",
            "sslMode": "require",
        },
        "connectors": 1,
        "users": {"streamkap_user": ["streamkap_role"]},
        "database": "shop",
    }


def test_entra_needs_a_tenant_and_no_password() -> None:
    found = valid({"connection": ENTRA}).server_arguments()
    assert found["connection"] == {**ENTRA, "port": 5432, "sslMode": "require"}
    assert faults_of_server(found) == []


EVERYTHING = {
    "management": "existing",
    "resourceGroup": "rg",
    "name": "cdc-1",
    "subscription": "another",
    "restart": {
        "mode": "when-needed",
        "window": {**WINDOW, "timeZone": "Europe/Berlin"},
        "failover": "planned",
        "allowPending": ["max_connections"],
    },
    "pglogical": False,
    "parameters": {
        "work_mem": 8192,
        "log_lock_waits": True,
        "checkpoint_completion_target": 0.9,
        "log_statement": {"exactly": "none"},
    },
    "firewallRules": {
        "office": "198.51.100.7",
        "streamkap": {"first": "203.0.113.1", "last": "203.0.113.9"},
    },
    "alerts": {
        "emails": ["cdc@example.com"],
        "storagePercent": [70, 85],
        "storageFreeGiB": 6,
        "walGiB": 10,
        "replicationDelayGiB": 2.5,
        "collector": True,
        "longestTransactionMinutes": 30,
    },
    "keyVault": VAULT,
}


def test_everything_reaches_the_component() -> None:
    found = valid({"server": EVERYTHING}).server_arguments()
    found["connection"]["password"] = PASSWORD
    program = whole(found)
    assert named(program, "cdc-server")["subscription"] == "another"
    assert named(program, "cdc-restart")["rules"] == {
        "mode": "when-needed",
        "window": {**WINDOW, "timeZone": "Europe/Berlin"},
        "failover": "planned",
        "allowPending": ["max_connections"],
    }
    assert [
        (item["name"], item["value"], item["exactly"])
        for item in named(program, "cdc-parameters")["others"]
    ] == [
        ("checkpoint_completion_target", "0.9", False),
        ("log_lock_waits", "on", False),
        ("log_statement", "none", True),
        ("metrics.collector_database_activity", "on", False),
        ("work_mem", "8192", False),
    ]
    assert len(program.of("FirewallRule")) == 2
    assert len(program.of("MetricAlert")) == 8
    assert len(program.of("Secret")) == 1


def test_new_server_with_everything_is_what_the_component_takes() -> None:
    wanted = created_with_entra()
    settings = valid(
        {
            "server": {
                **MADE,
                "create": wanted["create"],
                "firewallRules": wanted["firewallRules"],
                "alerts": wanted["alerts"],
                "keyVault": VAULT,
            },
            "connection": ENTRA,
            SHOP + "name": "shop",
        }
    )
    found = settings.server_arguments()
    entra = found["create"]["entra"]
    assert [dict(item) for item in entra["administrators"]] == [
        {"objectId": "o-1", "name": "cdc-deployer"},
        {"objectId": "o-2", "name": "dba", "type": "Group"},
    ]
    names = [item.name for item in whole(found).of("AdministratorsMicrosoftEntra")]
    assert names == ["cdc-administrator-cdc-deployer", "cdc-administrator-dba"]


@pytest.mark.parametrize(
    ("given", "found"),
    [("when-needed", "when-needed"), ("never", "never"), ({"mode": "never"}, {"mode": "never"})],
)
def test_restart_in_one_word_or_more(given: object, found: object) -> None:
    assert valid({"server.restart": given}).server_arguments()["restart"] == found


@pytest.mark.parametrize(
    "value", ["on", True, 0, 1.5, {"exactly": "off"}, {"exactly": False}, {"exactly": 0.5}]
)
def test_parameters_keep_their_type(value: Any) -> None:
    (found,) = valid({"server.parameters": {"p": value}}).server_arguments()["parameters"].values()
    assert found == value
    plain = found["exactly"] if isinstance(found, dict) else found
    assert type(plain) is type(value["exactly"] if isinstance(value, dict) else value)
