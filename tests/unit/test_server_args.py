"""The arguments of CdcServer: every fault, and what follows from what is not said."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.program import (
    CREATE_ENTRA,
    ENTRA,
    PASSWORD,
    SUBNET,
    VAULT,
    created,
    created_with_entra,
    existing,
    private,
    unmanaged,
)

from azure_postgres_cdc import CdcServerArgs
from azure_postgres_cdc.azure.parameters import Requirement
from azure_postgres_cdc.server_args import (
    faults_of_server,
    other_requirements,
    restart_rules,
    users_of,
)

VNET = {"sku": "Standard_D2ds_v5", "subnet": {"delegatedSubnet": SUBNET, "privateDnsZone": "z"}}
WINDOW = {"days": ["sunday"], "start": "02:00", "end": "04:00"}
EXACTLY = (
    "exactly could take something away from whoever shares the server: give the value alone, which "
    "is merged with what is there"
)


def without(args: CdcServerArgs, *keys: str) -> CdcServerArgs:
    """The arguments, some of them left out."""
    return {key: value for key, value in args.items() if key not in keys}  # type: ignore[return-value]


@pytest.mark.parametrize(
    "args",
    [
        existing(),
        unmanaged(),
        created(),
        created_with_entra(),
        private(),
        created(create=VNET),
        existing(connection={**ENTRA}),
        unmanaged(connection={**ENTRA, "host": "db.example"}),
        # The new server's own password; the deployment signs in with a token all the same
        created(create=CREATE_ENTRA, connection={**ENTRA, "password": PASSWORD}),
        existing(restart="never"),
        existing(restart={"mode": "when-needed", "window": WINDOW, "failover": "planned"}),
        existing(restart={"allowPending": ["work_mem"]}),
        existing(firewallRules={"office": "203.0.113.7"}, keyVault=VAULT),
        existing(alerts={"emails": ["cdc@example.com"]}),
        existing(parameters={"wal_level": "LOGICAL ", "work_mem": {"exactly": 4096}}),
        existing(parameters={"max_wal_senders": 50, "azure.extensions": "uuid-ossp"}),
        existing(formerUsers=["old"], login={"bypassRls": True, "walSenderTimeout": 0}),
        # What is empty says nothing
        unmanaged(parameters={}, firewallRules={}, databases=[], pglogical=False),
        existing(databases=[], users={"u": ["r"], "v": ["r", "s"]}),
    ],
)
def test_arguments_that_are_right(args: CdcServerArgs) -> None:
    assert faults_of_server(args) == []


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        # Logins
        (
            existing(formerUsers=["streamkap_user"]),
            "formerUsers: 'streamkap_user' is in use: a connector's user is no former one",
        ),
        (
            existing(formerUsers=["streamkap_role"]),
            "formerUsers: 'streamkap_role' is no login, but a group role",
        ),
        (existing(formerUsers=[""]), "formerUsers: '' is empty"),
        (
            existing(login={"connectionLimit": -2}),
            "login.connectionLimit is -2: at least 1, or -1 for no limit",
        ),
        # What a management needs
        (
            existing(management="adopt"),
            "management is 'adopt': use create, existing or none",
        ),
        (
            without(existing(), "resourceGroup"),
            "resourceGroup is missing; management existing needs it",
        ),
        (
            without(existing(), "serverName"),
            "serverName is missing; management existing needs it",
        ),
        (
            without(created(), "resourceGroup"),
            "resourceGroup is missing; management create needs it",
        ),
        (
            without(created(), "serverName"),
            "serverName is missing; management create needs it",
        ),
        (without(created(), "create"), "create is missing; management create needs it"),
        (
            existing(create={"sku": "Standard_D2ds_v5"}),
            "create is for management create; this is existing",
        ),
        (
            existing(databases=["shop"]),
            "databases is for management create; this is existing",
        ),
        (
            unmanaged(databases=["shop"]),
            "databases is for management create; this is none",
        ),
        *(
            (
                unmanaged(**{key: value}),
                f"{key} needs Azure's management API, which management none leaves alone",
            )
            for key, value in {
                "parameters": {"work_mem": 8192},
                "restart": "never",
                "firewallRules": {"office": "203.0.113.7"},
                "alerts": {"emails": ["cdc@example.com"]},
                "keyVault": VAULT,
            }.items()
        ),
        # How PostgreSQL is reached
        (
            unmanaged(connection={"user": "cdc_admin", "password": PASSWORD}),
            "connection.host is missing; management none needs it",
        ),
        (
            existing(connection={"user": "cdc_admin"}),
            "connection.password is missing; auth password needs it",
        ),
        (
            existing(connection={"user": "cdc_admin", "auth": "password", "tenantId": "t"}),
            "connection.password is missing; auth password needs it",
        ),
        (
            existing(connection={"user": "u", "auth": "entra"}),
            "connection.tenantId is missing; auth entra needs it",
        ),
        (
            existing(connection={**ENTRA, "password": PASSWORD}),
            "connection.password is given, and auth entra needs none: take it out",
        ),
        (
            created(connection={**ENTRA}),
            "create.entra is missing; without an administrator there, no token is accepted",
        ),
        # Parameters
        *(
            (
                existing(parameters={name: {"exactly": value}}),
                f"parameters.{name}: {EXACTLY}",
            )
            for name, value in {
                "wal_level": "logical",
                "shared_preload_libraries": "pglogical",
                "azure.extensions": "",
                "max_worker_processes": 8,
                "max_replication_slots": 2,
                "max_wal_senders": 5,
            }.items()
        ),
        (
            existing(parameters={"wal_level": "replica"}),
            "parameters.wal_level is replica: no change could be captured, and with a logical slot "
            "PostgreSQL would not start. Take it out",
        ),
        # The restart
        (
            existing(restart="always"),
            "restart is 'always': use when-needed, never or a window",
        ),
        (
            existing(restart={"mode": "always"}),
            "restart is 'always': use when-needed, never or a window",
        ),
        (
            existing(restart={"failover": "soon"}),
            "restart.failover is 'soon': use planned or forced",
        ),
        (
            existing(restart={"window": {**WINDOW, "start": "2"}}),
            "restart.window.start '2' is no time of day: HH:MM",
        ),
        # What Azure would refuse
        (
            created(create={"sku": "D2"}),
            "create.sku 'D2' is no size such as Standard_D2ds_v5 (B, D or E)",
        ),
        (
            existing(firewallRules={"office": "203.0.113"}),
            "firewall rule office: '203.0.113' is no IPv4 address, nor first and last of a range",
        ),
        (
            created(create=VNET, firewallRules={"office": "203.0.113.7"}),
            "firewallRules: a server in a virtual network has none. Take them out; let the "
            "connector in through the network's security group, a peering, or an SSH tunnel",
        ),
        (
            existing(alerts={}),
            "alerts: nobody would be told: give emails, or an actionGroup",
        ),
        (existing(keyVault="kv"), "keyVault 'kv' is no resource id of a Key Vault"),
        # Names
        (existing(users={"u": []}), "user 'u' is in no group role, which would hold its grants"),
        (existing(users={"": ["r"]}), "user '' is empty"),
        (
            existing(users={"u": ["r" * 64]}),
            f"role '{'r' * 64}' is 64 bytes long; PostgreSQL would cut it to 63",
        ),
        (
            existing(users={"u": ["u"]}),
            "'u' is both a login user and a group role; they are two roles of PostgreSQL",
        ),
        (
            existing(users={"cdc_admin": ["r"]}),
            "'cdc_admin' is the administrator; the connector needs its own names",
        ),
        (
            existing(connection={"user": "cdc_admin", "host": "/run/x", "password": PASSWORD}),
            "connection.host /run/x is a socket's folder: give the server's name or address",
        ),
        (
            existing(connection={"user": "a:b", "password": PASSWORD}),
            "connection.user a:b holds a colon, at which pulumi-postgresql cuts it off: choose "
            "another administrator",
        ),
        (
            existing(connectorPassword="a\\b"),
            "connectorPassword: holds a backslash, of which pulumi-postgresql makes two: choose "
            "another one",
        ),
        (
            existing(connectorPassword="nUll"),
            "connectorPassword: is the word with which pulumi-postgresql sets none: choose "
            "another one",
        ),
        (
            existing(connectorPassword="md5" + "0f" * 16),
            "connectorPassword: is a hash, with which nobody can log in; the connector needs the "
            "password itself: choose another one",
        ),
    ],
)
def test_one_fault_is_one_line(args: CdcServerArgs, fault: str) -> None:
    assert faults_of_server(args) == [fault]


def test_every_fault_comes_at_once() -> None:
    found = faults_of_server(
        existing(
            create={"sku": "x"},
            connection={"user": "cdc_admin", "auth": "entra", "password": PASSWORD},
            parameters={"wal_level": {"exactly": "minimal"}},
            restart="always",
            firewallRules={"a b": "1", "c": "2"},
            alerts={"storagePercent": [1]},
            keyVault="kv",
            users={"cdc_admin": ["cdc_admin"], "": []},
        )
    )
    assert [fault.partition(" ")[0] for fault in found] == [
        "create",
        "connection.tenantId",
        "connection.password",
        "parameters.wal_level:",
        "parameters.wal_level",
        "restart",
        "firewall",
        "firewall",
        "alerts:",
        "alerts.storagePercent",
        "keyVault",
        "'cdc_admin'",
        "'cdc_admin'",
        "user",
        "user",
    ]
    assert PASSWORD not in "".join(found)


# What follows from what is not said


@pytest.mark.parametrize(
    ("args", "rules"),
    [
        (created(), {"mode": "when-needed"}),
        (existing(), {"mode": "never"}),
        (unmanaged(), {"mode": "never"}),
        (created(restart="never"), {"mode": "never"}),
        (existing(restart="when-needed"), {"mode": "when-needed"}),
        (existing(restart={"window": WINDOW}), {"mode": "never", "window": WINDOW}),
        (
            created(restart={"failover": "forced"}),
            {"mode": "when-needed", "failover": "forced"},
        ),
        (
            existing(restart={"mode": "when-needed", "allowPending": ["a"]}),
            {"mode": "when-needed", "allowPending": ["a"]},
        ),
    ],
)
def test_restart_is_forbidden_on_a_server_of_somebody_else_s(
    args: CdcServerArgs, rules: dict[str, Any]
) -> None:
    assert restart_rules(args) == rules


def test_what_is_asked_for_becomes_requirements_by_name() -> None:
    args = existing(
        parameters={
            "work_mem": {"exactly": 4096},
            "log_lock_waits": True,
            "checkpoint_completion_target": 0.9,
            "azure.extensions": "uuid-ossp",
        }
    )
    assert other_requirements(args) == [
        Requirement("azure.extensions", "uuid-ossp"),
        Requirement("checkpoint_completion_target", "0.9"),
        Requirement("log_lock_waits", "on"),
        Requirement("work_mem", "4096", exactly=True),
    ]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"alerts": {"emails": ["a"]}}, []),
        ({"alerts": {"collector": False}}, []),
        (
            {"alerts": {"collector": True}},
            [Requirement("metrics.collector_database_activity", "on")],
        ),
        # Whoever says something else has their reasons
        (
            {
                "alerts": {"collector": True},
                "parameters": {"metrics.collector_database_activity": False},
            },
            [Requirement("metrics.collector_database_activity", "off")],
        ),
    ],
)
def test_collector_of_the_alerts_is_a_parameter(
    changes: dict[str, Any], found: list[Requirement]
) -> None:
    assert other_requirements(existing(**changes)) == found


def test_users_are_the_page_s_unless_they_are_given() -> None:
    assert users_of(existing()) == {"streamkap_user": ["streamkap_role"]}
    assert users_of(existing(users={})) == {}
    assert users_of(existing(users={"u": ["r"]})) == {"u": ["r"]}
