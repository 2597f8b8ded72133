"""How the emulated Azure treats server parameters, with PostgreSQL as the witness.

Azure's own rules for them are in test_azure_facts_parameters.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure_support import (
    GROUP,
    NAME,
    Answer,
    call,
    client_of,
    code_of,
    in_effect,
    user_override,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer, Status, published
from azure_postgres_rehearsal.embedded import EmbeddedPostgres


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


def write(azure: EmulatedAzure, server: FlexibleServer, name: str, value: str) -> Answer:
    body = {"properties": {"value": value, "source": "user-override"}}
    return call(azure, "PUT", f"{server.id}/configurations/{name}", body)


def restart(azure: EmulatedAzure, server: FlexibleServer) -> Answer:
    return call(azure, "POST", f"{server.id}/restart")


class TestParameters:
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
        assert listed["work_mem"].allowed_values == "4096-2097151"
        assert listed["deadlock_timeout"].allowed_values == "1-2147483647"
        assert listed["random_page_cost"].data_type == "Numeric"

    @pytest.mark.parametrize("name", ["synchronous_commit", "wal_keep_size", "archive_timeout"])
    def test_what_azure_fixes_is_read_only(
        self, client: PostgreSQLManagementClient, name: str
    ) -> None:
        found = client.configurations.get(GROUP, NAME, name)
        assert (found.is_read_only, found.allowed_values) == (True, found.default_value)

    def test_what_is_published_is_there_and_says_what_it_may_be(
        self, client: PostgreSQLManagementClient
    ) -> None:
        listed = {c.name: c for c in client.configurations.list_by_server(GROUP, NAME)}
        there = published.READ_ONLY & listed.keys()
        assert len(there) > len(published.READ_ONLY) - 5  # those of other versions
        assert all(listed[name].is_read_only for name in there)
        for name in {*published.BOUNDS, *published.CHOICES}:
            found = listed[name]
            assert not found.is_read_only
            if name in published.BOUNDS:
                low, high = map(float, published.BOUNDS[name])
                assert low <= float(found.default_value) <= high
            else:
                assert found.default_value in published.CHOICES[name]

    def test_azures_defaults_replace_what_postgres_had(self) -> None:
        settings = {"wal_level": "logical", "max_wal_senders": "20"}
        with EmbeddedPostgres(17, settings=settings) as other, EmulatedAzure() as azure:
            assert in_effect(other, "wal_level") == "logical"
            azure.add_server(GROUP, NAME, other)
            assert in_effect(other, "wal_level") == "replica"
            assert in_effect(other, "max_wal_senders") == "10"
            assert azure.journal.restarts == 0, "bringing it up is no operation of the user's"

    @pytest.mark.parametrize("major", [16, 18])
    def test_other_versions_lack_libraries_and_say_so(self, major: int) -> None:
        with EmbeddedPostgres(major) as other, EmulatedAzure() as azure:
            server = azure.add_server(GROUP, NAME, other)
            path = f"{server.id}/configurations/shared_preload_libraries"
            about = call(azure, "GET", path)[2]["properties"]
            assert about["value"] == "pg_cron,pg_stat_statements"
            assert in_effect(other, "shared_preload_libraries") == ""
            assert "no pg_cron" in azure.journal.notices[0]
            write(azure, server, "azure.extensions", "pglogical")
            assert in_effect(other, "azure.extensions") == "pglogical"


class TestWriting:
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
            ("max_worker_processes", "8.5"),
            ("max_worker_processes", "many"),
            ("random_page_cost", "nan"),
            ("azure.extensions", "pglogical, pgcrypto"),
            ("azure.extensions", "pglogical,"),
            ("shared_preload_libraries", ""),
        ],
    )
    def test_malformed_values_are_refused(
        self,
        azure: EmulatedAzure,
        server: FlexibleServer,
        postgres: EmbeddedPostgres,
        name: str,
        value: str,
    ) -> None:
        before = in_effect(postgres, name)
        assert code_of(write(azure, server, name, value)) == (400, "InvalidParameterValue")
        assert in_effect(postgres, name) == before
        assert azure.journal.accepted == []
        assert [r.code for r in azure.journal.refused] == ["InvalidParameterValue"]

    @pytest.mark.parametrize(
        "name",
        ["server_version", "port", "fsync", "data_directory", "ssl"],
    )
    def test_read_only_parameters_are_refused(
        self, azure: EmulatedAzure, server: FlexibleServer, name: str
    ) -> None:
        value = server.configuration(name)["properties"]["value"]
        assert code_of(write(azure, server, name, value)) == (400, "ReadOnlyServerParameter")

    def test_values_are_strings(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        body = {"properties": {"value": 16, "source": "user-override"}}
        answer = call(azure, "PUT", f"{server.id}/configurations/max_worker_processes", body)
        assert code_of(answer) == (400, "InvalidRequestContent")

    def test_the_default_is_taken_with_the_source_that_is_there(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        body = {"properties": {"value": "replica", "source": "system-default"}}
        assert call(azure, "PUT", f"{server.id}/configurations/wal_level", body)[0] == 202

    def test_azure_may_keep_the_case(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        azure.behaviour.keep_case = True
        write(azure, server, "azure.extensions", "PGLOGICAL")
        assert server.configuration("azure.extensions")["properties"]["value"] == "PGLOGICAL"

    def test_libraries_of_the_build_are_loaded_and_others_reported_once(
        self, azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
    ) -> None:
        name = "shared_preload_libraries"
        for _ in range(2):
            write(azure, server, name, "pg_stat_statements,auto_explain,pglogical")
        assert server.configuration(name)["properties"]["value"] == (
            "pg_stat_statements,auto_explain,pglogical"
        )
        assert in_effect(postgres, name) == "pg_stat_statements"
        restart(azure, server)
        assert in_effect(postgres, name) == "pg_stat_statements, auto_explain"
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
            GROUP, NAME, "TimeZone", user_override("Nowhere/Land")
        )
        with pytest.raises(HttpResponseError, match="Nowhere/Land"):
            poller.result()
        assert azure.journal.accepted[0].status is Status.FAILED
        assert client.configurations.get(GROUP, NAME, "TimeZone").value != "Nowhere/Land"
