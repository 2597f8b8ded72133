"""The metrics of a flexible server, and how each may be aggregated."""

from __future__ import annotations

NAMESPACE = "Microsoft.DBforPostgreSQL/flexibleServers"

_ALL = ("Average", "Maximum", "Minimum")
_EXTREMES = ("Maximum", "Minimum")
_TOTAL = ("Total",)

AGGREGATIONS: dict[str, tuple[str, ...]] = {
    "active_connections": _ALL,
    "backup_storage_used": _ALL,
    "connections_failed": _TOTAL,
    "connections_succeeded": _TOTAL,
    "cpu_percent": _ALL,
    "disk_queue_depth": _ALL,
    "iops": _ALL,
    "is_db_alive": _ALL,
    "logical_replication_delay_in_bytes": _EXTREMES,
    "maximum_used_transactionIDs": _ALL,
    "memory_percent": _ALL,
    "network_bytes_egress": _TOTAL,
    "network_bytes_ingress": _TOTAL,
    "physical_replication_delay_in_bytes": _EXTREMES,
    "physical_replication_delay_in_seconds": _EXTREMES,
    "read_iops": _ALL,
    "read_throughput": _ALL,
    "storage_free": _ALL,
    "storage_percent": _ALL,
    "storage_used": _ALL,
    "txlogs_storage_used": _ALL,
    "write_iops": _ALL,
    "write_throughput": _ALL,
    "logical_replication_slot_sync_status": _EXTREMES,
    "longest_transaction_time_sec": _EXTREMES,
    "oldest_backend_xmin_age": _EXTREMES,
}
"""Those that can be alerted on; what is not certain of a metric's aggregations is left out."""

COLLECTOR = "metrics.collector_database_activity"
"""The server parameter without which `NEED_THE_COLLECTOR` are never measured."""

NEED_THE_COLLECTOR = frozenset(
    {
        "logical_replication_slot_sync_status",
        "longest_transaction_time_sec",
        "oldest_backend_xmin_age",
    }
)
"""Those that say nothing until the collector is on. Azure takes an alert on them anyway."""
