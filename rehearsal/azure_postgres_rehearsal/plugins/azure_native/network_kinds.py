"""The types of private networking: endpoints, their DNS zones, and what links those."""

from __future__ import annotations

from azure_postgres_rehearsal.plugins.azure_native.kinds import Kind

_NETWORK = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network"
)
_ENDPOINT = _NETWORK + "/privateEndpoints/{privateEndpointName}"
_ZONE = _NETWORK + "/privateDnsZones/{privateZoneName}"
_NETWORK_VERSION = "2024-05-01"
_DNS_VERSION = "2024-06-01"
_OUTSIDE = frozenset({"etag", "id", "name", "type"})
_CONNECTIONS = ("manualPrivateLinkServiceConnections", "privateLinkServiceConnections")

PRIVATE_ENDPOINT = Kind(
    path=_ENDPOINT,
    default_version=_NETWORK_VERSION,
    properties=(
        "applicationSecurityGroups",
        "customDnsConfigs",
        "customNetworkInterfaceName",
        "ipConfigurations",
        "manualPrivateLinkServiceConnections",
        "privateLinkServiceConnections",
        "subnet",
    ),
    outer=("extendedLocation", "location", "tags"),
    outputs=frozenset(
        {
            "customDnsConfigs",
            "etag",
            "name",
            "networkInterfaces",
            "privateLinkServiceConnections",
            "provisioningState",
            "type",
        }
    ),
    # The location is none of them: Azure refuses another one (pulumi/pulumi-azure-native#3883).
    replacing=frozenset({"subnet"}),
    read_only=dict.fromkeys(
        _CONNECTIONS,
        frozenset({"etag", "id", "privateLinkServiceConnectionState", "provisioningState", "type"}),
    ),
    contained=dict.fromkeys(_CONNECTIONS, _OUTSIDE),
)
PRIVATE_DNS_ZONE_GROUP = Kind(
    path=_ENDPOINT + "/privateDnsZoneGroups/{privateDnsZoneGroupName}",
    default_version=_NETWORK_VERSION,
    properties=("privateDnsZoneConfigs",),
    outer=("name",),
    outputs=frozenset({"etag", "name", "privateDnsZoneConfigs", "provisioningState"}),
    read_only={
        "privateDnsZoneConfigs": frozenset(
            {"etag", "id", "provisioningState", "recordSets", "type"}
        )
    },
    contained={"privateDnsZoneConfigs": _OUTSIDE},
)
PRIVATE_ZONE = Kind(
    path=_ZONE,
    default_version=_DNS_VERSION,
    outer=("location", "tags"),
    outputs=frozenset(
        {
            "etag",
            "internalId",
            "maxNumberOfRecordSets",
            "maxNumberOfVirtualNetworkLinks",
            "maxNumberOfVirtualNetworkLinksWithRegistration",
            "name",
            "numberOfRecordSets",
            "numberOfVirtualNetworkLinks",
            "numberOfVirtualNetworkLinksWithRegistration",
            "provisioningState",
            "type",
        }
    ),
    replacing=frozenset({"location"}),
)
VIRTUAL_NETWORK_LINK = Kind(
    path=_ZONE + "/virtualNetworkLinks/{virtualNetworkLinkName}",
    default_version=_DNS_VERSION,
    properties=("registrationEnabled", "resolutionPolicy", "virtualNetwork"),
    outer=("location", "tags"),
    outputs=frozenset({"etag", "name", "provisioningState", "type", "virtualNetworkLinkState"}),
    replacing=frozenset({"location"}),
)
