"""stacks/config.py: what comes from Pulumi's configuration, and the secrets beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from tests.unit.program import CREATE_ENTRA, ENTRA, PASSWORD, run
from tests.unit.stack_settings import MADE, minimal

import config
from azure_postgres_cdc.errors import InvalidSettings

Given = Callable[..., None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """Hands a configuration over as the engine does: in two environment variables."""

    def hand_over(values: dict[str, Any], secret: tuple[str, ...] = ("adminPassword",)) -> None:
        texts = {
            f"tests:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in values.items()
        }
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**texts, "other:key": "x"}))
        names = json.dumps([f"tests:{key}" for key in secret])
        monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", names)

    return hand_over


def refused() -> list[str]:
    """The faults because of which the program does not begin."""
    found: list[str] = []

    def program() -> None:
        with pytest.raises(InvalidSettings) as caught:
            config.load()
        assert str(caught.value).startswith("stacks/Pulumi.unit.yaml has ")
        found.extend(caught.value.faults)

    run(program)
    return found


def loaded() -> tuple[Any, dict[str, bool]]:
    """CdcServer's arguments, and which of its secrets are secret."""
    secret: dict[str, bool] = {}

    def program() -> Any:
        args: Any = config.load().server_args()
        outputs = {
            "connection.password": args["connection"].get("password"),
            "connectorPassword": args.get("connectorPassword"),
        }

        async def look() -> Any:
            for key, value in outputs.items():
                if value is not None:
                    secret[key] = await value.is_secret()
            return args

        return pulumi.Output.from_input(look())

    return run(program).outputs, secret


ENTRA_ONLY = {**minimal(), "connection": ENTRA}


def test_password_is_a_secret_beside_the_settings(given: Given) -> None:
    given({**minimal(), "adminPassword": PASSWORD})
    args, secret = loaded()
    assert args["connection"]["password"] == PASSWORD
    assert "connectorPassword" not in args
    assert secret == {"connection.password": True}


def test_connector_s_password_may_be_given(given: Given) -> None:
    passwords = {"adminPassword": PASSWORD, "connectorPassword": "for-the-connector"}
    given({**minimal(), **passwords}, tuple(passwords))
    args, secret = loaded()
    assert args["connectorPassword"] == "for-the-connector"
    assert secret == {"connection.password": True, "connectorPassword": True}


@pytest.mark.parametrize("nothing", [{}, {"adminPassword": ""}])
def test_password_is_needed(given: Given, nothing: dict[str, str]) -> None:
    given({**minimal(), **nothing}, ())
    assert refused() == ["adminPassword: is missing; pulumi config set --secret adminPassword"]


@pytest.mark.parametrize("nothing", [{}, {"adminPassword": ""}])
def test_with_entra_no_password_is_needed(given: Given, nothing: dict[str, str]) -> None:
    given({**ENTRA_ONLY, **nothing}, ())
    args, secret = loaded()
    assert args["connection"] == {**ENTRA, "port": 5432, "sslMode": "require"}
    assert secret == {}


def test_with_entra_a_tenant_is_needed(given: Given) -> None:
    given({**minimal(), "connection": {"user": "u", "auth": "entra"}}, ())
    assert refused() == ["connection.tenantId is missing; auth entra needs it"]


def test_with_entra_a_new_server_may_have_a_password(given: Given) -> None:
    server = {**MADE, "create": CREATE_ENTRA}
    given({**ENTRA_ONLY, "server": server, "adminPassword": PASSWORD})
    args, secret = loaded()
    assert args["connection"]["password"] == PASSWORD
    assert secret == {"connection.password": True}


def test_password_in_plain_text_is_refused_and_not_shown(given: Given) -> None:
    given({**minimal(), "adminPassword": PASSWORD, "connectorPassword": "hunter2"}, ())
    assert refused() == [
        "adminPassword: is in plain text; pulumi config set --secret adminPassword",
        "connectorPassword: is in plain text; pulumi config set --secret connectorPassword",
    ]


def test_connector_password_that_would_become_another_one_is_refused(given: Given) -> None:
    passwords = {"adminPassword": "back\\slash", "connectorPassword": "hunter\\2"}
    given({**minimal(), **passwords}, tuple(passwords))
    assert refused() == [
        "connectorPassword: holds a backslash, of which pulumi-postgresql makes two: choose "
        "another one"
    ]


def test_secret_elsewhere_is_refused(given: Given) -> None:
    given({**minimal(), "adminPassword": PASSWORD}, ("adminPassword", "connection"))
    assert refused() == [
        "connection: holds a secret, which would come back in plain text; the only secrets are "
        "adminPassword and connectorPassword, top-level"
    ]


def test_every_fault_is_in_one_message(given: Given) -> None:
    given({**minimal(), "server": {"management": "adopt"}, "sever": {}}, ("databases",))
    assert [fault.partition(":")[0] for fault in refused()] == [
        "databases",
        "adminPassword",
        "server.management",
        "sever",
    ]


@pytest.mark.parametrize("connection", ["", "entra", "[]", "{"])
def test_connection_that_is_no_mapping_is_one_fault(given: Given, connection: str) -> None:
    given({**minimal(), "connection": connection, "adminPassword": PASSWORD})
    assert refused() == ["connection: is no mapping of keys to values"]


def test_name_is_the_server_s(given: Given) -> None:
    given({**minimal(), "adminPassword": PASSWORD})
    names: list[str] = []
    run(lambda: names.append(config.load().name))
    assert names == ["cdc-1"]
