"""Private endpoints: a server's address in somebody's virtual network. Nothing listens there."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from azure_postgres_rehearsal.azure_api.checks import (
    as_object,
    list_of_objects,
    only,
    part,
    tags,
    text,
)
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_content
from azure_postgres_rehearsal.azure_api.locations import moved, region
from azure_postgres_rehearsal.azure_api.network_names import check_name
from azure_postgres_rehearsal.azure_api.operations import Json, Operation, Status
from azure_postgres_rehearsal.azure_api.resource_ids import (
    SUBNET,
    invalid_reference,
    resource_id,
    same,
)
from azure_postgres_rehearsal.azure_api.resource_types import PRIVATE_ENDPOINTS, SERVERS

if TYPE_CHECKING:
    from azure_postgres_rehearsal.azure_api.private_dns_zone_groups import ZoneGroup
    from azure_postgres_rehearsal.azure_api.server import FlexibleServer

GROUP_ID = "postgresqlServer"
"""What of a flexible server an endpoint can lead to: all there is."""

_LONGEST_NAME = 64
_LONGEST_CONNECTION = 80
_LONGEST_MESSAGE = 140
_STATES = {
    Status.IN_PROGRESS: "Updating",
    Status.SUCCEEDED: "Succeeded",
    Status.FAILED: "Failed",
}


@dataclass(frozen=True)
class Connection:
    """The one connection of an endpoint: its name, and what it leads to."""

    name: str
    server: FlexibleServer
    message: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a PUT asks for."""

    location: str
    subnet: str
    connection: Connection
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class PrivateEndpoint:
    """One endpoint. What it leads to and where it is stay as they are for its life."""

    id: str
    wanted: Wanted
    operation: Operation | None = None
    """The one that makes it; it says whether that succeeded."""
    zone_group: ZoneGroup | None = None
    guid: str = field(default_factory=lambda: str(uuid.uuid4()))
    etag: str = field(default_factory=lambda: f'W/"{uuid.uuid4()}"')

    @property
    def name(self) -> str:
        """The last part of its id."""
        return self.id.rsplit("/", 1)[-1]

    @property
    def server(self) -> FlexibleServer:
        """The server that it leads to."""
        return self.wanted.connection.server

    @property
    def state(self) -> str:
        """Its provisioningState."""
        status = Status.IN_PROGRESS if self.operation is None else self.operation.status
        return _STATES[status]

    @property
    def address(self) -> str:
        """Its private address: made up, but always the same for the same id."""
        number = zlib.crc32(self.id.lower().encode())
        # The first four and the last of a subnet's addresses are Azure's.
        return f"10.{number >> 24}.{number >> 16 & 255}.{4 + number % 250}"

    def retag(self, wanted: Wanted) -> None:
        """Take over the tags, which are all that can be changed."""
        self.wanted = replace(self.wanted, tags=wanted.tags)
        self.etag = f'W/"{uuid.uuid4()}"'

    def as_json(self, servers: list[FlexibleServer]) -> Json:
        """The endpoint as the API shows it; `servers` are those that are still there."""
        network = self.id.rpartition("/privateEndpoints/")[0]
        return {
            "id": self.id,
            "name": self.name,
            "type": PRIVATE_ENDPOINTS,
            "location": self.wanted.location,
            "tags": dict(self.wanted.tags),
            "etag": self.etag,
            "properties": {
                "provisioningState": self.state,
                "subnet": {"id": self.wanted.subnet},
                "ipConfigurations": [],
                "privateLinkServiceConnections": [self._connection(servers)],
                "manualPrivateLinkServiceConnections": [],
                "customNetworkInterfaceName": "",
                "networkInterfaces": [
                    {"id": f"{network}/networkInterfaces/{self.name}.nic.{self.guid}"}
                ],
                "customDnsConfigs": self._dns_configs(),
            },
        }

    def connect(self) -> None:
        """Have the server show the connection."""
        name = f"{self.name}.{self.guid}"
        self.server.private_endpoint_connections[self.id.lower()] = {
            "id": f"{self.server.id}/privateEndpointConnections/{name}",
            "name": name,
            "type": f"{SERVERS}/privateEndpointConnections",
            "properties": {
                "privateEndpoint": {"id": self.id},
                "groupIds": [GROUP_ID],
                "privateLinkServiceConnectionState": _connection_state("Approved"),
                "provisioningState": "Succeeded",
            },
        }

    def disconnect(self) -> None:
        """Have the server show the connection no longer."""
        self.server.private_endpoint_connections.pop(self.id.lower(), None)

    def _connection(self, servers: list[FlexibleServer]) -> Json:
        connection = self.wanted.connection
        message = {"requestMessage": connection.message} if connection.message else {}
        state = "Approved" if self.server in servers else "Disconnected"
        return {
            "id": f"{self.id}/privateLinkServiceConnections/{connection.name}",
            "name": connection.name,
            "type": f"{PRIVATE_ENDPOINTS}/privateLinkServiceConnections",
            "etag": self.etag,
            "properties": {
                "provisioningState": self.state,
                "privateLinkServiceId": self.server.id,
                "groupIds": [GROUP_ID],
                "privateLinkServiceConnectionState": _connection_state(state),
                **message,
            },
        }

    def _dns_configs(self) -> list[Json]:
        """What the user has to enter in DNS: nothing once a zone group does it."""
        if self.zone_group is not None or self.state != "Succeeded":
            return []
        name = self.server.fully_qualified_domain_name
        return [{"fqdn": name, "ipAddresses": [self.address]}]


def wanted_endpoint(endpoint_id: str, body: Json, servers: list[FlexibleServer]) -> Wanted:
    """What a PUT asks for, checked against what Azure takes."""
    check_name(endpoint_id.rsplit("/", 1)[-1], _LONGEST_NAME, shortest=2)
    only(body, ("location", "tags", "properties"), "a private endpoint")
    properties = part(body, "properties")
    # The last is Azure's own: what comes back with the rest changes nothing.
    known = "subnet", "privateLinkServiceConnections", "customDnsConfigs"
    only(properties, known, "a private endpoint")
    subnet = as_object(properties.get("subnet", {}), "subnet")
    only(subnet, ("id",), "a private endpoint's subnet")
    connections = list_of_objects(properties, "privateLinkServiceConnections")
    if len(connections) != 1:
        raise _bad(f"A private endpoint has one connection, not {len(connections)}.")
    wanted = Wanted(
        location=region(body, PRIVATE_ENDPOINTS),
        subnet=resource_id(subnet, "id", SUBNET),
        connection=_connection(endpoint_id, connections[0], servers),
        tags=tags(body),
    )
    _check_subnet(endpoint_id, wanted.subnet, servers)
    return wanted


def check_change(now: PrivateEndpoint, asked: Wanted) -> None:
    """Refuse to change what an endpoint keeps for its life."""
    wanted = now.wanted
    if asked.location != wanted.location:
        raise moved(now.name, now.id.split("/")[4], wanted.location, asked.location)
    if not same(asked.subnet, wanted.subnet):
        raise ApiError(
            400,
            "CannotChangeSubnetOnExistingPrivateEndpoint",
            "Cannot change the subnet in which the network interface for private endpoint "
            f"{now.id} is created. Current subnet: '{wanted.subnet}'. Requested subnet: "
            f"'{asked.subnet}'.",
        )
    if asked.connection != wanted.connection:
        raise ApiError(
            400,
            "CannotChangePrivateLinkConnectionOnPrivateEndpoint",
            f"Cannot change the private link connection on private endpoint {now.id}. Please "
            "ensure you are not updating the details of existing private link connection: "
            f"'{now.id}/privateLinkServiceConnections/{wanted.connection.name}'. That is not "
            "allowed.",
        )


def _connection(endpoint_id: str, given: Json, servers: list[FlexibleServer]) -> Connection:
    only(given, ("name", "properties"), "a private link connection")
    name = text(given, "name")
    check_name(name, _LONGEST_CONNECTION)
    properties = part(given, "properties")
    only(
        properties,
        ("privateLinkServiceId", "groupIds", "requestMessage"),
        "a private link connection",
    )
    message = properties.get("requestMessage", "")
    if not isinstance(message, str) or len(message) > _LONGEST_MESSAGE:
        raise invalid_content(f"'requestMessage' must be 0 to {_LONGEST_MESSAGE} characters")
    target = text(properties, "privateLinkServiceId")
    server = next((server for server in servers if same(server.id, target)), None)
    if server is None:
        raise invalid_reference(target, endpoint_id)
    _check_group_ids(f"{endpoint_id}/privateLinkServiceConnections/{name}", properties, target)
    _check_server(server)
    return Connection(name, server, message)


def _check_server(server: FlexibleServer) -> None:
    if server.definition.network.delegated_subnet:
        raise ApiError(
            400,
            "PrivateEndpointFeatureNotSupportedOnServer",
            f"Call to {SERVERS} failed. Error message: Private endpoints are not supported on "
            f"'{server.name}', a server with VNet integration.",
        )


def _check_group_ids(connection_id: str, properties: Json, target: str) -> None:
    groups = properties.get("groupIds", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise invalid_content("'groupIds' must be a list of strings")
    if len(groups) > 1:
        raise ApiError(
            400,
            "OnlyOneGroupIdPermitted",
            f"Private link service connection {connection_id} has the following group Ids: "
            f"{', '.join(groups)}. Only one group Id is permitted when connecting to a "
            f"first-party resource ({target}).",
        )
    if groups != [GROUP_ID]:
        raise _bad(
            f"Call to {SERVERS} failed. Error message: Invalid groupId "
            f"'{', '.join(groups)}'. It has '{GROUP_ID}'."
        )


def _check_subnet(endpoint_id: str, subnet: str, servers: list[FlexibleServer]) -> None:
    """Refuse a subnet that belongs to servers; whether it exists the emulator cannot know."""
    if any(same(server.definition.network.delegated_subnet, subnet) for server in servers):
        raise ApiError(
            400,
            "PrivateEndpointCreationNotAllowedAsSubnetIsDelegated",
            f"Private endpoint {endpoint_id} cannot be created in a subnet {subnet} since it is "
            "delegated.",
        )


def _connection_state(status: str) -> Json:
    described = {"Approved": "Auto-Approved"}.get(status, "Deleted state")
    return {"status": status, "description": described, "actionsRequired": "None"}


def _bad(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)
