"""Who is talking to Azure: where it may be, and tokens that are asked for when they are used."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from tests.unit.fake_azure import FakeAzure

from azure_postgres_cdc.azure import identity
from azure_postgres_cdc.azure.client import FlexibleServer, ServerId
from azure_postgres_cdc.azure.identity import (
    CONNECT_SECONDS,
    ENDPOINT_VARIABLE,
    LOGIN_REMEDY,
    POSTGRESQL_SCOPE,
    management_client,
    postgresql_token,
)
from azure_postgres_cdc.database.connection import connect
from azure_postgres_cdc.errors import CdcError, Unreachable

ID = ServerId("00000000-0000-0000-0000-000000000000", "rg-cdc", "cdc-1")
TOKEN = "eyJ0eXAi.the-token.that-nobody-may-see"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are kept for as long as a process runs: here, for a test."""
    monkeypatch.setattr(identity, "_tokens", {})


class Credential:
    """Stands for azure-identity, which would ask this machine's surroundings."""

    lifetime = 3600
    refusal = ""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.closed = 0
        monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda: self)

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        self.asked += scopes
        if self.refusal:
            raise ClientAuthenticationError(self.refusal)
        return AccessToken(f"{TOKEN}-{len(self.asked)}", int(time.time()) + self.lifetime)

    def __enter__(self) -> Credential:
        return self

    def __exit__(self, *_error: object) -> None:
        self.closed += 1


# Azure's management API


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://management.azure.com",
        "http://10.0.0.4:8080",
        "http://localhost.example",
        "http://localhost:8080",
        "http://127.0.0.1.example",
        "http://127.0.0.1@example.com",
        "ftp://127.0.0.1",
        "management.azure.com",
        "",
    ],
)
def test_token_never_travels_unencrypted(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, endpoint)
    with pytest.raises(CdcError) as caught:
        FlexibleServer(ID)
    assert str(caught.value) == (
        f"{ENDPOINT_VARIABLE} is {endpoint}: a token must not travel unencrypted. "
        "Remedy: unset it, or give an https:// address"
    )


def test_what_is_no_address_at_all_is_refused_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://[::1")
    with pytest.raises(CdcError, match="a token must not travel unencrypted"):
        FlexibleServer(ID)


@pytest.mark.parametrize(
    ("endpoint", "scope"),
    [
        (None, "https://management.azure.com/.default"),
        ("https://management.usgovcloudapi.net/", "https://management.usgovcloudapi.net/.default"),
    ],
)
def test_token_is_asked_for_the_cloud_that_is_spoken_to(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, scope: str
) -> None:
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    if endpoint:
        monkeypatch.setenv(ENDPOINT_VARIABLE, endpoint)
    credential = Credential(monkeypatch)
    credential.refusal = "no credential.\nof any kind"
    with pytest.raises(CdcError) as caught:
        FlexibleServer(ID).parameters()
    assert credential.asked == [scope]
    assert str(caught.value) == (
        "cannot read the parameters of server cdc-1: Azure did not accept the credential: "
        f"no credential. Remedy: {LOGIN_REMEDY}"
    )


def test_rehearsal_on_the_loopback_needs_no_token(azure: FakeAzure) -> None:
    assert FlexibleServer(ID).parameters()["wal_level"].value == "replica"
    (request,) = azure.requests
    assert str(request) == "GET cdc-1/configurations"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://[::1]:1", "HTTP://127.8.9.1"])
def test_loopback_is_any_address_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    credential = Credential(monkeypatch)
    monkeypatch.setenv(ENDPOINT_VARIABLE, endpoint)
    management_client(ID.subscription)
    assert credential.asked == []


def test_one_client_for_each_subscription_and_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its connections and its token."""
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:1")
    first = management_client("s-1")
    assert management_client("s-1") is first
    assert management_client("s-2") is not first
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:2")
    assert management_client("s-1") is not first


def test_way_that_swallows_packets_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "https://192.0.2.1")
    transport = management_client("s-1")._client._pipeline._transport
    assert transport.connection_config.timeout == CONNECT_SECONDS == 15  # type: ignore[attr-defined]


# Tokens for PostgreSQL


def test_token_is_asked_for_when_it_is_used_and_kept_until_it_is_about_to_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credential = Credential(monkeypatch)
    assert credential.asked == []
    assert [postgresql_token() for _ in range(3)] == [f"{TOKEN}-1"] * 3
    assert (credential.asked, credential.closed) == ([POSTGRESQL_SCOPE], 1)


@pytest.mark.parametrize(("lifetime", "times"), [(310, 1), (290, 3)])
def test_token_is_renewed_five_minutes_before_it_expires(
    monkeypatch: pytest.MonkeyPatch, lifetime: int, times: int
) -> None:
    credential = Credential(monkeypatch)
    credential.lifetime = lifetime
    found = [postgresql_token() for _ in range(3)]
    assert len(credential.asked) == len(set(found)) == times


def test_missing_token_is_one_line_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = Credential(monkeypatch)
    credential.refusal = "EnvironmentCredential: unavailable.\nAzureCliCredential: not found\n"
    with pytest.raises(CdcError) as caught:
        postgresql_token()
    assert str(caught.value) == (
        "Microsoft Entra gave no token for PostgreSQL: EnvironmentCredential: unavailable. "
        f"Remedy: {LOGIN_REMEDY}"
    )
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_missing_token_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = Credential(monkeypatch)
    credential.refusal = "not yet"
    with pytest.raises(CdcError):
        postgresql_token()
    credential.refusal = ""
    assert postgresql_token() == f"{TOKEN}-2"


# What becomes of a token


@contextmanager
def postgres_that_refuses() -> Iterator[tuple[int, list[bytes]]]:
    """A port that speaks PostgreSQL's protocol as far as the password, which it finds wrong."""
    passwords: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(int.from_bytes(client.recv(4)) - 4)  # the start-up message
            client.sendall(b"R" + (8).to_bytes(4) + (3).to_bytes(4))  # in plain text, please
            client.recv(1)
            passwords.append(client.recv(int.from_bytes(client.recv(4)) - 4))
            fields = b"SFATAL\0C28P01\0Mpassword authentication failed for user\0\0"
            client.sendall(b"E" + (len(fields) + 4).to_bytes(4) + fields)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield listener.getsockname()[1], passwords
        thread.join()


def test_token_stands_in_for_the_password_and_is_in_no_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Credential(monkeypatch)
    with postgres_that_refuses() as (port, passwords):
        entra = {
            "host": "127.0.0.1",
            "port": port,
            "user": "cdc_admin",
            "sslMode": "disable",
            "auth": "entra",
        }
        with pytest.raises(CdcError) as caught, connect(entra, "shop"):
            pass
    assert passwords == [f"{TOKEN}-1".encode() + b"\0"]
    assert TOKEN not in str(caught.value)
    assert "password authentication failed for user" in str(caught.value)


def test_password_is_not_asked_for_where_a_token_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credential = Credential(monkeypatch)
    credential.refusal = "nobody is logged in"
    entra = {"host": "127.0.0.1", "port": 1, "user": "u", "sslMode": "disable", "auth": "entra"}
    with pytest.raises(CdcError) as caught, connect(entra, "shop"):
        pass
    assert str(caught.value).startswith("Microsoft Entra gave no token for PostgreSQL: nobody is")
    assert not isinstance(caught.value, Unreachable)


def test_password_needs_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = Credential(monkeypatch)
    with postgres_that_refuses() as (port, passwords):
        given = {"host": "127.0.0.1", "port": port, "user": "u", "sslMode": "disable"}
        with pytest.raises(CdcError), connect({**given, "password": "secret-1"}, "shop"):
            pass
    assert (passwords, credential.asked) == ([b"secret-1\0"], [])
