"""Somebody is told when WAL piles up."""

from __future__ import annotations

from collections.abc import Iterator

from view.alerts import METRICS, has_server, missing_alerts
from view.links import ALERTS
from view.rule import ADVISORY, HIGH, Config, Finding, stack_rule
from view.stack import Stack

NAME = "server-alerts-on-wal"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """Present, enabled, and wired to an action group."""
    yield from missing_alerts(stack, config["metrics"])


POLICY = stack_rule(
    NAME,
    title="Somebody is told when WAL piles up",
    why="What a slot retains has no cap on Azure, and storage auto-grow does not answer it.",
    remedy="declare a metric alert on txlogs_storage_used, enabled, with an action group",
    url=ALERTS,
    level=ADVISORY,
    severity=HIGH,
    validate=validate,
    applies=has_server,
    config=METRICS | {"metrics": METRICS["metrics"] | {"default": ["txlogs_storage_used"]}},
)
