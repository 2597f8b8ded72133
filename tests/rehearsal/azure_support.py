"""What the tests of the emulated Azure share: raw requests, Microsoft's client, the plugin."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers.models import (
    ConfigurationForUpdate,
    ConfigurationProperties,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.plugins.azure_native import AzureNative

GROUP = "rg-cdc"
NAME = "cdc-local"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
POSTGRESQL = "2025-08-01"

Answer = tuple[int, dict[str, str], dict[str, Any]]
Json = dict[str, Any]


def call(
    azure: EmulatedAzure, method: str, path: str, body: object = None, version: str = POSTGRESQL
) -> Answer:
    """One request as it is, for what a client would not send."""
    connection = http.client.HTTPConnection(urlsplit(azure.endpoint).netloc, timeout=10)
    content = None if body is None else json.dumps(body)
    try:
        connection.request(method, f"{path}?api-version={version}", content)
        response = connection.getresponse()
        answer = json.loads(response.read() or "{}")
        return response.status, dict(response.headers.items()), answer
    finally:
        connection.close()


def code_of(answer: Answer) -> tuple[int, str]:
    """A refusal's status and code."""
    return answer[0], answer[2]["error"]["code"]


def refusal(action: Callable[[], object]) -> tuple[int | None, str | None]:
    """The status and the code that Microsoft's client reads from a refusal."""
    with pytest.raises(HttpResponseError) as refused:
        action()
    assert refused.value.error is not None
    return refused.value.status_code, refused.value.error.code


def user_override(value: str) -> ConfigurationForUpdate:
    """What sets a server parameter."""
    properties = ConfigurationProperties(value=value, source="user-override")
    return ConfigurationForUpdate(properties=properties)


def in_effect(postgres: Postgres, name: str) -> str:
    """A parameter's value in PostgreSQL itself, without the unit."""
    with postgres.superuser() as connection:
        row = connection.execute(
            "SELECT coalesce((SELECT setting FROM pg_settings WHERE name = %s), "
            "current_setting(%s))",
            (name, name),
        ).fetchone()
    assert row is not None
    return str(row[0])


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that happens elsewhere."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def client_of(azure: EmulatedAzure) -> PostgreSQLManagementClient:
    """Microsoft's client; the loopback asks for no token and Microsoft's policy wants HTTPS."""
    return PostgreSQLManagementClient(
        cast(TokenCredential, object()),
        azure.subscription_id,
        base_url=azure.endpoint,
        authentication_policy=SansIOHTTPPolicy(),
        retry_backoff_factor=0.05,
    )


def plugin_of(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch, **config: str) -> AzureNative:
    """The stand-in for azure-native, configured as the engine does."""
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_ENDPOINT", azure.endpoint)
    plugin = AzureNative()
    plugin.configure({"subscriptionId": azure.subscription_id, **config})
    return plugin
