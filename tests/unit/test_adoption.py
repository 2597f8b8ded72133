"""What counts as the same resource, when one of that name is there already in Azure."""

from __future__ import annotations

from typing import Any

import pytest

from azure_postgres_cdc.adoption import is_same

DECLARED: dict[str, Any] = {
    "location": "West Europe",
    "availabilityZone": "",
    "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
    "scopes": ["/subscriptions/s/resourceGroups/RG/providers/x"],
    "threshold": 80.0,
    "tags": None,
}
FOUND: dict[str, Any] = {
    "location": "westeurope",
    "availabilityZone": "1",
    "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose", "capacity": 2},
    "scopes": ["/subscriptions/s/resourcegroups/rg/providers/x"],
    "threshold": 80,
    "tags": {"team": "shop"},
    "state": "Ready",
}


def test_what_azure_adds_or_spells_in_its_own_way_makes_no_difference() -> None:
    assert is_same(DECLARED, FOUND)


@pytest.mark.parametrize(
    "other",
    [
        {"location": "northeurope"},
        {"sku": {"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"}},
        {"scopes": []},
        {"scopes": ["/subscriptions/s/resourceGroups/rg/providers/y"]},
        {"threshold": 90},
    ],
)
def test_what_was_declared_otherwise_is_another_one(other: dict[str, Any]) -> None:
    assert not is_same(DECLARED, FOUND | other)
