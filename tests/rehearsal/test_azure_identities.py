"""Tokens of a managed identity: azure-identity, raw requests, PostgreSQL's own check of them."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure_support import GROUP, NAME, SUBSCRIPTION, Json, call

from azure_postgres_rehearsal.azure_api import Authentication, EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OBJECTS = {
    "cdc-deployer": "0f0e0d0c-0b0a-4908-8706-050403020100",
    "dba@example.com": "1f0e0d0c-0b0a-4908-8706-050403020100",
}
DEPLOYER, PERSON = OBJECTS
RESOURCE = "https://ossrdbms-aad.database.windows.net"
SCOPE = f"{RESOURCE}/.default"


@pytest.fixture(scope="module")
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        server = emulated.add_server(
            GROUP, NAME, postgres, authentication=Authentication(True, TENANT)
        )
        for name, object_id in OBJECTS.items():
            administer(server, name, object_id)
        yield emulated


@pytest.fixture
def deployer(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    become(DEPLOYER, azure, monkeypatch)


def administer(server: FlexibleServer, name: str, object_id: str) -> None:
    body = {"properties": {"principalName": name, "principalType": "ServicePrincipal"}}
    assert server.administrators.write(object_id, body).error is None


def become(name: str, azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith(("AZURE_", "MSI_", "IDENTITY_", "IMDS_")):
            monkeypatch.delenv(variable)
    for variable, value in azure.identity_environment(name).items():
        monkeypatch.setenv(variable, value)


def token_of_environment() -> str:
    with DefaultAzureCredential() as credential:
        return credential.get_token(SCOPE).token


def signs_in(postgres: EmbeddedPostgres, name: str, token: str) -> bool:
    try:
        with postgres.connect("postgres", name, token) as connection:
            return connection.execute("SELECT session_user").fetchone() == (name,)
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False


def ask(environment: Mapping[str, str], **change: str) -> tuple[int, Json]:
    """One request for a token, as App Service's protocol has it."""
    at = urlsplit(environment["IDENTITY_ENDPOINT"])
    query = {"api-version": "2019-08-01", "resource": RESOURCE} | {
        name.replace("_version", "-version"): value for name, value in change.items()
    }
    header = query.pop("header", environment["IDENTITY_HEADER"])
    connection = http.client.HTTPConnection(at.netloc, timeout=10)
    try:
        connection.request(
            "GET", f"{at.path}?{urlencode(query)}", headers={"X-IDENTITY-HEADER": header}
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


class TestAzureIdentity:
    @pytest.mark.usefixtures("deployer")
    def test_a_token_is_the_password(self, postgres: EmbeddedPostgres) -> None:
        token = token_of_environment()
        assert signs_in(postgres, DEPLOYER, token)
        assert not signs_in(postgres, PERSON, token)
        assert not signs_in(postgres, DEPLOYER, token[:-1])
        with ManagedIdentityCredential() as credential:
            assert credential.get_token(SCOPE).token == token, "the same until it is rotated"

    @pytest.mark.usefixtures("deployer")
    def test_it_looks_like_entras(self) -> None:
        token = token_of_environment()
        assert 1200 < len(token) < 2000
        header, claims, signature = token.split(".")
        assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "JWT"
        assert json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"] == RESOURCE
        assert len(base64.urlsafe_b64decode(signature + "==")) == 256

    def test_everyone_has_their_own(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        become(PERSON, azure, monkeypatch)
        assert signs_in(postgres, PERSON, token_of_environment())
        headers = {azure.identity_environment(name)["IDENTITY_HEADER"] for name in OBJECTS}
        assert len(headers) == 2
        assert azure.identity_environment(PERSON) == azure.identity_environment(PERSON)

    @pytest.mark.usefixtures("deployer")
    def test_a_rotated_token_lets_nobody_in(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres
    ) -> None:
        old = token_of_environment()
        azure.rotate_tokens()
        assert not signs_in(postgres, DEPLOYER, old)
        new = token_of_environment()
        assert new != old
        assert signs_in(postgres, DEPLOYER, new)

    @pytest.mark.usefixtures("deployer")
    def test_there_is_none_for_the_management_api(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.CRITICAL)
        with (
            ManagedIdentityCredential() as credential,
            pytest.raises(ClientAuthenticationError, match=r"management\.azure\.com"),
        ):
            credential.get_token("https://management.azure.com/.default")


class TestServers:
    def test_every_server_takes_it(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that gets the administrator later as well, and one that never does not."""
        become(DEPLOYER, azure, monkeypatch)
        token = token_of_environment()
        with EmbeddedPostgres(17) as other:
            second = azure.add_server(
                GROUP, "cdc-second", other, authentication=Authentication(True, TENANT)
            )
            assert not signs_in(other, DEPLOYER, token)
            administer(second, DEPLOYER, OBJECTS[DEPLOYER])
            assert signs_in(other, DEPLOYER, token)
            azure.rotate_tokens()
            for server in (postgres, other):
                assert not signs_in(server, DEPLOYER, token)
                assert signs_in(server, DEPLOYER, token_of_environment())
            azure.servers.remove(second)

    def test_a_token_needs_no_administrator(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        become("nobody", azure, monkeypatch)
        assert not signs_in(postgres, "nobody", token_of_environment())

    @pytest.mark.usefixtures("deployer")
    def test_it_outlives_a_restart(self, azure: EmulatedAzure, postgres: EmbeddedPostgres) -> None:
        token = token_of_environment()
        azure.servers[0].restart({})
        assert signs_in(postgres, DEPLOYER, token)


class TestProtocol:
    def test_the_answer(self, azure: EmulatedAzure) -> None:
        status, answer = ask(azure.identity_environment(DEPLOYER))
        assert status == 200
        assert set(answer) == {"access_token", "expires_on", "resource", "token_type"}
        assert (answer["resource"], answer["token_type"]) == (RESOURCE, "Bearer")
        assert answer["expires_on"].isdigit()

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"header": "wrong"}, 401),
            ({"header": ""}, 401),
            ({"api_version": "2017-09-01"}, 400),
            ({"resource": "https://management.azure.com"}, 400),
            ({"resource": SCOPE}, 400),
            ({"resource": ""}, 400),
            ({"client_id": TENANT}, 400),
            ({"mi_res_id": "/subscriptions/x"}, 400),
        ],
    )
    def test_what_it_refuses(
        self, azure: EmulatedAzure, change: dict[str, str], status: int
    ) -> None:
        found, answer = ask(azure.identity_environment(DEPLOYER), **change)
        assert found == answer["statusCode"] == status
        assert "access_token" not in answer

    def test_there_is_no_endpoint_before_it_is_entered(self) -> None:
        with pytest.raises(RuntimeError, match="before it is entered"):
            EmulatedAzure().identity_environment(DEPLOYER)


class TestSecrecy:
    @pytest.mark.usefixtures("deployer")
    def test_a_token_is_in_no_journal_and_no_log(
        self,
        azure: EmulatedAzure,
        postgres: EmbeddedPostgres,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with postgres.superuser() as connection:
            connection.execute("ALTER SYSTEM SET log_statement = 'all'")
            connection.execute("SELECT pg_reload_conf()")
        try:
            azure.rotate_tokens()
            token = token_of_environment()
            assert not signs_in(postgres, DEPLOYER, token + "x")
        finally:
            with postgres.superuser() as connection:
                connection.execute("ALTER SYSTEM RESET log_statement")
                connection.execute("SELECT pg_reload_conf()")
        log = (postgres.folder / "server.log").read_text()
        assert "ALTER ROLE" in log, "what sets it is logged, but not with the token"
        journal = json.dumps(azure.journal.as_json())
        printed = capfd.readouterr()
        for part in token.split("."):
            assert part not in log + journal + printed.out + printed.err + caplog.text
        shown = json.dumps(call(azure, "GET", azure.servers[0].id)[2])
        assert token not in shown
