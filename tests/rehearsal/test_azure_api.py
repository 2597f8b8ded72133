"""The emulated management API, driven by Microsoft's own client, with PostgreSQL as the witness."""

from __future__ import annotations

import http.client
import inspect
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import psycopg
import pulumi_azure_native.dbforpostgresql as sdk
import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers.models import (
    ConfigurationForUpdate,
    ConfigurationProperties,
    ServerForPatch,
    ServerPropertiesForPatch,
    Storage,
)

from azure_postgres_rehearsal.azure_api import (
    ApiError,
    Behaviour,
    EmulatedAzure,
    FlexibleServer,
    Status,
)
from azure_postgres_rehearsal.azure_api.catalogue import azure_defaults, catalogue
from azure_postgres_rehearsal.azure_api.postgres import Setting
from azure_postgres_rehearsal.azure_api.service import API_VERSIONS
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

GROUP = "rg-cdc"
NAME = "cdc-local"
NOWHERE = "/subscriptions/00000000-0000-0000-0000-000000000000"

Answer = tuple[int, dict[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17) as server:
        yield server


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure() as emulated:
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> FlexibleServer:
    return azure.add_server(GROUP, NAME, postgres)


@pytest.fixture
def client(azure: EmulatedAzure, server: FlexibleServer) -> Iterator[PostgreSQLManagementClient]:  # noqa: ARG001
    # The loopback server asks for no token, and Microsoft's policy would refuse plain HTTP.
    with PostgreSQLManagementClient(
        cast(TokenCredential, object()),
        azure.subscription_id,
        base_url=azure.endpoint,
        authentication_policy=SansIOHTTPPolicy(),
    ) as management:
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


def show(postgres: EmbeddedPostgres, name: str) -> str:
    with postgres.superuser() as connection:
        row = connection.execute(
            "SELECT coalesce((SELECT setting FROM pg_settings WHERE name = %s), "
            "current_setting(%s))",
            (name, name),
        ).fetchone()
    assert row is not None
    return str(row[0])


def code_of(answer: Answer) -> tuple[int, str]:
    return answer[0], answer[2]["error"]["code"]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def properties(value: str, source: str = "user-override") -> ConfigurationProperties:
    return ConfigurationProperties(value=value, source=source)


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
            ({"properties": {"version": "18"}}, "NotSupportedByRehearsal"),
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

    def test_auto_grow_works_on_premium_ssd_only(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres
    ) -> None:
        server = azure.add_server(GROUP, NAME, postgres, storage_type="PremiumV2_LRS")
        body = {"properties": {"storage": {"autoGrow": "Enabled"}}}
        assert code_of(call(azure, "PATCH", server.id, body)) == (400, "InvalidParameterValue")

    @pytest.mark.parametrize("name", ["CDC-local", "ab", "-cdc", "cdc-", "cdc_local", "c" * 64])
    def test_names_are_lower_case_3_to_63(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres, name: str
    ) -> None:
        with pytest.raises(ApiError, match="InvalidParameterValue"):
            azure.add_server(GROUP, name, postgres)
        assert azure.servers == []


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
            ("DELETE", "{id}/configurations/wal_level", 405),
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


class TestParameters:
    @pytest.mark.parametrize(
        ("name", "data_type", "default", "allowed", "dynamic", "read_only"),
        [
            ("wal_level", "Enumeration", "replica", "replica,logical", False, False),
            ("max_worker_processes", "Integer", "8", "0-262143", False, False),
            ("max_replication_slots", "Integer", "10", "2-262143", False, False),
            ("max_wal_senders", "Integer", "10", "5-100", False, False),
            ("max_logical_replication_workers", "Integer", "4", "0-262143", False, False),
            ("track_commit_timestamp", "Boolean", "off", "on,off", False, False),
            ("wal_sender_timeout", "Integer", "60000", "0-2147483647", True, False),
            ("logical_decoding_work_mem", "Integer", "65536", "64-2147483647", True, False),
            ("hot_standby_feedback", "Boolean", "off", "on,off", True, False),
            ("sync_replication_slots", "Boolean", "off", "on,off", True, False),
            ("max_slot_wal_keep_size", "Integer", "-1", "-1", True, True),
            ("metrics.collector_database_activity", "Boolean", "off", "on,off", True, False),
            ("require_secure_transport", "Boolean", "on", "on,off", True, False),
        ],
    )
    def test_azures_own_table(
        self,
        client: PostgreSQLManagementClient,
        name: str,
        data_type: str,
        default: str,
        allowed: str,
        dynamic: bool,
        read_only: bool,
    ) -> None:
        found = client.configurations.get(GROUP, NAME, name)
        assert found.name == name
        assert (found.data_type, found.default_value, found.value) == (data_type, default, default)
        assert found.allowed_values == allowed
        assert found.is_dynamic_config is dynamic
        assert found.is_read_only is read_only
        assert found.is_config_pending_restart is False
        assert found.source == "system-default"

    def test_sets_name_pglogical(self, client: PostgreSQLManagementClient) -> None:
        libraries = client.configurations.get(GROUP, NAME, "shared_preload_libraries")
        extensions = client.configurations.get(GROUP, NAME, "azure.extensions")
        assert (libraries.data_type, extensions.data_type) == ("Set", "Set")
        assert (libraries.is_dynamic_config, extensions.is_dynamic_config) == (False, True)
        assert (libraries.value, extensions.value) == ("pg_stat_statements", "")
        assert "pglogical" in libraries.allowed_values.split(",")
        assert "pglogical" in extensions.allowed_values.split(",")

    @pytest.mark.parametrize(
        ("major", "preloaded", "failover_slots"),
        [
            (15, "pg_cron,pg_stat_statements", True),
            (16, "pg_cron,pg_stat_statements", True),
            (17, "pg_stat_statements", False),
            (18, "pg_cron,pg_stat_statements", False),
        ],
    )
    def test_preloaded_libraries_depend_on_the_version(
        self, major: int, preloaded: str, failover_slots: bool
    ) -> None:
        row = Setting(
            "shared_preload_libraries", "", None, "", "", "postmaster", "string", None, None, None
        )
        assert azure_defaults(major, [row])["shared_preload_libraries"] == preloaded
        libraries = {p.name: p for p in catalogue(major, [row])}["shared_preload_libraries"]
        assert ("pg_failover_slots" in libraries.choices) is failover_slots
        assert "pglogical" in libraries.choices

    def test_the_rest_comes_from_pg_settings(
        self, client: PostgreSQLManagementClient, postgres: EmbeddedPostgres
    ) -> None:
        listed = {c.name: c for c in client.configurations.list_by_server(GROUP, NAME)}
        with postgres.superuser() as connection:
            rows = connection.execute("SELECT name, context FROM pg_settings").fetchall()
        assert {name for name, _ in rows} <= set(listed)
        for name, context in rows:
            assert listed[name].is_dynamic_config is (context not in ("postmaster", "internal"))
            assert listed[name].is_read_only or context != "internal"
        assert listed["work_mem"].unit == "kB"
        assert listed["work_mem"].allowed_values == "64-2147483647"
        assert listed["random_page_cost"].data_type == "Numeric"

    def test_values_are_strings_and_flags_booleans(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        for found in call(azure, "GET", f"{server.id}/configurations")[2]["value"]:
            about = found["properties"]
            flags = {n for n, v in about.items() if isinstance(v, bool)}
            assert flags == {"isDynamicConfig", "isReadOnly", "isConfigPendingRestart"}
            assert all(isinstance(about[n], str) for n in about.keys() - flags)

    def test_azures_defaults_replace_what_postgres_had(self) -> None:
        settings = {"wal_level": "logical", "max_wal_senders": "20"}
        with EmbeddedPostgres(17, settings=settings) as other, EmulatedAzure() as azure:
            assert show(other, "wal_level") == "logical"
            azure.add_server(GROUP, NAME, other)
            assert show(other, "wal_level") == "replica"
            assert show(other, "max_wal_senders") == "10"
            assert azure.journal.restarts == 0, "bringing it up is no operation of the user's"

    @pytest.mark.parametrize("major", [16, 18])
    def test_other_versions_lack_libraries_and_say_so(self, major: int) -> None:
        with EmbeddedPostgres(major) as other, EmulatedAzure() as azure:
            server = azure.add_server(GROUP, NAME, other)
            path = f"{server.id}/configurations/shared_preload_libraries"
            about = call(azure, "GET", path)[2]["properties"]
            assert about["value"] == "pg_cron,pg_stat_statements"
            assert show(other, "shared_preload_libraries") == ""
            assert "no pg_cron" in azure.journal.notices[0]
            write(azure, server, "azure.extensions", "pglogical")
            assert show(other, "azure.extensions") == "pglogical"


class TestWriting:
    def test_a_dynamic_parameter_takes_effect_at_once(
        self,
        client: PostgreSQLManagementClient,
        postgres: EmbeddedPostgres,
        azure: EmulatedAzure,
    ) -> None:
        written = client.configurations.begin_update(
            GROUP, NAME, "wal_sender_timeout", ConfigurationForUpdate(properties=properties("0"))
        ).result()
        assert (written.value, written.source) == ("0", "user-override")
        assert written.is_config_pending_restart is False
        assert show(postgres, "wal_sender_timeout") == "0"
        assert azure.journal.restarts == 0

    def test_a_static_parameter_takes_effect_at_the_restart(
        self,
        client: PostgreSQLManagementClient,
        postgres: EmbeddedPostgres,
        azure: EmulatedAzure,
    ) -> None:
        written = client.configurations.begin_put(
            GROUP, NAME, "wal_level", ConfigurationForUpdate(properties=properties("logical"))
        ).result()
        assert (written.value, written.is_config_pending_restart) == ("logical", True)
        assert show(postgres, "wal_level") == "replica"

        client.servers.begin_restart(GROUP, NAME).result()
        assert show(postgres, "wal_level") == "logical"
        found = client.configurations.get(GROUP, NAME, "wal_level")
        assert (found.value, found.is_config_pending_restart) == ("logical", False)
        assert [(o.kind, o.detail) for o in azure.journal.accepted] == [
            ("configuration-write", "wal_level=logical"),
            ("restart", ""),
        ]

    def test_setting_the_value_in_effect_again_needs_no_restart(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        write(azure, server, "max_worker_processes", "16")
        assert server.configuration("max_worker_processes")["properties"]["isConfigPendingRestart"]
        write(azure, server, "max_worker_processes", "8")
        about = server.configuration("max_worker_processes")["properties"]
        assert about["isConfigPendingRestart"] is False
        assert about["source"] == "system-default", "writing the default back resets it"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("wal_level", "minimal"),
            ("wal_level", ""),
            ("max_worker_processes", "262144"),
            ("max_worker_processes", "-1"),
            ("max_worker_processes", "8.5"),
            ("max_worker_processes", "many"),
            ("max_replication_slots", "1"),
            ("max_wal_senders", "101"),
            ("wal_sender_timeout", "5min"),
            ("track_commit_timestamp", "true"),
            ("random_page_cost", "nan"),
            ("azure.extensions", "no_such_extension"),
            ("azure.extensions", "pglogical, pgcrypto"),
            ("azure.extensions", "pglogical,"),
            ("shared_preload_libraries", "pg_failover_slots"),
            ("shared_preload_libraries", ""),
        ],
    )
    def test_values_outside_the_allowed_ones_are_refused(
        self,
        azure: EmulatedAzure,
        server: FlexibleServer,
        postgres: EmbeddedPostgres,
        name: str,
        value: str,
    ) -> None:
        before = show(postgres, name)
        assert code_of(write(azure, server, name, value)) == (400, "InvalidParameterValue")
        assert show(postgres, name) == before
        assert azure.journal.accepted == []
        assert [r.code for r in azure.journal.refused] == ["InvalidParameterValue"]

    @pytest.mark.parametrize(
        "name",
        ["max_slot_wal_keep_size", "server_version", "port", "fsync", "data_directory", "ssl"],
    )
    def test_read_only_parameters_are_refused(
        self, azure: EmulatedAzure, server: FlexibleServer, name: str
    ) -> None:
        value = server.configuration(name)["properties"]["value"]
        assert code_of(write(azure, server, name, value)) == (400, "ReadOnlyServerParameter")

    @pytest.mark.parametrize(
        "properties",
        [
            {"value": "logical"},
            {"source": "user-override"},
            {"value": "logical", "source": "system-default"},
            {"value": "logical", "source": "portal"},
            {},
        ],
    )
    def test_value_and_source_must_both_be_sent(
        self, azure: EmulatedAzure, server: FlexibleServer, properties: dict[str, str]
    ) -> None:
        for method in ("PUT", "PATCH"):
            path = f"{server.id}/configurations/wal_level"
            answer = call(azure, method, path, {"properties": properties})
            assert code_of(answer) == (400, "InvalidParameterValue")

    def test_values_are_strings(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        body = {"properties": {"value": 16, "source": "user-override"}}
        answer = call(azure, "PUT", f"{server.id}/configurations/max_worker_processes", body)
        assert code_of(answer) == (400, "InvalidRequestContent")

    def test_the_default_is_taken_with_the_source_that_is_there(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        body = {"properties": {"value": "replica", "source": "system-default"}}
        assert call(azure, "PUT", f"{server.id}/configurations/wal_level", body)[0] == 202

    def test_names_are_taken_in_any_case(
        self, azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
    ) -> None:
        write(azure, server, "wal_level", "LOGICAL")
        assert server.configuration("wal_level")["properties"]["value"] == "logical"
        write(azure, server, "azure.extensions", "PGLOGICAL,pgcrypto,pglogical")
        assert server.configuration("azure.extensions")["properties"]["value"] == (
            "pglogical,pgcrypto"
        )
        assert show(postgres, "azure.extensions") == "pglogical,pgcrypto"

    def test_azure_may_keep_the_case(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        azure.behaviour.keep_case = True
        write(azure, server, "azure.extensions", "PGLOGICAL")
        assert server.configuration("azure.extensions")["properties"]["value"] == "PGLOGICAL"

    def test_sets_compare_without_order_and_case(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        name = "shared_preload_libraries"
        write(azure, server, name, "pg_stat_statements,auto_explain")
        restart(azure, server)
        write(azure, server, name, "AUTO_EXPLAIN,PG_STAT_STATEMENTS")
        assert server.configuration(name)["properties"]["isConfigPendingRestart"] is False

    def test_libraries_of_the_build_are_loaded_and_others_reported_once(
        self, azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
    ) -> None:
        name = "shared_preload_libraries"
        for _ in range(2):
            write(azure, server, name, "pg_stat_statements,auto_explain,pglogical")
        assert server.configuration(name)["properties"]["value"] == (
            "pg_stat_statements,auto_explain,pglogical"
        )
        assert show(postgres, name) == "pg_stat_statements"
        restart(azure, server)
        assert show(postgres, name) == "pg_stat_statements, auto_explain"
        assert len(azure.journal.notices) == 1
        assert "no pglogical" in azure.journal.notices[0]

    def test_what_postgres_does_not_know_is_reported(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        write(azure, server, "require_secure_transport", "off")
        assert azure.journal.notices == [
            "require_secure_transport has no effect on the embedded PostgreSQL"
        ]

    def test_what_postgres_refuses_fails_the_operation(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure
    ) -> None:
        poller = client.configurations.begin_put(
            GROUP, NAME, "TimeZone", ConfigurationForUpdate(properties=properties("Nowhere/Land"))
        )
        with pytest.raises(HttpResponseError, match="Nowhere/Land"):
            poller.result()
        assert azure.journal.accepted[0].status is Status.FAILED
        assert client.configurations.get(GROUP, NAME, "TimeZone").value != "Nowhere/Land"


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
        assert show(postgres, "wal_sender_timeout") == "60000"

        until(lambda: call(azure, "GET", operation, query="")[2]["status"] == "Succeeded")
        status, _, result = call(azure, "GET", location, query="")
        assert (status, result["properties"]["value"]) == (200, "1000")
        assert show(postgres, "wal_sender_timeout") == "1000"
        assert server.state == "Ready"

    def test_microsofts_client_waits_for_the_latency(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure
    ) -> None:
        azure.behaviour.write_seconds = 0.3
        poller = client.configurations.begin_put(
            GROUP, NAME, "wal_sender_timeout", ConfigurationForUpdate(properties=properties("2000"))
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

    def test_one_management_operation_at_a_time(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.write_seconds = 0.4
        assert write(azure, server, "wal_sender_timeout", "1000")[0] == 202
        second = write(azure, server, "wal_sender_timeout", "2000")
        assert code_of(second) == (409, "ServerIsBusy")
        assert code_of(call(azure, "PATCH", server.id, {"tags": {}})) == (409, "ServerIsBusy")
        assert code_of(restart(azure, server)) == (409, "ServerIsNotReady")
        until(lambda: server.state == "Ready")
        assert server.configuration("wal_sender_timeout")["properties"]["value"] == "1000"
        assert [r.code for r in azure.journal.refused] == [
            "ServerIsBusy",
            "ServerIsBusy",
            "ServerIsNotReady",
        ]

    def test_a_restart_excludes_the_others(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.restart_seconds = 0.4
        assert restart(azure, server)[0] == 202
        assert call(azure, "GET", server.id)[2]["properties"]["state"] == "Restarting"
        assert code_of(restart(azure, server)) == (409, "ServerIsBusy")
        answer = write(azure, server, "wal_level", "logical")
        assert code_of(answer) == (409, "ServerIsBusy")
        assert call(azure, "GET", f"{server.id}/configurations/wal_level")[0] == 200
        until(lambda: server.state == "Ready")
        assert azure.journal.restarts == 1

    def test_the_refusals_seen_on_azure_vary(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.write_seconds = 0.3
        azure.behaviour.busy_code = "ServerBusy"
        azure.behaviour.refuse_restart_late = True
        write(azure, server, "wal_sender_timeout", "1000")
        assert code_of(write(azure, server, "wal_level", "logical")) == (409, "ServerBusy")
        status, headers, _ = restart(azure, server)
        assert status == 202
        path = headers["Azure-AsyncOperation"].removeprefix(azure.endpoint)
        polled = call(azure, "GET", path, query="")[2]
        assert (polled["status"], polled["error"]["code"]) == ("Failed", "ServerIsNotReady")
        assert azure.journal.restarts == 0

    def test_a_write_right_after_creation_meets_a_busy_server(
        self, postgres: EmbeddedPostgres
    ) -> None:
        with EmulatedAzure(behaviour=Behaviour(creation_seconds=0.3)) as azure:
            server = azure.add_server(GROUP, NAME, postgres)
            assert server.state == "Ready"
            answer = write(azure, server, "wal_level", "logical")
            assert code_of(answer) == (409, "ServerIsBusy")
            until(lambda: write(azure, server, "wal_level", "logical")[0] == 202)
            assert len(azure.journal.accepted) == 1

    def test_a_restart_takes_an_optional_body(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        path = f"{server.id}/restart"
        body: dict[str, object] = {"restartWithFailover": False, "failoverMode": "ForcedFailover"}
        assert call(azure, "POST", path, body)[0] == 202
        for wrong in (
            {"restartWithFailover": "yes"},
            {"failoverMode": "Sudden"},
            {"restartWithFailover": True},
            {"force": True},
        ):
            assert call(azure, "POST", path, wrong)[0] == 400
        assert azure.journal.restarts == 1

    def test_a_server_that_does_not_come_back_is_stopped(
        self, azure: EmulatedAzure, server: FlexibleServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken() -> None:
            raise RuntimeError("it did not start")

        monkeypatch.setattr(server.postgres, "restart", broken)
        _, headers, _ = restart(azure, server)
        path = headers["Azure-AsyncOperation"].removeprefix(azure.endpoint)
        polled = call(azure, "GET", path, query="")[2]
        assert polled["status"] == "Failed"
        assert polled["error"]["message"] == "it did not start"
        location = headers["Location"].removeprefix(azure.endpoint)
        assert call(azure, "GET", location, query="")[0] == 500
        assert server.state == "Stopped"
        assert code_of(restart(azure, server)) == (409, "ServerIsNotReady")
        answer = write(azure, server, "wal_level", "logical")
        assert code_of(answer) == (409, "ServerUnavailableForOperation")

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
        assert show(postgres, "wal_sender_timeout") == "60000"

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
