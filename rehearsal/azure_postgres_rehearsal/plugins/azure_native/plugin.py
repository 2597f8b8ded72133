"""The provider: its configuration, its tokens, its functions."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from importlib import metadata

from azure_postgres_rehearsal.plugins.azure_native import kinds, network_kinds
from azure_postgres_rehearsal.plugins.azure_native.kinds import Kind
from azure_postgres_rehearsal.plugins.azure_native.management_api import ENDPOINT, ManagementApi
from azure_postgres_rehearsal.plugins.azure_native.resources import (
    ArmResource,
    Configuration,
    OwnResource,
    VaultSecret,
)
from azure_postgres_rehearsal.plugins.protocol import (
    Plugin,
    Properties,
    ProviderError,
    ResourceType,
)

_TOKEN = re.compile(r"azure-native:(\w+)(?:/v(\d{4})(\d\d)(\d\d)(preview)?)?:(\w+)")
_NOBODY = "00000000-0000-0000-0000-000000000000"

_Types = dict[str, tuple[type[ArmResource], Kind]]

_POSTGRESQL: _Types = {
    "Administrator": (OwnResource, kinds.ADMINISTRATOR),
    # The same resource under the name that newer API versions have for it.
    "AdministratorsMicrosoftEntra": (
        OwnResource,
        replace(kinds.ADMINISTRATOR, default_version="2025-08-01"),
    ),
    "Configuration": (Configuration, kinds.CONFIGURATION),
    "Database": (OwnResource, kinds.DATABASE),
    "FirewallRule": (OwnResource, kinds.FIREWALL_RULE),
    "Server": (OwnResource, kinds.SERVER),
}
_MONITOR: _Types = {
    "ActionGroup": (OwnResource, kinds.ACTION_GROUP),
    "MetricAlert": (OwnResource, kinds.METRIC_ALERT),
}
_PRIVATE_DNS: _Types = {
    "PrivateZone": (OwnResource, network_kinds.PRIVATE_ZONE),
    "VirtualNetworkLink": (OwnResource, network_kinds.VIRTUAL_NETWORK_LINK),
}
_MODULES: dict[str, _Types] = {
    "dbforpostgresql": _POSTGRESQL,
    # What the SDK calls `monitor` now was `insights` once, and its tokens are still aliases; what
    # it calls `privatedns` was in `network`.
    "insights": _MONITOR,
    "keyvault": {"Secret": (VaultSecret, kinds.SECRET)},
    "monitor": _MONITOR,
    "network": {
        "PrivateDnsZoneGroup": (OwnResource, network_kinds.PRIVATE_DNS_ZONE_GROUP),
        "PrivateEndpoint": (OwnResource, network_kinds.PRIVATE_ENDPOINT),
        **_PRIVATE_DNS,
    },
    "privatedns": _PRIVATE_DNS,
}


class AzureNative(Plugin):
    """The provider `azure-native`, as far as a rehearsal needs it."""

    name = "azure-native"
    version = metadata.version("pulumi-azure-native")

    def configure(self, variables: Properties) -> None:
        """Take the subscription from the configuration or the environment, as the real one does."""
        subscription_id = variables.get("subscriptionId") or os.environ.get("ARM_SUBSCRIPTION_ID")
        if not subscription_id:
            raise ProviderError(
                "no subscription: set azure-native:subscriptionId or ARM_SUBSCRIPTION_ID"
            )
        self._location: str = variables.get("location", "")
        self._api = ManagementApi(os.environ.get(ENDPOINT, ""), subscription_id)

    def resource(self, token: str) -> ResourceType:
        """The type for a token of any API version."""
        module, version, name = _parsed(token)
        return self._type(module, version, name, token)

    def invoke(self, token: str, args: Properties) -> Properties:
        """Look a resource up, or say who is deploying."""
        if token == "azure-native:authorization:getClientConfig":  # noqa: S105 - no secret
            return {
                "clientId": _NOBODY,
                "objectId": _NOBODY,
                "subscriptionId": self._api.subscription_id,
                "tenantId": _NOBODY,
            }
        module, version, name = _parsed(token)
        if not name.startswith("get"):
            return super().invoke(token, args)
        return self._type(module, version, name.removeprefix("get"), token).look_up(token, args)

    def _type(self, module: str, version: str, name: str, token: str) -> ArmResource:
        if name not in _MODULES.get(module, {}):
            raise ProviderError(f"{token} is not part of the rehearsal")
        resource_type, kind = _MODULES[module][name]
        return resource_type(self._api, kind, version or kind.default_version, self._location)


def _parsed(token: str) -> tuple[str, str, str]:
    """The module, the API version where the token names one, and the type."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ProviderError(f"{token} is not part of the rehearsal")
    module, year, month, day, preview, name = match.groups()
    version = f"{year}-{month}-{day}" + ("-preview" if preview else "") if year else ""
    return module, version, name
