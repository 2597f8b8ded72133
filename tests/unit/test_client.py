"""FlexibleServer: what it asks Azure, what it sends, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.mgmt.postgresqlflexibleservers.models import (
    ConfigurationDataType,
    ServerState,
    StorageType,
)
from tests.unit.fake_azure import CUT, PATH, ROOT, Answer, FakeAzure, error, parameter, server

from azure_postgres_cdc.azure.client import FlexibleServer, ServerFacts, ServerId, _text
from azure_postgres_cdc.azure.parameters import Parameter, Requirement
from azure_postgres_cdc.errors import CdcError

ID = ServerId("00000000-0000-0000-0000-000000000000", "rg-cdc", "cdc-1")
WAL_LEVEL = "cdc-1/configurations/wal_level"
LIBRARIES = "cdc-1/configurations/shared_preload_libraries"
PGLOGICAL = Requirement("shared_preload_libraries", "pglogical")


@pytest.fixture
def client(azure: FakeAzure) -> FlexibleServer:
    assert azure.server
    return FlexibleServer(ID)


# Resource ids


def test_resource_id_is_taken_apart_and_put_together() -> None:
    assert ServerId.parse(PATH) == ID
    assert str(ID) == PATH
    assert ServerId.parse(PATH.replace("Microsoft.DBforPostgreSQL", "microsoft.dbForPostgresql"))


@pytest.mark.parametrize(
    "text",
    ["", "cdc-1", f"{PATH}/databases/shop", PATH.replace("flexibleServers", "servers"), f"x{PATH}"],
)
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(CdcError) as caught:
        ServerId.parse(text)
    assert str(caught.value) == f"{text!r} is no resource id of a flexible server"


# What is there


def test_facts_of_a_plain_server(client: FlexibleServer) -> None:
    assert client.facts() == ServerFacts(
        host="cdc-1.postgres.database.azure.com",
        state="Ready",
        version=17,
        high_availability=False,
        storage_gib=128,
        storage_type="Premium_LRS",
        auto_grow=False,
        in_virtual_network=False,
        public_access=True,
        replica_of="",
    )


def test_facts_of_a_server_with_everything(azure: FakeAzure, client: FlexibleServer) -> None:
    subnet = "/subscriptions/s/.../subnets/cdc"
    azure.servers["cdc-1"] = server(
        state="Updating",
        version="16",
        storage={"storageSizeGB": 4096, "autoGrow": "Enabled", "type": "PremiumV2_LRS"},
        highAvailability={"mode": "ZoneRedundant"},
        network={"delegatedSubnetResourceId": subnet},
        sourceServerResourceId=f"{ROOT}primary",
    )
    assert client.facts() == ServerFacts(
        host="cdc-1.postgres.database.azure.com",
        state="Updating",
        version=16,
        high_availability=True,
        storage_gib=4096,
        storage_type="PremiumV2_LRS",
        auto_grow=True,
        in_virtual_network=True,
        public_access=False,
        replica_of=f"{ROOT}primary",
    )


def test_facts_that_azure_leaves_out_are_the_plain_ones(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    azure.server.properties.clear()
    assert client.facts() == ServerFacts(
        host="",
        state="",
        version=0,
        high_availability=False,
        storage_gib=0,
        storage_type="Premium_LRS",
        auto_grow=False,
        in_virtual_network=False,
        public_access=True,
        replica_of="",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (StorageType.PREMIUM_LRS, "Premium_LRS"),
        (StorageType.ULTRA_SSD_LRS, "UltraSSD_LRS"),
        (ServerState.READY, "Ready"),
        (ConfigurationDataType.SET, "Set"),
        ("Premium_LRS", "Premium_LRS"),
        ("", ""),
        (None, ""),
    ],
)
def test_enumerations_of_the_sdk_become_plain_text(value: Any, text: str) -> None:
    """A member would not be equal to what was said in a setting, and not survive in the state."""
    assert (_text(value), type(_text(value))) == (text, str)


def test_facts_and_parameters_are_plain_text(client: FlexibleServer) -> None:
    assert type(client.facts().storage_type) is type(client.facts().state) is str
    assert {type(item.data_type) for item in client.parameters().values()} == {str}


def test_parameters_are_as_azure_describes_them(azure: FakeAzure, client: FlexibleServer) -> None:
    azure.server.parameters = {
        "wal_level": parameter("logical", "Enumeration", "replica,logical")
        | {"isConfigPendingRestart": True},
        "max_slot_wal_keep_size": parameter("-1", allowed="-1", static=False, unit="MB")
        | {"isReadOnly": True},
        "odd": {},
    }
    assert client.parameters() == {
        "wal_level": Parameter(
            "wal_level",
            "logical",
            "Enumeration",
            "replica,logical",
            is_static=True,
            is_pending=True,
        ),
        "max_slot_wal_keep_size": Parameter(
            "max_slot_wal_keep_size", "-1", "Integer", "-1", unit="MB", is_read_only=True
        ),
        # What nobody calls dynamic is taken for static: better a look too much
        "odd": Parameter("odd", "", "", is_static=True),
    }


def test_replicas_are_listed_by_name(azure: FakeAzure, client: FlexibleServer) -> None:
    assert client.replicas() == []
    for name in ("b", "a"):
        azure.add_replica(name)
    assert [replica.id.name for replica in client.replicas()] == ["a", "b"]
    assert client.replicas()[0].facts().replica_of == PATH


def test_firewall_rules_are_looked_up(azure: FakeAzure, client: FlexibleServer) -> None:
    azure.server.firewall_rules = {"office": ("203.0.113.1", "203.0.113.9")}
    assert client.firewall_rule("office") == ("203.0.113.1", "203.0.113.9")
    assert client.firewall_rule("other") is None


def test_databases_are_listed_without_azure_s_own(azure: FakeAzure, client: FlexibleServer) -> None:
    azure.server.databases = ["azure_maintenance", "azure_sys", "postgres"]
    assert client.databases() == set()
    azure.server.databases += ["shop", "Shop"]
    assert client.databases() == {"shop", "Shop"}


# What is done


def test_parameter_is_written_with_value_and_source(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    client.set_parameter("wal_level", lambda _now: "logical")
    (request,) = (item for item in azure.requests if item.method != "GET")
    assert str(request) == f"PATCH {WAL_LEVEL}"
    assert request.body == {"properties": {"value": "logical", "source": "user-override"}}


def test_right_parameter_is_not_written(azure: FakeAzure, client: FlexibleServer) -> None:
    azure.server.write("wal_level", "LOGICAL")
    client.set_parameter("wal_level", Requirement("wal_level", "logical").merged)
    assert azure.asked == ["GET cdc-1", f"GET {WAL_LEVEL}"]


def test_set_gets_what_another_stack_has_added_meanwhile(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    """The other stack's operation is what made the server busy."""

    def busy() -> Answer:
        azure.server.write("shared_preload_libraries", "pg_cron,pg_stat_statements,pgaudit")
        return error(409, "ServerIsBusy")

    azure.plan(f"PATCH {LIBRARIES}", busy)
    client.set_parameter("shared_preload_libraries", PGLOGICAL.merged)
    assert [item.body["properties"]["value"] for item in azure.requests if item.body] == [
        "pg_cron,pg_stat_statements,pglogical",
        "pg_cron,pg_stat_statements,pgaudit,pglogical",
    ]
    assert azure.server.value("shared_preload_libraries") == (
        "pg_cron,pg_stat_statements,pgaudit,pglogical"
    )


def test_nothing_is_written_where_another_stack_was_faster(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    def busy() -> Answer:
        azure.server.write("shared_preload_libraries", "pglogical,pg_cron")
        return error(409, "ServerIsBusy")

    azure.plan(f"PATCH {LIBRARIES}", busy)
    client.set_parameter("shared_preload_libraries", PGLOGICAL.merged)
    assert azure.changes == [f"PATCH {LIBRARIES}"]
    assert azure.server.value("shared_preload_libraries") == "pglogical,pg_cron"


def test_parameter_is_read_only_once_the_server_is_idle(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    """A value that is read while another operation runs may be the old one."""

    def other_operation() -> None:
        azure.server.properties["state"] = "Updating"

    def its_end() -> None:
        azure.server.write("shared_preload_libraries", "pgaudit")
        azure.server.properties["state"] = "Ready"

    azure.plan("GET cdc-1", other_operation, its_end)
    client.set_parameter("shared_preload_libraries", PGLOGICAL.merged)
    assert azure.asked[:4] == ["GET cdc-1"] * 2 + [f"GET {LIBRARIES}", f"PATCH {LIBRARIES}"]
    assert azure.server.value("shared_preload_libraries") == "pgaudit,pglogical"


def test_caller_reads_back_where_the_end_of_writing_was_not_seen(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    azure.plan(f"PATCH {WAL_LEVEL}", CUT)
    client.set_parameter("wal_level", lambda _now: "logical")
    assert azure.changes == [f"PATCH {WAL_LEVEL}"]
    assert client.parameters()["wal_level"].value == "replica"


def test_auto_grow_is_turned_on_and_the_rest_of_the_server_left_alone(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    client.enable_auto_grow()
    (request,) = (item for item in azure.requests if item.method != "GET")
    assert str(request) == "PATCH cdc-1"
    assert request.body == {"properties": {"storage": {"autoGrow": "Enabled"}}}
    assert client.facts().auto_grow is True


def test_major_version_is_upgraded_in_place(azure: FakeAzure, client: FlexibleServer) -> None:
    later = client.facts().version + 1
    client.upgrade(later)
    (request,) = (item for item in azure.requests if item.method != "GET")
    assert str(request) == "PATCH cdc-1"
    assert request.body == {"properties": {"version": str(later)}}
    assert client.facts().version == later


def test_restart_is_plain_unless_the_standby_shall_take_over(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    client.restart()
    client.restart("PlannedFailover")
    plain, failover = (item for item in azure.requests if item.method == "POST")
    assert str(plain) == str(failover) == "POST cdc-1/restart"
    assert not plain.body
    assert failover.body == {"restartWithFailover": True, "failoverMode": "PlannedFailover"}


def test_firewall_rule_is_set_and_deleted(azure: FakeAzure, client: FlexibleServer) -> None:
    client.set_firewall_rule("office", "203.0.113.1", "203.0.113.9")
    assert azure.server.firewall_rules == {"office": ("203.0.113.1", "203.0.113.9")}
    client.delete_firewall_rule("office")
    assert azure.server.firewall_rules == {}
    assert azure.changes == [
        "PUT cdc-1/firewallRules/office",
        "DELETE cdc-1/firewallRules/office",
    ]


@pytest.mark.parametrize(
    ("action", "request_", "words"),
    [
        (lambda it: it.facts(), "GET cdc-1", "look at"),
        (lambda it: it.replicas(), "GET cdc-1/replicas", "list the read replicas of"),
        (lambda it: it.parameters(), "GET cdc-1/configurations", "read the parameters of"),
        (lambda it: it.databases(), "GET cdc-1/databases", "list the databases of"),
        (
            lambda it: it.firewall_rule("r"),
            "GET cdc-1/firewallRules/r",
            "read the firewall rule r of",
        ),
        (
            lambda it: it.set_parameter("wal_level", lambda _now: "logical"),
            f"PATCH {WAL_LEVEL}",
            "set wal_level of",
        ),
        (lambda it: it.enable_auto_grow(), "PATCH cdc-1", "turn on storage auto-grow of"),
        (lambda it: it.upgrade(99), "PATCH cdc-1", "upgrade to PostgreSQL 99"),
        (
            lambda it: it.set_firewall_rule("r", "10.0.0.1", "10.0.0.1"),
            "PUT cdc-1/firewallRules/r",
            "set the firewall rule r of",
        ),
        (
            lambda it: it.delete_firewall_rule("r"),
            "DELETE cdc-1/firewallRules/r",
            "delete the firewall rule r of",
        ),
        (lambda it: it.restart(), "POST cdc-1/restart", "restart"),
    ],
)
def test_every_error_names_the_action_and_the_server(
    azure: FakeAzure,
    client: FlexibleServer,
    action: Callable[[FlexibleServer], object],
    request_: str,
    words: str,
) -> None:
    azure.plan(request_, error(403, "AuthorizationFailed", "You may not."))
    with pytest.raises(CdcError) as caught:
        action(client)
    assert str(caught.value) == (
        f"cannot {words} server cdc-1 in resource group rg-cdc: AuthorizationFailed: You may not. "
        "Remedy: ask for the role Contributor on the server"
    )
    assert azure.asked[-1] == request_


def test_server_that_is_not_there(azure: FakeAzure) -> None:
    with pytest.raises(CdcError) as caught:
        FlexibleServer.at(f"{ROOT}cdc-2").facts()
    assert str(caught.value) == (
        "cannot look at server cdc-2 in resource group rg-cdc: ResourceNotFound: The Resource "
        "'cdc-2' was not found. Remedy: check server.name and server.resourceGroup, and the "
        "subscription"
    )
    assert azure.asked == ["GET cdc-2"]
