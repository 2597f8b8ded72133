"""A server that the stack makes: what is wrong with it, before Azure is asked."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.program import CREATE_ENTRA, CREATE_PRIVATE, SUBNET

from azure_postgres_cdc.azure.new_server import (
    STORAGE_GIB,
    CreateArgs,
    create_faults,
    tier_of,
)

SIZES = "32, 64, 128, 256, 512, 1024, 2048, 4095, 4096, 8192, 16384, 32767"


@pytest.mark.parametrize(
    ("sku", "tier"),
    [
        ("Standard_B1ms", "Burstable"),
        ("Standard_B2s", "Burstable"),
        ("Standard_D2ds_v5", "GeneralPurpose"),
        ("Standard_D96ads_v5", "GeneralPurpose"),
        ("Standard_E4ds_v5", "MemoryOptimized"),
        ("Standard_F4s", ""),
        ("standard_d2ds_v5", ""),
        ("D2ds_v5", ""),
        ("Standard_D", ""),
        ("Standard_D2 ds", ""),
        ("", ""),
    ],
)
def test_tier_is_the_letter_of_the_size(sku: str, tier: str) -> None:
    assert tier_of(sku) == tier
    fault = f"create.sku {sku!r} is no size such as Standard_D2ds_v5 (B, D or E)"
    assert create_faults({"sku": sku}) == ([] if tier else [fault])


def create(**changes: Any) -> CreateArgs:
    return {"sku": "Standard_D2ds_v5", **changes}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "args",
    [
        create(),
        create(version=11),
        create(version=18),
        *(create(storageGiB=size) for size in STORAGE_GIB),
        create(backupRetentionDays=7),
        create(backupRetentionDays=35),
        create(highAvailability="SameZone"),
        create(sku="Standard_B1ms", highAvailability="Disabled"),
        create(subnet={"delegatedSubnet": SUBNET, "privateDnsZone": "z"}),
        CREATE_ENTRA,
        CREATE_PRIVATE,
    ],
)
def test_servers_that_azure_makes(args: CreateArgs) -> None:
    assert create_faults(args) == []


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        (
            create(version=10),
            "PostgreSQL 10 is not served: Azure offers 11 to 18. Remedy: a version of these "
            "(management: none serves 10 to 18)",
        ),
        (
            create(version=19),
            "PostgreSQL 19 is not served: Azure offers 11 to 18. Remedy: a version of these "
            "(management: none serves 10 to 18)",
        ),
        (
            create(sku="Standard_B2s", highAvailability="SameZone"),
            "create.highAvailability: Standard_B2s is Burstable, which has no standby",
        ),
        (
            create(storageGiB=100),
            f"create.storageGiB 100 is no size of Premium SSD: {SIZES}",
        ),
        (create(backupRetentionDays=6), "create.backupRetentionDays 6 is not 7 to 35"),
        (create(backupRetentionDays=36), "create.backupRetentionDays 36 is not 7 to 35"),
        (
            create(subnet={}, privateEndpoint={"subnet": SUBNET}),
            "create: subnet and privateEndpoint exclude each other",
        ),
        (
            create(privateEndpoint={"subnet": "databases"}),
            "create.privateEndpoint.subnet is no resource id of a subnet",
        ),
    ],
)
def test_servers_that_azure_does_not_make(args: CreateArgs, fault: str) -> None:
    assert create_faults(args) == [fault]


def test_every_fault_comes_at_once() -> None:
    found = create_faults(
        create(
            version=9,
            sku="D2",
            storageGiB=1,
            backupRetentionDays=1,
            subnet={},
            privateEndpoint={"subnet": ""},
        )
    )
    assert [fault.split()[0] for fault in found] == [
        "PostgreSQL",
        "create.sku",
        "create.storageGiB",
        "create.backupRetentionDays",
        "create:",
        "create.privateEndpoint.subnet",
    ]
