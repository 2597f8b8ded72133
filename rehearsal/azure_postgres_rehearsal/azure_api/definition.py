"""What a flexible server is, apart from its parameters, databases and firewall rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from azure_postgres_rehearsal.azure_api.operations import Json

PREMIUM_SSD = "Premium_LRS"
_DEFAULT_SKU = {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}

# Premium SSD: size in GiB, performance tier, IOPS.
PREMIUM_SIZES = (
    (32, "P4", 120),
    (64, "P6", 240),
    (128, "P10", 500),
    (256, "P15", 1100),
    (512, "P20", 2300),
    (1024, "P30", 5000),
    (2048, "P40", 7500),
    (4095, "P50", 7500),
    (4096, "P50", 7500),
    (8192, "P60", 16000),
    (16384, "P70", 18000),
    (32767, "P80", 20000),
    (32768, "P80", 20000),
)


@dataclass(frozen=True)
class Storage:
    """The disk. Without a tier, Premium SSD has that of its size."""

    size_gb: int = 32
    type: str = PREMIUM_SSD
    auto_grow: bool = False
    tier: str = ""
    iops: int | None = None
    throughput: int | None = None

    def as_json(self) -> Json:
        """The storage as the API shows it."""
        body: Json = {
            "type": self.type,
            "storageSizeGB": self.size_gb,
            "autoGrow": _switch(self.auto_grow),
        }
        if self.type == PREMIUM_SSD:
            tier = self.tier or premium_tier(self.size_gb)
            return body | {"tier": tier, "iops": _iops(tier)}
        return body | {"iops": self.iops, "throughput": self.throughput}


@dataclass(frozen=True)
class Network:
    """Public access, or a subnet and a private DNS zone of one's own."""

    public_access: bool = True
    delegated_subnet: str = ""
    private_dns_zone: str = ""

    def as_json(self) -> Json:
        """The network as the API shows it."""
        body: Json = {"publicNetworkAccess": _switch(self.public_access)}
        if self.delegated_subnet:
            body["delegatedSubnetResourceId"] = self.delegated_subnet
            body["privateDnsZoneArmResourceId"] = self.private_dns_zone
        return body


@dataclass(frozen=True)
class HighAvailability:
    """The standby: none, in the same zone, or in another one."""

    mode: str = "Disabled"
    standby_zone: str = ""

    @property
    def has_standby(self) -> bool:
        """Whether there is something to fail over to."""
        return self.mode != "Disabled"

    def as_json(self) -> Json:
        """The standby as the API shows it."""
        body: Json = {
            "mode": self.mode,
            "state": "Healthy" if self.has_standby else "NotEnabled",
        }
        return body | ({"standbyAvailabilityZone": self.standby_zone} if self.standby_zone else {})


@dataclass(frozen=True)
class Backup:
    """How long backups are kept, and whether in the paired region too."""

    retention_days: int = 7
    geo_redundant: bool = False

    def as_json(self) -> Json:
        """The backups as the API shows them."""
        return {
            "backupRetentionDays": self.retention_days,
            "geoRedundantBackup": _switch(self.geo_redundant),
        }


@dataclass(frozen=True)
class Authentication:
    """Passwords are always on in a rehearsal; Entra's administrators need `entra`."""

    entra: bool = False
    tenant_id: str = ""

    def as_json(self) -> Json:
        """The ways to sign in as the API shows them."""
        body: Json = {"activeDirectoryAuth": _switch(self.entra), "passwordAuth": "Enabled"}
        return body | ({"tenantId": self.tenant_id} if self.tenant_id else {})


@dataclass(frozen=True)
class Definition:
    """Everything that a PUT of the server says, but the password."""

    location: str
    version: str
    administrator_login: str
    sku: Mapping[str, str] = field(default_factory=lambda: dict(_DEFAULT_SKU))
    storage: Storage = Storage()
    network: Network = Network()
    high_availability: HighAvailability = HighAvailability()
    backup: Backup = Backup()
    authentication: Authentication = Authentication()
    availability_zone: str = "1"
    tags: Mapping[str, str] = field(default_factory=dict)

    def properties(self) -> Json:
        """Its part of the `properties` that the API shows."""
        return {
            "version": self.version,
            "administratorLogin": self.administrator_login,
            "availabilityZone": self.availability_zone,
            "storage": self.storage.as_json(),
            "authConfig": self.authentication.as_json(),
            "backup": self.backup.as_json(),
            "highAvailability": self.high_availability.as_json(),
            "network": self.network.as_json(),
        }


def premium_tier(size_gb: int) -> str:
    """The tier that Premium SSD of this size has by itself."""
    return next((tier for size, tier, _ in PREMIUM_SIZES if size_gb <= size), "P80")


def _iops(tier: str) -> int:
    return {name: iops for _, name, iops in PREMIUM_SIZES}[tier]


def _switch(on: bool) -> str:
    return "Enabled" if on else "Disabled"
