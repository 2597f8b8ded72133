"""The paths of private endpoints and of their private DNS zone groups.

Making an endpoint, and removing it, is an operation on its server: it waits for its turn there,
and is refused while the server is at something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from flask import Response

from azure_postgres_rehearsal.azure_api.errors import not_found
from azure_postgres_rehearsal.azure_api.operations import (
    PRIVATE_DNS_DELETE,
    PRIVATE_DNS_WRITE,
    PRIVATE_ENDPOINT_DELETE,
    PRIVATE_ENDPOINT_WRITE,
    Journal,
    Operations,
)
from azure_postgres_rehearsal.azure_api.polling import Polling
from azure_postgres_rehearsal.azure_api.private_dns_routes import PrivateDnsRoutes
from azure_postgres_rehearsal.azure_api.private_dns_zone_groups import (
    ZoneGroup,
    release,
    wanted_group,
)
from azure_postgres_rehearsal.azure_api.private_endpoints import (
    PrivateEndpoint,
    Wanted,
    check_change,
    wanted_endpoint,
)
from azure_postgres_rehearsal.azure_api.resource_ids import no_parent
from azure_postgres_rehearsal.azure_api.resource_types import (
    PRIVATE_DNS_ZONE_GROUPS,
    PRIVATE_ENDPOINTS,
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
from azure_postgres_rehearsal.azure_api.server import FlexibleServer

_BASE = f"/providers/{PRIVATE_ENDPOINTS}"
_ENDPOINT = GROUP + _BASE + "/{endpoint}"
_ZONE_GROUPS = _ENDPOINT + "/privateDnsZoneGroups"


class Cloud(Protocol):
    """What endpoints lead to."""

    subscription_id: str
    location: str
    servers: list[FlexibleServer]
    operations: Operations
    journal: Journal
    private_dns: PrivateDnsRoutes

    def check_resource_group(self, group: str) -> None:
        """Refuse a resource group that is not there."""


class PrivateEndpointRoutes:
    """Keeps the private endpoints of the subscription, each with its zone group."""

    def __init__(self, azure: Cloud) -> None:
        self._azure = azure
        self._found: dict[str, PrivateEndpoint] = {}
        self.polling = Polling(azure, "Microsoft.Network", statuses="operations")

    @property
    def routes(self) -> Routes:
        """Path and method to what answers them, for the endpoints."""
        return {
            SUBSCRIPTION + _BASE: {"GET": lambda _: self._listed(self._found.values())},
            GROUP + _BASE: {"GET": self._list},
            _ENDPOINT: {"GET": self._get, "PUT": self._put, "DELETE": self._delete},
        }

    @property
    def zone_group_routes(self) -> Routes:
        """Path and method to what answers them, for their zone groups."""
        return {
            _ZONE_GROUPS: {"GET": self._list_groups},
            _ZONE_GROUPS + "/{zone_group}": {
                "GET": self._get_group,
                "PUT": self._put_group,
                "DELETE": self._delete_group,
            },
        }

    # Endpoints

    def _list(self, names: Names) -> Response:
        self._azure.check_resource_group(names["group"])
        return self._listed(e for e in self._found.values() if is_in_group(e.id, names["group"]))

    def _get(self, names: Names) -> Response:
        return as_response(self._endpoint(names).as_json(self._azure.servers))

    def _put(self, names: Names) -> Response:
        endpoint_id = self._id(names)
        now = self._found.get(endpoint_id.lower())
        wanted = wanted_endpoint(endpoint_id, body(), self._azure.servers)
        if now is None or now.state == "Failed":
            return self._create(endpoint_id, wanted)
        check_change(now, wanted)
        now.retag(wanted)
        self._azure.journal.ended(PRIVATE_ENDPOINT_WRITE, now.name)
        return as_response(now.as_json(self._azure.servers))

    def _create(self, endpoint_id: str, wanted: Wanted) -> Response:
        endpoint = PrivateEndpoint(endpoint_id, wanted)
        operation = endpoint.server.turn.run(
            PRIVATE_ENDPOINT_WRITE, endpoint.name, endpoint.connect
        )
        endpoint.operation = operation
        self._found[endpoint_id.lower()] = endpoint
        return self.polling.created(operation, endpoint.as_json(self._azure.servers), 201)

    def _delete(self, names: Names) -> Response:
        endpoint = self._found.get(self._id(names).lower())
        if endpoint is None:
            return Response(status=204)
        if endpoint.server not in self._azure.servers:
            self._remove(endpoint)
            self._azure.journal.ended(PRIVATE_ENDPOINT_DELETE, endpoint.name)
            return Response(status=200)
        return self.polling.accepted(
            endpoint.server.turn.run(
                PRIVATE_ENDPOINT_DELETE, endpoint.name, lambda: self._remove(endpoint)
            )
        )

    def _remove(self, endpoint: PrivateEndpoint) -> None:
        release(endpoint)
        endpoint.disconnect()
        del self._found[endpoint.id.lower()]

    # Zone groups

    def _list_groups(self, names: Names) -> Response:
        endpoint = self._endpoint(names)
        group = endpoint.zone_group
        return listed([] if group is None else [group.as_json(endpoint)])

    def _get_group(self, names: Names) -> Response:
        endpoint = self._endpoint(names)
        group = self._group(endpoint, names)
        if group is None:
            resource = f"{endpoint.name}/privateDnsZoneGroups/{names['zone_group']}"
            raise not_found(f"{PRIVATE_ENDPOINTS}/{resource}", names["group"])
        return as_response(group.as_json(endpoint))

    def _put_group(self, names: Names) -> Response:
        endpoint = self._found.get(self._id(names).lower())
        if endpoint is None:
            raise no_parent(PRIVATE_DNS_ZONE_GROUPS, self._id(names))
        now = self._group(endpoint, names)
        group_id = f"{endpoint.id}/privateDnsZoneGroups/{names['zone_group']}"
        group = wanted_group(group_id, body(), endpoint, self._azure.private_dns.find)
        group.register(endpoint)
        self._azure.journal.ended(PRIVATE_DNS_WRITE, f"{endpoint.name}/{group.name}")
        return as_response(group.as_json(endpoint), 201 if now is None else 200)

    def _delete_group(self, names: Names) -> Response:
        endpoint = self._found.get(self._id(names).lower())
        if endpoint is None or (group := self._group(endpoint, names)) is None:
            return Response(status=204)
        release(endpoint)
        self._azure.journal.ended(PRIVATE_DNS_DELETE, f"{endpoint.name}/{group.name}")
        return Response(status=200)

    # Finding

    def _id(self, names: Names) -> str:
        group = names["group"]
        self._azure.check_resource_group(group)
        subscription = f"/subscriptions/{self._azure.subscription_id}"
        return f"{subscription}/resourceGroups/{group}{_BASE}/{names['endpoint']}"

    def _endpoint(self, names: Names) -> PrivateEndpoint:
        endpoint = self._found.get(self._id(names).lower())
        if endpoint is None:
            raise not_found(f"{PRIVATE_ENDPOINTS}/{names['endpoint']}", names["group"])
        return endpoint

    def _group(self, endpoint: PrivateEndpoint, names: Names) -> ZoneGroup | None:
        group = endpoint.zone_group
        return group if group and group.name.lower() == names["zone_group"].lower() else None

    def _listed(self, endpoints: Iterable[PrivateEndpoint]) -> Response:
        return listed([endpoint.as_json(self._azure.servers) for endpoint in endpoints])
