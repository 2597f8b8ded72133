"""A server that is there already: looked up, never owned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.azure.client import FlexibleServer, ServerId
from azure_postgres_cdc.azure.server_parameters import checked_facts
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import CdcError


class ExistingServerProvider(CdcProvider):
    """Looks the server up at every preview and every up. Changes nothing."""

    identity = ("subscription", "resourceGroup", "serverName")
    # For the policies. Whoever has upgraded the server has nothing to `up` because of that.
    only_looked_at = ("version",)

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002
        _check_name(news["serverName"])
        server_id = ServerId(news["subscription"], news["resourceGroup"], news["serverName"])
        facts = checked_facts(FlexibleServer(server_id))
        return news | {
            "serverId": str(server_id),
            "host": facts.host,
            "version": facts.version,
            "storageGiB": facts.storage_gib,
            "isPrivate": not facts.public_access,
            "failoverSlots": facts.high_availability
            and capabilities.has_in("failover slots", facts.version),
        }

    def make(self, props: Props) -> Props:
        return props

    def id_of(self, props: Mapping[str, Any]) -> str:
        return str(props["serverId"])


def _check_name(name: str) -> None:
    # Azure finds it in any case, but everything that compares names would not.
    if name != name.lower():
        raise CdcError(
            f"server.name is {name!r}, and the names of servers have no upper-case letters "
            f"(Azure's rule). Remedy: write {name.lower()}"
        )


class ExistingServer(Resource, module="azure-postgres-cdc", name="ExistingServer"):
    """A flexible server that somebody else made. Deleting this leaves it alone."""

    serverId: pulumi.Output[str]  # noqa: N815 - the property's name
    """Its Azure resource id."""
    host: pulumi.Output[str]
    """Its fully qualified domain name."""
    storageGiB: pulumi.Output[float]  # noqa: N815
    """How large its storage is, GiB."""
    failoverSlots: pulumi.Output[bool]  # noqa: N815
    """A standby keeps copies of the slots that ask for it."""
    isPrivate: pulumi.Output[bool]  # noqa: N815
    """It has no public access: it is inside a virtual network, or has private endpoints alone."""

    def __init__(
        self,
        resource_name: str,
        subscription: pulumi.Input[str],
        resource_group: pulumi.Input[str],
        server_name: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        keys = ("serverId", "host", "version", "storageGiB", "isPrivate", "failoverSlots")
        props = {
            "subscription": subscription,
            "resourceGroup": resource_group,
            "serverName": server_name,
            **dict.fromkeys(keys),
        }
        super().__init__(ExistingServerProvider(), resource_name, props, opts)
