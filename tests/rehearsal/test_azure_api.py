"""The emulated management API, driven by Microsoft's own client, with PostgreSQL as the witness.

Azure's own rules are in test_azure_facts.py and the files that it names.
"""

from __future__ import annotations

import http.client
import inspect
import json
import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pulumi_azure_native.dbforpostgresql as sdk
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers.models import (
    ServerForPatch,
    ServerPropertiesForPatch,
    Storage,
)
from azure_support import GROUP, NAME, Answer, client_of, code_of, in_effect, until, user_override

from azure_postgres_rehearsal.azure_api import Behaviour, EmulatedAzure, FlexibleServer, Status
from azure_postgres_rehearsal.azure_api.service import API_VERSIONS
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

NOWHERE = "/subscriptions/00000000-0000-0000-0000-000000000000"


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure() as emulated:
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> FlexibleServer:
    return azure.add_server(GROUP, NAME, postgres)


@pytest.fixture
def client(azure: EmulatedAzure, server: FlexibleServer) -> Iterator[PostgreSQLManagementClient]:  # noqa: ARG001
    with client_of(azure) as management:
        yield management


def call(
    azure: EmulatedAzure,
    method: str,
    path: str,
    body: object = None,
    *,
    query: str = "?api-version=2025-08-01",
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request as it is, for what a client would not send."""
    connection = http.client.HTTPConnection(urlsplit(azure.endpoint).netloc, timeout=10)
    content = body if isinstance(body, str) or body is None else json.dumps(body)
    try:
        connection.request(method, path + query, content, headers or {})
        response = connection.getresponse()
        answer = json.loads(response.read() or "{}")
        return response.status, dict(response.headers.items()), answer
    finally:
        connection.close()


def write(azure: EmulatedAzure, server: FlexibleServer, name: str, value: str) -> Answer:
    body = {"properties": {"value": value, "source": "user-override"}}
    return call(azure, "PUT", f"{server.id}/configurations/{name}", body)


def restart(azure: EmulatedAzure, server: FlexibleServer) -> Answer:
    return call(azure, "POST", f"{server.id}/restart")


class TestServer:
    def test_the_server_is_described_as_azure_does(
        self, client: PostgreSQLManagementClient, postgres: EmbeddedPostgres
    ) -> None:
        found = client.servers.get(GROUP, NAME)
        assert found.id is not None
        assert found.id.endswith(
            f"/resourceGroups/{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{NAME}"
        )
        assert found.location == "westeurope"
        about = found.properties
        assert about is not None
        assert about.version == str(postgres.major)
        assert about.state == "Ready"
        assert about.fully_qualified_domain_name == f"{NAME}.postgres.database.azure.com"
        assert about.storage is not None
        assert (about.storage.storage_size_gb, about.storage.auto_grow) == (128, "Disabled")
        assert about.high_availability is not None
        assert about.high_availability.mode == "Disabled"
        assert about.replication_role == "Primary"

    def test_lists_name_the_server(self, client: PostgreSQLManagementClient) -> None:
        assert [s.name for s in client.servers.list_by_resource_group(GROUP)] == [NAME]
        assert [s.name for s in client.servers.list_by_subscription()] == [NAME]

    def test_the_domain_name_can_be_chosen(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres
    ) -> None:
        server = azure.add_server(
            GROUP, NAME, postgres, fully_qualified_domain_name="db.example", auto_grow=True
        )
        answer = call(azure, "GET", server.id)[2]["properties"]
        assert answer["fullyQualifiedDomainName"] == "db.example"
        assert answer["storage"]["autoGrow"] == "Enabled"

    def test_auto_grow_and_tags_are_patched(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure
    ) -> None:
        storage = ServerPropertiesForPatch(storage=Storage(auto_grow="Enabled"))
        client.servers.begin_update(
            GROUP, NAME, ServerForPatch(properties=storage, tags={"owner": "data"})
        ).result()
        found = client.servers.get(GROUP, NAME)
        assert found.properties is not None
        assert found.properties.storage is not None
        assert found.properties.storage.auto_grow == "Enabled"
        assert found.tags == {"owner": "data"}
        assert [o.detail for o in azure.journal.of_kind("server-update")] == [
            "tags={'owner': 'data'}, auto_grow=True"
        ]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"properties": {"storage": {"storageSizeGB": 256}}}, "NotSupportedByRehearsal"),
            ({"properties": {"createMode": "Whatever"}}, "InvalidParameterValue"),
            ({"sku": {"name": "Standard_B1ms"}}, "NotSupportedByRehearsal"),
            ({"properties": {"storage": {"autoGrow": True}}}, "InvalidRequestContent"),
            ({"properties": {"storage": []}}, "InvalidRequestContent"),
            ({"tags": {"a": 1}}, "InvalidRequestContent"),
        ],
    )
    def test_what_the_rehearsal_cannot_patch_is_refused(
        self, azure: EmulatedAzure, server: FlexibleServer, body: object, code: str
    ) -> None:
        assert code_of(call(azure, "PATCH", server.id, body)) == (400, code)


class TestRequests:
    def test_ids_are_case_insensitive(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        path = f"{server.id}/configurations/WAL_LEVEL"
        for spelling in (path.lower(), path.upper(), path):
            status, _, body = call(azure, "GET", spelling)
            assert (status, body["id"]) == (200, f"{server.id}/configurations/wal_level")

    def test_an_api_version_is_required(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        answer = call(azure, "GET", server.id, query="")
        assert code_of(answer) == (400, "MissingApiVersionParameter")

    def test_an_unknown_api_version_is_refused(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        answer = call(azure, "GET", server.id, query="?api-version=2019-01-01")
        assert code_of(answer) == (400, "NoRegisteredProviderFound")

    def test_the_clients_api_versions_are_known(self, client: PostgreSQLManagementClient) -> None:
        described = re.findall(r"API version[^\n]*", inspect.getsource(sdk.Configuration))
        versions = set(re.findall(r"\d{4}-\d\d-\d\d(?:-preview)?", " ".join(described)))
        assert len(versions) > 10
        assert client._config.api_version in API_VERSIONS
        assert versions <= set(API_VERSIONS)

    @pytest.mark.parametrize(
        ("method", "path", "expected"),
        [
            ("GET", "/subscriptions/11111111-0000-0000-0000-000000000000{rest}", 404),
            ("GET", "{id}/configurations/no_such_parameter", 404),
            ("PUT", "{id}/configurations/no_such_parameter", 404),
            ("GET", "{id}/firewallRulesOfOld", 404),
            ("GET", "{id}/restart", 405),
        ],
    )
    def test_what_is_not_there_is_an_arm_error(
        self, azure: EmulatedAzure, server: FlexibleServer, method: str, path: str, expected: int
    ) -> None:
        rest = server.id.removeprefix(NOWHERE)
        body = {"properties": {"value": "1", "source": "user-override"}}
        status, _, answer = call(azure, method, path.format(id=server.id, rest=rest), body)
        assert status == expected
        assert set(answer["error"]) == {"code", "message"}

    def test_not_found_says_what(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        no_group = server.id.replace(GROUP, "rg-other")
        assert code_of(call(azure, "GET", no_group)) == (404, "ResourceGroupNotFound")
        assert code_of(call(azure, "GET", f"{server.id}-2")) == (404, "ResourceNotFound")
        no_parameter = f"{server.id}/configurations/no_such_parameter"
        assert code_of(call(azure, "GET", no_parameter)) == (404, "ConfigurationNotExists")

    def test_microsofts_client_raises_not_found(self, client: PostgreSQLManagementClient) -> None:
        with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
            client.servers.get(GROUP, "cdc-other")

    def test_servers_are_not_made_by_put_without_a_factory(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        answer = call(azure, "PUT", f"{server.id}-2", {})
        assert code_of(answer) == (400, "NotSupportedByRehearsal")
        upper = server.id.replace(NAME, NAME.upper())
        assert code_of(call(azure, "PUT", upper, {})) == (400, "InvalidParameterValue")

    @pytest.mark.parametrize("body", ["{", "[]", '"text"', ""])
    def test_a_body_must_be_a_json_object(
        self, azure: EmulatedAzure, server: FlexibleServer, body: str
    ) -> None:
        answer = call(azure, "PUT", f"{server.id}/configurations/wal_level", body)
        assert code_of(answer) == (400, "InvalidRequestContent")

    def test_no_token_reaches_a_log(
        self,
        azure: EmulatedAzure,
        server: FlexibleServer,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(0)
        call(azure, "GET", server.id, headers={"Authorization": "Bearer very-secret"})
        call(azure, "GET", "/nowhere", headers={"Authorization": "Bearer very-secret"})
        output = "".join(capfd.readouterr()) + caplog.text + str(azure.journal.as_json())
        assert "very-secret" not in output


class TestOperations:
    def test_a_write_is_answered_with_202_and_polled(
        self, azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
    ) -> None:
        azure.behaviour.write_seconds = 0.5
        status, headers, body = write(azure, server, "wal_sender_timeout", "1000")
        assert (status, body, headers["Retry-After"]) == (202, {}, "1")
        operation, location = (
            headers[name].removeprefix(azure.endpoint)
            for name in ("Azure-AsyncOperation", "Location")
        )
        polled = call(azure, "GET", operation, query="")[2]
        assert polled["status"] == "InProgress"
        assert call(azure, "GET", location, query="")[0] == 202
        assert call(azure, "GET", server.id)[2]["properties"]["state"] == "Updating"
        assert in_effect(postgres, "wal_sender_timeout") == "60000"

        until(lambda: call(azure, "GET", operation, query="")[2]["status"] == "Succeeded")
        status, _, result = call(azure, "GET", location, query="")
        assert (status, result["properties"]["value"]) == (200, "1000")
        assert in_effect(postgres, "wal_sender_timeout") == "1000"
        assert server.state == "Ready"

    def test_microsofts_client_waits_for_the_latency(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure
    ) -> None:
        azure.behaviour.write_seconds = 0.3
        poller = client.configurations.begin_put(
            GROUP, NAME, "wal_sender_timeout", user_override("2000")
        )
        assert poller.status() == "InProgress"
        assert poller.result().value == "2000"

    def test_without_latency_the_first_poll_finds_it_done(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        _, headers, _ = restart(azure, server)
        assert headers["Retry-After"] == "0"
        path = headers["Azure-AsyncOperation"].removeprefix(azure.endpoint)
        assert call(azure, "GET", path, query="")[2]["status"] == "Succeeded"
        result = call(azure, "GET", headers["Location"].removeprefix(azure.endpoint), query="")
        assert result[0] == 204

    def test_the_result_of_a_failed_one_is_its_error(
        self, azure: EmulatedAzure, server: FlexibleServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken() -> None:
            raise RuntimeError("it did not start")

        monkeypatch.setattr(server.postgres, "restart", broken)
        _, headers, _ = restart(azure, server)
        location = headers["Location"].removeprefix(azure.endpoint)
        status, _, answer = call(azure, "GET", location, query="")
        assert (status, answer["error"]["message"]) == (500, "it did not start")

    def test_an_unknown_operation_is_not_found(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        assert server.state == "Ready"
        path = f"{NOWHERE}/providers/Microsoft.DBforPostgreSQL/locations/westeurope"
        for endpoint in ("azureAsyncOperation", "operationResults"):
            assert call(azure, "GET", f"{path}/{endpoint}/none")[0] == 404

    def test_closing_does_not_wait_for_the_latency(self, postgres: EmbeddedPostgres) -> None:
        started = time.monotonic()
        with EmulatedAzure(behaviour=Behaviour(write_seconds=60)) as azure:
            server = azure.add_server(GROUP, NAME, postgres)
            write(azure, server, "wal_sender_timeout", "1000")
        assert time.monotonic() - started < 10
        assert azure.journal.accepted[0].status is Status.FAILED
        assert in_effect(postgres, "wal_sender_timeout") == "60000"

    def test_the_journal_can_be_read_from_elsewhere(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        write(azure, server, "max_worker_processes", "16")
        write(azure, server, "wal_level", "minimal")
        restart(azure, server)
        status, _, journal = call(azure, "GET", "/_rehearsal/journal", query="")
        assert status == 200
        assert [(o["kind"], o["detail"], o["status"]) for o in journal["operations"]] == [
            ("configuration-write", "max_worker_processes=16", "Succeeded"),
            ("restart", "", "Succeeded"),
        ]
        assert [(r["method"], r["code"]) for r in journal["refused"]] == [
            ("PUT", "InvalidParameterValue")
        ]
        assert journal["restarts"] == 1


def test_a_restart_is_a_real_one(
    azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
) -> None:
    with postgres.superuser() as connection:
        restart(azure, server)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
