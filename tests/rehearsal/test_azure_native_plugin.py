"""The stand-in for azure-native in front of the emulated Azure: what the real plugin does, done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pulumi_azure_native.dbforpostgresql as sdk
import pytest

from azure_postgres_rehearsal.azure_api import EmulatedAzure, Faults, FlexibleServer
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.azure_native import AzureNative, ManagementApi
from azure_postgres_rehearsal.plugins.protocol import (
    UNKNOWN,
    InitError,
    ProviderError,
    ResourceType,
)

GROUP = "rg-cdc"
NAME = "cdc-local"
TOKEN = "azure-native:dbforpostgresql:Configuration"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

Properties = dict[str, Any]


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> FlexibleServer:
    return azure.add_server(GROUP, NAME, postgres)


@pytest.fixture
def plugin(
    azure: EmulatedAzure,
    server: FlexibleServer,  # noqa: ARG001 - it has to be there
    monkeypatch: pytest.MonkeyPatch,
) -> AzureNative:
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_ENDPOINT", azure.endpoint)
    made = AzureNative()
    made.configure({"subscriptionId": SUBSCRIPTION})
    return made


@pytest.fixture
def configuration(plugin: AzureNative) -> ResourceType:
    return plugin.resource(TOKEN)


def inputs(name: str, value: str, **more: str) -> Properties:
    return {
        "resourceGroupName": GROUP,
        "serverName": NAME,
        "configurationName": name,
        "value": value,
        "source": "user-override",
        **more,
    }


def now(server: FlexibleServer, name: str) -> Properties:
    about: Properties = server.configuration(name)["properties"]
    return about


def show(postgres: EmbeddedPostgres, name: str) -> str:
    with postgres.superuser() as connection:
        row = connection.execute(f"SHOW {name}").fetchone()
    assert row is not None
    return str(row[0])


class TestEndpoint:
    @pytest.mark.parametrize(
        "endpoint",
        [
            "",
            "https://management.azure.com",
            "http://management.azure.com:80",
            "https://127.0.0.1:443",
            "http://127.0.0.1",
            "http://127.0.0.1.example.com:8080",
            "http://10.0.0.4:8080",
        ],
    )
    def test_only_this_machine_is_talked_to(
        self, endpoint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AZURE_RESOURCE_MANAGER_ENDPOINT", endpoint)
        with pytest.raises(ProviderError, match="on this machine only"):
            AzureNative().configure({"subscriptionId": SUBSCRIPTION})

    def test_the_subscription_may_come_from_the_environment(
        self, plugin: AzureNative, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("ARM_SUBSCRIPTION_ID", raising=False)
        with pytest.raises(ProviderError, match="ARM_SUBSCRIPTION_ID"):
            plugin.configure({})
        monkeypatch.setenv("ARM_SUBSCRIPTION_ID", "from-the-environment")
        plugin.configure({})
        config = plugin.invoke("azure-native:authorization:getClientConfig", {})
        assert config["subscriptionId"] == "from-the-environment"

    def test_an_emulator_that_is_gone_is_named(self, postgres: EmbeddedPostgres) -> None:
        with EmulatedAzure() as azure:
            server = azure.add_server(GROUP, NAME, postgres)
        with pytest.raises(ProviderError, match="no emulated Azure at http://127"):
            ManagementApi(azure.endpoint, SUBSCRIPTION).get(server.id, "2025-08-01")


class TestCreate:
    def test_it_is_a_put_over_what_is_there(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        first_id, _ = configuration.create(inputs("wal_sender_timeout", "1000"))
        again_id, outputs = configuration.create(inputs("wal_sender_timeout", "2000"))
        assert first_id == again_id == f"{server.id}/configurations/wal_sender_timeout"
        assert outputs["value"] == "2000"

    def test_the_outputs_are_those_of_the_sdk(self, configuration: ResourceType) -> None:
        _, outputs = configuration.create(inputs("wal_level", "logical"))
        expected = {
            cast(Any, member).fget._pulumi_name
            for member in vars(sdk.Configuration).values()
            if isinstance(member, property)
        }
        assert set(outputs) == expected - {"systemData"} | {"id"}
        assert outputs["type"] == "Microsoft.DBforPostgreSQL/flexibleServers/configurations"
        assert outputs["azureApiVersion"] == "2025-08-01"

    def test_nothing_restarts_the_server(
        self,
        configuration: ResourceType,
        azure: EmulatedAzure,
        server: FlexibleServer,
        postgres: EmbeddedPostgres,
    ) -> None:
        _, outputs = configuration.create(inputs("wal_level", "logical"))
        assert outputs["isConfigPendingRestart"] is True
        assert azure.journal.restarts == 0
        assert show(postgres, "wal_level") == "replica"
        server.restart({})
        assert show(postgres, "wal_level") == "logical"

    def test_issue_4736_the_default_is_ignored(
        self, configuration: ResourceType, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        """Whoever set it before: the state has the default, the server what it had."""
        resource_id, _ = configuration.create(inputs("wal_level", "logical"))
        wanted = inputs("wal_level", "replica")
        _, outputs = configuration.create(wanted)
        assert (outputs["value"], outputs["source"]) == ("replica", "user-override")
        outputs = configuration.update(resource_id, outputs, wanted)
        assert outputs["value"] == "replica"
        assert now(server, "wal_level")["value"] == "logical"
        assert len(azure.journal.accepted) == 1

        found = configuration.read(resource_id, wanted, outputs)
        assert found is not None
        assert (found[1]["value"], found[2]["value"]) == ("logical", "logical")

    def test_it_waits_for_the_operation(
        self, configuration: ResourceType, azure: EmulatedAzure
    ) -> None:
        azure.behaviour.write_seconds = 0.2
        _, outputs = configuration.create(inputs("wal_sender_timeout", "1000"))
        assert outputs["value"] == "1000"

    def test_a_busy_server_is_not_tried_again(
        self, configuration: ResourceType, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.restart_seconds = 0.3
        server.restart({})
        with pytest.raises(ProviderError, match=r'^Status=409 Code="ServerIsBusy"'):
            configuration.create(inputs("wal_level", "logical"))
        assert [r.code for r in azure.journal.refused] == ["ServerIsBusy"]

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("no_such_parameter", "1", "ConfigurationNotExists"),
            ("wal_level", "minimal", "InvalidParameterValue"),
            ("max_slot_wal_keep_size", "1024", "ReadOnlyServerParameter"),
            ("TimeZone", "Nowhere/Land", "InvalidParameterValue"),
        ],
    )
    def test_azures_refusals_come_through(
        self, configuration: ResourceType, name: str, value: str, code: str
    ) -> None:
        with pytest.raises(ProviderError, match=rf'^Status=\d+ Code="{code}" Message='):
            configuration.create(inputs(name, value))

    def test_what_was_accepted_and_failed_is_in_the_state(
        self, configuration: ResourceType, azure: EmulatedAzure
    ) -> None:
        azure.faults = Faults(
            [{"kind": "fail-operation", "code": "InternalServerError", "message": "half-way"}]
        )
        with pytest.raises(InitError, match="half-way") as failed:
            configuration.create(inputs("wal_level", "logical"))
        assert failed.value.resource_id.endswith("/configurations/wal_level")
        assert failed.value.outputs["value"] == "replica"

    def test_an_update_writes_the_new_value(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        resource_id, outputs = configuration.create(inputs("wal_sender_timeout", "1000"))
        after = configuration.update(resource_id, outputs, inputs("wal_sender_timeout", "0"))
        assert after["value"] == now(server, "wal_sender_timeout")["value"] == "0"


class TestDelete:
    def test_it_writes_the_default_back(
        self, configuration: ResourceType, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        resource_id, outputs = configuration.create(inputs("wal_level", "logical"))
        server.restart({})
        configuration.delete(resource_id, outputs)
        about = now(server, "wal_level")
        assert (about["value"], about["source"]) == ("replica", "system-default")
        assert about["isConfigPendingRestart"] is True, "nothing restarts the server"
        assert azure.journal.accepted[-1].detail == "wal_level=replica"

    def test_what_was_ignored_can_be_deleted(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        resource_id, outputs = configuration.create(inputs("wal_level", "replica"))
        configuration.delete(resource_id, outputs)
        assert now(server, "wal_level")["value"] == "replica"

    def test_it_fails_where_the_default_does_not_take(
        self, configuration: ResourceType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resource_id, outputs = configuration.create(inputs("wal_level", "logical"))
        monkeypatch.setattr(
            ManagementApi, "put", lambda api, path, version, _: api.get(path, version)
        )
        with pytest.raises(ProviderError, match="to default value 'replica': logical"):
            configuration.delete(resource_id, outputs)

    def test_a_busy_server_fails_it(
        self, configuration: ResourceType, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        resource_id, outputs = configuration.create(inputs("wal_level", "logical"))
        azure.behaviour.restart_seconds = 0.3
        server.restart({})
        with pytest.raises(ProviderError, match="ServerIsBusy"):
            configuration.delete(resource_id, outputs)

    def test_it_fails_where_the_server_is_gone(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        with pytest.raises(ProviderError, match=r'^Status=404 Code="ResourceNotFound"'):
            configuration.delete(f"{server.id}-gone/configurations/wal_level", {})


class TestInputs:
    @pytest.mark.parametrize("missing", ["resourceGroupName", "serverName", "configurationName"])
    def test_names_are_required(self, configuration: ResourceType, missing: str) -> None:
        news = inputs("wal_level", "logical")
        del news[missing]
        _, failures = configuration.check({}, news)
        assert failures == [("", f"missing required property '{missing}'")]

    def test_unknown_names_pass_and_the_api_version_is_added(
        self, configuration: ResourceType
    ) -> None:
        news = inputs("wal_level", "logical") | {"serverName": UNKNOWN}
        checked, failures = configuration.check({}, news)
        assert failures == []
        assert checked == news | {"azureApiVersion": "2025-08-01"}

    @pytest.mark.parametrize("name", ["value", "serverName"])
    def test_a_number_is_no_text(self, configuration: ResourceType, name: str) -> None:
        _, failures = configuration.check({}, inputs("wal_level", "logical") | {name: 16})
        assert failures == [("", f"'{name}' should be of type 'string' but got a number")]

    @pytest.mark.parametrize("name", ["resourceGroupName", "serverName", "configurationName"])
    def test_another_name_is_another_resource(self, configuration: ResourceType, name: str) -> None:
        olds = inputs("wal_level", "logical")
        diff = configuration.diff("id", olds, {}, olds | {name: "other"})
        assert (diff.changed, diff.replaces) == ([name], [name])
        assert diff.delete_before_replace

    def test_another_value_is_an_update(self, configuration: ResourceType) -> None:
        olds = inputs("wal_level", "logical")
        assert configuration.diff("id", olds, {}, olds).changed == []
        diff = configuration.diff("id", olds, {}, olds | {"value": "replica"})
        assert (diff.changed, diff.replaces) == (["value"], [])


class TestRead:
    def test_refresh_follows_what_changed_in_azure(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        olds = inputs("azure.extensions", "PGLOGICAL")
        resource_id, outputs = configuration.create(olds)
        found = configuration.read(resource_id, olds, outputs)
        assert found == (resource_id, olds, outputs), "Azure's spelling is no drift"

        server.write_configuration(
            "azure.extensions", {"properties": {"value": "pgcrypto", "source": "user-override"}}
        )
        found = configuration.read(resource_id, olds, outputs)
        assert found is not None
        assert found[1] == olds | {"value": "pgcrypto"}
        assert found[2]["value"] == "pgcrypto"

    def test_an_import_takes_the_names_from_the_id(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        resource_id = f"{server.id}/configurations/max_worker_processes"
        found = configuration.read(resource_id, {}, {})
        assert found is not None
        assert found[0] == resource_id
        assert found[1] == {
            **inputs("max_worker_processes", "8"),
            "source": "system-default",
            "azureApiVersion": "2025-08-01",
        }

    def test_what_is_not_there_is_gone(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        for gone in (f"{server.id}-2/configurations/wal_level", f"{server.id}/configurations/none"):
            assert configuration.read(gone, {}, {}) is None

    def test_an_import_needs_the_types_own_id(
        self, configuration: ResourceType, server: FlexibleServer
    ) -> None:
        with pytest.raises(ProviderError, match="is not of the form"):
            configuration.read(server.id, {}, {})


class TestTokens:
    @pytest.mark.parametrize(
        ("token", "version"),
        [
            (TOKEN, "2025-08-01"),
            ("azure-native:dbforpostgresql/v20240801:Configuration", "2024-08-01"),
            ("azure-native:dbforpostgresql/v20260101preview:Configuration", "2026-01-01-preview"),
        ],
    )
    def test_any_api_version(self, plugin: AzureNative, token: str, version: str) -> None:
        _, outputs = plugin.resource(token).create(inputs("wal_level", "logical"))
        assert outputs["azureApiVersion"] == version

    @pytest.mark.parametrize(
        "token",
        ["azure-native:storage:StorageAccount", "azure-native:dbforpostgresql:VirtualEndpoint"],
    )
    def test_other_types_are_refused(self, plugin: AzureNative, token: str) -> None:
        with pytest.raises(ProviderError, match="is not part of the rehearsal"):
            plugin.resource(token)
        with pytest.raises(ProviderError, match="is not part of the rehearsal"):
            plugin.invoke(token, {})


class TestFunctions:
    def test_get_server(self, plugin: AzureNative, server: FlexibleServer) -> None:
        arguments = {"resourceGroupName": GROUP, "serverName": NAME}
        found = plugin.invoke("azure-native:dbforpostgresql:getServer", arguments)
        assert (found["id"], found["name"], found["location"]) == (server.id, NAME, "westeurope")
        assert found["fullyQualifiedDomainName"] == f"{NAME}.postgres.database.azure.com"
        assert found["storage"]["autoGrow"] == "Disabled"
        assert found["version"] == "17"

    def test_get_configuration(self, plugin: AzureNative) -> None:
        arguments = {
            "resourceGroupName": GROUP,
            "serverName": NAME,
            "configurationName": "wal_level",
        }
        found = plugin.invoke("azure-native:dbforpostgresql/v20240801:getConfiguration", arguments)
        assert (found["value"], found["allowedValues"]) == ("replica", "replica,logical")
        assert found["azureApiVersion"] == "2024-08-01"

    def test_what_is_not_there_is_an_error(self, plugin: AzureNative) -> None:
        with pytest.raises(ProviderError, match='Code="ResourceNotFound"'):
            plugin.invoke(
                "azure-native:dbforpostgresql:getServer",
                {"resourceGroupName": GROUP, "serverName": "cdc-other"},
            )
        with pytest.raises(ProviderError, match="missing required property 'serverName'"):
            plugin.invoke("azure-native:dbforpostgresql:getServer", {"resourceGroupName": GROUP})
