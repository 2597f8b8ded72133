"""The WAL that a slot holds back, and what comes of it.

Azure fixes max_slot_wal_keep_size at -1, so a slot that nobody reads holds WAL until the storage is
full, and auto-grow does not answer WAL. At 95 % the server goes read-only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from azure_postgres_cdc.database.continuity import Sighting, lsn
from azure_postgres_cdc.database.slot_catalog import Slot

IDLE_HOURS = 24
"""A slot that nobody reads is reported after so long ..."""
RETAINED_GIB = 1.0
"""... or from so much WAL on."""
_SHORTEST_SAMPLE = timedelta(minutes=1)
_GIB = 2**30


def retention_warnings(
    slot: Slot, last: Sighting | None, now: Sighting, storage_gib: float | None = None
) -> Iterator[str]:
    """What there is to say of a slot that nobody reads, in one line."""
    if slot.active:
        return
    idle = now.idle or timedelta()
    retained = slot.retained_bytes / _GIB
    if idle < timedelta(hours=IDLE_HOURS) and retained < RETAINED_GIB:
        return
    outlook = forecast(slot, last, now, storage_gib)
    yield (
        f"nobody has read replication slot {now.slot} since {now.idle_since}: it holds "
        f"{retained:.1f} GiB of WAL, without bound{outlook}. Remedy: start "
        "the source; or, if it is not needed any more, drop the slot (onDestroy)"
    )


def forecast(slot: Slot, last: Sighting | None, now: Sighting, storage_gib: float | None) -> str:
    """When the storage is full at the latest, going by what was written since the last look."""
    rate = wal_per_hour(last, now)
    if not rate:
        return ""
    speed = f", growing by {rate / _GIB:.2f} GiB an hour"
    left = seconds_to_full((storage_gib or 0) * _GIB - slot.retained_bytes, rate / 3600)
    if not storage_gib or left is None:
        return speed
    hours = left / 3600
    when = f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"
    return f"{speed}: its {storage_gib:.0f} GiB of storage are full in {when} at the latest"


def seconds_to_full(free_bytes: float, bytes_per_second: float) -> float | None:
    """How long free storage takes the WAL that is written; None where none is."""
    return max(0.0, free_bytes) / bytes_per_second if bytes_per_second > 0 else None


def wal_per_hour(last: Sighting | None, now: Sighting) -> float | None:
    """Bytes of WAL an hour since the last sighting; None where that is too short ago to tell."""
    if last is None:
        return None
    passed = now.since(last)
    written = lsn(now.wal) - lsn(last.wal)
    if passed < _SHORTEST_SAMPLE or written < 0:
        return None
    return written / (passed / timedelta(hours=1))
