"""The settings `server` and `connection`: every key of theirs, right and wrong."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.program import (
    ENTRA,
    SUBNET,
    TENANT,
    VAULT,
)
from tests.unit.stack_settings import MADE, WINDOW, faults

CREATE = {"server": MADE, "databases": []}
ADMINISTRATORS = [{"objectId": "o-1", "name": "cdc-deployer"}]


def making(**changes: Any) -> dict[str, Any]:
    """A server that is only being made, with changes to `server.create`."""
    return {"server": {**MADE, "create": {**MADE["create"], **changes}}, "databases": []}


def restarting(**rules: Any) -> dict[str, Any]:
    return {"server.restart": rules}


# Wrong values


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        # Management
        (
            {"server.management": "create"},
            "server: management: create needs create",
        ),
        (
            {"server": {"management": "create"}},
            "server: management: create needs resourceGroup and name and create",
        ),
        (
            {"server.create": {"sku": "Standard_D2ds_v5"}},
            "server: create is for management create; this is existing",
        ),
        ({"server.create": {}}, "server.create.sku: is missing"),
        (
            {"server": {"management": "none", "keyVault": VAULT}, "connection.host": "h"},
            "server: keyVault needs Azure's management API, which management none leaves alone",
        ),
        ({"databases": []}, "databases: is empty"),
        # Logins
        (
            {"server.formerUsers": ["streamkap_user"]},
            "server.formerUsers: 'streamkap_user' is in use: a connector's user is no former one",
        ),
        (
            {"server.formerUsers": ["streamkap_role"]},
            "server.formerUsers: 'streamkap_role' is no login, but a group role",
        ),
        (
            {"server.formerUsers": ["cdc_admin"]},
            "server: formerUsers: 'cdc_admin' is the administrator, and no connector's login",
        ),
        (
            {"server.login": {"walSenderTimeout": -1}},
            "server: login.walSenderTimeout is -1: 0 to 2147483 seconds; 0 waits for ever",
        ),
        (
            {"server.login": {"connectionLimit": 0}},
            "server: login.connectionLimit is 0: at least 1, or -1 for no limit",
        ),
        (
            {"server.login": {"bypassRls": "yes"}},
            "server.login.bypassRls: Input should be a valid boolean (found: 'yes')",
        ),
        (
            {"server.login": {"walSenderTimeout": 0.5}},
            "server.login.walSenderTimeout: Input should be a valid integer (found: 0.5)",
        ),
        # Restart
        (
            {"server.restart": 5},
            "server.restart: Input should be 'when-needed' or 'never' (found: 5)",
        ),
        (
            restarting(mode="always"),
            "server.restart.mode: Input should be 'when-needed' or 'never' (found: 'always')",
        ),
        (restarting(modus="never"), "server.restart.modus: is no known key; check its spelling"),
        (restarting(window="night"), "server.restart.window: is no mapping of keys to values"),
        (
            restarting(window={"days": ["sunday"], "start": "02:00"}),
            "server.restart.window.end: is missing",
        ),
        (restarting(window={**WINDOW, "days": []}), "server.restart.window.days: is empty"),
        (
            restarting(window={**WINDOW, "days": ["sundays"]}),
            "server: restart.window.days are monday to sunday",
        ),
        (
            restarting(window={**WINDOW, "timeZone": "Mars"}),
            "server: restart.window.timeZone 'Mars' is no time zone",
        ),
        (
            restarting(failover="soon"),
            "server.restart.failover: Input should be 'planned' or 'forced' (found: 'soon')",
        ),
        (restarting(allowPending=[]), "server.restart.allowPending: is empty"),
        # Parameters
        (
            {"server.parameters": {"max_wal_senders": {"exactly": 5}}},
            "server: parameters.max_wal_senders: exactly could take something away from whoever "
            "shares the server: give the value alone, which is merged with what is there",
        ),
        (
            {"server.parameters": {"wal_level": "minimal"}},
            "server: parameters.wal_level is minimal: no change could be captured, and with a "
            "logical slot PostgreSQL would not start. Take it out",
        ),
        (
            {"server.parameters": ["work_mem"]},
            "server.parameters: is no mapping of names to values",
        ),
        # Firewall rules
        (
            {"server.firewallRules": {"office": 5}},
            "server.firewallRules.office: Input should be a valid string (found: 5)",
        ),
        (
            {"server.firewallRules": {"office": {"first": "203.0.113.1"}}},
            "server.firewallRules.office.last: is missing",
        ),
        (
            {"server.firewallRules": {"office": "203.0.113.0/24"}},
            "server: firewall rule office: '203.0.113.0/24' is no IPv4 address, nor first and last "
            "of a range",
        ),
        # Alerts
        (
            {"server.alerts": {"collector": True}},
            "server: alerts: nobody would be told: give emails, or an actionGroup",
        ),
        ({"server.alerts": {"emails": []}}, "server.alerts.emails: is empty"),
        (
            {"server.alerts": {"emails": "cdc@example.com"}},
            "server.alerts.emails: is no list",
        ),
        (
            {"server.alerts": {"emails": ["a"], "walGiB": True}},
            "server.alerts.walGiB: Input should be a valid number (found: True)",
        ),
        (
            {"server.alerts": {"emails": ["a"], "storagePercent": [80]}},
            "server: alerts.storagePercent [80.0] is no warning and critical below 95, at which "
            "the server goes read-only",
        ),
        (
            {"server.alerts": {"emails": ["a"], "collector": "yes"}},
            "server.alerts.collector: Input should be a valid boolean (found: 'yes')",
        ),
        ({"server.keyVault": "kv"}, "server: keyVault 'kv' is no resource id of a Key Vault"),
        ({"server.subscription": ""}, "server.subscription: is empty"),
        # What is made
        (
            making(sku="D2"),
            "server: create.sku 'D2' is no size such as Standard_D2ds_v5 (B, D or E)",
        ),
        (
            making(version=True),
            "server.create.version: Input should be a valid integer (found: True)",
        ),
        (
            making(version=9),
            "server: PostgreSQL 9 is not served: Azure offers 11 to 18. Remedy: a version of these "
            "(management: none serves 10 to 18)",
        ),
        (
            making(highAvailability="Both"),
            "server.create.highAvailability: Input should be 'Disabled', 'SameZone' or "
            "'ZoneRedundant' (found: 'Both')",
        ),
        (making(zone=1), "server.create.zone: Input should be a valid string (found: 1)"),
        (
            making(subnet={"delegatedSubnet": SUBNET}),
            "server.create.subnet.privateDnsZone: is missing",
        ),
        (
            making(privateEndpoint={"subnet": "x"}),
            "server: create.privateEndpoint.subnet is no resource id of a subnet",
        ),
        (
            making(entra={"tenantId": TENANT, "administrators": []}),
            "server.create.entra.administrators: is empty",
        ),
        (
            making(entra={"tenantId": TENANT, "administrators": [{"name": "dba"}]}),
            "server.create.entra.administrators[0].objectId: is missing",
        ),
        (
            making(tags={"team": 1}),
            "server.create.tags.team: Input should be a valid string (found: 1)",
        ),
        # Sign-in
        (
            {"connection.auth": "token"},
            "connection.auth: Input should be 'password' or 'entra' (found: 'token')",
        ),
        (
            {"connection.auth": "entra"},
            "connection.tenantId is missing; auth entra needs it",
        ),
        (
            {**CREATE, "connection": ENTRA},
            "server: create.entra is missing; without an administrator there, no token is accepted",
        ),
    ],
)
def test_one_fault_is_one_line(changes: dict[str, Any], fault: str) -> None:
    assert faults(changes) == [fault]


@pytest.mark.parametrize("place", ["server", "server.create", "server.alerts", "connection"])
def test_unknown_key_is_a_fault_and_its_value_is_not_shown(place: str) -> None:
    changes: dict[str, Any] = {"server": {**MADE, "alerts": {"emails": ["a"]}}, "databases": []}
    assert faults({**changes, f"{place}.password": "hunter2"}) == [
        f"{place}.password: is no known key; check its spelling"
    ]


def test_every_fault_of_a_server_is_in_one_message() -> None:
    found = faults(
        {
            **making(sku="D2", version=9, storageGiB=100, backupRetentionDays=1),
            "connection.auth": "entra",
            "server.restart": {"window": {**WINDOW, "end": "02:00"}},
            "server.parameters": {"wal_level": "replica", "max_wal_senders": {"exactly": 1}},
            "server.firewallRules": {"a b": "1", "b": "2"},
            "server.alerts": {"walGiB": 0},
            "server.keyVault": "kv",
        }
    )
    assert [fault.removeprefix("server: ").split(" ")[0].rstrip(":") for fault in found] == [
        "connection.tenantId",
        "parameters.wal_level",
        "parameters.max_wal_senders",
        "restart.window.start",
        "PostgreSQL",
        "create.sku",
        "create.storageGiB",
        "create.backupRetentionDays",
        "create.entra",
        "firewall",
        "firewall",
        "alerts",
        "alerts.walGiB",
        "keyVault",
    ]


@pytest.mark.parametrize(("databases", "word"), [([], "empty"), (..., "missing")])
def test_missing_databases_are_a_fault_beside_others(databases: object, word: str) -> None:
    assert faults({"databases": databases, "server.restart": "x", "server.alerts": {}}) == [
        "server.restart: Input should be 'when-needed' or 'never' (found: 'x')",
        f"databases: is {word}",
    ]
    assert faults({"databases": databases, "server.keyVault": "kv"}) == [
        f"databases: is {word}",
        "server: keyVault 'kv' is no resource id of a Key Vault",
    ]


def test_alerts_for_nobody_are_no_alerts() -> None:
    assert faults({"server.alerts": {}}) == [
        "server: alerts: nobody would be told: give emails, or an actionGroup"
    ]


@pytest.mark.parametrize(
    ("value", "place"),
    [(None, "work_mem"), ([1], "work_mem"), ({"exactly": None}, "work_mem.exactly")],
)
def test_parameter_that_is_no_plain_value_is_one_fault(value: object, place: str) -> None:
    assert faults({"server.parameters": {"work_mem": value}}) == [
        f"server.parameters.{place}: is no text, no number, and neither true nor false"
    ]


def test_administrator_that_is_the_connector_s_user_is_one_fault() -> None:
    assert faults({"connection.user": "streamkap_user"}) == [
        "'streamkap_user' is the administrator; the connector needs its own names"
    ]


def test_administrator_may_have_a_default_name_that_nobody_uses() -> None:
    assert faults({"connection.user": "streamkap_user", "server.user": "connector"}) == []
