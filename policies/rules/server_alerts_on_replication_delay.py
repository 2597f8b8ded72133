"""Somebody is told when a connector lags."""

from __future__ import annotations

from collections.abc import Iterator

from view.alerts import METRICS, has_server, missing_alerts
from view.links import ALERTS
from view.rule import ADVISORY, HIGH, Config, Finding, stack_rule
from view.stack import Stack

NAME = "server-alerts-on-replication-delay"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """Present, enabled, and wired to an action group."""
    yield from missing_alerts(stack, config["metrics"])


POLICY = stack_rule(
    NAME,
    title="Somebody is told when a connector lags",
    why="A connector that has stopped keeps WAL until the storage is full.",
    remedy=(
        "declare a metric alert on logical_replication_delay_in_bytes, enabled and with an "
        "action group"
    ),
    url=ALERTS,
    level=ADVISORY,
    severity=HIGH,
    validate=validate,
    applies=has_server,
    config=METRICS
    | {"metrics": METRICS["metrics"] | {"default": ["logical_replication_delay_in_bytes"]}},
)
