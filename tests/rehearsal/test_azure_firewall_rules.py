"""Firewall rules of the emulated Azure: Microsoft's client, raw requests, the stand-in plugin.

Azure's own rules for them are in test_azure_facts.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers.models import FirewallRule, FirewallRuleProperties
from azure_support import GROUP, NAME, SUBSCRIPTION, Json, call, client_of, code_of, plugin_of

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.protocol import ProviderError, ResourceType


@pytest.fixture(scope="module")
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        emulated.add_server(GROUP, NAME, postgres)
        yield emulated


@pytest.fixture(autouse=True)
def calm(azure: EmulatedAzure) -> Iterator[None]:
    yield
    azure.operations.wait()
    for rule in azure.servers[0].firewall_rules.as_list():
        azure.servers[0].firewall_rules.delete(rule["name"])


@pytest.fixture
def server(azure: EmulatedAzure) -> FlexibleServer:
    return azure.servers[0]


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[PostgreSQLManagementClient]:
    with client_of(azure) as management:
        yield management


@pytest.fixture
def resource(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> ResourceType:
    return plugin_of(azure, monkeypatch).resource("azure-native:dbforpostgresql:FirewallRule")


def rule(start: str, end: str) -> FirewallRule:
    return FirewallRule(
        properties=FirewallRuleProperties(start_ip_address=start, end_ip_address=end)
    )


def body(start: object = "10.0.0.1", end: object = "10.0.0.9") -> Json:
    return {"properties": {"startIpAddress": start, "endIpAddress": end}}


def inputs(name: str, start: str = "10.0.0.1", end: str = "10.0.0.9") -> Json:
    return {
        "resourceGroupName": GROUP,
        "serverName": NAME,
        "firewallRuleName": name,
        "startIpAddress": start,
        "endIpAddress": end,
    }


class TestMicrosoftsClient:
    def test_a_rule_is_made_changed_listed_and_removed(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure
    ) -> None:
        rules = client.firewall_rules
        made = rules.begin_create_or_update(
            GROUP, NAME, "gw", rule("10.0.0.1", "10.0.0.9")
        ).result()
        assert made.name == "gw"
        assert made.type == "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules"
        rules.begin_create_or_update(GROUP, NAME, "gw", rule("10.0.0.1", "10.0.0.1")).result()
        found = rules.get(GROUP, NAME, "gw").properties
        assert (found.start_ip_address, found.end_ip_address) == ("10.0.0.1", "10.0.0.1")
        assert [r.name for r in rules.list_by_server(GROUP, NAME)] == ["gw"]
        rules.begin_delete(GROUP, NAME, "gw").result()
        rules.begin_delete(GROUP, NAME, "gw").result()
        with pytest.raises(ResourceNotFoundError, match="firewallRules/gw"):
            rules.get(GROUP, NAME, "gw")
        assert [o.detail for o in azure.journal.of_kind("firewall-rule-write")] == [
            "gw=10.0.0.1-10.0.0.9",
            "gw=10.0.0.1-10.0.0.1",
        ]
        assert [o.detail for o in azure.journal.of_kind("firewall-rule-delete")] == ["gw"]


class TestRefusals:
    @pytest.mark.parametrize(
        "wrong",
        [
            body("10.0.0.9", "10.0.0.1"),
            body(""),
            {"properties": {"startIpAddress": "10.0.0.1"}},
        ],
    )
    def test_addresses(self, azure: EmulatedAzure, server: FlexibleServer, wrong: Json) -> None:
        answer = call(azure, "PUT", f"{server.id}/firewallRules/gw", wrong)
        assert code_of(answer) == (400, "InvalidParameterValue")
        assert server.firewall_rules.as_list() == []

    @pytest.mark.parametrize(
        "wrong", [body(1), {"properties": []}, {"properties": body()["properties"] | {"a": 1}}]
    )
    def test_the_form(self, azure: EmulatedAzure, server: FlexibleServer, wrong: Json) -> None:
        assert call(azure, "PUT", f"{server.id}/firewallRules/gw", wrong)[0] == 400


class TestPlugin:
    def test_its_life(self, resource: ResourceType, server: FlexibleServer) -> None:
        checked, failures = resource.check({}, inputs("gw"))
        assert failures == []
        resource_id, outputs = resource.create(checked)
        assert resource_id == f"{server.id}/firewallRules/gw"
        assert outputs == {
            "id": resource_id,
            "name": "gw",
            "type": "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules",
            "startIpAddress": "10.0.0.1",
            "endIpAddress": "10.0.0.9",
            "azureApiVersion": "2025-08-01",
        }
        assert resource.read(resource_id, checked, outputs) == (resource_id, checked, outputs)
        imported = resource.read(resource_id, {}, {})
        assert imported is not None
        assert imported[1] == checked

        wider = checked | {"endIpAddress": "10.0.0.10"}
        diff = resource.diff(resource_id, checked, outputs, wider)
        assert (diff.changed, diff.replaces) == (["endIpAddress"], [])
        assert resource.update(resource_id, outputs, wider)["endIpAddress"] == "10.0.0.10"
        drifted = resource.read(resource_id, checked, outputs)
        assert drifted is not None
        assert drifted[1] == wider

        resource.delete(resource_id, outputs)
        resource.delete(resource_id, outputs)
        assert resource.read(resource_id, checked, outputs) is None

    def test_what_is_there_is_not_adopted(self, resource: ResourceType) -> None:
        resource.create(inputs("gw"))
        with pytest.raises(ProviderError, match=r"^cannot create already existing resource '/sub"):
            resource.create(inputs("gw", "10.0.0.1", "10.9.9.9"))

    def test_another_name_is_another_rule(self, resource: ResourceType) -> None:
        diff = resource.diff("id", inputs("gw"), {}, inputs("vpn"))
        assert (diff.changed, diff.replaces) == (["firewallRuleName"], ["firewallRuleName"])
