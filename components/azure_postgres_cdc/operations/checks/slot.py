"""The slot: there, whole, read, and how far behind."""

from __future__ import annotations

from dataclasses import dataclass

from azure_postgres_cdc.database import ledger
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.slot_catalog import PLUGIN, Slot
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.findings import Result, failed, ok, warning
from azure_postgres_cdc.operations.subject import Subject

GIB = 1024**3
RETAINED_WARNING_BYTES = 10 * GIB
RETAINED_WARNING_SHARE = 0.2
"""Of the server's storage."""
LAG_WARNING_BYTES = GIB
LAG_WARNING_SECONDS = 300

# The lag is null once the connector has caught up and the server is quiet, and stays as it was
# while it does not answer. A user without pg_read_all_stats sees nothing but pids.
_SENDER = """
SELECT extract(epoch FROM coalesce(flush_lag, replay_lag, write_lag))::float,
       extract(epoch FROM
           clock_timestamp() - (to_jsonb(r) ->> 'reply_time')::timestamptz)::float
FROM pg_stat_replication r WHERE pid = %s AND state IS NOT NULL
"""
_GO_ON = "stop the source, then run pulumi preview, which says what is lost and how to go on"


def slot(subject: Subject) -> Result:
    """It is there, logical, of pgoutput, and of this database."""
    form, found = subject.form, subject.slot
    if found is None and not subject.plan.slot_options.create and not _was_seen(subject):
        return warning(
            f"there is no slot {form.slot} yet: createSlot: false leaves making it to the "
            "connector, and changes from before are not in it",
            "start the source, then pulumi up, which records the slot",
        )
    if found is None:
        return failed(
            f"there is no slot {form.slot}: every change since the connector's last position is "
            "lost to it",
            _GO_ON,
        )
    if not found.fits(form.database):
        return failed(
            f"{form.slot} is a {found.kind} slot of plug-in {found.plugin} on database "
            f"{found.database}, needed a logical one of {PLUGIN} on {form.database}",
            "have its owner drop it, or choose another slot name",
        )
    return ok(f"{form.slot} is logical, of {PLUGIN}, on {form.database}")


def slot_valid(subject: Subject) -> Result | None:
    """PostgreSQL still holds all the WAL that the slot needs."""
    found = subject.own_slot
    if found is None:
        return None
    if found.invalidated:
        return failed(
            f"PostgreSQL has invalidated the slot ({found.invalidated}): changes since "
            f"{found.position} are lost",
            _GO_ON,
        )
    if found.wal_status == "unreserved":
        return warning(
            "the slot holds less WAL than it needs soon (wal_status: unreserved)",
            "let the connector catch up at once, or raise max_slot_wal_keep_size",
        )
    return ok(f"its WAL is held (wal_status: {found.wal_status})")


def slot_active(subject: Subject) -> Result | None:
    """Somebody reads it."""
    found = subject.own_slot
    if found is None:
        return None
    if found.active:
        return ok(f"read by the connection with pid {found.active_pid}")
    since = f" for {duration(found.idle_seconds)}" if found.idle_seconds is not None else ""
    return warning(
        f"nobody has read the slot{since}",
        "resume the source in the Streamkap app; drop the slot where there is none any more",
    )


def lag(subject: Subject) -> Result | None:
    """How far the connector's confirmed position is behind the server, in bytes and seconds."""
    found = subject.own_slot
    if found is None or found.lag_bytes is None:
        return None
    behind = max(0, found.lag_bytes)
    if not found.active:
        evidence = f"{size(behind)} not confirmed; in seconds not known, as nobody reads the slot"
        return ok(evidence) if behind < LAG_WARNING_BYTES else _late(evidence)
    evidence = f"{size(behind)} not confirmed"
    try:
        sender = sender_of(subject.administrator.connection, found)
    except CdcError:
        sender = None  # other checks say why the administrator cannot look
    if sender is None:
        evidence += "; in seconds not known"
        return ok(evidence) if behind < LAG_WARNING_BYTES else _late(evidence)
    seconds, silent = sender.seconds_behind or 0.0, 0.0
    evidence += f", {sender.shown}"
    if behind:
        silent = sender.seconds_silent
        evidence += f" when it last answered, {duration(silent)} ago"
    if behind >= LAG_WARNING_BYTES or max(seconds, silent) >= LAG_WARNING_SECONDS:
        return _late(evidence)
    return ok(evidence)


def retained_wal(subject: Subject) -> Result | None:
    """The WAL that the slot keeps the server from removing."""
    found = subject.own_slot
    if found is None or found.held_bytes is None:
        return None
    retained = found.retained_bytes
    evidence = f"{size(retained)} of WAL is held for the slot"
    limit = RETAINED_WARNING_BYTES
    try:
        limit = min(limit, int(subject.storage_bytes * RETAINED_WARNING_SHARE))
        evidence += f", {retained / subject.storage_bytes:.1%} of the storage"
    except CdcError:
        pass  # the check `storage` says why its size is not known
    if retained <= limit:
        return ok(evidence)
    return warning(
        evidence,
        "let the connector catch up; heartbeats release WAL where the captured tables are quiet; "
        "drop the slot where no connector is left",
    )


def _was_seen(subject: Subject) -> bool:
    recorded = ledger.read_all(subject.connection).values()
    return any(kept.last and kept.last.slot == subject.form.slot for kept in recorded)


@dataclass(frozen=True)
class Sender:
    """What the WAL sender says of the connector that reads a slot."""

    seconds_behind: float | None
    """The last confirmed position's age at the last answer. None once it has caught up."""
    seconds_silent: float
    """How long ago that was; 0 before PostgreSQL 12."""

    @property
    def shown(self) -> str:
        """The lag, for a person."""
        lag = self.seconds_behind
        return "caught up" if lag is None else f"{lag:.1f} s behind"


def sender_of(administrator: Connection, found: Slot) -> Sender | None:
    """None where nobody reads the slot, or this user may not see who does."""
    answer = rows(administrator, _SENDER, found.active_pid) if found.active else []
    return Sender(answer[0][0], answer[0][1] or 0.0) if answer else None


def size(number: float) -> str:
    """Bytes, readable."""
    value, units = float(max(0, number)), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} bytes" if units[0] == "bytes" else f"{value:.1f} {units[0]}"


def duration(seconds: float) -> str:
    """A time span, in the largest unit that it is two of."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{max(0, seconds):.0f} seconds"


def _late(evidence: str) -> Result:
    return warning(evidence, "look at the source in the Streamkap app: is it running, is it slow?")
