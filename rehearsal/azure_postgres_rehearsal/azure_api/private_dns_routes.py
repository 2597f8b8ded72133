"""The paths of private DNS zones and of their virtual network links. All of it answers at once.

Azure answers with 202 and takes its time; what counts for a client is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from flask import Response

from azure_postgres_rehearsal.azure_api.errors import not_found
from azure_postgres_rehearsal.azure_api.operations import (
    PRIVATE_DNS_DELETE,
    PRIVATE_DNS_WRITE,
    Journal,
)
from azure_postgres_rehearsal.azure_api.private_dns_zones import (
    PrivateDnsZone,
    check_deletion,
    zone_tags,
)
from azure_postgres_rehearsal.azure_api.resource_ids import no_parent
from azure_postgres_rehearsal.azure_api.resource_types import (
    PRIVATE_DNS_ZONES,
    VIRTUAL_NETWORK_LINKS,
)
from azure_postgres_rehearsal.azure_api.responses import (
    GROUP,
    SUBSCRIPTION,
    Names,
    Routes,
    as_response,
    body,
    is_in_group,
    listed,
)
from azure_postgres_rehearsal.azure_api.virtual_network_links import VirtualNetworkLink, wanted_link

_BASE = f"/providers/{PRIVATE_DNS_ZONES}"
_ZONE = GROUP + _BASE + "/{zone}"
_LINKS = _ZONE + "/virtualNetworkLinks"


class Cloud(Protocol):
    """Where the zones are."""

    subscription_id: str
    journal: Journal

    def check_resource_group(self, group: str) -> None:
        """Refuse a resource group that is not there."""


class PrivateDnsRoutes:
    """Keeps the private DNS zones with their links."""

    def __init__(self, azure: Cloud) -> None:
        self._azure = azure
        self._found: dict[str, PrivateDnsZone] = {}

    @property
    def routes(self) -> Routes:
        """Path and method to what answers them."""
        return {
            SUBSCRIPTION + _BASE: {"GET": lambda _: self._listed(self._own())},
            GROUP + _BASE: {"GET": self._list},
            _ZONE: {"GET": self._get, "PUT": self._put, "DELETE": self._delete},
            _LINKS: {"GET": self._list_links},
            _LINKS + "/{link}": {
                "GET": self._get_link,
                "PUT": self._put_link,
                "DELETE": self._delete_link,
            },
        }

    def add(self, zone_id: str) -> PrivateDnsZone:
        """Have a zone that is there already; it may be in another subscription."""
        zone_tags(zone_id.rsplit("/", 1)[-1], {"location": "global"})
        return self._found.setdefault(zone_id.lower(), PrivateDnsZone(zone_id))

    def find(self, zone_id: str) -> PrivateDnsZone | None:
        """The zone with that id."""
        return self._found.get(zone_id.lower())

    # Zones

    def _list(self, names: Names) -> Response:
        self._azure.check_resource_group(names["group"])
        return self._listed(zone for zone in self._own() if is_in_group(zone.id, names["group"]))

    def _get(self, names: Names) -> Response:
        return as_response(self._zone(names).as_json())

    def _put(self, names: Names) -> Response:
        zone_id = self._id(names)
        zone = self.find(zone_id)
        is_new = zone is None
        if zone is None:
            zone = PrivateDnsZone(zone_id, zone_tags(names["zone"], body()))
            self._found[zone_id.lower()] = zone
        else:
            zone.retag(body())
        self._azure.journal.ended(PRIVATE_DNS_WRITE, zone.name)
        return as_response(zone.as_json(), 201 if is_new else 200)

    def _delete(self, names: Names) -> Response:
        zone = self.find(self._id(names))
        if zone is None:
            return Response(status=204)
        check_deletion(zone)
        del self._found[zone.id.lower()]
        self._azure.journal.ended(PRIVATE_DNS_DELETE, zone.name)
        return Response(status=200)

    # Links

    def _list_links(self, names: Names) -> Response:
        return listed([link.as_json() for link in self._zone(names).links.values()])

    def _get_link(self, names: Names) -> Response:
        zone = self._zone(names)
        link = zone.links.get(names["link"].lower())
        if link is None:
            resource = f"{zone.name}/virtualNetworkLinks/{names['link']}"
            raise not_found(f"{PRIVATE_DNS_ZONES}/{resource}", names["group"])
        return as_response(link.as_json())

    def _put_link(self, names: Names) -> Response:
        zone = self.find(self._id(names))
        if zone is None:
            raise no_parent(VIRTUAL_NETWORK_LINKS, self._id(names))
        now = zone.links.get(names["link"].lower())
        link_id = f"{zone.id}/virtualNetworkLinks/{names['link']}" if now is None else now.id
        link = wanted_link(link_id, body(), self._all_links(), now)
        zone.links[link.name.lower()] = link
        self._azure.journal.ended(PRIVATE_DNS_WRITE, f"{zone.name}/{link.name}")
        return as_response(link.as_json(), 201 if now is None else 200)

    def _delete_link(self, names: Names) -> Response:
        zone = self.find(self._id(names))
        link = None if zone is None else zone.links.pop(names["link"].lower(), None)
        if zone is None or link is None:
            return Response(status=204)
        self._azure.journal.ended(PRIVATE_DNS_DELETE, f"{zone.name}/{link.name}")
        return Response(status=200)

    # Finding

    def _own(self) -> list[PrivateDnsZone]:
        """Those of this subscription."""
        subscription = f"/subscriptions/{self._azure.subscription_id.lower()}/"
        return [zone for key, zone in self._found.items() if key.startswith(subscription)]

    def _all_links(self) -> list[VirtualNetworkLink]:
        return [link for zone in self._found.values() for link in zone.links.values()]

    def _id(self, names: Names) -> str:
        group = names["group"]
        self._azure.check_resource_group(group)
        subscription = f"/subscriptions/{self._azure.subscription_id}"
        return f"{subscription}/resourceGroups/{group}{_BASE}/{names['zone']}"

    def _zone(self, names: Names) -> PrivateDnsZone:
        zone = self.find(self._id(names))
        if zone is None:
            raise not_found(f"{PRIVATE_DNS_ZONES}/{names['zone']}", names["group"])
        return zone

    def _listed(self, zones: Iterable[PrivateDnsZone]) -> Response:
        return listed([zone.as_json() for zone in zones])
