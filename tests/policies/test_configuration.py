"""What a rule's configuration changes."""

from __future__ import annotations

from typing import Any

import pytest
from case import Stack
from cases_server import parameter, with_server
from declaring import BY_NAME, alert, findings, form, grant, publication, server, slot
from parts import PUB, ROLES, WRITES, firewall, signal_table

BOTH = [parameter("shared_preload_libraries", "pg_cron"), parameter("azure.extensions", "citext")]
HA = {"highAvailability": {"mode": "SameZone"}}

# A rule, a stack, and a configuration with which it says the opposite.
CONFIGURED: list[tuple[str, Stack, dict[str, Any]]] = [
    ("server-preloads-pglogical", with_server(BOTH[0]), {"members": ["PG_CRON"]}),
    ("server-allows-pglogical", with_server(BOTH[1]), {"members": []}),
    ("server-sizes-worker-processes", with_server(), {"minimum": 8.0}),
    ("server-sizes-replication-slots", with_server(slot()), {"spare": 10.0}),
    ("server-sizes-replication-slots", with_server(slot(), **HA), {"spareWithStandby": 10.0}),
    ("server-sizes-wal-senders", with_server(slot()), {"spare": 10.0}),
    ("server-sizes-wal-senders", with_server(slot(), **HA), {"spareWithStandby": 10.0}),
    (
        "server-parameter-stays-writable",
        [parameter("synchronized_standby_slots", "slot")],
        {"writable": ["synchronized_standby_slots"]},
    ),
    ("server-parameter-exists", [parameter("new_one", "1")], {"known": ["new_one"]}),
    ("server-runs-supported-version", [server(version="19")], {"newest": 19.0}),
    ("server-runs-supported-version", [server(version="13")], {"oldest": 14.0}),
    (
        "server-version-serves-snapshots",
        (server(version="13"), form(readOnly="Yes")),
        {"oldest": 16.0},
    ),
    ("firewall-rule-names-addresses", [firewall("10.0.0.0", "10.0.1.0")], {"addresses": 256.0}),
    ("firewall-rule-names-addresses", [firewall("0.0.0.0", "0.0.0.0")], {"allAzure": True}),  # noqa: S104
    *(
        (name, with_server(alert("other_metric")), {"metrics": ["other_metric"]})
        for name in (
            "server-alerts-on-storage",
            "server-alerts-on-wal",
            "server-alerts-on-replication-delay",
        )
    ),
    (
        "table-grants-only-select",
        (*ROLES, PUB, grant("table", "TRIGGER")),
        {"privileges": ["TRIGGER"]},
    ),
    ("signal-table-keeps-name", (PUB,), {"readOnly": True}),
    (
        "signal-table-grants-writing",
        (*ROLES, PUB, signal_table(roles=[]), WRITES),
        {"privileges": ["DELETE"]},
    ),
    ("publication-holds-signal-table", (publication("a.b"),), {"readOnly": True}),
]


@pytest.mark.parametrize(
    ("name", "stack", "config"), CONFIGURED, ids=lambda it: it if isinstance(it, str) else ""
)
def test_a_setting_is_heeded(name: str, stack: Stack, config: dict[str, Any]) -> None:
    assert bool(findings(name, stack)) != bool(findings(name, stack, config))


def test_every_setting_is_here() -> None:
    tried = {(name, key) for name, _, config in CONFIGURED for key in config}
    assert tried == {
        (name, key)
        for name, rule in BY_NAME.items()
        if rule.POLICY.config_schema
        for key in rule.POLICY.config_schema.properties
    }
