"""Alerts: their thresholds by the size of the storage, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.program import (
    SERVER_ID,
    alone,
    created,
    existing,
    named,
    private,
    run,
)

from azure_postgres_cdc import CdcServerArgs
from azure_postgres_cdc.azure.alerts import GIB, Alert, AlertsArgs, alert_faults, alerts_of

MAIL: AlertsArgs = {"emails": ["cdc@example.com"]}
COLLECTED: AlertsArgs = {**MAIL, "collector": True}


def declared(args: AlertsArgs, size: float = 128, *, slot_sync: bool = False) -> list[Alert]:
    """The alerts, with thresholds that are numbers."""
    found: list[Alert] = []

    def program() -> Any:
        found.extend(alerts_of(args, size, slot_sync=slot_sync))
        return [item.threshold for item in found]

    thresholds = run(program).outputs
    return [
        Alert(**{**vars(item), "threshold": value})
        for item, value in zip(found, thresholds, strict=True)
    ]


def thresholds(args: AlertsArgs, size: float = 128, *, slot_sync: bool = False) -> dict[str, float]:
    found = declared(args, size, slot_sync=slot_sync)
    return {item.name: item.threshold for item in found}  # type: ignore[misc]


def test_what_is_watched_and_how_severe_it_is() -> None:
    found = declared(COLLECTED, slot_sync=True)
    assert [
        (item.name, item.metric, item.operator, item.severity, item.aggregation) for item in found
    ] == [
        ("storage-warning", "storage_percent", "GreaterThan", 2, "Average"),
        ("storage-critical", "storage_percent", "GreaterThan", 0, "Average"),
        ("storage-free", "storage_free", "LessThan", 0, "Average"),
        ("wal", "txlogs_storage_used", "GreaterThan", 1, "Maximum"),
        (
            "replication-delay",
            "logical_replication_delay_in_bytes",
            "GreaterThan",
            1,
            "Maximum",
        ),
        ("alive", "is_db_alive", "LessThan", 0, "Maximum"),
        ("longest-transaction", "longest_transaction_time_sec", "GreaterThan", 2, "Maximum"),
        ("slot-sync", "logical_replication_slot_sync_status", "LessThan", 1, "Minimum"),
    ]
    assert all(item.description.endswith(".") for item in found)


@pytest.mark.parametrize(
    ("size", "free", "wal", "delay"),
    [
        # The free space is never less than 8 GiB: under 5 the server is read-only
        (32, 8, 6.4, 3.2),
        (64, 8, 12.8, 6.4),
        (128, 12.8, 25.6, 12.8),
        (4096, 409.6, 819.2, 409.6),
    ],
)
def test_thresholds_go_by_the_size_of_the_storage(
    size: float, free: float, wal: float, delay: float
) -> None:
    assert thresholds(MAIL, size) == {
        "storage-warning": 80,
        "storage-critical": 90,
        "storage-free": pytest.approx(free * GIB),
        "wal": pytest.approx(wal * GIB),
        "replication-delay": pytest.approx(delay * GIB),
        "alive": 1,
    }


def test_thresholds_that_are_given_count() -> None:
    assert thresholds(
        {
            **COLLECTED,
            "storagePercent": [70, 85],
            "storageFreeGiB": 6,
            "walGiB": 0.5,
            "replicationDelayGiB": 2,
            "longestTransactionMinutes": 5,
        }
    ) == {
        "storage-warning": 70,
        "storage-critical": 85,
        "storage-free": 6 * GIB,
        "wal": GIB / 2,
        "replication-delay": 2 * GIB,
        "alive": 1,
        "longest-transaction": 300,
    }


def test_what_only_the_collector_measures_needs_it() -> None:
    assert thresholds(COLLECTED)["longest-transaction"] == 3600
    assert "slot-sync" not in thresholds(COLLECTED)
    assert thresholds(COLLECTED, slot_sync=True)["slot-sync"] == 1
    plain = thresholds(MAIL, slot_sync=True)
    assert not plain.keys() & {"longest-transaction", "slot-sync"}


@pytest.mark.parametrize(
    "args",
    [
        MAIL,
        {"actionGroup": "/subscriptions/s/.../actionGroups/on-call"},
        {**MAIL, "storagePercent": [1, 94.9]},
        {**MAIL, "storageFreeGiB": 5.1, "walGiB": 0.1, "replicationDelayGiB": 0.1},
        {**COLLECTED, "longestTransactionMinutes": 0.5},
    ],
)
def test_alerts_that_are_right(args: AlertsArgs) -> None:
    assert alert_faults(args) == []


NOBODY = "alerts: nobody would be told: give emails, or an actionGroup"
FREE = "alerts.storageFreeGiB must be above 5: under 5 GiB free the server is read-only"


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ({}, NOBODY),
        ({"emails": []}, NOBODY),
        ({**MAIL, "storageFreeGiB": 5}, FREE),
        ({**MAIL, "storageFreeGiB": -1}, FREE),
        ({**MAIL, "walGiB": 0}, "alerts.walGiB must be above 0"),
        ({**MAIL, "replicationDelayGiB": -1}, "alerts.replicationDelayGiB must be above 0"),
        (
            {**COLLECTED, "longestTransactionMinutes": 0},
            "alerts.longestTransactionMinutes must be above 0",
        ),
        (
            {**MAIL, "longestTransactionMinutes": 5},
            "alerts.longestTransactionMinutes needs alerts.collector: true",
        ),
    ],
)
def test_alerts_that_are_wrong(args: AlertsArgs, fault: str) -> None:
    assert alert_faults(args) == [fault]


@pytest.mark.parametrize(
    "percent", [[], [80], [90, 80], [80, 80], [0, 50], [-1, 50], [80, 95], [80, 100], [1, 2, 3]]
)
def test_percentages_that_come_too_late_or_in_no_order(percent: list[float]) -> None:
    assert alert_faults({**MAIL, "storagePercent": percent}) == [
        f"alerts.storagePercent {percent} is no warning and critical below 95, at which the "
        "server goes read-only"
    ]


def test_every_fault_comes_at_once() -> None:
    wrong: AlertsArgs = {
        "storagePercent": [95, 99],
        "storageFreeGiB": 1,
        "walGiB": 0,
        "replicationDelayGiB": 0,
        "longestTransactionMinutes": 0,
    }
    assert [fault.partition(" ")[0] for fault in alert_faults(wrong)] == [
        "alerts:",
        "alerts.storagePercent",
        "alerts.storageFreeGiB",
        "alerts.walGiB",
        "alerts.replicationDelayGiB",
        "alerts.longestTransactionMinutes",
        "alerts.longestTransactionMinutes",
    ]


# What is declared


GROUP = "/subscriptions/s/resourceGroups/rg/providers/microsoft.insights/actionGroups/on-call"


def test_alert_is_on_the_server_and_tells_the_group() -> None:
    program = alone(existing(alerts=MAIL))
    assert len(program.of("MetricAlert")) == 6
    assert named(program, "cdc-alert-wal") == {
        "ruleName": "cdc-wal",
        "resourceGroupName": "rg",
        "location": "global",
        "description": "WAL piles up: a replication slot is not read, or a transaction is open for "
        "long. Storage auto-grow does not help against it.",
        "severity": 1,
        "enabled": True,
        "scopes": [SERVER_ID],
        "evaluationFrequency": "PT1M",
        "windowSize": "PT5M",
        "criteria": {
            "odataType": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "allOf": [
                {
                    "criterionType": "StaticThresholdCriterion",
                    "name": "wal",
                    "metricName": "txlogs_storage_used",
                    "metricNamespace": "Microsoft.DBforPostgreSQL/flexibleServers",
                    "operator": "GreaterThan",
                    # A fifth of what the server that was found has
                    "threshold": pytest.approx(256 * 0.2 * GIB),
                    "timeAggregation": "Maximum",
                }
            ],
        },
        "actions": [{"actionGroupId": "cdc-on-call-id"}],
    }


def test_slots_of_a_server_that_is_there_are_watched_where_a_standby_keeps_them() -> None:
    program = alone(existing(alerts=COLLECTED))
    watched = {
        item.inputs["ruleName"]: item.inputs["enabled"] for item in program.of("MetricAlert")
    }
    assert watched["cdc-longest-transaction"] is True
    assert watched["cdc-slot-sync"] is False  # which Azure says of this server


def test_one_group_is_made_for_all_alerts() -> None:
    program = alone(existing(alerts={"emails": ["a@example.com", "b@example.com"]}))
    assert named(program, "cdc-on-call") == {
        "actionGroupName": "cdc-cdc",
        "resourceGroupName": "rg",
        "location": "global",
        "enabled": True,
        "groupShortName": "cdc",
        "emailReceivers": [
            {"name": address, "emailAddress": address, "useCommonAlertSchema": True}
            for address in ("a@example.com", "b@example.com")
        ],
    }
    assert len(program.of("ActionGroup")) == 1
    for alert in program.of("MetricAlert"):
        assert alert.inputs["actions"] == [{"actionGroupId": "cdc-on-call-id"}]


def test_group_that_is_there_is_used() -> None:
    program = alone(existing(alerts={"actionGroup": GROUP}))
    assert program.of("ActionGroup") == []
    assert {str(item.inputs["actions"]) for item in program.of("MetricAlert")} == {
        str([{"actionGroupId": GROUP}])
    }


def test_nobody_is_told_of_what_nobody_asked_for() -> None:
    assert alone(existing()).of("MetricAlert") == []


@pytest.mark.parametrize(
    ("args", "free"),
    [
        (existing(alerts=MAIL), 25.6),
        (created(alerts=MAIL), 12.8),
        (created(create={"sku": "Standard_B1ms", "storageGiB": 32}, alerts=MAIL), 8),
    ],
)
def test_size_is_that_of_the_server(args: CdcServerArgs, free: float) -> None:
    criteria = named(alone(args), "cdc-alert-storage-free")["criteria"]["allOf"]
    assert [item["threshold"] for item in criteria] == [pytest.approx(free * GIB)]


@pytest.mark.parametrize(
    ("args", "watched"),
    [
        (private(alerts=COLLECTED), True),
        (private(alerts=MAIL), False),
        (created(alerts=COLLECTED), False),
    ],
)
def test_synchronized_slots_are_watched_where_there_is_a_standby(
    args: CdcServerArgs, watched: bool
) -> None:
    names = {item.name for item in alone(args).of("MetricAlert")}
    assert ("cdc-alert-slot-sync" in names) is watched


def test_collector_is_turned_on_for_the_alerts_that_need_it() -> None:
    on = {"name": "metrics.collector_database_activity", "value": "on", "exactly": False}
    assert named(alone(existing(alerts=COLLECTED)), "cdc-parameters")["others"] == [on]
    assert named(alone(existing(alerts=MAIL)), "cdc-parameters")["others"] == []
