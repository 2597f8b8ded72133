"""Private DNS zones and virtual network links: Microsoft's client, raw requests, the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pulumi_azure_native.privatedns as sdk
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.privatedns import PrivateDnsManagementClient
from azure.mgmt.privatedns.models import PrivateZone, SubResource, VirtualNetworkLink
from azure_clients import management_client
from azure_support import GROUP, SUBSCRIPTION, Answer, Json, call, code_of, plugin_of

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.azure_api.resource_types import PRIVATE_DNS_VERSIONS
from azure_postgres_rehearsal.plugins.azure_native import AzureNative, network_kinds
from azure_postgres_rehearsal.plugins.protocol import ProviderError

NAME = "privatelink.postgres.database.azure.com"
NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network"
ZONE = f"{NETWORK}/privateDnsZones/{NAME}"
VNET = f"{NETWORK}/virtualNetworks/vnet"
VERSION = "2024-06-01"


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION, resource_groups=[GROUP, "rg-other"]) as emulated:
        yield emulated


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[PrivateDnsManagementClient]:
    with management_client(PrivateDnsManagementClient, azure) as management:
        yield management


@pytest.fixture
def plugin(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> AzureNative:
    return plugin_of(azure, monkeypatch)


def link(vnet: str = VNET, **given: object) -> Json:
    properties = {"virtualNetwork": {"id": vnet}, "registrationEnabled": False, **given}
    return {"location": "global", "properties": properties}


def put(azure: EmulatedAzure, path: str, body: Json) -> Answer:
    return call(azure, "PUT", path, body, VERSION)


def put_zone(azure: EmulatedAzure, zone: str = ZONE) -> Answer:
    return put(azure, zone, {"location": "Global"})


class TestMicrosoftsClient:
    def test_the_life_of_a_zone_and_its_link(
        self, client: PrivateDnsManagementClient, azure: EmulatedAzure
    ) -> None:
        zones, links = client.private_zones, client.virtual_network_links
        made = zones.begin_create_or_update(GROUP, NAME, PrivateZone(location="global")).result()
        assert (made.id, made.location, made.provisioning_state) == (ZONE, "global", "Succeeded")
        assert made.number_of_record_sets == 1
        wanted = VirtualNetworkLink(
            location="global", virtual_network=SubResource(id=VNET), registration_enabled=False
        )
        linked = links.begin_create_or_update(GROUP, NAME, "vnet", wanted).result()
        assert linked.virtual_network_link_state == "Completed"
        assert linked.virtual_network is not None
        assert linked.virtual_network.id == VNET
        assert [found.name for found in links.list(GROUP, NAME)] == ["vnet"]
        assert [found.name for found in zones.list()] == [NAME]
        assert [found.name for found in zones.list_by_resource_group(GROUP)] == [NAME]
        assert list(zones.list_by_resource_group("rg-other")) == []
        assert zones.get(GROUP, NAME).number_of_virtual_network_links == 1

        with pytest.raises(HttpResponseError, match="nested resources exist") as refused:
            zones.begin_delete(GROUP, NAME)
        assert refused.value.status_code == 409
        links.begin_delete(GROUP, NAME, "vnet").result()
        zones.begin_delete(GROUP, NAME).result()
        zones.begin_delete(GROUP, NAME).result()
        with pytest.raises(ResourceNotFoundError):
            zones.get(GROUP, NAME)
        details = [o.detail for o in azure.journal.of_kind("private-dns-write")]
        assert details == [NAME, f"{NAME}/vnet"]


class TestZones:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"location": "westeurope"}, "LocationNotAvailableForResourceType"),
            ({}, "LocationRequired"),
            ({"location": "global", "etag": "x"}, "NotSupportedByRehearsal"),
            ({"location": "global", "properties": {"a": 1}}, "NotSupportedByRehearsal"),
            ({"location": "global", "tags": {"a": 1}}, "InvalidRequestContent"),
        ],
    )
    def test_what_azure_does_not_take(self, azure: EmulatedAzure, body: Json, code: str) -> None:
        assert code_of(put(azure, ZONE, body)) == (400, code)

    @pytest.mark.parametrize("name", ["com", "-a.com", "a..com", "a.com.", "a_b!.com"])
    def test_names(self, azure: EmulatedAzure, name: str) -> None:
        assert put_zone(azure, ZONE.replace(NAME, name))[0] == 400

    def test_writing_it_again_changes_the_tags(self, azure: EmulatedAzure) -> None:
        assert put_zone(azure)[0] == 201
        assert put(azure, f"{ZONE}/virtualNetworkLinks/vnet", link())[0] == 201
        again = put(azure, ZONE.upper(), {"location": "global", "tags": {"a": "b"}})
        assert (again[0], again[2]["id"], again[2]["tags"]) == (200, ZONE, {"a": "b"})
        assert again[2]["properties"]["numberOfVirtualNetworkLinks"] == 1

    def test_one_that_others_made(self, azure: EmulatedAzure) -> None:
        assert azure.add_private_dns_zone(GROUP) == ZONE
        assert call(azure, "GET", ZONE, version=VERSION)[0] == 200

    def test_api_versions(self, azure: EmulatedAzure) -> None:
        answer = call(azure, "GET", ZONE, version="2024-05-01")
        assert code_of(answer) == (400, "NoRegisteredProviderFound")
        for kind in (network_kinds.PRIVATE_ZONE, network_kinds.VIRTUAL_NETWORK_LINK):
            assert kind.default_version in PRIVATE_DNS_VERSIONS


class TestLinks:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (link() | {"location": "westeurope"}, "LocationNotAvailableForResourceType"),
            (link(f"{VNET}/subnets/pe"), "InvalidParameterValue"),
            (link(virtualNetwork={}), "InvalidParameterValue"),
            (link(virtualNetwork={"id": VNET, "name": "vnet"}), "NotSupportedByRehearsal"),
            (link(registrationEnabled="no"), "InvalidRequestContent"),
            (link(resolutionPolicy="NxDomainRedirect"), "NotSupportedByRehearsal"),
        ],
    )
    def test_what_azure_does_not_take(self, azure: EmulatedAzure, body: Json, code: str) -> None:
        put_zone(azure)
        answer = put(azure, f"{ZONE}/virtualNetworkLinks/vnet", body)
        assert code_of(answer) == (400, code)
        assert call(azure, "GET", f"{ZONE}/virtualNetworkLinks", version=VERSION)[2]["value"] == []

    @pytest.mark.parametrize("name", ["-a", "a-", "a%20b", "n" * 81])
    def test_names(self, azure: EmulatedAzure, name: str) -> None:
        put_zone(azure)
        answer = put(azure, f"{ZONE}/virtualNetworkLinks/{name}", link())
        assert code_of(answer) == (400, "InvalidResourceName")

    def test_the_zone_has_to_be_there(self, azure: EmulatedAzure) -> None:
        path = f"{ZONE}/virtualNetworkLinks/vnet"
        assert code_of(put(azure, path, link())) == (404, "ParentResourceNotFound")
        assert code_of(call(azure, "GET", path, version=VERSION)) == (404, "ResourceNotFound")
        assert call(azure, "DELETE", path, version=VERSION)[0] == 204

    def test_a_network_is_linked_once_to_zones_of_one_name(self, azure: EmulatedAzure) -> None:
        twin = ZONE.replace(GROUP, "rg-other")
        for zone in (ZONE, twin):
            put_zone(azure, zone)
        assert put(azure, f"{ZONE}/virtualNetworkLinks/vnet", link())[0] == 201
        assert put(azure, f"{ZONE}/virtualNetworkLinks/vnet", link())[0] == 200
        for path in (f"{ZONE}/virtualNetworkLinks/again", f"{twin}/virtualNetworkLinks/vnet"):
            answer = put(azure, path, link(VNET.upper()))
            assert code_of(answer) == (400, "BadRequest")
            assert "overlapping namespaces" in answer[2]["error"]["message"]
        moved = put(azure, f"{ZONE}/virtualNetworkLinks/vnet", link(f"{VNET}-2"))
        assert code_of(moved) == (400, "BadRequest")
        assert put(azure, f"{twin}/virtualNetworkLinks/vnet", link(f"{VNET}-2"))[0] == 201

    def test_a_network_registers_its_machines_in_one_zone(self, azure: EmulatedAzure) -> None:
        other = ZONE.replace(NAME, "corp.example.com")
        for zone in (ZONE, other):
            put_zone(azure, zone)
        own = link(registrationEnabled=True)
        assert put(azure, f"{other}/virtualNetworkLinks/vnet", own)[0] == 201
        assert put(azure, f"{ZONE}/virtualNetworkLinks/vnet", own)[0] == 400
        assert put(azure, f"{ZONE}/virtualNetworkLinks/vnet", link())[0] == 201


class TestPlugin:
    @pytest.mark.parametrize(
        ("resource", "kind"),
        [
            (sdk.PrivateZone, network_kinds.PRIVATE_ZONE),
            (sdk.VirtualNetworkLink, network_kinds.VIRTUAL_NETWORK_LINK),
        ],
    )
    def test_the_inputs_are_the_sdks(self, resource: type, kind: network_kinds.Kind) -> None:
        outputs = {
            cast(Any, member).fget._pulumi_name
            for member in vars(resource).values()
            if isinstance(member, property)
        }
        known = {*kind.properties, *kind.outer, *kind.outputs, "azureApiVersion", "systemData"}
        assert outputs <= known
        assert {*kind.properties, *kind.outer} <= outputs

    @pytest.mark.parametrize("module", ["privatedns", "network/v20200601"])
    def test_their_life(self, plugin: AzureNative, module: str) -> None:
        zones = plugin.resource(f"azure-native:{module}:PrivateZone")
        given: Json = {"resourceGroupName": GROUP, "privateZoneName": NAME}
        ((_, fault),) = zones.check({}, given)[1]
        assert fault.startswith("missing required property 'location'. Either set it explicitly")
        inputs, failures = zones.check({}, given | {"location": "Global"})
        assert failures == []
        zone_id, outputs = zones.create(inputs)
        assert zone_id == ZONE
        assert zones.diff(zone_id, inputs, outputs, inputs | {"location": "global"}).changed == []

        links = plugin.resource(f"azure-native:{module}:VirtualNetworkLink")
        wanted = inputs | {
            "virtualNetworkLinkName": "vnet",
            "virtualNetwork": {"id": VNET},
            "registrationEnabled": False,
        }
        link_id, link_outputs = links.create(wanted)
        assert links.read(link_id, wanted, link_outputs) == (link_id, wanted, link_outputs)
        with pytest.raises(ProviderError, match="cannot create already existing resource"):
            links.create(wanted)
        with pytest.raises(ProviderError, match=r'^Status=409 Code="CannotDeleteResource"'):
            zones.delete(zone_id, outputs)
        links.delete(link_id, link_outputs)
        zones.delete(zone_id, outputs)
        zones.delete(zone_id, outputs)
        assert zones.read(zone_id, inputs, outputs) is None
