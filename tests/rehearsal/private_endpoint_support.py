"""What the tests of private endpoints share: two servers, bodies, requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from azure_support import GROUP, NAME, SUBSCRIPTION, Answer, Json, call

from azure_postgres_rehearsal.azure_api import EmulatedAzure, Faults, FlexibleServer, Network
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network"
SUBNETS = f"{NETWORK}/virtualNetworks/vnet/subnets"
DELEGATED = f"{SUBNETS}/pg"
ZONE = f"{NETWORK}/privateDnsZones/privatelink.postgres.database.azure.com"
VERSION = "2024-05-01"


@contextmanager
def azure_with_servers(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    """One server that takes private endpoints, one in a virtual network, and their zone."""
    with EmulatedAzure(SUBSCRIPTION) as azure:
        burstable = {"name": "Standard_B1ms", "tier": "Burstable"}
        azure.add_server(GROUP, NAME, postgres, sku=burstable)
        injected = Network(False, DELEGATED, ZONE)
        azure.add_server(GROUP, "cdc-injected", postgres, network=injected)
        azure.add_private_dns_zone(GROUP)
        yield azure


def clear(azure: EmulatedAzure) -> None:
    """Leave nothing of a test behind."""
    azure.operations.wait()
    azure.faults = Faults()
    azure.behaviour.write_seconds = azure.behaviour.restart_seconds = 0
    for found in get(azure, "")[2]["value"]:
        call(azure, "DELETE", found["id"], version=VERSION)
    for kept in (azure.journal.accepted, azure.journal.refused):
        kept.clear()


def endpoint(server: FlexibleServer, **properties: object) -> Json:
    """The body of an endpoint; `properties` replace or add to it."""
    connection = {
        "name": "cdc",
        "properties": {"privateLinkServiceId": server.id, "groupIds": ["postgresqlServer"]},
    }
    given = {"subnet": {"id": f"{SUBNETS}/pe"}, "privateLinkServiceConnections": [connection]}
    return {"location": "West Europe", "properties": given | properties}


def connected(server: FlexibleServer, name: str = "cdc", **properties: object) -> list[Json]:
    """The connections of an endpoint's body."""
    given = {"privateLinkServiceId": server.id, "groupIds": ["postgresqlServer"]} | properties
    return [{"name": name, "properties": given}]


def zone_group(zone: str = ZONE, name: str = "postgres") -> Json:
    """The body of a zone group."""
    config = {"name": name, "properties": {"privateDnsZoneId": zone}}
    return {"properties": {"privateDnsZoneConfigs": [config]}}


def put(azure: EmulatedAzure, body: Json, name: str = "pe-cdc") -> Answer:
    """PUT an endpoint."""
    return call(azure, "PUT", f"{NETWORK}/privateEndpoints/{name}", body, VERSION)


def put_group(azure: EmulatedAzure, body: Json, name: str = "default") -> Answer:
    """PUT a zone group of the endpoint."""
    path = f"{NETWORK}/privateEndpoints/pe-cdc/privateDnsZoneGroups/{name}"
    return call(azure, "PUT", path, body, VERSION)


def record_sets(azure: EmulatedAzure) -> int:
    """How many record sets the zone has."""
    zone: Json = call(azure, "GET", ZONE, version="2024-06-01")[2]["properties"]
    return int(zone["numberOfRecordSets"])


def get(azure: EmulatedAzure, path: str) -> Answer:
    """GET an endpoint, what is in it, or the list."""
    return call(azure, "GET", f"{NETWORK}/privateEndpoints/{path}".rstrip("/"), version=VERSION)
