"""The parts of a server's PUT: storage, network, backup, sign-in, standby."""

from __future__ import annotations

import re

from azure_postgres_rehearsal.azure_api import offer
from azure_postgres_rehearsal.azure_api.checks import choice, only, whole_number
from azure_postgres_rehearsal.azure_api.definition import (
    PREMIUM_SIZES,
    PREMIUM_SSD,
    Authentication,
    Backup,
    Definition,
    HighAvailability,
    Network,
    Storage,
    premium_tier,
)
from azure_postgres_rehearsal.azure_api.errors import invalid_parameter, not_supported
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.resource_ids import (
    PRIVATE_DNS_ZONE,
    SUBNET,
    resource_id,
)

_SIZES = tuple(size for size, _, _ in PREMIUM_SIZES)
_V2_SIZES = range(32, 65537)
_STANDBYS = ("Disabled", "SameZone", "ZoneRedundant")


def storage(given: Json, now: Storage) -> Storage:
    """The disk: of an offered size, never smaller than it is."""
    only(
        given,
        ("storageSizeGB", "autoGrow", "tier", "type", "iops", "throughput"),
        "a server's storage",
    )
    kind = choice(given, "type", now.type, offer.STORAGE_TYPES)
    premium = kind == PREMIUM_SSD
    size = whole_number(given, "storageSizeGB", now.size_gb, _SIZES if premium else _V2_SIZES)
    if size < now.size_gb:
        raise invalid_parameter(
            "storageSizeGB",
            f"Requested data Disk size '{size * 1024}' cannot be less than current size "
            f"'{now.size_gb * 1024}'. Please make sure to request correct disk size.",
        )
    auto_grow = _switch(given, "autoGrow", now.auto_grow)
    if auto_grow and not premium:
        raise invalid_parameter("storage.autoGrow", "It works on Premium SSD only.")
    if premium:
        return Storage(size, kind, auto_grow, _tier(given, now.tier, size))
    if given.get("tier"):
        raise invalid_parameter("storage.tier", "Only Premium SSD has performance tiers.")
    return Storage(
        size,
        kind,
        iops=whole_number(given, "iops", now.iops or 0, range(3000, 80001)),
        throughput=whole_number(given, "throughput", now.throughput or 0, range(125, 1201)),
    )


def network(given: Json, now: Network) -> Network:
    """Public access, or a subnet and its DNS zone together; the one never becomes the other."""
    only(
        given,
        ("publicNetworkAccess", "delegatedSubnetResourceId", "privateDnsZoneArmResourceId"),
        "a server's network",
    )
    subnet = _id(given, "delegatedSubnetResourceId", now.delegated_subnet, SUBNET)
    zone = _id(given, "privateDnsZoneArmResourceId", now.private_dns_zone, PRIVATE_DNS_ZONE)
    if bool(subnet) != bool(zone):
        raise invalid_parameter(
            "network", "delegatedSubnetResourceId and privateDnsZoneArmResourceId go together."
        )
    public = _switch(given, "publicNetworkAccess", now.public_access and not subnet)
    if public and subnet:
        raise invalid_parameter(
            "publicNetworkAccess", "A server in a virtual network has no public access."
        )
    return Network(public, subnet, zone)


def backup(given: Json, now: Backup) -> Backup:
    """7 to 35 days."""
    only(given, ("backupRetentionDays", "geoRedundantBackup"), "a server's backup")
    return Backup(
        whole_number(given, "backupRetentionDays", now.retention_days, range(7, 36)),
        _switch(given, "geoRedundantBackup", now.geo_redundant),
    )


def authentication(given: Json, now: Authentication) -> Authentication:
    """With passwords, and with Entra's tokens where a tenant is named."""
    only(given, ("activeDirectoryAuth", "passwordAuth", "tenantId"), "a server's authConfig")
    if not _switch(given, "passwordAuth", True):
        raise not_supported("The rehearsal signs in with passwords: passwordAuth stays Enabled.")
    entra = _switch(given, "activeDirectoryAuth", now.entra)
    tenant = given.get("tenantId") or now.tenant_id
    if entra and not tenant:
        raise invalid_parameter("tenantId", "Entra authentication needs a tenant.")
    return Authentication(entra, tenant)


def high_availability(given: Json, now: HighAvailability) -> HighAvailability:
    """The standby asked for."""
    only(given, ("mode", "standbyAvailabilityZone"), "a server's highAvailability")
    mode = choice(given, "mode", now.mode, _STANDBYS)
    kept = now.standby_zone if mode == now.mode else ""
    return HighAvailability(mode, availability_zone(given, "standbyAvailabilityZone", kept))


def availability_zone(given: Json, name: str, now: str) -> str:
    """A zone; Azure takes an empty one, which SDKs send where none is named, for no wish."""
    return now if given.get(name, "") == "" else choice(given, name, None, offer.ZONES)


def check_unchangeable(asked: Definition, now: Definition) -> None:
    """Refuse what a server keeps for its life."""
    if asked.storage.type != now.storage.type:
        raise invalid_parameter("storage.type", f"It is {now.storage.type} and can't be changed.")
    if asked.backup.geo_redundant != now.backup.geo_redundant:
        raise invalid_parameter("geoRedundantBackup", "It is chosen when the server is made.")
    if (asked.network.delegated_subnet, asked.network.private_dns_zone) != (
        now.network.delegated_subnet,
        now.network.private_dns_zone,
    ):
        raise not_supported("The rehearsal moves no server from one network to another.")


def check_standby(definition: Definition) -> None:
    """Refuse a standby that the tier or the zones do not allow."""
    standby, zone = definition.high_availability, definition.availability_zone
    if standby.mode not in _STANDBYS:
        raise invalid_parameter("highAvailability.mode", f"Allowed: {', '.join(_STANDBYS)}.")
    if not standby.has_standby:
        return
    if definition.sku["tier"] == "Burstable":
        raise invalid_parameter("highAvailability", "The Burstable tier has no high availability.")
    if standby.standby_zone and (standby.mode == "SameZone") != (standby.standby_zone == zone):
        raise invalid_parameter(
            "standbyAvailabilityZone",
            f"{standby.mode} does not go with zone {zone} and standby zone {standby.standby_zone}.",
        )


def _tier(given: Json, now: str, size_gb: int) -> str:
    lowest = offer.PERFORMANCE_TIERS.index(premium_tier(size_gb))
    allowed = offer.PERFORMANCE_TIERS[lowest:]
    return choice(given, "tier", now if now in allowed else "", allowed)


def _switch(given: Json, name: str, now: bool) -> bool:
    return choice(given, name, "Enabled" if now else "Disabled", ("Enabled", "Disabled")) == (
        "Enabled"
    )


def _id(given: Json, name: str, now: str, form: re.Pattern[str]) -> str:
    return resource_id(given, name, form) if name in given else now
