"""Azure's management API: where it may be, without a token when rehearsed, and patience."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from azure_postgres_cdc.azure import client
from azure_postgres_cdc.azure.client import ENDPOINT_VARIABLE, FlexibleServer, ServerId
from azure_postgres_cdc.errors import CdcError

ID = ServerId("00000000-0000-0000-0000-000000000000", "rg-cdc", "cdc-1")
PATH = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-cdc"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/cdc-1"
)


def test_resource_id_is_taken_apart() -> None:
    assert ServerId.parse(PATH) == ID
    assert ServerId.parse(PATH.replace("Microsoft.DBforPostgreSQL", "microsoft.dbForPostgresql"))


@pytest.mark.parametrize(
    "text",
    ["", "cdc-1", f"{PATH}/databases/shop", PATH.replace("flexibleServers", "servers"), f"x{PATH}"],
)
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(CdcError) as caught:
        ServerId.parse(text)
    assert str(caught.value) == f"{text!r} is no resource id of a flexible server"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://management.azure.com",
        "http://10.0.0.4:8080",
        "http://localhost.example",
        "http://localhost:8080",
        "http://127.0.0.1.example",
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
    asked: list[str] = []

    class Credential:
        def get_token(self, *scopes: str, **_options: Any) -> Any:
            asked.extend(scopes)
            raise client.ClientAuthenticationError("no credential\nof any kind")

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Credential)
    with pytest.raises(CdcError) as caught:
        FlexibleServer(ID).configurations()
    assert asked == [scope]
    text = str(caught.value)
    assert text.startswith(
        "cannot read the parameters of server cdc-1: Azure did not accept the credential: "
        "no credential. Remedy: az login"
    )
    assert "\n" not in text


@dataclass
class Azure:
    """Answers what it is told to, in order; the last answer again and again.

    What is accepted with 202 has succeeded when it is asked after.
    """

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    fake = Azure()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "null")
            path = self.path.partition("?")[0]
            if path == "/operation":
                status, content = 200, {"status": "Succeeded"}
            else:
                fake.requests.append((self.command, path, dict(self.headers), body))
                status, content = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
            data = json.dumps(content).encode()
            self.send_response(status)
            if status == 202:
                self.send_header("Azure-AsyncOperation", f"{fake.url}/operation")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv(ENDPOINT_VARIABLE, fake.url)
        yield fake
        server.shutdown()
        thread.join()


def error(code: str, message: str = "it is so") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def test_rehearsal_on_loopback_needs_no_token(azure: Azure) -> None:
    azure.answers = [(200, {"value": [{"name": "wal_level", "properties": {"value": "logical"}}]})]
    found = FlexibleServer(ID).configurations()
    assert found["wal_level"].properties.value == "logical"
    ((method, path, headers, _),) = azure.requests
    assert (method, path) == ("GET", f"{PATH}/configurations")
    assert "Authorization" not in headers


def test_parameter_is_written_with_value_and_source(azure: Azure) -> None:
    azure.answers = [(202, {}), (200, {"properties": {"value": "logical"}})]
    FlexibleServer(ID).set_configuration("wal_level", "logical")
    method, path, _, body = azure.requests[0]
    assert (method, path) == ("PATCH", f"{PATH}/configurations/wal_level")
    assert body == {"properties": {"value": "logical", "source": "user-override"}}


def test_auto_grow_is_read_and_the_rest_of_the_server_left_alone(azure: Azure) -> None:
    azure.answers = [(200, {"properties": {"storage": {"autoGrow": "Disabled"}}})]
    assert FlexibleServer(ID).auto_grow() is False
    azure.answers = [(200, {"properties": {"storage": {"autoGrow": "Enabled"}}})]
    assert FlexibleServer(ID).auto_grow() is True
    azure.answers = [(202, {}), (200, {})]
    FlexibleServer(ID).enable_auto_grow()
    method, path, _, body = next(item for item in azure.requests if item[0] == "PATCH")
    assert (method, path) == ("PATCH", PATH)
    assert body == {"properties": {"storage": {"autoGrow": "Enabled"}}}


@pytest.mark.parametrize("code", ["ServerIsBusy", "ServerBusy", "ServerIsNotReady"])
def test_busy_server_is_asked_again(azure: Azure, code: str) -> None:
    azure.answers = [(409, error(code)), (202, {})]
    FlexibleServer(ID).restart()
    assert [item[:2] for item in azure.requests] == [("POST", f"{PATH}/restart")] * 2


def test_server_that_stays_busy_is_given_up_with_a_remedy(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_BUSY_SECONDS", 0)
    azure.answers = [(409, error("ServerIsBusy", "Another operation is under way.\nDetails."))]
    with pytest.raises(CdcError) as caught:
        FlexibleServer(ID).restart()
    assert str(caught.value) == (
        "cannot restart server cdc-1 in resource group rg-cdc: ServerIsBusy: Another operation is "
        "under way. Remedy: wait until the other operation on the server is over, then run up again"
    )


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (403, "AuthorizationFailed", "ask for the role Contributor on the server"),
        (404, "ResourceNotFound", "check server.name and server.resourceGroup, and the subscript"),
        (404, "ResourceGroupNotFound", "check server.resourceGroup and the subscription"),
        (400, "InvalidParameterValue", "look at the server's activity log in the portal"),
    ],
)
def test_azure_s_errors_have_a_remedy_and_are_not_repeated(
    azure: Azure, status: int, code: str, remedy: str
) -> None:
    azure.answers = [(status, error(code))]
    with pytest.raises(CdcError) as caught:
        FlexibleServer(ID).set_configuration("wal_level", "logical")
    assert str(caught.value).startswith(
        f"cannot set wal_level of server cdc-1 in resource group rg-cdc: {code}: it is so. "
        f"Remedy: {remedy}"
    )
    assert len(azure.requests) == 1
