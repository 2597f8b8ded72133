"""What the three rules on alerts share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from view.azure import Alert, alerts_of
from view.stack import Stack

METRICS: dict[str, dict[str, Any]] = {
    "metrics": {
        "type": "array",
        "items": {"type": "string"},
        "description": "The metrics, any of which is enough.",
    }
}


def has_server(stack: Stack) -> bool:
    """Where the stack has the server itself."""
    return any(server.is_declared for server in stack.servers)


def missing_alerts(stack: Stack, metrics: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with the alerts on one of the metrics, for each server."""
    wanted, either = frozenset(metrics), " or ".join(metrics)
    for server in stack.servers:
        if not server.is_declared:
            continue
        watching = list(alerts_of(server, stack.resources))
        found = [item for item in watching if item.metrics and item.metrics & wanted]
        if not found and all(item.metrics is not None for item in watching):
            yield f"no alert watches {either} of {server.label}", server.resource.urn
        elif found and not any(_works(item) for item in found):
            faulty = found[0]
            fault = "is disabled" if not faulty.enabled else "has no action group"
            yield f"the alert {faulty.resource.name} on {either} {fault}", faulty.resource.urn


def _works(alert: Alert) -> bool:
    return bool(alert.enabled) and alert.notifies
