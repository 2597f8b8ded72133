"""What is said of a slot, in words that the terminal, the lines and the page share."""

from __future__ import annotations

from datetime import UTC, datetime

from azure_postgres_cdc.operations.checks.slot import duration, size
from azure_postgres_cdc.operations.watch.history import History
from azure_postgres_cdc.operations.watch.sample import Behind, State

UNKNOWN = "-"
_NO_TIME = 0.05
_NEGLIGIBLE = 1024
"""Bytes a second: what a quiet server writes by itself."""


def clock(at: float) -> str:
    """The time of day where this runs."""
    return f"{_local(at):%H:%M:%S}"


def date_and_time(at: float) -> str:
    """The same with the date, and the distance to UTC."""
    return f"{_local(at):%Y-%m-%d %H:%M:%S %z}"


def amount(number: float | None) -> str:
    """Bytes."""
    return UNKNOWN if number is None else size(number)


def rate(number: float | None) -> str:
    """Bytes a second."""
    return UNKNOWN if number is None else f"{size(number).replace(' bytes', ' B')}/s"


def seconds(number: float | None) -> str:
    """A time span, where one is known."""
    return UNKNOWN if number is None else span(number)


def span(seconds: float) -> str:
    """A time span, short."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{max(0, seconds):.1f} s"


def behind(found: Behind | None, *, ascii_only: bool = False) -> str:
    """A lag in time; what is only a lower bound says so."""
    if found is None:
        return UNKNOWN
    if found.is_bound and found.seconds < _NO_TIME:
        return "not known" if found.at_most is None else f"< {span(found.at_most)}"
    sign = (">= " if ascii_only else "≥ ") if found.is_bound else ""
    return sign + span(found.seconds)


def state(history: History) -> tuple[str, ...]:
    """How it stands, from the longest way to say it to the shortest."""
    last = history.last
    status = f"wal_status: {last.wal_status}"
    if last.state == State.READ:
        short = f"read by pid {last.pid}"
        return f"{short}; {status}", short, "read"
    if last.state == State.UNREAD:
        since = f"for {duration(history.unread_seconds)} or more"
        return f"nobody has read it {since}; {status}", f"nobody has read it {since}", "unread"
    if last.state == State.SILENT:
        when = clock(history.silent_since)
        return f"no answer since {when}; trying on", f"no answer since {when}"
    if last.state == State.NOT_YET:
        return "not there yet: the connector makes it (createSlot: false)", "not there yet"
    return ("LOST",)


def danger(history: History) -> tuple[str, ...]:
    """What PostgreSQL says of WAL that it may not hold for long; empty where it says nothing."""
    last = history.last
    left = f"{amount(last.safe_bytes)} more WAL can be written (safe_wal_size)"
    if last.wal_status == "unreserved":
        return (
            "the slot holds less WAL than it needs soon (wal_status: unreserved)",
            "WAL in danger (unreserved)",
        )
    return () if last.safe_bytes is None else (left, f"{amount(last.safe_bytes)} until danger")


def outlook(history: History) -> tuple[str, ...]:
    """When the storage is full, from the longest way to say it to the shortest."""
    found, last = history.outlook(), history.answered
    if found.rate is None or last is None:
        return "storage: too early for a forecast", "too early to tell"
    over = f"over the last {duration(found.span)}"
    if found.rate < _NEGLIGIBLE:
        return f"the WAL that is held does not grow, {over}", "held WAL does not grow"
    growth = f"held WAL grows by {rate(found.rate)}"
    if last.free_bytes is None:
        unknown = "the size of the storage is not known"
        return f"{growth}, {over}; {unknown}", f"{growth}; {unknown}", growth
    if found.seconds is None:
        return (growth,)
    full = f"storage full in about {duration(found.seconds)}"
    return (
        f"{full}: {amount(last.free_bytes)} free, and the WAL that is held grows by "
        f"{rate(found.rate)}, {over}",
        f"{full} ({growth})",
        full,
    )


def fitting(ways: tuple[str, ...], width: int) -> str:
    """The longest way that fits; the shortest, cut, where none does."""
    return next((text for text in ways if len(text) <= width), ways[-1][: max(0, width)])


def shortened(text: str, width: int, *, ascii_only: bool = False) -> str:
    """A text that is too long, with an ellipsis."""
    if len(text) <= width:
        return text
    dots = "..." if ascii_only else "…"
    return text[: max(0, width - len(dots))] + dots


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()


def utc(at: float) -> str:
    """For machines."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
