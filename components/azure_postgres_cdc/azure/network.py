"""Who may reach the server: firewall rules, or a private endpoint with its DNS."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.adoption import Adoption
from azure_postgres_cdc.azure.client import FlexibleServer
from azure_postgres_cdc.dynamic import ConvergingProvider, Props, warn
from azure_postgres_cdc.errors import CdcError

ALL_AZURE = "0.0.0.0"  # noqa: S104 - a firewall rule's address, nothing is bound
"""First and last address of the rule that lets in every Azure customer's services."""
PRIVATE_DNS_ZONE = "privatelink.postgres.database.azure.com"
SSH_TUNNEL = (
    "The connector cannot connect directly. Run an SSH server in a network that reaches the "
    "database, reachable from the connector's addresses; give its user (streamkap) the connector's "
    "public key and AllowTcpForwarding; set connector.ssh: {host, port, user} and enter the same "
    "under Connect via SSH Tunnel."
)
"""The page's way to a database without public access."""

_RULE_NAME = re.compile(r"[-\w.]{1,128}", re.ASCII)
_SUBNET = re.compile(r"(/subscriptions/.+/virtualNetworks/[^/]+)/subnets/[^/]+", re.IGNORECASE)


class AddressRange(TypedDict):
    """The addresses that a firewall rule lets in, IPv4."""

    first: str
    """The lowest address."""
    last: str
    """The highest address."""


class PrivateEndpointArgs(TypedDict):
    """A private endpoint in a network of yours."""

    subnet: str
    """The subnet's Azure resource id."""
    privateDnsZone: NotRequired[str]
    """The resource id of a zone `privatelink.postgres.database.azure.com` that is there.
    Default: one is made, and linked to the subnet's network."""


def address_range(value: str | AddressRange) -> AddressRange:
    """A rule's addresses; a single one is both ends."""
    if isinstance(value, str):
        return {"first": value, "last": value}
    return value


def firewall_fault(name: str, value: str | AddressRange) -> str:
    """What is wrong with a rule; empty where nothing is."""
    if not _RULE_NAME.fullmatch(name):
        return f"firewall rule {name!r}: a name has letters, digits, -, _ and . (Azure's rule)"
    addresses = address_range(value)
    try:
        first, last = (ipaddress.IPv4Address(addresses[end]) for end in ("first", "last"))
    except (ValueError, KeyError, TypeError):
        return f"firewall rule {name}: {value!r} is no IPv4 address, nor first and last of a range"
    if first > last:
        return f"firewall rule {name}: first {first} is above last {last}"
    if first == ipaddress.IPv4Address(0) and last == ipaddress.IPv4Address("255.255.255.255"):
        return (
            f"firewall rule {name} lets in the whole internet: name the connector's addresses, "
            "which its vendor publishes"
        )
    return ""


class FirewallRuleProvider(ConvergingProvider):
    """Writes a rule where it is missing or differs; waits while the server is busy."""

    identity = ("serverId", "name")
    unsettled = ("isMissing",)

    def resolve(self, olds: Props, news: Props) -> Props:
        server = FlexibleServer.at(news["serverId"])
        name, wanted = news["name"], (news["first"], news["last"])
        if wanted == (ALL_AZURE, ALL_AZURE):
            warn(
                [
                    f"firewall rule {name} lets in every service of every Azure customer, not only "
                    "yours: name the connector's addresses"
                ]
            )
        facts = server.facts()
        if facts.in_virtual_network:
            raise CdcError(
                f"firewall rule {name}: server {server.id.name} is in a virtual network, where "
                "Azure has no firewall rules. Remedy: take server.firewallRules out; let the "
                "connector in through the network's own rules (a security group), a peering, or "
                "an SSH tunnel (connector.ssh)"
            )
        if not facts.public_access:
            warn(
                [
                    f"firewall rule {name} lets nobody in: server {server.id.name} has no public "
                    "access, and is reached through its private endpoints (connector.ssh)"
                ]
            )
        found = server.firewall_rule(name)
        if not olds and found is not None and found != wanted:
            raise CdcError(
                f"server {server.id.name} has a firewall rule {name} already, for {found[0]} to "
                f"{found[1]}. Remedy: give yours another name, or delete that one"
            )
        return news | {"isMissing": found != wanted}

    def make(self, props: Props) -> Props:
        server = FlexibleServer.at(props["serverId"])
        if server.firewall_rule(props["name"]) != (props["first"], props["last"]):
            server.set_firewall_rule(props["name"], props["first"], props["last"])
        return props | {"isMissing": False}

    def look(self, props: Props) -> Props:
        found = FlexibleServer.at(props["serverId"]).firewall_rule(props["name"])
        return props | {"isMissing": found != (props["first"], props["last"])}

    def remove(self, props: Props) -> None:
        """The rule goes."""
        server = FlexibleServer.at(props["serverId"])
        if server.firewall_rule(props["name"]) is not None:
            server.delete_firewall_rule(props["name"])


class FirewallRule(Resource, module="azure-postgres-cdc", name="FirewallRule"):
    """Addresses that may reach the server. Deleting it closes the door again."""

    def __init__(
        self,
        resource_name: str,
        server_id: pulumi.Input[str],
        name: str,
        addresses: AddressRange,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"serverId": server_id, "name": name, **addresses, "isMissing": None}
        super().__init__(FirewallRuleProvider(), resource_name, props, opts)


def firewall_rules(
    prefix: str,
    server_id: pulumi.Input[str],
    rules: Mapping[str, str | AddressRange],
    parent: pulumi.Resource,
    after: pulumi.Resource,
) -> pulumi.Resource:
    """Declare the rules, one after the other: the server takes one operation at a time.

    Returns the last of them, or `after` where there are none.
    """
    for name, value in sorted(rules.items()):
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[after])
        after = FirewallRule(
            f"{prefix}-firewall-{name}", server_id, name, address_range(value), opts
        )
    return after


def access(rules: Mapping[str, str | AddressRange], *, private: bool) -> dict[str, Any]:
    """How the connector reaches the server, as a stack's output: rules, or the page's tunnel.

    `private`: nobody reaches it from outside of its network.
    """
    if private:
        return {"access": "private", "sshTunnel": SSH_TUNNEL}
    ranges = {name: address_range(value) for name, value in sorted(rules.items())}
    return {"access": "public", "firewallRules": ranges}


def network_of(subnet: str) -> str:
    """The resource id of the virtual network that a subnet is in; empty where it is no subnet."""
    match = _SUBNET.fullmatch(subnet)
    return match[1] if match else ""


def private_endpoint(
    prefix: str,
    server_id: pulumi.Input[str],
    resource_group: pulumi.Input[str],
    args: PrivateEndpointArgs,
    location: str | None,
    *,
    parent: pulumi.Resource,
    after: pulumi.Resource,
    adoption: Adoption,
) -> pulumi.Resource:
    """Declare a private endpoint and the DNS that makes the server's name lead to it.

    Returns what has to be there before the server can be reached through it.
    """
    from pulumi_azure_native import network

    child = pulumi.ResourceOptions(parent=parent, depends_on=[after])
    endpoint = network.PrivateEndpoint(
        f"{prefix}-private-endpoint",
        private_endpoint_name=f"{prefix}-private-endpoint",
        resource_group_name=resource_group,
        location=location,
        subnet={"id": args["subnet"]},
        private_link_service_connections=[
            {
                "name": prefix,
                "private_link_service_id": server_id,
                "group_ids": ["postgresqlServer"],
            }
        ],
        # Azure empties it once a zone group has the names; a refresh would make an input of that,
        # and the next `up` take it out again.
        opts=adoption.azure(
            pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(ignore_changes=["customDnsConfigs"])
            ),
            "privateEndpointName",
        ),
    )
    zone = args.get("privateDnsZone") or _private_dns_zone(
        prefix, resource_group, args["subnet"], parent, adoption
    )
    return network.PrivateDnsZoneGroup(
        f"{prefix}-private-endpoint-dns",
        private_dns_zone_group_name="default",
        private_endpoint_name=endpoint.name,
        resource_group_name=resource_group,
        private_dns_zone_configs=[{"name": "postgresql", "private_dns_zone_id": zone}],
        opts=adoption.azure(child, "privateEndpointName", "privateDnsZoneGroupName"),
    )


def _private_dns_zone(
    prefix: str,
    resource_group: pulumi.Input[str],
    subnet: str,
    parent: pulumi.Resource,
    adoption: Adoption,
) -> pulumi.Output[str]:
    from pulumi_azure_native import privatedns

    child = pulumi.ResourceOptions(parent=parent)
    zone = privatedns.PrivateZone(
        f"{prefix}-private-dns-zone",
        private_zone_name=PRIVATE_DNS_ZONE,
        resource_group_name=resource_group,
        location="global",
        opts=adoption.azure(child, "privateZoneName"),
    )
    link = privatedns.VirtualNetworkLink(
        f"{prefix}-private-dns-link",
        virtual_network_link_name=prefix,
        private_zone_name=zone.name,
        resource_group_name=resource_group,
        location="global",
        virtual_network={"id": network_of(subnet)},
        registration_enabled=False,
        opts=adoption.azure(child, "privateZoneName", "virtualNetworkLinkName"),
    )
    # The zone answers for the network only once it is linked.
    return pulumi.Output.all(zone.id, link.id).apply(lambda ids: str(ids[0]))
