"""A maintenance window: the hours of a week in which a server may be restarted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NotRequired, TypedDict
from zoneinfo import ZoneInfo

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"\d\d:\d\d")


class WindowArgs(TypedDict):
    """When a server may be restarted."""

    days: Sequence[str]
    """The days on which it opens: `monday` to `sunday`."""
    start: str
    """When it opens, `HH:MM`."""
    end: str
    """When it closes, `HH:MM`; before `start`, it is the next day's."""
    timeZone: NotRequired[str]
    """The time zone's name, such as `Europe/Berlin`. Default `UTC`."""


@dataclass(frozen=True)
class Window:
    """The hours of a week in which a server may be restarted."""

    days: tuple[str, ...]
    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def of(cls, args: WindowArgs) -> Window:
        """The window that was asked for. Raises ValueError, in words, where it is none."""
        days = tuple(day.lower() for day in args["days"])
        unknown = [day for day in days if day not in DAYS]
        if unknown or not days:
            raise ValueError(f"window.days are {' to '.join((DAYS[0], DAYS[-1]))}")
        name = args.get("timeZone", "UTC")
        try:
            zone = ZoneInfo(name)
        except (OSError, ValueError, KeyError):
            raise ValueError(f"window.timeZone {name!r} is no time zone") from None
        start, end = _time("start", args["start"]), _time("end", args["end"])
        if start == end:
            raise ValueError("window.start and window.end are the same: it would never be open")
        return cls(days, start, end, zone)

    def is_open(self, now: datetime) -> bool:
        """Whether a restart may begin now."""
        here = now.astimezone(self.zone)
        return any(
            opens <= here < closes
            for opens, closes in (self._on(here, day) for day in (-1, 0))
            if DAYS[opens.weekday()] in self.days
        )

    def next_opening(self, now: datetime) -> datetime:
        """When it opens next, in its own time zone."""
        here = now.astimezone(self.zone)
        # Two weeks: the night on which the clocks go forward may have no such hour at all.
        return next(
            opens
            for opens, closes in (self._on(here, day) for day in range(16))
            if opens > here
            and DAYS[opens.weekday()] in self.days
            and opens.astimezone(UTC) < closes.astimezone(UTC)
        )

    def _on(self, here: datetime, days: int) -> tuple[datetime, datetime]:
        """When it opens and closes on a day relative to this one."""
        day = (here + timedelta(days=days)).date()
        closing = day + timedelta(days=1) if self.end < self.start else day
        return (
            datetime.combine(day, self.start, self.zone),
            datetime.combine(closing, self.end, self.zone),
        )

    def __str__(self) -> str:
        days = ", ".join(day.capitalize() for day in DAYS if day in self.days)
        return f"{days} {self.start:%H:%M}-{self.end:%H:%M} {self.zone.key}"


def _time(key: str, text: str) -> time:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"window.{key} {text!r} is no time of day: HH:MM") from None
