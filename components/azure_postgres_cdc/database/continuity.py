"""Whether a slot is still the one that was seen before, with nothing lost in between.

A connector that finds no slot makes one by itself, so a slot that is *there* proves nothing. What
gives a new one away: another system identifier, a position or counters that went backwards although
nobody reset them, a position beyond the recorded one with nothing decoded on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Sighting:
    """A slot as it was at one moment, with what tells whether it can be compared with later."""

    slot: str
    position: str
    """`confirmed_flush_lsn`: the connector has everything before it."""
    seen_at: str
    """The server's clock, UTC."""
    system: str
    """The system identifier, which every `initdb` makes anew. Empty where it may not be read."""
    timeline: int
    """Raised by every promotion, restore and failover."""
    counters: Mapping[str, int]
    """The counts of pg_stat_replication_slots that only grow. Empty before PostgreSQL 14."""
    counters_since: str
    """When somebody last reset the slot's own counters. Empty for never."""
    statistics_since: str
    """When the server began to count: a crash begins anew, a clean restart does not."""
    wal: str
    """How far the server had written."""
    idle_since: str
    """Since when no connector has read it. Empty where one was reading."""

    @property
    def idle(self) -> timedelta | None:
        """For how long nobody has read it. None where somebody was reading."""
        return _time(self.seen_at) - _time(self.idle_since) if self.idle_since else None

    def since(self, earlier: Sighting) -> timedelta:
        """What has passed, by the server's clock, which need not be this machine's."""
        return _time(self.seen_at) - _time(earlier.seen_at)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Sighting:
        """From what `asdict` made of one. Raises ValueError, TypeError or AttributeError for
        anything else: somebody may have edited it."""
        found = cls(**values)
        for position in (found.position, found.wal):
            lsn(position)
        for time in filter(None, (found.seen_at, found.idle_since)):
            _time(time)
        return replace(found, counters={name: int(n) for name, n in found.counters.items()})

    def recorded(self) -> dict[str, Any]:
        """As plain values, for a record."""
        return asdict(self)


class Continuity(Enum):
    """What can be said about the time between two sightings."""

    PROVEN = "nothing speaks against it"
    UNPROVEN = "it cannot be proved"
    BROKEN = "it is another slot"


@dataclass(frozen=True)
class Verdict:
    """What is said, and why, in words for a person."""

    continuity: Continuity
    reason: str = ""


def judge(last: Sighting, now: Sighting) -> Verdict:
    """Compare a slot with what was last seen under its name."""
    if last.system and now.system and last.system != now.system:
        return _broken(
            f"the server is another one (system identifier {now.system}, it was {last.system})"
        )
    if now.timeline != last.timeline:
        return _unproven(
            f"the server is on timeline {now.timeline}, it was on {last.timeline}: there has been "
            "a failover, a restore or a promotion"
        )
    behind = lsn(now.position) < lsn(last.position)
    if now.statistics_since != last.statistics_since:
        back = f" and the slot went back to LSN {now.position}" if behind else ""
        return _unproven(
            f"the server's statistics begin anew at {now.statistics_since}{back}: it has crashed, "
            "or somebody has reset them"
        )
    if behind:
        return _broken(f"it stands at LSN {now.position}, which is before that")
    if last.counters_since and not now.counters_since:
        return _broken(
            f"its statistics, which were reset at {last.counters_since}, have never been reset now"
        )
    if now.counters_since != last.counters_since:
        return _unproven(f"the slot's statistics were reset at {now.counters_since}")
    return _by_counters(last, now)


def _by_counters(last: Sighting, now: Sighting) -> Verdict:
    fewer = [name for name, count in last.counters.items() if now.counters.get(name, 0) < count]
    if fewer:
        name = fewer[0]
        return _broken(
            f"its {name} went from {last.counters[name]} back to {now.counters.get(name, 0)}, and "
            "nobody has reset it"
        )
    moved = lsn(now.position) > lsn(last.position)
    if moved and now.counters and not any(now.counters.values()):
        return _broken(f"it stands at LSN {now.position} and has decoded nothing on the way there")
    # What was seen is written down in a transaction, which whoever reads the slot decodes.
    skipped = lsn(now.position) > lsn(last.wal) and _grown(last, now) == 0
    if skipped and now.counters:
        return _unproven(
            f"it was moved on to LSN {now.position} and has decoded nothing on the way there, as "
            "with pg_replication_slot_advance: what was changed in between was passed over"
        )
    return Verdict(Continuity.PROVEN)


def _grown(last: Sighting, now: Sighting) -> int:
    """By how much the slot has counted on."""
    return sum(now.counters.get(name, 0) - count for name, count in last.counters.items())


def _broken(reason: str) -> Verdict:
    return Verdict(Continuity.BROKEN, reason)


def _unproven(reason: str) -> Verdict:
    return Verdict(Continuity.UNPROVEN, reason)


def lsn(text: str) -> int:
    """`16/B374D848` as the number of bytes that it stands for."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
