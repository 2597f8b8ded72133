"""A server that the stack makes, under Pulumi's mocks: what is declared, and what protects it."""

from __future__ import annotations

from functools import cache

import pytest
from tests.unit.program import (
    CREATE_PRIVATE,
    OFFICE,
    SERVER_ID,
    SUBNET,
    TENANT,
    Program,
    alone,
    created,
    created_with_entra,
    named,
    plain,
    private,
)

from azure_postgres_cdc import CdcServerArgs
from azure_postgres_cdc.azure.network import PRIVATE_DNS_ZONE, SSH_TUNNEL


@cache
def made() -> Program:
    """With everything but a private endpoint."""
    return alone(created_with_entra())


def test_new_server_has_what_was_asked_for() -> None:
    (server,) = made().of("Server")
    assert plain(dict(server.inputs)) == {
        "resourceGroupName": "rg",
        "serverName": "cdc-1",
        "administratorLogin": "cdc_admin",
        "administratorLoginPassword": "generated-for-cdc-server-administrator",
        "version": "17",
        "sku": {"name": "Standard_E4ds_v5", "tier": "MemoryOptimized"},
        "storage": {"storageSizeGB": 128, "autoGrow": "Enabled"},
        "highAvailability": {"mode": "Disabled"},
        "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
        "network": {"publicNetworkAccess": "Enabled"},
        "authConfig": {
            "activeDirectoryAuth": "Enabled",
            "passwordAuth": "Enabled",
            "tenantId": TENANT,
        },
        "location": "westeurope",
        "availabilityZone": "",
    }


def test_new_server_has_everything_that_can_be_said() -> None:
    subnet = {"delegatedSubnet": "/subnets/a", "privateDnsZone": "/zones/z"}
    create = {
        "sku": "Standard_D4ds_v5",
        "version": 16,
        "storageGiB": 512,
        "highAvailability": "SameZone",
        "zone": "2",
        "backupRetentionDays": 35,
        "geoRedundantBackup": True,
        "subnet": subnet,
        "administrator": "root_of_all",
        "tags": {"team": "data"},
    }
    (server,) = alone(created(create=create)).of("Server")
    inputs = plain(dict(server.inputs))
    assert inputs["administratorLogin"] == "root_of_all"
    assert (inputs["version"], inputs["availabilityZone"]) == ("16", "2")
    assert inputs["storage"] == {"storageSizeGB": 512, "autoGrow": "Enabled"}
    assert inputs["highAvailability"] == {"mode": "SameZone"}
    assert inputs["backup"] == {"backupRetentionDays": 35, "geoRedundantBackup": "Enabled"}
    assert inputs["network"] == {
        "delegatedSubnetResourceId": "/subnets/a",
        "privateDnsZoneArmResourceId": "/zones/z",
    }
    assert inputs["authConfig"] == {
        "activeDirectoryAuth": "Disabled",
        "passwordAuth": "Enabled",
        "tenantId": "",
    }
    assert (inputs["tags"], "location" in inputs) == ({"team": "data"}, False)


def test_new_server_is_protected_and_azure_s_own_changes_are_left_alone() -> None:
    (server,) = made().of("Server")
    assert server.protect
    assert [item.name for item in made().declared.values() if item.protect] == ["cdc-server"]
    assert sorted(server.ignored) == [
        "availabilityZone",
        "highAvailability.standbyAvailabilityZone",
        "storage.iops",
        "storage.storageSizeGB",
        "storage.throughput",
        "storage.tier",
        "version",
    ]
    # What is left alone is spelt as what is sent
    inputs = plain(dict(server.inputs))
    assert "storageSizeGB" in inputs["storage"]
    assert "version" in inputs


@pytest.mark.parametrize(
    ("args", "public"),
    [
        (created(), "Enabled"),
        (created(firewallRules=OFFICE), "Enabled"),
        (private(), "Disabled"),
        (private(firewallRules=OFFICE), "Enabled"),
    ],
)
def test_server_behind_a_private_endpoint_is_closed_but_for_firewall_rules(
    args: CdcServerArgs, public: str
) -> None:
    inputs = plain(dict(alone(args).one("Server").inputs))
    assert inputs["network"] == {"publicNetworkAccess": public}


def test_administrators_of_entra_are_declared_as_they_are_named() -> None:
    keys = ("serverName", "objectId", "principalName", "principalType", "tenantId")
    assert [
        [named(made(), f"cdc-administrator-{name}")[key] for key in keys]
        for name in ("cdc-deployer", "dba")
    ] == [
        ["cdc-1", "o-1", "cdc-deployer", "ServicePrincipal", TENANT],
        ["cdc-1", "o-2", "dba", "Group", TENANT],
    ]


def test_databases_are_made_by_the_administrator() -> None:
    databases = made().of("Database")
    assert [(item.inputs["name"], item.inputs["database"]) for item in databases] == [
        ("shop", "postgres"),
        ("crm", "postgres"),
    ]
    assert alone(created(databases=[])).of("Database") == []


def test_way_to_a_private_server_is_the_tunnel() -> None:
    assert alone(private()).outputs == {
        "access": "private",
        "sshTunnel": SSH_TUNNEL,
    }


# A private endpoint

NETWORK = SUBNET.rpartition("/subnets/")[0]
ZONE = "/subscriptions/s/.../privateDnsZones/privatelink.postgres.database.azure.com"


def test_private_endpoint_is_in_the_subnet_and_leads_to_the_server() -> None:
    program = alone(private())
    assert named(program, "cdc-private-endpoint") == {
        "privateEndpointName": "cdc-private-endpoint",
        "resourceGroupName": "rg",
        "location": "westeurope",
        "subnet": {"id": SUBNET},
        "privateLinkServiceConnections": [
            {
                "name": "cdc",
                "privateLinkServiceId": SERVER_ID,
                "groupIds": ["postgresqlServer"],
            }
        ],
    }


def test_server_s_name_is_made_to_lead_to_the_endpoint() -> None:
    program = alone(private())
    assert named(program, "cdc-private-dns-zone") == {
        "privateZoneName": PRIVATE_DNS_ZONE,
        "resourceGroupName": "rg",
        "location": "global",
    }
    assert named(program, "cdc-private-dns-link") == {
        "virtualNetworkLinkName": "cdc",
        "privateZoneName": "cdc-private-dns-zone",
        "resourceGroupName": "rg",
        "location": "global",
        "virtualNetwork": {"id": NETWORK},
        "registrationEnabled": False,
    }
    assert named(program, "cdc-private-endpoint-dns") == {
        "privateDnsZoneGroupName": "default",
        "privateEndpointName": "cdc-private-endpoint",
        "resourceGroupName": "rg",
        "privateDnsZoneConfigs": [
            {"name": "postgresql", "privateDnsZoneId": "cdc-private-dns-zone-id"}
        ],
    }


def test_zone_that_is_there_is_used() -> None:
    endpoint = {"subnet": SUBNET, "privateDnsZone": ZONE}
    program = alone(created(create={**CREATE_PRIVATE, "privateEndpoint": endpoint}))
    assert program.of("PrivateZone") == program.of("VirtualNetworkLink") == []
    (config,) = named(program, "cdc-private-endpoint-dns")["privateDnsZoneConfigs"]
    assert config["privateDnsZoneId"] == ZONE
