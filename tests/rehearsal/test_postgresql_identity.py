"""The stand-in for the PostgreSQL provider, signing in with a token of Microsoft Entra."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
from azure_support import GROUP, NAME, SUBSCRIPTION, Json
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from azure_postgres_rehearsal.azure_api import Authentication, EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.postgresql.plugin import PostgresqlPlugin
from azure_postgres_rehearsal.plugins.protocol import ProviderError
from azure_postgres_rehearsal.plugins.wire import encode

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
DEPLOYER = "cdc-deployer"
ROLE = "postgresql:index/role:Role"


@pytest.fixture(scope="module")
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        server = emulated.add_server(
            GROUP, NAME, postgres, authentication=Authentication(True, TENANT)
        )
        body = {"properties": {"principalName": DEPLOYER, "principalType": "ServicePrincipal"}}
        assert server.administrators.write(TENANT, body).error is None
        yield emulated


@pytest.fixture(autouse=True)
def identity(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but the emulated identity, whatever this machine has."""
    for name, value in azure.identity_environment(DEPLOYER).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")


def config(postgres: EmbeddedPostgres, **given: str) -> Json:
    """As the SDK sends it: all but strings as JSON text."""
    return {
        "host": postgres.host,
        "port": str(postgres.port),
        "username": DEPLOYER,
        "sslmode": postgres.ssl_mode,
        "superuser": "false",
        "azureIdentityAuth": "true",
        "azureTenantId": TENANT,
        **given,
    }


def configured(postgres: EmbeddedPostgres, **given: str) -> PostgresqlPlugin:
    plugin = PostgresqlPlugin()
    plugin.configure(config(postgres, **given))
    return plugin


def members(postgres: EmbeddedPostgres) -> list[str]:
    with postgres.superuser() as connection:
        query = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'made_%' ORDER BY 1"
        return [name for (name,) in connection.execute(query).fetchall()]


def test_it_signs_in_with_a_token(postgres: EmbeddedPostgres) -> None:
    roles = configured(postgres).resource(ROLE)
    role_id, outputs = roles.create({"name": "made_with_a_token"})
    assert "made_with_a_token" in members(postgres)
    roles.delete(role_id, outputs)


def test_a_password_counts_for_nothing(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "wrong")
    roles = configured(postgres, password="wrong as well").resource(ROLE)
    roles.delete(*roles.create({"name": "made_all_the_same"}))


def test_it_is_asked_for_once(postgres: EmbeddedPostgres, azure: EmulatedAzure) -> None:
    """As the real provider does: it gets no second token while it lives."""
    plugin = configured(postgres)
    token = azure.identities.current(DEPLOYER)
    assert token is not None
    azure.rotate_tokens()
    with pytest.raises(ProviderError, match="password authentication failed") as failed:
        plugin.resource(ROLE).create({"name": "made_too_late"})
    assert token not in str(failed.value)
    roles = configured(postgres).resource(ROLE)
    roles.delete(*roles.create({"name": "made_in_time"}))


@pytest.mark.parametrize("tenant", ["", None])
def test_a_tenant_is_needed(postgres: EmbeddedPostgres, tenant: str | None) -> None:
    given = config(postgres) | {"azureTenantId": tenant}
    with pytest.raises(ProviderError, match="azure_tenant_id must be provided also"):
        PostgresqlPlugin().configure(given)


def test_without_an_identity(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "somebody else's")
    with pytest.raises(ProviderError, match=r"^DefaultAzureCredential failed[\s\S]* 401"):
        configured(postgres)


@pytest.mark.parametrize("off", ["false", ""])
def test_switched_off(postgres: EmbeddedPostgres, off: str) -> None:
    plugin = configured(
        postgres,
        azureIdentityAuth=off,
        username=postgres.admin_user,
        password=postgres.admin_password,
    )
    roles = plugin.resource(ROLE)
    roles.delete(*roles.create({"name": "made_with_a_password"}))


def test_the_engine_never_sees_it(postgres: EmbeddedPostgres, azure: EmulatedAzure) -> None:
    """As the engine does it: a process, whose environment says who it is."""
    command = [sys.executable, "-m", "azure_postgres_rehearsal.plugins.postgresql"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = provider_pb2_grpc.ResourceProviderStub(channel)
                given = encode(config(postgres))
                checked = stub.CheckConfig(provider_pb2.CheckRequest(news=given))
                stub.Configure(provider_pb2.ConfigureRequest(args=checked.inputs))
                made = stub.Create(
                    provider_pb2.CreateRequest(
                        urn=f"urn:pulumi:dev::rehearsal::{ROLE}::made",
                        properties=encode({"name": "made_by_a_process"}),
                    )
                )
                stub.Cancel(empty_pb2.Empty())
        finally:
            process.terminate()
    assert "made_by_a_process" in members(postgres)
    token = azure.identities.current(DEPLOYER)
    assert token is not None
    assert token not in f"{checked}{made}"
