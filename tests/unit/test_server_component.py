"""CdcServer under Pulumi's mocks: Azure's side, one operation after the other."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from tests.unit.program import (
    CREATE_ENTRA,
    EFFECTIVE,
    ENTRA,
    NAMES,
    OFFICE,
    PASSWORD,
    SERVER_ID,
    SUBSCRIPTION,
    TENANT,
    Program,
    alone,
    created,
    created_with_entra,
    existing,
    leaves,
    named,
    plain,
    private,
    unmanaged,
    whole,
)

from azure_postgres_cdc import CdcServerArgs
from azure_postgres_cdc.azure.parameters import requirements

CHAIN = ["cdc-replicas", "cdc-parameters", "cdc-restart"]


@cache
def found() -> Program:
    """A server that is there, with firewall rules."""
    return alone(existing(firewallRules=OFFICE))


@cache
def made() -> Program:
    """A server that the stack makes, with everything but a private endpoint."""
    return alone(created_with_entra())


def assert_one_after_the_other(program: Program, names: list[str]) -> None:
    """Each comes after all that are named before it."""
    items = {item.name: item for item in program.declared.values()}
    for place, name in enumerate(names):
        assert program.all_before(items[name]) >= set(names[:place]), name


# The order


def test_existing_server_is_changed_in_one_order_with_one_restart() -> None:
    assert_one_after_the_other(
        found(),
        [
            "cdc-server",
            "cdc-storage-auto-grow",
            *CHAIN,
            "cdc-firewall-office",
            "cdc-firewall-streamkap",
            "cdc-in-effect",
            "cdc-streamkap_user",
        ],
    )
    assert len(found().of("ServerRestart")) == 1


def test_new_server_is_made_in_one_order_with_one_restart() -> None:
    assert_one_after_the_other(
        made(),
        [
            "cdc-server",
            *CHAIN,
            "cdc-firewall-office",
            "cdc-firewall-streamkap",
            "cdc-administrator-cdc-deployer",
            "cdc-administrator-dba",
            "cdc-in-effect",
            "cdc-database-shop",
            "cdc-database-crm",
            "cdc-streamkap_user",
        ],
    )
    assert len(made().of("ServerRestart")) == 1


def test_private_server_is_reached_once_its_endpoint_and_its_name_are_there() -> None:
    program = alone(private())
    endpoint = {
        "cdc-private-endpoint",
        "cdc-private-dns-zone",
        "cdc-private-dns-link",
        "cdc-private-endpoint-dns",
    }
    assert program.before("EffectiveParameters") >= {*CHAIN, *endpoint}
    assert program.before("PrivateDnsZoneGroup") >= endpoint - {"cdc-private-endpoint-dns"}


def test_every_operation_on_the_server_is_in_the_chain() -> None:
    """The server takes one at a time: of any two, one has to come after the other."""
    kinds = {
        "StorageAutoGrow",
        "ReplicaParameters",
        "ServerParameters",
        "ServerRestart",
        "FirewallRule",
        "AdministratorsMicrosoftEntra",
        "PrivateEndpoint",
    }
    for program in (found(), made(), alone(private(firewallRules=OFFICE))):
        operations = [
            item for item in program.declared.values() if item.type.rpartition(":")[2] in kinds
        ]
        numbers = sorted(
            len(program.all_before(item) & {other.name for other in operations})
            for item in operations
        )
        assert numbers == list(range(len(operations)))


# A server that is there


def test_server_is_looked_up_and_not_owned() -> None:
    assert named(found(), "cdc-server") | {"__provider": ""} == {
        "__provider": "",
        "subscription": SUBSCRIPTION,
        "resourceGroup": "rg",
        "serverName": "cdc-1",
    }
    assert not [item for item in found().declared.values() if "azure-native" in item.type]
    assert not [item for item in found().declared.values() if item.protect]


def test_subscription_is_the_provider_s_unless_it_is_given() -> None:
    assert found().calls == ["azure-native:authorization:getClientConfig"]
    given = alone(existing(subscription="another"))
    assert (given.calls, named(given, "cdc-server")["subscription"]) == ([], "another")


def test_everything_is_done_to_the_server_that_was_found() -> None:
    names = ["cdc-storage-auto-grow", *CHAIN, "cdc-firewall-office"]
    assert {named(found(), name)["serverId"] for name in names} == {SERVER_ID}


def test_host_comes_from_azure_unless_it_is_given() -> None:
    assert whole().outputs[0]["hostname"] == "cdc-1.example"
    assert whole(created()).outputs[0]["hostname"] == "new.example"
    given = {"host": "10.0.0.4", "user": "cdc_admin", "password": PASSWORD}
    for args in (existing(connection=given), created(connection=given)):
        assert whole(args).outputs[0]["hostname"] == "10.0.0.4"


def test_parameters_are_told_what_is_needed() -> None:
    program = alone(
        existing(
            connectors=3,
            pglogical=False,
            parameters={"work_mem": {"exactly": 8192}, "wal_sender_timeout": 0},
        )
    )
    needed = {
        "serverId": SERVER_ID,
        "connectors": 3,
        "pglogical": False,
        "others": [
            {"name": "wal_sender_timeout", "value": "0", "exactly": False},
            {"name": "work_mem", "value": "8192", "exactly": True},
        ],
    }
    parameters = named(program, "cdc-parameters")
    assert parameters | needed == parameters
    replicas = named(program, "cdc-replicas")
    assert replicas | needed | {"restart": {"mode": "never"}} == replicas


def test_version_is_told_of_a_server_that_the_stack_makes() -> None:
    assert named(made(), "cdc-parameters")["version"] == 17
    older = alone(created(create={"sku": "Standard_D2ds_v5", "version": 16}))
    assert named(older, "cdc-parameters")["version"] == 16
    assert "version" not in named(found(), "cdc-parameters")


def test_restart_waits_for_this_stack_s_parameters_only() -> None:
    assert named(found(), "cdc-restart")["parameters"] == NAMES
    assert named(found(), "cdc-in-effect")["required"] == EFFECTIVE
    assert named(found(), "cdc-in-effect")["wait"] is True


@pytest.mark.parametrize(
    ("args", "rules"),
    [
        (existing(), {"mode": "never"}),
        (existing(restart="when-needed"), {"mode": "when-needed"}),
        (created(), {"mode": "when-needed"}),
        (created(restart="never"), {"mode": "never"}),
        (
            # As pydantic gives it
            existing(restart={"allowPending": ("work_mem",), "failover": "planned"}),
            {"mode": "never", "allowPending": ["work_mem"], "failover": "planned"},
        ),
    ],
)
def test_restart_is_allowed_by_its_rules(args: CdcServerArgs, rules: dict[str, Any]) -> None:
    program = alone(args)
    assert named(program, "cdc-restart")["rules"] == rules
    assert named(program, "cdc-replicas")["restart"] == rules


def test_only_a_server_of_one_s_own_is_restarted_while_it_is_empty() -> None:
    assert named(made(), "cdc-restart")["ownServer"] is True
    assert named(found(), "cdc-restart")["ownServer"] is False


def test_firewall_rules_are_ranges() -> None:
    rule = {key: named(found(), "cdc-firewall-office")[key] for key in ("name", "first", "last")}
    assert rule == {"name": "office", "first": "198.51.100.7", "last": "198.51.100.7"}
    assert found().outputs == {
        "access": "public",
        "firewallRules": {
            "office": {"first": "198.51.100.7", "last": "198.51.100.7"},
            "streamkap": {"first": "203.0.113.1", "last": "203.0.113.9"},
        },
    }


# A server that another tool owns


def test_unmanaged_server_is_only_looked_at() -> None:
    program = alone(unmanaged(connectors=2))
    assert program.calls == []
    dynamic = {
        item.type.rpartition(":")[2] for item in program.declared.values() if "dynamic" in item.type
    }
    assert dynamic == {
        "EffectiveParameters",
        "ConnectorLogins",
        "GeneratedPassword",
        "GroupRoles",
    }
    assert not [item for item in program.declared.values() if "azure-native" in item.type]
    inputs = named(program, "cdc-in-effect")
    assert inputs["wait"] is False
    assert inputs["required"] == {
        item.name: item.value for item in requirements(connectors=2, pglogical=False)
    }


# Sign-in


@pytest.mark.parametrize(
    "args",
    [
        existing(connection=ENTRA),
        created_with_entra(),
        unmanaged(connection={**ENTRA, "host": "h"}),
    ],
    ids=["existing", "create", "none"],
)
def test_with_entra_no_token_and_no_password_is_among_the_inputs(args: CdcServerArgs) -> None:
    program = alone(args)
    for item in program.declared.values():
        connection = plain(item.inputs.get("connection"))
        if connection is not None:
            assert set(connection) == {"host", "port", "user", "sslMode", "auth"}
            assert connection["auth"] == "entra"
    provider = named(program, "cdc-postgresql")
    assert provider["azureIdentityAuth"] == "true"
    assert provider["azureTenantId"] == TENANT
    assert provider["username"] == "cdc-deployer"
    assert "password" not in provider


def test_password_of_a_new_server_is_generated_where_nobody_logs_in_with_it() -> None:
    login = made().one("Server").inputs["administratorLoginPassword"]
    assert plain(login) == "generated-for-cdc-server-administrator"
    given = alone(created(create=CREATE_ENTRA, connection={**ENTRA, "password": PASSWORD}))
    assert plain(given.one("Server").inputs["administratorLoginPassword"]) == PASSWORD
    assert [item.name for item in given.of("GeneratedPassword")] == ["cdc-streamkap_user"]
    for item in given.declared.values():
        places = [place for place, value, _ in leaves(item.inputs) if value == PASSWORD]
        is_server = item.type.endswith(":Server")
        assert places == ([("administratorLoginPassword",)] if is_server else []), item.name


def test_with_a_password_the_provider_has_it_and_no_identity() -> None:
    provider = named(found(), "cdc-postgresql")
    assert provider["password"] == PASSWORD
    assert not provider.keys() & {"azureIdentityAuth", "azureTenantId"}
    assert provider["superuser"] == "false"


# The provider of the roles


@pytest.mark.parametrize(
    ("host", "database", "handed"),
    [
        ("db.example.net", "my shop", ("db.example.net", "my shop")),
        ("fd00::12", "100%", ("[fd00::12]", "100%25")),
        ("10.0.0.4", "a?b#\nc", ("10.0.0.4", "a%3Fb%23%0Ac")),
    ],
)
def test_provider_gets_host_and_database_as_they_stand_in_a_url(
    host: str, database: str, handed: tuple[str, str]
) -> None:
    args = unmanaged(database=database)
    args["connection"] = args["connection"] | {"host": host}
    provider = next(item for item in alone(args).declared.values() if item.name == "cdc-postgresql")
    assert (provider.inputs["host"], provider.inputs["database"]) == handed
    assert provider.inputs["connectTimeout"] == "15"
