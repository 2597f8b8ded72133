"""One look at one connector's slot."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from azure_postgres_cdc.database import slot_loss
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.continuity import lsn
from azure_postgres_cdc.database.retention import wal_per_hour
from azure_postgres_cdc.database.slot_catalog import Slot
from azure_postgres_cdc.database.slot_loss import Examination
from azure_postgres_cdc.driver import psycopg
from azure_postgres_cdc.errors import CdcError, Passing, Unreachable
from azure_postgres_cdc.operations.checks.continuity import record
from azure_postgres_cdc.operations.checks.slot import sender_of
from azure_postgres_cdc.operations.checks.storage import used
from azure_postgres_cdc.operations.login import as_connector
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.operations.subject import Administrator

RECORD_SECONDS = 60
"""How often what was last seen is written down: each time is a small transaction."""
STORAGE_SECONDS = 30
"""How often it is asked what the databases take: PostgreSQL looks at every file for it."""
GIB = 1024**3


class State(StrEnum):
    """How it stands with a slot."""

    READ = "read"
    """A connector is reading it."""
    UNREAD = "unread"
    """Nobody reads it."""
    LOST = "lost"
    """It is gone, invalidated, or another one."""
    NOT_YET = "not there yet"
    """`createSlot: false`, and the connector has not made it yet."""
    SILENT = "no answer"
    """The server did not answer."""


@dataclass(frozen=True)
class Before:
    """What was recorded of the slot before the watch began."""

    at: float
    wal: int
    rate: float | None
    """Bytes of WAL a second since; None where that is too short ago to tell."""


@dataclass(frozen=True)
class Behind:
    """How long ago the connector's confirmed position was the newest one."""

    seconds: float
    is_bound: bool = False
    """It may be more: nobody has looked earlier."""
    at_most: float | None = None
    """It cannot be more than this, then; None where not even that is known."""


@dataclass(frozen=True)
class Sample:
    """What one look has found. Sizes are bytes, None where they are not known."""

    at: float
    """Seconds since 1970, by this machine's clock."""
    state: State
    trouble: str = ""
    """Why there is no answer, or what is lost, for a person."""
    pid: int | None = None
    wal: int | None = None
    """How far the server has written."""
    confirmed: int | None = None
    """How far the connector has confirmed."""
    lag_bytes: int | None = None
    retained_bytes: int | None = None
    wal_status: str = ""
    safe_bytes: int | None = None
    sender_seconds: float | None = None
    """What the WAL sender measures. None without one, and once it has caught up."""
    behind: Behind | None = None
    """Filled in by the history, which knows the samples before."""
    idle_seconds: float | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    before: Before | None = None


class Room:
    """The server's storage: its size, and what is left of it."""

    def __init__(self, stack: Stack, given_gib: float | None) -> None:
        self.total: int | None = None
        self.reason = ""
        """Why its size is not known."""
        self._free: int | None = None
        self._looked = float("-inf")
        if given_gib is not None:
            self.total = int(given_gib * GIB)
            return
        try:
            self.total = stack.storage_bytes
        except CdcError as error:
            self.reason = str(error).partition(". Remedy:")[0]

    def free(self, administrator: Administrator) -> int | None:
        """Bytes that nothing takes; None where it is not to be known."""
        if self.total is not None and time.monotonic() - self._looked >= STORAGE_SECONDS:
            with suppress(CdcError, psycopg.Error):
                self._free = max(0, self.total - sum(used(administrator.connection)))
                self._looked = time.monotonic()
        return self._free


class Look:
    """Looks at one connector, whenever it is called."""

    def __init__(self, stack: Stack, form: Form, room: Room) -> None:
        self.form = form
        self._login = stack.administrator(form)
        self._room = room
        plan = stack.plans().get((form.database, form.slot))
        self._may_be_missing = plan is not None and not plan.slot_options.create
        self._recorded = float("-inf")
        self._has_answered = False

    def __call__(self) -> Sample:
        """Raises a CdcError where the very first look is refused: that is no server that is away,
        but a wrong password, say."""
        at = time.time()
        try:
            with (
                as_connector(self.form, autocommit=True) as connection,
                Administrator(self._login, self.form.database) as administrator,
            ):
                found = self._sample(at, connection, administrator)
        except (Unreachable, Passing) as error:
            return Sample(at, State.SILENT, str(error))
        except CdcError as error:
            if not self._has_answered:
                raise
            return Sample(at, State.SILENT, str(error))
        self._has_answered = True
        return found

    def _sample(self, at: float, connection: Connection, administrator: Administrator) -> Sample:
        form = self.form
        where = form.slot, form.database, form.publication
        try:
            found = slot_loss.examine(connection, *where, known=False)
        except CdcError as another_kind:
            return Sample(at, State.LOST, str(another_kind))
        if found.slot is None and found.loss is None:
            if self._may_be_missing:
                return Sample(at, State.NOT_YET)
            found = slot_loss.examine(connection, *where, known=True)
        if found.loss is not None or found.slot is None:
            return Sample(at, State.LOST, found.loss.text if found.loss else "")
        slot = found.slot
        sample = Sample(
            at,
            State.READ if slot.active else State.UNREAD,
            pid=slot.active_pid,
            wal=lsn(slot.wal),
            confirmed=lsn(slot.position),
            lag_bytes=max(0, slot.lag_bytes or 0),
            retained_bytes=None if slot.held_bytes is None else slot.retained_bytes,
            wal_status=slot.wal_status,
            safe_bytes=slot.safe_bytes,
            sender_seconds=_sender_seconds(administrator, slot),
            idle_seconds=_idle_seconds(found),
            total_bytes=self._room.total,
            free_bytes=self._room.free(administrator),
            before=_before(at, found),
        )
        self._record(administrator, found)
        return sample

    def _record(self, administrator: Administrator, found: Examination) -> None:
        """As doctor does: only what `up` has begun to record."""
        now = time.monotonic()
        if found.ledger.last is None or now - self._recorded < RECORD_SECONDS:
            return
        self._recorded = now
        record(administrator, self.form.publication, found)


def _sender_seconds(administrator: Administrator, slot: Slot) -> float | None:
    """Without the administrator, the samples themselves have to tell."""
    with suppress(CdcError, psycopg.Error):
        sender = sender_of(administrator.connection, slot)
        return sender.seconds_behind if sender else None
    return None


def _before(at: float, found: Examination) -> Before | None:
    last, now = found.ledger.last, found.now
    if last is None or now is None or found.doubt is not None:
        return None
    rate = wal_per_hour(last, now)
    passed = max(0.0, now.since(last).total_seconds())
    return Before(at - passed, lsn(last.wal), None if rate is None else rate / 3600)


def _idle_seconds(found: Examination) -> float | None:
    """For how long nobody has read it, as far as that is known."""
    idle = found.now.idle if found.now else None
    return None if idle is None else max(0.0, idle.total_seconds())
