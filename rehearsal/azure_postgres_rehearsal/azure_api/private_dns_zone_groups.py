"""Private DNS zone groups: the A records of a private endpoint, written and removed with it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from azure_postgres_rehearsal.azure_api.checks import list_of_objects, only, part, text
from azure_postgres_rehearsal.azure_api.errors import ApiError, not_supported
from azure_postgres_rehearsal.azure_api.network_names import check_name
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.private_dns_zones import PrivateDnsZone
from azure_postgres_rehearsal.azure_api.private_endpoints import PrivateEndpoint
from azure_postgres_rehearsal.azure_api.resource_ids import (
    PRIVATE_DNS_ZONE,
    invalid_reference,
    resource_id,
)
from azure_postgres_rehearsal.azure_api.resource_types import PRIVATE_DNS_ZONE_GROUPS

ZONE = "privatelink.postgres.database.azure.com"
"""The only zone that Azure writes a flexible server's records to."""

_LONGEST_NAME = 80
_TTL = 10

FindZone = Callable[[str], PrivateDnsZone | None]
"""The zone with that id, where the emulated Azure has it."""


@dataclass(frozen=True)
class ZoneGroup:
    """The one group that an endpoint may have: its zones, by the names of the configurations."""

    id: str
    zones: dict[str, PrivateDnsZone]
    etag: str = field(default_factory=lambda: f'W/"{uuid.uuid4()}"')

    @property
    def name(self) -> str:
        """The last part of its id."""
        return self.id.rsplit("/", 1)[-1]

    def register(self, endpoint: PrivateEndpoint) -> None:
        """Have it as the endpoint's group, and its records in the zones."""
        release(endpoint)
        endpoint.zone_group = self
        for zone in self.zones.values():
            zone.records[endpoint.id.lower()] = endpoint.server.name

    def as_json(self, endpoint: PrivateEndpoint) -> Json:
        """The group as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": PRIVATE_DNS_ZONE_GROUPS,
            "etag": self.etag,
            "properties": {
                "provisioningState": "Succeeded",
                "privateDnsZoneConfigs": [
                    self._config(name, zone, endpoint) for name, zone in self.zones.items()
                ],
            },
        }

    def _config(self, name: str, zone: PrivateDnsZone, endpoint: PrivateEndpoint) -> Json:
        server = endpoint.server.name
        record = {
            "recordType": "A",
            "recordSetName": server,
            "fqdn": f"{server}.{zone.name}",
            "ttl": _TTL,
            "ipAddresses": [endpoint.address],
            "provisioningState": "Succeeded",
        }
        return {
            "id": f"{self.id}/privateDnsZoneConfigs/{name}",
            "name": name,
            "type": f"{PRIVATE_DNS_ZONE_GROUPS}/privateDnsZoneConfigs",
            "etag": self.etag,
            "properties": {
                "provisioningState": "Succeeded",
                "privateDnsZoneId": zone.id,
                "recordSets": [record],
            },
        }


def release(endpoint: PrivateEndpoint) -> None:
    """Take an endpoint's records out of the zones, and its group away."""
    if endpoint.zone_group is not None:
        for zone in endpoint.zone_group.zones.values():
            zone.records.pop(endpoint.id.lower(), None)
    endpoint.zone_group = None


def wanted_group(
    group_id: str, body: Json, endpoint: PrivateEndpoint, find_zone: FindZone
) -> ZoneGroup:
    """The group that a PUT asks for, checked against what Azure takes."""
    name = group_id.rsplit("/", 1)[-1]
    check_name(name, _LONGEST_NAME)
    only(body, ("name", "properties"), "a private DNS zone group")
    if body.get("name", name) != name:
        raise _bad(f"The name '{body['name']}' is not that of the path, '{name}'.")
    _check_endpoint(group_id, endpoint)
    properties = part(body, "properties")
    only(properties, ("privateDnsZoneConfigs",), "a private DNS zone group")
    configs = list_of_objects(properties, "privateDnsZoneConfigs")
    zones = [_zone(config, group_id, find_zone) for config in configs]
    if len(zones) != 1:
        # Azure takes up to five zones of different names, and there is only one name for a server.
        raise _bad(f"A flexible server's endpoint has one zone, '{ZONE}', not {len(zones)}.")
    return ZoneGroup(group_id, dict(zones))


def _check_endpoint(group_id: str, endpoint: PrivateEndpoint) -> None:
    if endpoint.state != "Succeeded":
        raise ApiError(
            409,
            "ReferencedResourceNotProvisioned",
            f"Cannot proceed with operation because resource {endpoint.id} used by resource "
            f"{group_id} is not in Succeeded state. Resource is in {endpoint.state} state.",
        )
    now = endpoint.zone_group
    if now is not None and now.id.lower() != group_id.lower():
        # That there is one at most is documented; the code of the refusal is not.
        raise _bad(f"Private endpoint {endpoint.id} has the private DNS zone group {now.id}.")


def _zone(config: Json, group_id: str, find_zone: FindZone) -> tuple[str, PrivateDnsZone]:
    only(config, ("name", "properties"), "a private DNS zone configuration")
    name = text(config, "name")
    check_name(name, _LONGEST_NAME)
    properties = part(config, "properties")
    only(properties, ("privateDnsZoneId",), "a private DNS zone configuration")
    zone_id = resource_id(properties, "privateDnsZoneId", PRIVATE_DNS_ZONE)
    zone = find_zone(zone_id)
    if zone is None:
        raise invalid_reference(zone_id, group_id)
    if zone.name.lower() != ZONE:
        raise not_supported(
            f"Azure writes no record of a flexible server into '{zone.name}': the zone has to be "
            f"'{ZONE}'."
        )
    return name, zone


def _bad(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)
