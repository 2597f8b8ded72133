"""Private DNS zone groups of endpoints: Microsoft's client, raw requests, the stand-in plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pulumi_azure_native.network as sdk
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import PrivateDnsZoneConfig, PrivateDnsZoneGroup
from azure_clients import management_client
from azure_support import GROUP, NAME, SUBSCRIPTION, Json, call, code_of, plugin_of
from private_endpoint_support import (
    NETWORK,
    VERSION,
    ZONE,
    azure_with_servers,
    clear,
    endpoint,
    get,
    put,
    put_group,
    record_sets,
    zone_group,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.resource_types import PRIVATE_DNS_ZONE_GROUP_VERSIONS
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.azure_native import AzureNative, network_kinds


@pytest.fixture(scope="module")
def emulated(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with azure_with_servers(postgres) as azure:
        yield azure


@pytest.fixture
def azure(emulated: EmulatedAzure) -> Iterator[EmulatedAzure]:
    yield emulated
    clear(emulated)


@pytest.fixture
def server(azure: EmulatedAzure) -> FlexibleServer:
    return azure.servers[0]


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[NetworkManagementClient]:
    with management_client(NetworkManagementClient, azure) as management:
        yield management


@pytest.fixture
def plugin(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> AzureNative:
    return plugin_of(azure, monkeypatch)


class TestMicrosoftsClient:
    def test_a_zone_group_takes_over_the_dns(
        self, client: NetworkManagementClient, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        put(azure, endpoint(server))
        address = get(azure, "pe-cdc")[2]["properties"]["customDnsConfigs"][0]["ipAddresses"]
        groups = client.private_dns_zone_groups
        wanted = PrivateDnsZoneGroup(
            private_dns_zone_configs=[
                PrivateDnsZoneConfig(name="postgres", private_dns_zone_id=ZONE)
            ]
        )
        made = groups.begin_create_or_update(GROUP, "pe-cdc", "default", wanted).result()
        assert made.private_dns_zone_configs is not None
        records = made.private_dns_zone_configs[0].record_sets
        assert records is not None
        assert (records[0].record_set_name, records[0].ip_addresses) == (NAME, address)
        assert records[0].fqdn == f"{NAME}.privatelink.postgres.database.azure.com"
        assert [g.name for g in groups.list("pe-cdc", GROUP)] == ["default"]
        found = client.private_endpoints.get(GROUP, "pe-cdc")
        assert found.custom_dns_configs == []
        assert record_sets(azure) == 2
        groups.begin_delete(GROUP, "pe-cdc", "default").result()
        assert record_sets(azure) == 1
        with pytest.raises(ResourceNotFoundError):
            groups.get(GROUP, "pe-cdc", "default")


class TestZoneGroups:
    def test_it_needs_an_endpoint(self, azure: EmulatedAzure) -> None:
        assert code_of(put_group(azure, zone_group())) == (404, "ParentResourceNotFound")
        assert get(azure, "pe-cdc/privateDnsZoneGroups")[0] == 404

    def test_the_endpoint_has_to_be_finished(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.write_seconds = 0.3
        put(azure, endpoint(server))
        refused = code_of(put_group(azure, zone_group()))
        assert refused == (409, "ReferencedResourceNotProvisioned")
        azure.operations.wait()
        assert put_group(azure, zone_group())[0] == 201

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (
                zone_group(f"{NETWORK}/privateDnsZones/nobody.example.com"),
                "InvalidResourceReference",
            ),
            (zone_group(f"{NETWORK}/privateDnsZones/example.com"), "NotSupportedByRehearsal"),
            (zone_group(f"{NETWORK}/dnsZones/example.com"), "InvalidParameterValue"),
            (zone_group(name=""), "InvalidParameterValue"),
            ({"properties": {"privateDnsZoneConfigs": []}}, "BadRequest"),
            ({"properties": {"zones": []}}, "NotSupportedByRehearsal"),
            (zone_group() | {"name": "other"}, "BadRequest"),
            (zone_group() | {"location": "global"}, "NotSupportedByRehearsal"),
        ],
    )
    def test_what_azure_does_not_take(
        self, azure: EmulatedAzure, server: FlexibleServer, body: Json, code: str
    ) -> None:
        azure.add_private_dns_zone(GROUP, "example.com")
        put(azure, endpoint(server))
        assert code_of(put_group(azure, body)) == (400, code)
        assert get(azure, "pe-cdc/privateDnsZoneGroups")[2] == {"value": []}

    def test_there_is_one_at_most(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        put(azure, endpoint(server))
        assert put_group(azure, zone_group())[0] == 201
        assert put_group(azure, zone_group())[0] == 200
        assert code_of(put_group(azure, zone_group(), "second")) == (400, "BadRequest")

    def test_a_zone_of_another_subscription(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        put(azure, endpoint(server))
        hub = azure.add_private_dns_zone("rg-hub", subscription_id=SUBSCRIPTION.replace("0", "1"))
        assert put_group(azure, zone_group(hub))[0] == 201
        path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/privateDnsZones"
        listed = call(azure, "GET", path, version="2024-06-01")[2]["value"]
        ids = [zone["id"] for zone in listed]
        assert ZONE in ids
        assert hub not in ids

    def test_it_goes_with_the_endpoint(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        put(azure, endpoint(server))
        put_group(azure, zone_group())
        call(azure, "DELETE", f"{NETWORK}/privateEndpoints/pe-cdc", version=VERSION)
        put(azure, endpoint(server))
        assert get(azure, "pe-cdc/privateDnsZoneGroups")[2] == {"value": []}


class TestPlugin:
    def inputs(self) -> Json:
        return {
            "resourceGroupName": GROUP,
            "privateEndpointName": "pe-cdc",
            "privateDnsZoneGroupName": "default",
            "privateDnsZoneConfigs": [{"name": "postgres", "privateDnsZoneId": ZONE}],
        }

    def test_the_inputs_are_the_sdks(self) -> None:
        kind = network_kinds.PRIVATE_DNS_ZONE_GROUP
        outputs = {
            cast(Any, member).fget._pulumi_name
            for member in vars(sdk.PrivateDnsZoneGroup).values()
            if isinstance(member, property)
        }
        assert outputs == {*kind.properties, *kind.outer, *kind.outputs, "azureApiVersion"}
        assert kind.default_version in PRIVATE_DNS_ZONE_GROUP_VERSIONS

    def test_its_life(
        self, plugin: AzureNative, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        put(azure, endpoint(server))
        endpoints = plugin.resource("azure-native:network:PrivateEndpoint")
        endpoint_id = f"{NETWORK}/privateEndpoints/pe-cdc"
        before = endpoints.read(endpoint_id, {}, {})
        assert before is not None

        groups = plugin.resource("azure-native:network/v20240701:PrivateDnsZoneGroup")
        inputs, failures = groups.check({}, self.inputs())
        assert failures == []
        group_id, outputs = groups.create(inputs)
        assert group_id == f"{endpoint_id}/privateDnsZoneGroups/default"
        assert outputs["privateDnsZoneConfigs"][0]["recordSets"][0]["recordType"] == "A"
        assert groups.read(group_id, inputs, outputs) == (group_id, inputs, outputs)
        imported = groups.read(group_id, {}, {})
        assert imported is not None
        assert {name: imported[1][name] for name in inputs} == inputs

        given = {name: before[1][name] for name in ("subnet", "privateLinkServiceConnections")}
        found = endpoints.read(endpoint_id, given, before[2])
        assert found is not None
        assert (found[1], found[2]["customDnsConfigs"]) == (given | {"customDnsConfigs": []}, [])
        groups.delete(group_id, outputs)
        groups.delete(group_id, outputs)
        assert groups.read(group_id, inputs, outputs) is None
