"""The settings `server` and `connection`, from YAML to the arguments of CdcServer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PlainValidator, StrictBool, Tag

from azure_postgres_cdc.database.connection import SslMode
from azure_postgres_cdc.names import DEFAULT_ROLE, DEFAULT_USER
from azure_postgres_cdc.setting_types import (
    Identifier,
    Number,
    Port,
    RoleName,
    ServerName,
    SettingsModel,
    Text,
    Whole,
)


def _kind(value: object) -> str:
    return "?mapping" if isinstance(value, (Mapping, SettingsModel)) else "?plain"


def _plain(value: object) -> object:
    is_number = isinstance(value, float) and math.isfinite(value)
    if not isinstance(value, (str, int)) and not is_number:  # a boolean is an integer
        raise ValueError("is no text, no number, and neither true nor false")
    return value


Plain = Annotated[str | int | float | bool, PlainValidator(_plain)]
_MAY_BE_EMPTY = ("parameters", "firewallRules", "formerUsers", "login")


class Window(SettingsModel):
    """`server.restart.window`: the hours in which the server may be restarted."""

    days: tuple[Text, ...] = Field(min_length=1)
    start: Text
    end: Text
    timeZone: Text = "UTC"  # noqa: N815


class Restart(SettingsModel):
    """`server.restart`, where more is said than one word."""

    mode: Literal["when-needed", "never"] | None = None
    window: Window | None = None
    failover: Literal["planned", "forced"] | None = None
    allowPending: tuple[Text, ...] | None = Field(default=None, min_length=1)  # noqa: N815


class Exactly(SettingsModel):
    """`server.parameters.NAME: {exactly: VALUE}`."""

    exactly: Plain


class Range(SettingsModel):
    """`server.firewallRules.NAME: {first: IP, last: IP}`."""

    first: Text
    last: Text


class Alerts(SettingsModel):
    """`server.alerts`: who is told, and from which thresholds on."""

    emails: tuple[Text, ...] | None = Field(default=None, min_length=1)
    actionGroup: Text | None = None  # noqa: N815
    storagePercent: tuple[Number, ...] | None = None  # noqa: N815
    storageFreeGiB: Number | None = None  # noqa: N815
    walGiB: Number | None = None  # noqa: N815
    replicationDelayGiB: Number | None = None  # noqa: N815
    collector: StrictBool | None = None
    longestTransactionMinutes: Number | None = None  # noqa: N815


class Subnet(SettingsModel):
    """`server.create.subnet`: inside a virtual network."""

    delegatedSubnet: Text  # noqa: N815
    privateDnsZone: Text  # noqa: N815


class PrivateEndpoint(SettingsModel):
    """`server.create.privateEndpoint`."""

    subnet: Text
    privateDnsZone: Text | None = None  # noqa: N815


class EntraAdministrator(SettingsModel):
    """One item of `server.create.entra.administrators`."""

    objectId: Text  # noqa: N815
    name: Identifier
    type: Literal["User", "Group", "ServicePrincipal"] | None = None


class Entra(SettingsModel):
    """`server.create.entra`: sign-in with Microsoft Entra."""

    tenantId: Text  # noqa: N815
    administrators: tuple[EntraAdministrator, ...] = Field(min_length=1)


class Create(SettingsModel):
    """`server.create`: the server that is made."""

    sku: Text
    location: Text | None = None
    version: Whole | None = None
    storageGiB: Whole | None = None  # noqa: N815
    highAvailability: Literal["Disabled", "SameZone", "ZoneRedundant"] | None = None  # noqa: N815
    zone: Text | None = None
    backupRetentionDays: Whole | None = None  # noqa: N815
    geoRedundantBackup: StrictBool | None = None  # noqa: N815
    subnet: Subnet | None = None
    privateEndpoint: PrivateEndpoint | None = None  # noqa: N815
    entra: Entra | None = None
    administrator: Identifier | None = None
    tags: dict[str, str] | None = None


class Login(SettingsModel):
    """`server.login`: what every login of the connectors gets besides."""

    bypassRls: StrictBool | None = None  # noqa: N815
    walSenderTimeout: Whole | None = None  # noqa: N815
    connectionLimit: Whole | None = None  # noqa: N815


class Server(SettingsModel):
    """`server`: the flexible server, and the names of the connector's roles on it."""

    management: Literal["create", "existing", "none"]
    resourceGroup: Annotated[Text, Field(max_length=90)] | None = None  # noqa: N815
    name: ServerName | None = None
    """The server's name. Needed with `create` and `existing`."""
    subscription: Text | None = None
    create: Create | None = None
    restart: (
        Annotated[
            Annotated[Literal["when-needed", "never"], Tag("?plain")]
            | Annotated[Restart, Tag("?mapping")],
            Discriminator(_kind),
        ]
        | None
    ) = None
    user: RoleName = DEFAULT_USER
    """The connector's login."""
    role: RoleName = DEFAULT_ROLE
    """The group role that holds the grants."""
    formerUsers: tuple[RoleName, ...] = ()  # noqa: N815
    login: Login = Login()
    pglogical: StrictBool = True
    parameters: dict[
        str,
        Annotated[
            Annotated[Plain, Tag("?plain")] | Annotated[Exactly, Tag("?mapping")],
            Discriminator(_kind),
        ],
    ] = Field(default_factory=dict)
    firewallRules: dict[  # noqa: N815
        str,
        Annotated[
            Annotated[str, Tag("?plain")] | Annotated[Range, Tag("?mapping")],
            Discriminator(_kind),
        ],
    ] = Field(default_factory=dict)
    alerts: Alerts | None = None
    keyVault: Text | None = None  # noqa: N815

    def arguments(self) -> dict[str, Any]:
        """The arguments of CdcServer that are set, the connector's names left out."""
        found = self.model_dump(exclude_none=True, exclude={"user", "role"})
        if "name" in found:
            found["serverName"] = found.pop("name")
        return {key: value for key, value in found.items() if value or key not in _MAY_BE_EMPTY}


class Connection(SettingsModel):
    """`connection`: how to reach PostgreSQL as the administrator."""

    host: Text | None = None
    port: Port = 5432
    user: Identifier
    auth: Literal["password", "entra"] = "password"
    tenantId: Text | None = None  # noqa: N815
    sslMode: SslMode = "require"  # noqa: N815
    sslRootCert: Text | None = None  # noqa: N815
