"""What is certain is put right; secrets stay secret, unknowns unknown, all else as it is."""

from __future__ import annotations

from typing import Any

import pytest
from cases_database import DATABASE
from cases_roles import ROLES_AND_GRANTS
from cases_server import SERVER, asked, parameter, server
from declaring import BY_NAME, UNKNOWN, Made, findings, ours, publication, remedied, user
from parts import provider
from pulumi_policy import EnforcementLevel, ResourceValidationArgs
from pulumi_policy.deserialize import (
    SPECIAL_SECRET_SIG,
    SPECIAL_SIG_KEY,
    deserialize_properties,
    serialize_properties,
)

PASSWORDS = "resource-keeps-password-secret"
MENDING = sorted(
    name
    for name, rule in BY_NAME.items()
    if rule.POLICY.enforcement_level is EnforcementLevel.REMEDIATE
)


def secret(value: str) -> dict[str, str]:
    """A secret as it travels."""
    return {SPECIAL_SIG_KEY: SPECIAL_SECRET_SIG, "value": value}


MENDED = [
    (
        "server-parameter-sets-wal-level",
        parameter("wal_level", "replica", on=UNKNOWN),
        {"configurationName": "wal_level", "value": "logical", "serverName": UNKNOWN},
    ),
    (
        "server-parameter-requires-tls",
        parameter("require_secure_transport", "off"),
        {"configurationName": "require_secure_transport", "value": "on", "serverName": "psql"},
    ),
    (
        "server-keeps-storage-auto-grow",
        server(storage={"autoGrow": "Disabled", "storageSizeGB": 64.0}, sku={"name": UNKNOWN}),
        {
            "serverName": "psql",
            "version": "17",
            "storage": {"autoGrow": "Enabled", "storageSizeGB": 64.0},
            "sku": {"name": UNKNOWN},
        },
    ),
    (
        "provider-requires-tls",
        provider(sslmode="disable", host=UNKNOWN),
        {"sslmode": "require", "host": UNKNOWN},
    ),
    (
        "role-avoids-administration",
        user(superuser=True, createRole="true", createDatabase=False),
        {
            "name": "cdc_user",
            "login": True,
            "replication": True,
            "roles": ["cdc_role"],
            "superuser": False,
            "createRole": False,
            "createDatabase": False,
        },
    ),
    (
        "publication-publishes-via-root",
        publication("public.orders", publishViaPartitionRootParam=None),
        {"name": "pub", "tables": ["public.orders"], "publishViaPartitionRootParam": True},
    ),
]


def test_every_rule_that_mends_is_here() -> None:
    assert sorted([PASSWORDS, *(name for name, _, _ in MENDED)]) == MENDING


@pytest.mark.parametrize(("name", "item", "expected"), MENDED, ids=lambda it: str(it)[:40])
def test_what_is_wrong_is_put_right(name: str, item: Made, expected: dict[str, Any]) -> None:
    found = remedied(name, item)
    assert found == expected
    mended = Made(item.type, item.name, found, protect=True)
    assert findings(name, [mended]) == []
    assert remedied(name, mended) is None


@pytest.mark.parametrize("name", [name for name in MENDING if name != PASSWORDS])
def test_what_is_right_or_unknown_or_another_s_is_left_alone(name: str) -> None:
    cases = (SERVER | ROLES_AND_GRANTS | DATABASE)[name]
    for stack in (*cases.passes, *cases.unknown, *cases.not_applicable):
        assert [remedied(name, item) for item in stack] == [None] * len(stack)


@pytest.mark.parametrize(
    "item",
    [
        asked("wal_level", "replica")[0],
        asked("require_secure_transport", "off")[0],
        ours("Publication", viaPartitionRoot=False),
    ],
    ids=lambda item: item.name,
)
def test_our_own_resources_are_reported_and_not_rewritten(item: Made) -> None:
    """Their inputs have been checked against the server already when a policy sees them."""
    assert [remedied(name, item) for name in MENDING if name != PASSWORDS] == [None] * 6


def test_a_secret_stays_one_when_something_else_is_put_right() -> None:
    encoded = user(superuser=True).inputs | {"password": secret("hidden")}
    found = remedied("role-avoids-administration", user(), encoded=encoded)
    assert found["password"] == secret("hidden")
    assert found["superuser"] is False


def test_a_secret_that_is_wrong_is_put_right_and_stays_secret() -> None:
    encoded = {"sslmode": secret("disable")}
    found = remedied("provider-requires-tls", provider(), encoded=encoded)
    assert found == {"sslmode": secret("require")}
    encoded = {"storage": secret({"autoGrow": "Disabled"})}  # type: ignore[arg-type]
    found = remedied("server-keeps-storage-auto-grow", server(), encoded=encoded)
    assert found == {"storage": secret({"autoGrow": "Enabled"})}  # type: ignore[arg-type]


VAULT = Made("azure-native:keyvault:Secret", "vault", {})


@pytest.mark.parametrize(
    ("item", "before", "after"),
    [
        (user(), {"password": "plain"}, {"password": secret("plain")}),
        (provider(), {"password": "plain"}, {"password": secret("plain")}),
        (
            server(),
            {"administratorLoginPassword": "plain"},
            {"administratorLoginPassword": secret("plain")},
        ),
        (VAULT, {"properties": {"value": "plain"}}, {"properties": {"value": secret("plain")}}),
        (
            ours("ReplicationSlot"),
            {"connection": {"host": "h", "password": "plain"}},
            {"connection": {"host": "h", "password": secret("plain")}},
        ),
        (user(), {"password": secret("hidden")}, None),
        (VAULT, {"properties": secret({"value": "hidden"})}, None),  # type: ignore[arg-type]
        (user(), {"password": UNKNOWN}, None),
        (user(), {"password": None}, None),
        (user(), {"name": "x"}, None),
        (publication("a.b"), {"password": "plain"}, None),
        (ours("ReplicaIdentity"), {"connection": UNKNOWN}, None),
    ],
)
def test_passwords_are_made_secret(item: Made, before: Any, after: Any) -> None:
    assert remedied(PASSWORDS, item, encoded=before) == after
    assert findings(PASSWORDS, [item]) in ([], None)


def test_remediations_follow_each_other() -> None:
    """The next rule gets what the one before has made of it."""
    encoded = {"replication": True, "superuser": True, "password": "plain"}
    props: Any = deserialize_properties(dict(encoded), True)
    for name in ("role-avoids-administration", PASSWORDS):
        args = ResourceValidationArgs(user().type, props, "urn", "user", None, None)  # type: ignore[arg-type]
        props = BY_NAME[name].POLICY.remediate(args)
    assert serialize_properties(props) == {
        "replication": True,
        "superuser": False,
        "password": secret("plain"),
    }
