"""Alerts on what makes a slot dangerous: full storage, WAL that is kept, a connector that lags.

Auto-grow does not help against WAL: Azure grows the storage for data, and what a slot retains has
no cap there (max_slot_wal_keep_size is fixed). At 95 % used, or under 5 GiB free, the server goes
read-only, and Azure may drop an unused slot, which is lost data. So somebody has to be told before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

import pulumi

from azure_postgres_cdc.adoption import Adoption

if TYPE_CHECKING:
    # Elsewhere imported where it is used: a run that manages no server does without.
    from pulumi_azure_native import monitor

METRICS = "Microsoft.DBforPostgreSQL/flexibleServers"
COLLECTOR = "metrics.collector_database_activity"
"""The server parameter that some metrics need."""

GIB = 1024**3
_CRITICAL, _ERROR, _WARNING = 0, 1, 2
_ABOVE, _BELOW = "GreaterThan", "LessThan"


class AlertsArgs(TypedDict):
    """Who is told, and from which thresholds on. GiB are 1024³ bytes."""

    emails: NotRequired[Sequence[str]]
    """Who gets a mail. Needed unless `actionGroup` is given."""
    actionGroup: NotRequired[pulumi.Input[str]]
    """The resource id of an action group that is there. Default: one is made for `emails`."""
    storagePercent: NotRequired[Sequence[float]]
    """Storage used, percent: warning and critical. Default 80 and 90, Microsoft's baseline."""
    storageFreeGiB: NotRequired[float]
    """Free storage, GiB. Default: a tenth of the storage, at least 8."""
    walGiB: NotRequired[float]
    """WAL on the storage, GiB. Default: a fifth of the storage."""
    replicationDelayGiB: NotRequired[float]
    """WAL that the slowest slot has not confirmed, GiB. Default: a tenth of the storage."""
    collector: NotRequired[bool]
    """Turn on Azure's collector of database activity, and alert on what it measures: long
    transactions, and slots that are not synchronized to the standby. Default false."""
    longestTransactionMinutes: NotRequired[float]
    """How long a transaction may be open, minutes: a slot keeps WAL from its start on. Default 60.
    Needs `collector`."""


@dataclass(frozen=True)
class Alert:
    """One metric alert."""

    name: str
    metric: str
    operator: str
    threshold: pulumi.Input[float]
    severity: int
    description: str
    aggregation: str = "Maximum"
    window: str = "PT5M"
    enabled: pulumi.Input[bool] = True


def alert_faults(args: AlertsArgs) -> list[str]:
    """What is wrong with the alerts; empty where nothing is."""
    faults = []
    if not args.get("emails") and args.get("actionGroup") is None:
        faults.append("alerts: nobody would be told: give emails, or an actionGroup")
    percent = list(args.get("storagePercent", DEFAULT_PERCENT))
    if len(percent) != 2 or not 0 < percent[0] < percent[1] < 95:
        faults.append(
            f"alerts.storagePercent {percent} is no warning and critical below 95, at which the "
            "server goes read-only"
        )
    if args.get("storageFreeGiB", 8) <= 5:
        faults.append(
            "alerts.storageFreeGiB must be above 5: under 5 GiB free the server is read-only"
        )
    faults += [
        f"alerts.{key} must be above 0"
        for key in ("walGiB", "replicationDelayGiB", "longestTransactionMinutes")
        if args.get(key, 1) <= 0  # type: ignore[operator]
    ]
    if "longestTransactionMinutes" in args and not args.get("collector", False):
        faults.append("alerts.longestTransactionMinutes needs alerts.collector: true")
    return faults


DEFAULT_PERCENT = (80.0, 90.0)


def alerts_of(
    args: AlertsArgs, storage_gib: pulumi.Input[float], *, slot_sync: pulumi.Input[bool]
) -> list[Alert]:
    """The alerts of one server. `slot_sync`: whether its slots are copied to a standby; where only
    Azure knows, there is an alert that is turned off if they are not."""
    warning, critical = args.get("storagePercent", DEFAULT_PERCENT)
    size = pulumi.Output.from_input(storage_gib)

    def gib(key: str, share: float, least: float = 0) -> pulumi.Input[float]:
        given: float | None = args.get(key)  # type: ignore[assignment]
        if given is not None:
            return given * GIB
        return size.apply(lambda total: max(total * share, least) * GIB)

    found = [
        Alert(
            "storage-warning", "storage_percent", _ABOVE, warning, _WARNING,
            "The storage fills up.", "Average",
        ),
        Alert(
            "storage-critical", "storage_percent", _ABOVE, critical, _CRITICAL,
            "The storage is nearly full. At 95 % the server goes read-only.", "Average",
        ),
        Alert(
            "storage-free", "storage_free", _BELOW, gib("storageFreeGiB", 0.1, 8), _CRITICAL,
            "Little storage is free. Under 5 GiB the server goes read-only.", "Average",
        ),
        Alert(
            "wal", "txlogs_storage_used", _ABOVE, gib("walGiB", 0.2), _ERROR,
            "WAL piles up: a replication slot is not read, or a transaction is open for long. "
            "Storage auto-grow does not help against it.",
        ),
        Alert(
            "replication-delay", "logical_replication_delay_in_bytes", _ABOVE,
            gib("replicationDelayGiB", 0.1), _ERROR,
            "A connector lags, or has stopped: WAL is kept for it until it confirms.",
        ),
        Alert("alive", "is_db_alive", _BELOW, 1, _CRITICAL, "The database does not answer."),
    ]  # fmt: skip
    return [*found, *(_collected(args, slot_sync=slot_sync) if args.get("collector") else ())]


def _collected(args: AlertsArgs, *, slot_sync: pulumi.Input[bool]) -> list[Alert]:
    """Alerts on metrics that only the collector measures."""
    minutes = args.get("longestTransactionMinutes", 60)
    found = [
        Alert(
            "longest-transaction", "longest_transaction_time_sec", _ABOVE, minutes * 60, _WARNING,
            "A transaction is open for long: every slot keeps WAL from its start on.",
        )
    ]  # fmt: skip
    if slot_sync is not False:
        found.append(
            Alert(
                "slot-sync", "logical_replication_slot_sync_status", _BELOW, 1, _ERROR,
                "A slot is not synchronized to the standby: a failover would lose it.", "Minimum",
                enabled=slot_sync,
            )
        )  # fmt: skip
    return found


def alerts(
    prefix: str,
    server_id: pulumi.Input[str],
    resource_group: pulumi.Input[str],
    args: AlertsArgs,
    declared: Sequence[Alert],
    parent: pulumi.Resource,
    adoption: Adoption,
) -> Mapping[str, monitor.MetricAlert]:
    """Declare the alerts, all of them with one action group."""
    from pulumi_azure_native import monitor

    child = pulumi.ResourceOptions(parent=parent)
    told = args.get("actionGroup") or _action_group(
        prefix, resource_group, args, adoption.azure(child, "actionGroupName")
    )
    return {
        item.name: monitor.MetricAlert(
            f"{prefix}-alert-{item.name}",
            rule_name=f"{prefix}-{item.name}",
            resource_group_name=resource_group,
            location="global",
            description=item.description,
            severity=item.severity,
            enabled=item.enabled,
            scopes=[server_id],
            evaluation_frequency="PT1M",
            window_size=item.window,
            criteria=_criteria(item),
            actions=[{"action_group_id": told}],
            opts=adoption.azure(child, "ruleName"),
        )
        for item in declared
    }


def _action_group(
    prefix: str,
    resource_group: pulumi.Input[str],
    args: AlertsArgs,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    from pulumi_azure_native import monitor

    return monitor.ActionGroup(
        f"{prefix}-on-call",
        action_group_name=f"{prefix}-cdc",
        resource_group_name=resource_group,
        location="global",
        enabled=True,
        # Azure's limit: 12 characters, which mails and messages begin with.
        group_short_name="cdc",
        email_receivers=[
            {"name": address, "email_address": address, "use_common_alert_schema": True}
            for address in sorted(set(args.get("emails", ())))
        ],
        opts=opts,
    ).id


def _criteria(
    item: Alert,
) -> monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs:
    from pulumi_azure_native import monitor

    # Args classes, no dicts: the SDK cannot translate the names of a dict whose type is a union.
    return monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
        odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
        all_of=[
            monitor.MetricCriteriaArgs(
                criterion_type="StaticThresholdCriterion",
                name=item.name,
                metric_name=item.metric,
                metric_namespace=METRICS,
                operator=item.operator,
                threshold=item.threshold,
                time_aggregation=item.aggregation,
            )
        ],
    )
