"""Virtual network links: which networks resolve the names of a private DNS zone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from azure_postgres_rehearsal.azure_api.checks import as_object, flag, only, part, tags
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.locations import only_global
from azure_postgres_rehearsal.azure_api.network_names import check_name
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.resource_ids import VIRTUAL_NETWORK, resource_id, same
from azure_postgres_rehearsal.azure_api.resource_types import VIRTUAL_NETWORK_LINKS

_LONGEST_NAME = 80


@dataclass(frozen=True)
class VirtualNetworkLink:
    """One link. Whether the network exists the emulator cannot know."""

    id: str
    virtual_network: str
    registration_enabled: bool
    tags: Mapping[str, str] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def name(self) -> str:
        """The last part of its id."""
        return self.id.rsplit("/", 1)[-1]

    @property
    def zone_name(self) -> str:
        """The domain of the zone that it is in."""
        return self.id.split("/")[8]

    def as_json(self) -> Json:
        """The link as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": VIRTUAL_NETWORK_LINKS,
            "location": "global",
            "tags": dict(self.tags),
            "etag": self.etag,
            "properties": {
                "virtualNetwork": {"id": self.virtual_network},
                "registrationEnabled": self.registration_enabled,
                "virtualNetworkLinkState": "Completed",
                "provisioningState": "Succeeded",
            },
        }


def wanted_link(
    link_id: str, body: Json, others: Iterable[VirtualNetworkLink], now: VirtualNetworkLink | None
) -> VirtualNetworkLink:
    """The link that a PUT asks for; `others` are the links of all zones, `now` the one there."""
    check_name(link_id.rsplit("/", 1)[-1], _LONGEST_NAME)
    only(body, ("location", "tags", "properties"), "a virtual network link")
    only_global(body, VIRTUAL_NETWORK_LINKS)
    properties = part(body, "properties")
    only(properties, ("virtualNetwork", "registrationEnabled"), "a virtual network link")
    network = as_object(properties.get("virtualNetwork", {}), "virtualNetwork")
    only(network, ("id",), "a link's virtual network")
    link = VirtualNetworkLink(
        id=link_id,
        virtual_network=resource_id(network, "id", VIRTUAL_NETWORK),
        registration_enabled=flag(properties, "registrationEnabled", default=False),
        tags=tags(body),
    )
    if now is not None and not same(now.virtual_network, link.virtual_network):
        raise _bad(f"The virtual network of the link '{now.id}' cannot be changed.")
    for other in others:
        _check_beside(link, other)
    return link


def _check_beside(link: VirtualNetworkLink, other: VirtualNetworkLink) -> None:
    """Refuse a network that is linked to a zone of that name, or registers itself elsewhere."""
    if same(link.id, other.id) or not same(link.virtual_network, other.virtual_network):
        return
    if same(link.zone_name, other.zone_name):
        raise _bad(
            "A virtual network cannot be linked to multiple zones with overlapping namespaces. "
            f"You tried to link virtual network with '{link.zone_name}' and "
            f"'{other.zone_name}' zones."
        )
    if link.registration_enabled and other.registration_enabled:
        raise _bad(
            "A virtual network can only be linked to one private DNS zone with registration "
            f"enabled, and '{other.id}' is such a link."
        )


def _bad(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)
