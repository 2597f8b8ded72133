"""Private endpoints: Microsoft's client, raw requests, the stand-in plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pulumi_azure_native.network as sdk
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import PrivateEndpoint, PrivateLinkServiceConnection, Subnet
from azure_clients import management_client
from azure_support import GROUP, NAME, Json, call, code_of, plugin_of
from private_endpoint_support import (
    DELEGATED,
    NETWORK,
    SUBNETS,
    VERSION,
    ZONE,
    azure_with_servers,
    clear,
    connected,
    endpoint,
    get,
    put,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure, Faults, FlexibleServer
from azure_postgres_rehearsal.azure_api.resource_types import PRIVATE_ENDPOINT_VERSIONS
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.azure_native import AzureNative, network_kinds
from azure_postgres_rehearsal.plugins.protocol import InitError, ProviderError


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
    def test_an_endpoints_life(
        self, client: NetworkManagementClient, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.write_seconds = 0.2
        wanted = PrivateEndpoint(
            location="westeurope",
            subnet=Subnet(id=f"{SUBNETS}/pe"),
            private_link_service_connections=[
                PrivateLinkServiceConnection(
                    name="cdc", private_link_service_id=server.id, group_ids=["postgresqlServer"]
                )
            ],
        )
        poller = client.private_endpoints.begin_create_or_update(GROUP, "pe-cdc", wanted)
        assert client.private_endpoints.get(GROUP, "pe-cdc").provisioning_state == "Updating"
        assert server.as_json()["properties"]["privateEndpointConnections"] == []
        made = poller.result()
        assert made.provisioning_state == "Succeeded"
        assert made.private_link_service_connections is not None
        state = made.private_link_service_connections[0].private_link_service_connection_state
        assert state is not None
        assert (state.status, state.description) == ("Approved", "Auto-Approved")
        assert made.custom_dns_configs is not None
        assert made.custom_dns_configs[0].fqdn == server.fully_qualified_domain_name
        addresses = made.custom_dns_configs[0].ip_addresses
        assert addresses is not None
        assert addresses[0].startswith("10.")

        shown = server.as_json()["properties"]["privateEndpointConnections"]
        assert [c["properties"]["privateEndpoint"]["id"] for c in shown] == [made.id]
        assert [e.name for e in client.private_endpoints.list(GROUP)] == ["pe-cdc"]
        assert [e.name for e in client.private_endpoints.list_by_subscription()] == ["pe-cdc"]
        assert [o.detail for o in azure.journal.of_kind("private-endpoint-write")] == ["pe-cdc"]

        client.private_endpoints.begin_delete(GROUP, "pe-cdc").result()
        client.private_endpoints.begin_delete(GROUP, "pe-cdc").result()
        assert server.as_json()["properties"]["privateEndpointConnections"] == []
        with pytest.raises(ResourceNotFoundError, match="privateEndpoints/pe-cdc"):
            client.private_endpoints.get(GROUP, "pe-cdc")

    def test_a_busy_server_takes_no_endpoint(
        self, client: NetworkManagementClient, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.restart_seconds = 0.3
        server.restart({})
        with pytest.raises(HttpResponseError, match="ServerIsBusy"):
            client.private_endpoints.begin_create_or_update(
                GROUP, "pe-cdc", cast(Any, endpoint(server))
            )
        assert get(azure, "pe-cdc")[0] == 404
        azure.operations.wait()


class TestRefusals:
    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"subnet": {}}, "InvalidParameterValue"),
            ({"subnet": {"id": f"{NETWORK}/virtualNetworks/vnet"}}, "InvalidParameterValue"),
            ({"subnet": {"id": f"{SUBNETS}/pe", "name": "pe"}}, "NotSupportedByRehearsal"),
            (
                {"subnet": {"id": DELEGATED.upper()}},
                "PrivateEndpointCreationNotAllowedAsSubnetIsDelegated",
            ),
            ({"privateLinkServiceConnections": []}, "BadRequest"),
            ({"manualPrivateLinkServiceConnections": []}, "NotSupportedByRehearsal"),
            ({"ipConfigurations": []}, "NotSupportedByRehearsal"),
        ],
    )
    def test_properties(
        self, azure: EmulatedAzure, server: FlexibleServer, wrong: Json, code: str
    ) -> None:
        assert code_of(put(azure, endpoint(server, **wrong))) == (400, code)
        assert get(azure, "pe-cdc")[0] == 404

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"groupIds": ["postgresql"]}, "BadRequest"),
            ({"groupIds": ["postgresqlserver"]}, "BadRequest"),
            ({"groupIds": []}, "BadRequest"),
            ({"groupIds": ["postgresqlServer", "x"]}, "OnlyOneGroupIdPermitted"),
            ({"groupIds": "postgresqlServer"}, "InvalidRequestContent"),
            ({"privateLinkServiceId": ""}, "InvalidParameterValue"),
            ({"privateLinkServiceId": ZONE}, "InvalidResourceReference"),
            ({"privateLinkServiceConnectionState": {}}, "NotSupportedByRehearsal"),
            ({"requestMessage": "x" * 141}, "InvalidRequestContent"),
        ],
    )
    def test_the_connection(
        self, azure: EmulatedAzure, server: FlexibleServer, wrong: Json, code: str
    ) -> None:
        body = endpoint(server, privateLinkServiceConnections=connected(server, **wrong))
        assert code_of(put(azure, body)) == (400, code)

    def test_a_server_in_a_virtual_network_has_none(self, azure: EmulatedAzure) -> None:
        answer = put(azure, endpoint(azure.servers[1]))
        assert code_of(answer) == (400, "PrivateEndpointFeatureNotSupportedOnServer")

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"location": "nowhere"}, "LocationNotAvailableForResourceType"),
            ({"location": ""}, "LocationRequired"),
            ({"sku": {}}, "NotSupportedByRehearsal"),
            ({"tags": ["a"]}, "InvalidRequestContent"),
        ],
    )
    def test_the_rest_of_the_body(
        self, azure: EmulatedAzure, server: FlexibleServer, body: Json, code: str
    ) -> None:
        assert code_of(put(azure, endpoint(server) | body)) == (400, code)

    @pytest.mark.parametrize("name", ["p", "-pe", "pe-", "p" * 65, "a%20b"])
    def test_names(self, azure: EmulatedAzure, server: FlexibleServer, name: str) -> None:
        assert code_of(put(azure, endpoint(server), name)) == (400, "InvalidResourceName")

    def test_what_it_keeps_for_its_life(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        assert put(azure, endpoint(server))[0] == 201
        again = put(azure, endpoint(server) | {"tags": {"a": "b"}})
        assert (again[0], again[2]["tags"]) == (200, {"a": "b"})
        for change, refusal in (
            ({"location": "northeurope"}, (409, "InvalidResourceLocation")),
            (
                endpoint(server, subnet={"id": f"{SUBNETS}/other"}),
                (400, "CannotChangeSubnetOnExistingPrivateEndpoint"),
            ),
            (
                endpoint(server, privateLinkServiceConnections=connected(server, "other")),
                (400, "CannotChangePrivateLinkConnectionOnPrivateEndpoint"),
            ),
        ):
            assert code_of(put(azure, endpoint(server) | change)) == refusal

    def test_api_versions(self, azure: EmulatedAzure) -> None:
        path = f"{NETWORK}/privateEndpoints"
        for version in ("2025-08-01", "2020-02-01"):
            answer = call(azure, "GET", path, version=version)
            assert code_of(answer) == (400, "NoRegisteredProviderFound")
        assert network_kinds.PRIVATE_ENDPOINT.default_version in PRIVATE_ENDPOINT_VERSIONS

    def test_the_resource_group_has_to_be_there(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        path = f"{NETWORK}/privateEndpoints/pe-cdc".replace(GROUP, "rg-none")
        answer = call(azure, "PUT", path, endpoint(server), VERSION)
        assert code_of(answer) == (404, "ResourceGroupNotFound")


class TestServer:
    def test_an_endpoint_outlives_its_server(
        self, azure: EmulatedAzure, postgres: EmbeddedPostgres
    ) -> None:
        server = azure.add_server(GROUP, "cdc-brief", postgres)
        put(azure, endpoint(server))
        assert call(azure, "DELETE", server.id)[0] == 202
        connection = get(azure, "pe-cdc")[2]["properties"]["privateLinkServiceConnections"][0]
        state = connection["properties"]["privateLinkServiceConnectionState"]
        assert state["status"] == "Disconnected"
        gone = call(azure, "DELETE", f"{NETWORK}/privateEndpoints/pe-cdc", version=VERSION)
        assert gone[0] == 200
        assert get(azure, "")[2] == {"value": []}


class TestPlugin:
    def inputs(self, server: FlexibleServer, **given: object) -> Json:
        connection = {
            "name": "cdc",
            "privateLinkServiceId": server.id,
            "groupIds": ["postgresqlServer"],
        }
        return {
            "resourceGroupName": GROUP,
            "privateEndpointName": "pe-cdc",
            "location": "westeurope",
            "subnet": {"id": f"{SUBNETS}/pe"},
            "privateLinkServiceConnections": [connection],
            **given,
        }

    def test_the_inputs_are_the_sdks(self) -> None:
        kind = network_kinds.PRIVATE_ENDPOINT
        outputs = {
            cast(Any, member).fget._pulumi_name
            for member in vars(sdk.PrivateEndpoint).values()
            if isinstance(member, property)
        }
        assert outputs == {*kind.properties, *kind.outer, *kind.outputs, "azureApiVersion"}

    def test_its_life(
        self, plugin: AzureNative, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        endpoints = plugin.resource("azure-native:network:PrivateEndpoint")
        inputs, failures = endpoints.check({}, self.inputs(server))
        assert failures == []
        assert inputs["azureApiVersion"] == VERSION
        endpoint_id, outputs = endpoints.create(inputs)
        connection = outputs["privateLinkServiceConnections"][0]
        assert connection["privateLinkServiceId"] == server.id
        assert connection["privateLinkServiceConnectionState"]["status"] == "Approved"
        assert outputs["customDnsConfigs"][0]["fqdn"] == server.fully_qualified_domain_name
        assert endpoints.read(endpoint_id, inputs, outputs) == (endpoint_id, inputs, outputs)
        imported = endpoints.read(endpoint_id, {}, {})
        assert imported is not None
        assert {name: imported[1][name] for name in inputs} == inputs
        with pytest.raises(ProviderError, match="cannot create already existing resource"):
            endpoints.create(inputs)
        endpoints.delete(endpoint_id, outputs)
        endpoints.delete(endpoint_id, outputs)
        assert endpoints.read(endpoint_id, inputs, outputs) is None
        assert azure.journal.refused == []

    def test_another_subnet_is_another_endpoint(
        self, plugin: AzureNative, server: FlexibleServer
    ) -> None:
        endpoints = plugin.resource("azure-native:network:PrivateEndpoint")
        olds = self.inputs(server)
        news = olds | {"subnet": {"id": f"{SUBNETS}/other"}, "location": "northeurope"}
        diff = endpoints.diff("id", olds, {}, news)
        assert (diff.changed, diff.replaces) == (["location", "subnet"], ["subnet"])

    def test_what_was_made_although_it_failed_is_kept(
        self, plugin: AzureNative, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        rule = {"kind": "fail-operation", "path": "/privateEndpoints/", "code": "X", "message": "x"}
        azure.faults = Faults([rule])
        endpoints = plugin.resource("azure-native:network:PrivateEndpoint")
        with pytest.raises(InitError) as failed:
            endpoints.create(self.inputs(server))
        assert failed.value.outputs["provisioningState"] == "Failed"
        again = endpoints.update(failed.value.resource_id, {}, self.inputs(server))
        assert again["provisioningState"] == "Succeeded"

    def test_look_up(self, plugin: AzureNative, server: FlexibleServer) -> None:
        plugin.resource("azure-native:network:PrivateEndpoint").create(self.inputs(server))
        names = {"resourceGroupName": GROUP, "privateEndpointName": "pe-cdc"}
        found = plugin.invoke("azure-native:network:getPrivateEndpoint", names)
        assert found["subnet"] == {"id": f"{SUBNETS}/pe"}
        shown = plugin.invoke(
            "azure-native:dbforpostgresql:getServer",
            {"resourceGroupName": GROUP, "serverName": NAME},
        )
        assert shown["privateEndpointConnections"][0]["properties"]["groupIds"] == [
            "postgresqlServer"
        ]
