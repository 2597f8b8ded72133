"""The names of the resource types and the API versions they are answered in."""

from __future__ import annotations

SERVERS = "Microsoft.DBforPostgreSQL/flexibleServers"
CONFIGURATIONS = f"{SERVERS}/configurations"
FIREWALL_RULES = f"{SERVERS}/firewallRules"
DATABASES = f"{SERVERS}/databases"
ADMINISTRATORS = f"{SERVERS}/administrators"
METRIC_ALERTS = "Microsoft.Insights/metricAlerts"
ACTION_GROUPS = "Microsoft.Insights/actionGroups"
PRIVATE_ENDPOINTS = "Microsoft.Network/privateEndpoints"
PRIVATE_DNS_ZONE_GROUPS = f"{PRIVATE_ENDPOINTS}/privateDnsZoneGroups"
PRIVATE_DNS_ZONES = "Microsoft.Network/privateDnsZones"
VIRTUAL_NETWORK_LINKS = f"{PRIVATE_DNS_ZONES}/virtualNetworkLinks"
VAULTS = "Microsoft.KeyVault/vaults"
VAULT_SECRETS = f"{VAULTS}/secrets"

# What pulumi-azure-native 3.29 and Microsoft's management clients of 2026 may send.
POSTGRESQL_VERSIONS = (
    "2022-12-01",
    "2023-03-01-preview",
    "2023-06-01-preview",
    "2023-12-01-preview",
    "2024-03-01-preview",
    "2024-08-01",
    "2024-11-01-preview",
    "2025-01-01-preview",
    "2025-06-01-preview",
    "2025-08-01",
    "2026-01-01-preview",
    "2026-04-01-preview",
    "2026-07-01-preview",
    "2026-10-01",
)
METRIC_ALERT_VERSIONS = ("2018-03-01", "2024-03-01-preview", "2026-01-01")
ACTION_GROUP_VERSIONS = (
    "2017-04-01",
    "2018-03-01",
    "2018-09-01",
    "2019-03-01",
    "2019-06-01",
    "2021-09-01",
    "2022-04-01",
    "2022-06-01",
    "2023-01-01",
    "2023-09-01-preview",
    "2024-10-01-preview",
)
PRIVATE_ENDPOINT_VERSIONS = (
    "2019-04-01",
    "2019-06-01",
    "2019-07-01",
    "2019-08-01",
    "2019-09-01",
    "2019-11-01",
    "2019-12-01",
    "2020-03-01",
    "2020-04-01",
    "2020-05-01",
    "2020-06-01",
    "2020-07-01",
    "2020-08-01",
    "2020-11-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-08-01",
    "2022-01-01",
    "2022-05-01",
    "2022-07-01",
    "2022-09-01",
    "2022-11-01",
    "2023-02-01",
    "2023-04-01",
    "2023-05-01",
    "2023-06-01",
    "2023-09-01",
    "2023-11-01",
    "2024-01-01",
    "2024-03-01",
    "2024-05-01",
    "2024-07-01",
    "2024-10-01",
    "2025-01-01",
    "2025-03-01",
    "2025-05-01",
    "2025-07-01",
    "2026-03-01",
)
PRIVATE_DNS_ZONE_GROUP_VERSIONS = tuple(
    version for version in PRIVATE_ENDPOINT_VERSIONS if version >= "2020-03-01"
)
PRIVATE_DNS_VERSIONS = ("2018-09-01", "2020-01-01", "2020-06-01", "2024-06-01")
VAULT_API_VERSIONS = ("7.4", "7.5", "7.6", "2025-07-01")
"""Of the vaults' own API."""
KEY_VAULT_VERSIONS = (
    "2016-10-01",
    "2018-02-14",
    "2018-02-14-preview",
    "2019-09-01",
    "2020-04-01-preview",
    "2021-04-01-preview",
    "2021-06-01-preview",
    "2021-10-01",
    "2021-11-01-preview",
    "2022-02-01-preview",
    "2022-07-01",
    "2022-11-01",
    "2023-02-01",
    "2023-07-01",
    "2024-04-01-preview",
    "2024-11-01",
    "2024-12-01-preview",
    "2025-05-01",
    "2026-02-01",
    "2026-03-01-preview",
    "2026-05-15",
)
