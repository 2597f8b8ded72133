"""Storage auto-grow, as the page advises.

It does not answer WAL growth: Azure grows the storage for data, not for WAL that a slot retains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.azure.client import PREMIUM_SSD, FlexibleServer
from azure_postgres_cdc.dynamic import ConvergingProvider, Props, warn


class StorageAutoGrowProvider(ConvergingProvider):
    """Turns auto-grow on where it is off, and touches nothing else of the server."""

    identity = ("serverId",)
    unsettled = ("isOff",)

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002
        facts = FlexibleServer.at(news["serverId"]).facts()
        if facts.storage_type == PREMIUM_SSD:
            return news | {"isOff": not facts.auto_grow}
        warn(
            [
                f"storage auto-grow works on Premium SSD only, and this server's storage is "
                f"{facts.storage_type}: watch storage_percent and storage_free (alerts)"
            ]
        )
        return news | {"isOff": False}

    def make(self, props: Props) -> Props:
        server = FlexibleServer.at(props["serverId"])
        facts = server.facts()
        if facts.storage_type == PREMIUM_SSD and not facts.auto_grow:
            server.enable_auto_grow()
        return props | {"isOff": False}

    def look(self, props: Props) -> Props:
        return self.resolve({}, props)

    def id_of(self, props: Mapping[str, Any]) -> str:
        return f"{props['serverId']}/storage/autoGrow"


class StorageAutoGrow(Resource, module="azure-postgres-cdc", name="StorageAutoGrow"):
    """Storage auto-grow on a server that exists. It stays on when the resource is deleted.

    A `Server` of pulumi-azure-native would own the whole server; this touches one setting.
    """

    def __init__(
        self,
        resource_name: str,
        server_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"serverId": server_id, "isOff": None}
        super().__init__(StorageAutoGrowProvider(), resource_name, props, opts)
