"""Metric alerts and action groups: what the stand-in sends, what Azure would not take.

Azure's own rules for metrics are in test_azure_facts_server.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pulumi_azure_native.monitor as sdk
import pytest
from azure_support import GROUP, NAME, SUBSCRIPTION, Answer, Json, call, code_of, plugin_of

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.resource_types import (
    ACTION_GROUP_VERSIONS,
    METRIC_ALERT_VERSIONS,
)
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.azure_native import AzureNative, kinds
from azure_postgres_rehearsal.plugins.protocol import ProviderError

ALERT = "azure-native:monitor:MetricAlert"
ACTION_GROUP = "azure-native:monitor:ActionGroup"
INSIGHTS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Insights"
GROUP_ID = f"{INSIGHTS}/actionGroups/on-call"
SINGLE = "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"


@pytest.fixture(scope="module")
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        emulated.add_server(GROUP, NAME, postgres)
        assert put_group(emulated, group())[0] == 201
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure) -> FlexibleServer:
    return azure.servers[0]


@pytest.fixture
def plugin(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> AzureNative:
    return plugin_of(azure, monkeypatch)


def group(location: str = "Global", **given: object) -> Json:
    properties = {
        "enabled": True,
        "groupShortName": "oncall",
        "emailReceivers": [
            {"name": "data", "emailAddress": "data@example.com", "useCommonAlertSchema": True}
        ],
        **given,
    }
    return {"location": location, "properties": properties}


def criterion(**given: object) -> Json:
    return {
        "criterionType": "StaticThresholdCriterion",
        "name": "wal",
        "metricName": "txlogs_storage_used",
        "metricNamespace": "Microsoft.DBforPostgreSQL/flexibleServers",
        "operator": "GreaterThan",
        "threshold": 10_000_000_000,
        "timeAggregation": "Maximum",
        **given,
    }


def criteria(*found: Json, kind: str = SINGLE) -> Json:
    return {"odata.type": kind, "allOf": list(found)}


def alert(scope: str, location: str = "global", **given: object) -> Json:
    properties = {
        "severity": 1,
        "enabled": True,
        "scopes": [scope],
        "evaluationFrequency": "PT1M",
        "windowSize": "PT5M",
        "criteria": criteria(criterion()),
        "actions": [{"actionGroupId": GROUP_ID}],
        **given,
    }
    wanted = {name: value for name, value in properties.items() if value is not None}
    return {"location": location, "properties": wanted}


def put_group(azure: EmulatedAzure, body: Json, name: str = "on-call") -> Answer:
    return call(azure, "PUT", f"{INSIGHTS}/actionGroups/{name}", body, "2024-10-01-preview")


def put_alert(azure: EmulatedAzure, body: Json, name: str = "wal") -> Answer:
    return call(azure, "PUT", f"{INSIGHTS}/metricAlerts/{name}", body, "2018-03-01")


class TestMetricAlert:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"severity": 5},
            {"severity": "1"},
            {"severity": None},
            {"enabled": None},
            {"evaluationFrequency": "PT2M"},
            {"evaluationFrequency": "PT1H"},
            {"evaluationFrequency": "P1D", "windowSize": "P1D"},
            {"windowSize": "PT10M"},
            {"windowSize": None},
            {"scopes": []},
            {"scopes": "one"},
            {"criteria": criteria(criterion(metricName="txlogs_storage"))},
            {"criteria": criteria(criterion(timeAggregation="Total"))},
            {"criteria": criteria(criterion(operator=">"))},
            {"criteria": criteria(criterion(threshold="80"))},
            {"criteria": criteria(criterion(criterionType="DynamicThresholdCriterion"))},
            {"criteria": criteria(criterion(dimensions=[{"name": "a"}]))},
            {"criteria": criteria(criterion(), criterion())},
            {"criteria": criteria()},
            {"criteria": criteria(*(criterion(name=f"c{n}") for n in range(6)))},
            {"criteria": criteria(criterion(), kind=SINGLE.replace("Single", "Multiple"))},
            {"criteria": {"odataType": SINGLE, "allOf": [criterion()]}},
            {"actions": [{"actionGroupId": f"{INSIGHTS}/actionGroups/nobody"}]},
            {"actions": [{}]},
            {"muteActionsDuration": "PT5M"},
        ],
    )
    def test_what_azure_does_not_take(
        self, azure: EmulatedAzure, server: FlexibleServer, wrong: Json
    ) -> None:
        assert put_alert(azure, alert(server.id, **wrong), "wrong")[0] == 400
        answer = call(azure, "GET", f"{INSIGHTS}/metricAlerts/wrong", version="2018-03-01")
        assert code_of(answer) == (404, "ResourceNotFound")

    def test_it_watches_one_server_that_is_there(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        answer = put_alert(azure, alert(f"{server.id}-gone"))
        assert code_of(answer) == (404, "ResourceNotFound")
        answer = put_alert(azure, alert(server.id, scopes=[server.id, server.id]))
        assert code_of(answer) == (400, "BadRequest")
        assert put_alert(azure, alert(server.id.upper()))[0] == 200

    def test_it_is_global(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        assert put_alert(azure, alert(server.id, "westeurope"))[0] == 400


class TestActionGroup:
    @pytest.mark.parametrize(
        "receivers",
        [
            {"smsReceivers": [{"name": "s", "countryCode": "49", "phoneNumber": "15112345678"}]},
            {"webhookReceivers": [{"name": "w", "serviceUri": "https://example.com/hook"}]},
            {
                "armRoleReceivers": [
                    {"name": "r", "roleId": SUBSCRIPTION, "useCommonAlertSchema": True}
                ]
            },
            {
                "logicAppReceivers": [
                    {"name": "l", "resourceId": "/l", "callbackUrl": "https://example.com"}
                ]
            },
        ],
    )
    def test_receivers(self, azure: EmulatedAzure, receivers: Json) -> None:
        assert put_group(azure, group(**receivers), "receivers")[0] in (200, 201)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"groupShortName": "thirteen-char"},
            {"groupShortName": ""},
            {"enabled": "yes"},
            {"emailReceivers": [{"name": "data", "emailAddress": "nobody"}]},
            {"emailReceivers": [{"emailAddress": "data@example.com"}]},
            {"emailReceivers": [{"name": "a", "emailAddress": "a@b.c", "status": "Enabled"}]},
            {"smsReceivers": [{"name": "s", "countryCode": "+49", "phoneNumber": "151"}]},
            {"webhookReceivers": [{"name": "w", "serviceUri": "ftp://example.com"}]},
            {"webhookReceivers": [{"name": "DATA", "serviceUri": "https://example.com"}]},
            {"armRoleReceivers": [{"name": "r", "roleId": "Owner"}]},
            {"itsmReceivers": []},
            {"emailReceivers": {}},
        ],
    )
    def test_what_azure_does_not_take(self, azure: EmulatedAzure, wrong: Json) -> None:
        assert put_group(azure, group(**wrong), "wrong")[0] == 400

    def test_it_is_global(self, azure: EmulatedAzure) -> None:
        assert put_group(azure, group("westeurope"))[0] == 400
        assert put_group(azure, group("global"))[0] == 200

    def test_the_group_of_resources_has_to_be_there(self, azure: EmulatedAzure) -> None:
        path = f"{INSIGHTS}/actionGroups/x".replace(GROUP, "rg-none")
        answer = call(azure, "PUT", path, group(), "2024-10-01-preview")
        assert code_of(answer) == (404, "ResourceGroupNotFound")

    def test_lists(self, azure: EmulatedAzure) -> None:
        for path in (INSIGHTS, f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights"):
            found = call(azure, "GET", f"{path}/actionGroups", version="2023-01-01")[2]["value"]
            assert "on-call" in [one["name"] for one in found]


class TestSdk:
    def test_its_api_versions_are_known(self, azure: EmulatedAzure) -> None:
        for kind, versions in (
            (kinds.METRIC_ALERT, METRIC_ALERT_VERSIONS),
            (kinds.ACTION_GROUP, ACTION_GROUP_VERSIONS),
        ):
            assert kind.default_version in versions
        answer = call(azure, "GET", f"{INSIGHTS}/metricAlerts/wal", version="2025-08-01")
        assert code_of(answer) == (400, "NoRegisteredProviderFound")

    @pytest.mark.parametrize(
        ("resource", "kind"),
        [(sdk.MetricAlert, kinds.METRIC_ALERT), (sdk.ActionGroup, kinds.ACTION_GROUP)],
    )
    def test_the_inputs_are_the_sdks(self, resource: type, kind: kinds.Kind) -> None:
        outputs = {
            cast(Any, member).fget._pulumi_name
            for member in vars(resource).values()
            if isinstance(member, property)
        }
        known = {*kind.properties, *kind.outer, *kind.outputs, "azureApiVersion", "systemData"}
        assert outputs <= known
        assert {*kind.properties, *kind.outer} <= outputs


class TestPlugin:
    def inputs(self, server: FlexibleServer) -> Json:
        properties: Json = alert(server.id, autoMitigate=False)["properties"]
        watched = {"odataType": SINGLE, "allOf": [criterion()]}
        return properties | {
            "criteria": watched,
            "location": "global",
            "resourceGroupName": GROUP,
            "ruleName": "from-plugin",
        }

    def test_an_alerts_life(
        self, plugin: AzureNative, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        resource = plugin.resource(ALERT)
        inputs, failures = resource.check({}, self.inputs(server))
        assert failures == []
        assert inputs["azureApiVersion"] == "2018-03-01"
        resource_id, outputs = resource.create(inputs)
        assert resource_id == f"{INSIGHTS}/metricAlerts/from-plugin"
        assert outputs["criteria"] == inputs["criteria"]
        stored = azure.insights.of_type("Microsoft.Insights/metricAlerts")[-1]
        assert stored["properties"]["criteria"]["odata.type"] == SINGLE
        assert resource.read(resource_id, inputs, outputs) == (resource_id, inputs, outputs)
        with pytest.raises(ProviderError, match="cannot create already existing resource"):
            resource.create(inputs)
        after = resource.update(resource_id, outputs, inputs | {"severity": 0})
        assert after["severity"] == 0
        drifted = resource.read(resource_id, inputs, outputs)
        assert drifted is not None
        assert drifted[1]["severity"] == 0
        imported = resource.read(resource_id, {}, {})
        assert imported is not None
        assert imported[1]["criteria"] == inputs["criteria"]
        resource.delete(resource_id, outputs)
        resource.delete(resource_id, outputs)
        assert resource.read(resource_id, inputs, outputs) is None
        assert azure.journal.of_kind("insights-delete")[-1].detail == (
            "Microsoft.Insights/metricAlerts/from-plugin"
        )

    def test_an_action_groups_life(self, plugin: AzureNative) -> None:
        resource = plugin.resource("azure-native:insights/v20230101:ActionGroup")
        given = group()["properties"] | {"resourceGroupName": GROUP, "actionGroupName": "night"}
        _, failures = resource.check({}, given)
        ((_, fault),) = failures
        assert fault.startswith("missing required property 'location'. Either set it explicitly")
        inputs, failures = resource.check({}, given | {"location": "Global"})
        assert failures == []
        resource_id, outputs = resource.create(inputs)
        assert outputs["groupShortName"] == "oncall"
        found = plugin.invoke(
            "azure-native:monitor:getActionGroup",
            {"resourceGroupName": GROUP, "actionGroupName": "night"},
        )
        assert found["id"] == resource_id
        renamed = resource.diff(resource_id, inputs, outputs, inputs | {"actionGroupName": "day"})
        assert renamed.replaces == ["actionGroupName"]
        resource.delete(resource_id, outputs)

    def test_refusals_come_through(self, plugin: AzureNative, server: FlexibleServer) -> None:
        wrong = self.inputs(server) | {"windowSize": "PT2M"}
        with pytest.raises(ProviderError, match=r'=400 Code="InvalidParameterValue".*windowSize'):
            plugin.resource(ALERT).create(wrong)
