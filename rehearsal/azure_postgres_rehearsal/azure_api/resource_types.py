"""The names of the resource types and the API versions they are answered in."""

from __future__ import annotations

SERVERS = "Microsoft.DBforPostgreSQL/flexibleServers"
CONFIGURATIONS = f"{SERVERS}/configurations"
FIREWALL_RULES = f"{SERVERS}/firewallRules"
DATABASES = f"{SERVERS}/databases"
METRIC_ALERTS = "Microsoft.Insights/metricAlerts"
ACTION_GROUPS = "Microsoft.Insights/actionGroups"

# What pulumi-azure-native 3.29 and azure-mgmt-postgresqlflexibleservers 3.0 may send.
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
