"""A slot that nobody reads: from when on it is said, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from azure_postgres_cdc.database.continuity import Sighting
from azure_postgres_cdc.database.retention import forecast, retention_warnings, wal_per_hour
from azure_postgres_cdc.database.slot_catalog import Slot

GIB = 2**30
NOON = "2026-01-02T12:00:00Z"
SLOT = Slot(
    type="logical",
    plugin="pgoutput",
    database="shop",
    active=False,
    active_pid=None,
    position="0/100",
    held_bytes=0,
    lag_bytes=0,
    wal_status="reserved",
    invalidated=None,
    failover=False,
    idle_since=None,
    idle_seconds=None,
    wal="0/100",
)
NOW = Sighting(
    slot="slot",
    position="0/100",
    seen_at=NOON,
    system="",
    timeline=1,
    counters={},
    counters_since="",
    statistics_since="",
    wal="1/0",
    idle_since=NOON,
)
TWO_HOURS_AGO = replace(NOW, seen_at="2026-01-02T10:00:00Z", wal="0/0")
"""Since then 4 GiB were written: 2 GiB an hour."""


@pytest.mark.parametrize(
    ("idle_since", "retained", "said"),
    [
        (NOON, 0, False),
        ("2026-01-01T12:00:01Z", GIB - 1, False),
        ("2026-01-01T12:00:00Z", 0, True),
        (NOON, GIB, True),
    ],
)
def test_slot_is_reported_after_a_day_or_a_gibibyte(
    idle_since: str, retained: int, said: bool
) -> None:
    slot, now = replace(SLOT, held_bytes=retained), replace(NOW, idle_since=idle_since)
    assert bool(list(retention_warnings(slot, None, now))) == said
    read = replace(slot, active=True)
    assert list(retention_warnings(read, None, replace(now, idle_since=""))) == []


def test_warning_says_since_when_how_much_and_until_when() -> None:
    slot, now = replace(SLOT, held_bytes=12 * GIB), replace(NOW, idle_since=NOON)
    assert list(retention_warnings(slot, TWO_HOURS_AGO, now, 32.0)) == [
        f"nobody has read replication slot slot since {NOON}: it holds 12.0 GiB of WAL, without "
        "bound, growing by 2.00 GiB an hour: its 32 GiB of storage are full in 10 hours at the "
        "latest. Remedy: start the source; or, if it is not needed any more, drop the slot "
        "(onDestroy)"
    ]


@pytest.mark.parametrize(
    ("retained", "storage", "text"),
    [
        (0, None, ", growing by 2.00 GiB an hour"),
        (0, 142.0, "full in 71 hours at the latest"),
        (0, 144.0, "full in 3 days at the latest"),
        (64, 32.0, "full in 0 hours at the latest"),
    ],
)
def test_forecast_is_in_hours_and_then_in_days(
    retained: int, storage: float | None, text: str
) -> None:
    slot = replace(SLOT, held_bytes=retained * GIB)
    assert forecast(slot, TWO_HOURS_AGO, NOW, storage).endswith(text)


@pytest.mark.parametrize(
    "last",
    [
        None,
        replace(TWO_HOURS_AGO, seen_at="2026-01-02T11:59:01Z"),
        replace(TWO_HOURS_AGO, wal="2/0"),
        replace(TWO_HOURS_AGO, wal=NOW.wal),
    ],
    ids=["never seen", "a moment ago", "went backwards", "nothing written"],
)
def test_nothing_is_foretold_from_too_little(last: Sighting | None) -> None:
    assert not wal_per_hour(last, NOW)
    assert forecast(SLOT, last, NOW, 32.0) == ""
