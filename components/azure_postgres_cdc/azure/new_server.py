"""A server that the stack makes and owns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

import pulumi

from azure_postgres_cdc.adoption import Adoption
from azure_postgres_cdc.azure.network import PrivateEndpointArgs, network_of
from azure_postgres_cdc.capabilities import azure_version_fault

if TYPE_CHECKING:
    # Elsewhere imported where it is used: a run that manages no server does without.
    from pulumi_azure_native import dbforpostgresql

DEFAULT_VERSION = 17
DEFAULT_STORAGE_GIB = 128
TIERS = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}
STORAGE_GIB = (32, 64, 128, 256, 512, 1024, 2048, 4095, 4096, 8192, 16384, 32767)
"""The sizes of Premium SSD."""

_SKU = re.compile(r"Standard_([BDE])\w+")

# What Azure or an operator changes while the server lives, and a later `up` must not undo: the
# storage grows by itself, with what its size gives it, a failover swaps the zones, and the major
# version is upgraded on purpose. A refresh takes all of it into the state's inputs, where a part
# that the program does not name would otherwise be taken out again by the next `up`.
_LEFT_TO_AZURE = [
    "availabilityZone",
    "highAvailability.standbyAvailabilityZone",
    "storage.iops",
    "storage.storageSizeGB",
    "storage.throughput",
    "storage.tier",
    "version",
]


class SubnetArgs(TypedDict):
    """A subnet of its own, inside a virtual network."""

    delegatedSubnet: str
    """The resource id of a subnet delegated to Microsoft.DBforPostgreSQL/flexibleServers."""
    privateDnsZone: str
    """The resource id of the private DNS zone that will hold the server's name."""


class EntraAdministratorArgs(TypedDict):
    """Somebody in Microsoft Entra who administrates the server."""

    objectId: str
    """The object's id."""
    name: str
    """Its name, which is its role's name in PostgreSQL."""
    type: NotRequired[Literal["User", "Group", "ServicePrincipal"]]
    """What it is. Default `ServicePrincipal`."""


class EntraArgs(TypedDict):
    """Sign-in with Microsoft Entra, beside passwords, which the connector needs."""

    tenantId: str
    """The tenant's id."""
    administrators: Sequence[EntraAdministratorArgs]
    """Who administrates the server."""


class CreateArgs(TypedDict):
    """A server that is to be made."""

    location: NotRequired[str]
    """The Azure region, such as `westeurope`. Default: the provider's (azure-native:location)."""
    version: NotRequired[int]
    """PostgreSQL's major version, 11 to 18. Default 17. Changing it upgrades nothing."""
    sku: str
    """The compute size, such as `Standard_D2ds_v5`; its letter is the tier: B, D or E."""
    storageGiB: NotRequired[int]
    """The storage's size at first, GiB, one of Premium SSD's. Default 128. It grows by itself."""
    highAvailability: NotRequired[Literal["Disabled", "SameZone", "ZoneRedundant"]]
    """A standby. Default `Disabled`. Burstable servers have none."""
    zone: NotRequired[str]
    """The primary's availability zone. Default: Azure's choice."""
    backupRetentionDays: NotRequired[int]
    """How long backups are kept, 7 to 35 days. Default 7."""
    geoRedundantBackup: NotRequired[bool]
    """Keep backups in the paired region too. Default false. Fixed when the server is made."""
    subnet: NotRequired[SubnetArgs]
    """Inside a virtual network. Default: public access, closed but for the firewall rules."""
    privateEndpoint: NotRequired[PrivateEndpointArgs]
    """Reached through a private endpoint. Public access is on only with firewall rules besides."""
    entra: NotRequired[EntraArgs]
    """Sign-in with Microsoft Entra. Default: passwords only."""
    administrator: NotRequired[str]
    """The administrator's login with a password. Default: the connection's user."""
    tags: NotRequired[Mapping[str, str]]
    """The server's tags."""


def create_faults(args: CreateArgs) -> list[str]:
    """What is wrong with a server that is to be made; empty where nothing is."""
    faults = [azure_version_fault(args.get("version", DEFAULT_VERSION))]
    if not _SKU.fullmatch(args["sku"]):
        faults.append(f"create.sku {args['sku']!r} is no size such as Standard_D2ds_v5 (B, D or E)")
    elif tier_of(args["sku"]) == "Burstable" and args.get("highAvailability", "Disabled") != (
        "Disabled"
    ):
        faults.append(f"create.highAvailability: {args['sku']} is Burstable, which has no standby")
    if args.get("storageGiB", DEFAULT_STORAGE_GIB) not in STORAGE_GIB:
        sizes = ", ".join(map(str, STORAGE_GIB))
        faults.append(f"create.storageGiB {args['storageGiB']} is no size of Premium SSD: {sizes}")
    if not 7 <= args.get("backupRetentionDays", 7) <= 35:
        faults.append(f"create.backupRetentionDays {args['backupRetentionDays']} is not 7 to 35")
    if "subnet" in args and "privateEndpoint" in args:
        faults.append("create: subnet and privateEndpoint exclude each other")
    endpoint = args.get("privateEndpoint")
    if endpoint is not None and not network_of(endpoint["subnet"]):
        faults.append("create.privateEndpoint.subnet is no resource id of a subnet")
    return [fault for fault in faults if fault]


def tier_of(sku: str) -> str:
    """The pricing tier, which the size's letter says."""
    match = _SKU.fullmatch(sku)
    return TIERS[match[1]] if match else ""


def new_server(
    prefix: str,
    resource_group: pulumi.Input[str],
    server_name: pulumi.Input[str],
    args: CreateArgs,
    login: str,
    password: pulumi.Input[str],
    *,
    public: bool,
    parent: pulumi.Resource,
    adoption: Adoption,
) -> dbforpostgresql.Server:
    """Declare the server. It is protected: deleting it deletes the data.

    `public`: whether it is reachable from outside of its networks, for firewall rules to open.
    """
    from pulumi_azure_native import dbforpostgresql

    return dbforpostgresql.Server(
        f"{prefix}-server",
        resource_group_name=resource_group,
        server_name=server_name,
        administrator_login=args.get("administrator", login),
        administrator_login_password=pulumi.Output.secret(password),
        version=str(args.get("version", DEFAULT_VERSION)),
        sku={"name": args["sku"], "tier": tier_of(args["sku"])},
        storage=dbforpostgresql.StorageArgs(
            storage_size_gb=args.get("storageGiB", DEFAULT_STORAGE_GIB), auto_grow="Enabled"
        ),
        high_availability={"mode": args.get("highAvailability", "Disabled")},
        backup=dbforpostgresql.BackupArgs(
            backup_retention_days=args.get("backupRetentionDays", 7),
            geo_redundant_backup=_switch(args.get("geoRedundantBackup", False)),
        ),
        network=_network(args, public=public),
        auth_config=_sign_in(args),
        location=args.get("location"),
        availability_zone=args.get("zone"),
        tags=args.get("tags"),
        opts=adoption.azure(
            pulumi.ResourceOptions(parent=parent, protect=True, ignore_changes=_LEFT_TO_AZURE),
            "serverName",
        ),
    )


def administrators(
    prefix: str,
    resource_group: pulumi.Input[str],
    server_name: pulumi.Input[str],
    args: CreateArgs,
    parent: pulumi.Resource,
    after: pulumi.Resource,
    adoption: Adoption,
) -> pulumi.Resource:
    """Declare the administrators in Microsoft Entra, one after the other; returns the last."""
    from pulumi_azure_native import dbforpostgresql

    entra = args.get("entra")
    for item in entra["administrators"] if entra else ():
        after = dbforpostgresql.AdministratorsMicrosoftEntra(
            f"{prefix}-administrator-{item['name']}",
            resource_group_name=resource_group,
            server_name=server_name,
            object_id=item["objectId"],
            principal_name=item["name"],
            principal_type=item.get("type", "ServicePrincipal"),
            tenant_id=entra["tenantId"] if entra else None,
            opts=adoption.azure(
                pulumi.ResourceOptions(parent=parent, depends_on=[after]), "serverName", "objectId"
            ),
        )
    return after


def _network(args: CreateArgs, *, public: bool) -> dbforpostgresql.NetworkArgs:
    from pulumi_azure_native import dbforpostgresql

    subnet = args.get("subnet")
    if subnet is None:
        return dbforpostgresql.NetworkArgs(public_network_access=_switch(public))
    return dbforpostgresql.NetworkArgs(
        delegated_subnet_resource_id=subnet["delegatedSubnet"],
        private_dns_zone_arm_resource_id=subnet["privateDnsZone"],
    )


def _sign_in(args: CreateArgs) -> dbforpostgresql.AuthConfigArgs:
    from pulumi_azure_native import dbforpostgresql

    entra = args.get("entra")
    return dbforpostgresql.AuthConfigArgs(
        active_directory_auth=_switch(entra is not None),
        password_auth=_switch(True),  # the connector has nothing else
        tenant_id=entra["tenantId"] if entra else None,
    )


def _switch(on: bool) -> str:
    return "Enabled" if on else "Disabled"
