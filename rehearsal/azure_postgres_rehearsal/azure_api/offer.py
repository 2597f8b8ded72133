"""What Azure offers for a flexible server: regions, compute sizes, versions, reserved logins."""

from __future__ import annotations

VERSIONS = tuple(str(major) for major in range(11, 19))
ZONES = ("1", "2", "3")
TIERS = ("Burstable", "GeneralPurpose", "MemoryOptimized")
STORAGE_TYPES = ("Premium_LRS", "PremiumV2_LRS", "UltraSSD_LRS")
PERFORMANCE_TIERS = (
    "P4",
    "P6",
    "P10",
    "P15",
    "P20",
    "P30",
    "P40",
    "P50",
    "P60",
    "P70",
    "P80",
)

# Azure's own roles and names it keeps back; so is everything that begins with pg_.
RESERVED_LOGINS = frozenset(
    {
        "admin",
        "administrator",
        "azure_pg_admin",
        "azure_superuser",
        "azuresu",
        "guest",
        "public",
        "root",
        "sa",
    }
)

_REGION_NAMES = """
australiacentral australiacentral2 australiaeast australiasoutheast austriaeast
belgiumcentral brazilsouth brazilsoutheast canadacentral canadaeast centralindia
centralus chilecentral denmarkeast eastasia eastus eastus2 francecentral francesouth
germanynorth germanywestcentral indonesiacentral israelcentral italynorth japaneast
japanwest koreacentral koreasouth malaysiawest mexicocentral newzealandnorth
northcentralus northeurope norwayeast norwaywest polandcentral qatarcentral
southafricanorth southafricawest southcentralus southeastasia southindia spaincentral
swedencentral swedensouth switzerlandnorth switzerlandwest uaecentral uaenorth uksouth
ukwest westcentralus westeurope westindia westus westus2 westus3
"""
REGIONS = frozenset(_REGION_NAMES.split())

_BURSTABLE = "1ms 2s 2ms 4ms 8ms 12ms 16ms 20ms"
_SERIES = {
    "GeneralPurpose": {
        "2 4 8 16 32 48 64": ("D{}s_v3", "D{}ds_v4"),
        "2 4 8 16 32 48 64 96": (
            "D{}ds_v5",
            "D{}ads_v5",
            "D{}ds_v6",
            "D{}ads_v6",
            "DC{}ads_v5",
        ),
    },
    "MemoryOptimized": {
        "2 4 8 16 32 48 64": ("E{}s_v3",),
        "2 4 8 16 20 32 48 64": ("E{}ds_v4",),
        "2 4 8 16 20 32 48 64 96": (
            "E{}ds_v5",
            "E{}ads_v5",
            "E{}ds_v6",
            "E{}ads_v6",
            "EC{}ads_v5",
        ),
    },
}


def sku_names(tier: str) -> frozenset[str]:
    """The compute sizes of a tier."""
    if tier == "Burstable":
        return frozenset(f"Standard_B{size}" for size in _BURSTABLE.split())
    return frozenset(
        "Standard_" + form.format(cores)
        for sizes, forms in _SERIES[tier].items()
        for cores in sizes.split()
        for form in forms
    )
