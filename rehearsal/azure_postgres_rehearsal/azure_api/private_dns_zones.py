"""Private DNS zones: names that only linked virtual networks resolve. Nothing resolves here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from azure_postgres_rehearsal.azure_api.checks import only, part, tags
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.locations import only_global
from azure_postgres_rehearsal.azure_api.network_names import check_zone_name
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.resource_types import PRIVATE_DNS_ZONES
from azure_postgres_rehearsal.azure_api.virtual_network_links import VirtualNetworkLink

_RECORD_SETS = 25_000
_LINKS = 1_000
_LINKS_WITH_REGISTRATION = 100


@dataclass(eq=False)
class PrivateDnsZone:
    """One zone, its links by name, and the A records that zone groups wrote, by endpoint."""

    id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    links: dict[str, VirtualNetworkLink] = field(default_factory=dict)
    records: dict[str, str] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def name(self) -> str:
        """The last part of its id: the domain."""
        return self.id.rsplit("/", 1)[-1]

    def retag(self, body: Json) -> None:
        """Change it as a PUT asks, which can say nothing but tags."""
        self.tags = zone_tags(self.name, body)
        self.etag = str(uuid.uuid4())

    def as_json(self) -> Json:
        """The zone as the API shows it."""
        registering = [link for link in self.links.values() if link.registration_enabled]
        return {
            "id": self.id,
            "name": self.name,
            "type": PRIVATE_DNS_ZONES,
            "location": "global",
            "tags": dict(self.tags),
            "etag": self.etag,
            "properties": {
                "maxNumberOfRecordSets": _RECORD_SETS,
                "maxNumberOfVirtualNetworkLinks": _LINKS,
                "maxNumberOfVirtualNetworkLinksWithRegistration": _LINKS_WITH_REGISTRATION,
                # A zone has one record set of its own, the SOA.
                "numberOfRecordSets": 1 + len(set(self.records.values())),
                "numberOfVirtualNetworkLinks": len(self.links),
                "numberOfVirtualNetworkLinksWithRegistration": len(registering),
                "provisioningState": "Succeeded",
            },
        }


def zone_tags(name: str, body: Json) -> dict[str, str]:
    """The tags of the zone that a PUT asks for; there is nothing else to choose."""
    check_zone_name(name)
    only(body, ("location", "tags", "properties"), "a private DNS zone")
    only(part(body, "properties"), (), "a private DNS zone's properties")
    only_global(body, PRIVATE_DNS_ZONES)
    return tags(body)


def check_deletion(zone: PrivateDnsZone) -> None:
    """Refuse to delete a zone before its links."""
    if zone.links:
        nested = ", ".join(f"'{link.id}'" for link in zone.links.values())
        raise ApiError(
            409,
            "CannotDeleteResource",
            "Cannot delete resource while nested resources exist. Some existing nested resource "
            f"IDs include: {nested}. Please delete all nested resources before deleting this "
            "resource.",
        )
