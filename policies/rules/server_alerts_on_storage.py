"""Somebody is told when the storage fills up."""

from __future__ import annotations

from collections.abc import Iterator

from view.alerts import METRICS, has_server, missing_alerts
from view.links import ALERTS
from view.rule import ADVISORY, HIGH, Config, Finding, stack_rule
from view.stack import Stack

NAME = "server-alerts-on-storage"


def validate(stack: Stack, config: Config) -> Iterator[Finding]:
    """Present, enabled, and wired to an action group."""
    yield from missing_alerts(stack, config["metrics"])


POLICY = stack_rule(
    NAME,
    title="Somebody is told when the storage fills up",
    why="At 95 % used, or under 5 GiB free, the server goes read-only, and slots may be dropped.",
    remedy="declare an enabled alert on storage_percent or storage_free, with an action group",
    url=ALERTS,
    level=ADVISORY,
    severity=HIGH,
    validate=validate,
    applies=has_server,
    config=METRICS
    | {"metrics": METRICS["metrics"] | {"default": ["storage_percent", "storage_free"]}},
)
