"""The drain: the connector has confirmed everything that was written before the fence.

A connector confirms only when events arrive, and Debezium's confirms with each event the
transaction before it. So marker rows are committed one after the other until the first of them is
confirmed. What its stopped source has not confirmed must be nothing but such rows.
"""

from __future__ import annotations

import json
import time
import uuid

from azure_postgres_cdc.database import slot_catalog, slot_loss
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.continuity import lsn
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted
from azure_postgres_cdc.operations.checks.slot import duration, size
from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.upgrade.context import NotYet, Upgrade
from azure_postgres_cdc.progress import Pace

PREFIX = "azure-postgres-cdc-upgrade-"
MARKER_SECONDS = 5
"""After so long without a confirmation, another marker follows."""

# Debezium's own signal type `log` prints the message and does nothing.
_SIGNAL = "INSERT INTO {} (id, type, data) VALUES (%(id)s, 'log', %(data)s)"
_HEARTBEAT = "INSERT INTO {} (text) VALUES (%(id)s)"
_MESSAGE = "SELECT pg_logical_emit_message(true, 'azure-postgres-cdc', %(id)s)"
_PUBLISHED = """
SELECT EXISTS (SELECT FROM pg_publication_tables
               WHERE pubname = %s AND schemaname = %s AND tablename = %s)
"""
# I, U, D and T: inserts, updates, deletes and truncates. The first bytes have table and key.
_UNREAD = """
SELECT substring(data FROM 1 FOR 1000) FROM pg_logical_slot_peek_binary_changes(
    %s, NULL, NULL, 'proto_version', '1', 'publication_names', %s)
WHERE get_byte(data, 0) IN (73, 85, 68, 84)
"""


class Drain:
    """Every slot's `confirmed_flush_lsn` is at or past the commit of the marker."""

    name = "drain"

    def is_true(self, run: Upgrade) -> bool:
        return all(run.record(form).is_let_go or _is_drained(run, form) for form in run.forms)

    def make_true(self, run: Upgrade) -> None:
        for form in run.forms:
            if run.record(form).is_let_go or _is_drained(run, form):
                continue
            reason = lost(run, form)
            if reason:
                run.doubt(form, reason)
            if not run.record(form).unproven:
                _drain(run, form)

    def evidence(self, run: Upgrade) -> str:
        shown = (
            f"slot {form.slot} was not drained"
            if run.record(form).unproven
            else f"slot {form.slot} has confirmed the marker at LSN {run.record(form).marker_lsn}"
            for form in run.forms
        )
        return "; ".join(shown)


class StopSource:
    """Nobody reads the slots, and nothing is left in them."""

    name = "stop source"

    def is_true(self, run: Upgrade) -> bool:
        return all(run.record(form).is_let_go or not unread(run, form) for form in run.forms)

    def make_true(self, run: Upgrade) -> None:
        for form in run.forms:
            if run.record(form).is_let_go:
                continue
            if _is_read(run, form):
                run.say(
                    f"stop source: stop the source of slot {form.slot} in the Streamkap app now; "
                    "waiting until nobody reads it"
                )
            run.wait(lambda form=form: not _is_read(run, form), _still_read(form))  # type: ignore[misc]
            reason = unread(run, form)
            if reason:
                drain_again(run, form)
                run.doubt(form, reason)

    def evidence(self, run: Upgrade) -> str:
        slots = listed(form.slot for form in run.forms)
        if any(run.record(form).unproven for form in run.forms):
            return f"nobody reads slot {slots}; what is left in it is lost"
        return f"nobody reads slot {slots}; nothing is left in it"


def unread(run: Upgrade, form: Form) -> str:
    """What the stopped connector has not got, in a line; empty where nothing is left."""
    with run.connect(form.database) as connection:
        slot = slot_catalog.find(connection, form.slot)
        read_on = f"{_still_read(form)}. Remedy: stop the source in the Streamkap app"
        if slot is not None and slot.active:
            return read_on
        if slot is None or slot.invalidated or run.record(form).unproven:
            return ""
        try:
            with explained(f"cannot peek at replication slot {form.slot}"):
                found = rows(connection, _UNREAD, form.slot, quoted_list(form.publication))
        except CdcError as error:
            if "[55006]" in str(error):  # its connector has come back since it was looked at
                return read_on
            raise
        own = [_oid(connection, form.signal_table), _oid(connection, form.heartbeat_table)]
    changes = [data for data in map(bytes, found) if not _is_ours(data, *own)]
    if not changes:
        return ""
    return (
        f"slot {form.slot} still holds {len(changes)} changes that its connector has not read: "
        "writes went on, or the source was stopped too early. Remedy: resume the source, and run "
        "the same command again"
    )


def drain_again(run: Upgrade, form: Form) -> None:
    """What came after the marker needs another one, or Debezium does not confirm it."""
    record = run.record(form)
    if not record.is_let_go:
        record.marker = record.marker_lsn = ""
        run.save()


def lost(run: Upgrade, form: Form) -> str:
    """Why the slot cannot be the one that was read before; empty where nothing speaks so."""
    where = form.slot, form.database, form.publication
    with run.connect(form.database) as connection:
        loss = slot_loss.examine(connection, *where, known=True).loss
    if loss is None:
        return ""
    text, _, _ = loss.text.partition(". Its last known position")
    return f"{text}, last seen at LSN {loss.position}: changes may be lost already"


def has_marker(connection: Connection, form: Form, marker: str) -> bool | None:
    """Whether the row is there. None where it was a message and no row."""
    table = _marker_table(connection, form)
    if table is None:
        return None
    column = "id" if table == form.signal_table else "text"
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} = %s)")
    found = connection.execute(
        query.format(table.identifier, sql.Identifier(column)), (marker,)
    ).fetchone()
    return bool(found and found[0])


def remove_markers(connection: Connection, form: Form) -> None:
    """Nobody needs the rows any more."""
    table = _marker_table(connection, form)
    if table is not None:
        column = "id" if table == form.signal_table else "text"
        statement = sql.SQL("DELETE FROM {} WHERE {} LIKE %s")
        connection.execute(
            statement.format(table.identifier, sql.Identifier(column)), (f"{PREFIX}%",)
        )


def quoted_list(publication: str) -> str:
    """pgoutput takes a list of identifiers, so a name is quoted as one."""
    return '"' + publication.replace('"', '""') + '"'


def _drain(run: Upgrade, form: Form) -> None:
    record = run.record(form)
    if not record.marker_lsn:
        record.marker = f"{PREFIX}{uuid.uuid4()}"
        record.marker_lsn = _mark(run, form, record.marker)
        run.save()
    progress = _Progress(run, form)

    def is_drained() -> bool:
        if _is_drained(run, form):
            return True
        progress.look()
        return False

    try:
        run.wait(is_drained, f"slot {form.slot} is not drained")
    except NotYet as error:
        if not run.snapshot_afterwards:
            raise
        run.remember_doubt(form, str(error).partition(" after ")[0])


class _Progress:
    """A line now and then with lag and rate, and further markers."""

    def __init__(self, run: Upgrade, form: Form) -> None:
        self._run, self._form = run, form
        self._marked = time.monotonic()
        self._pace = Pace()
        self._seen: tuple[float, int] | None = None

    def look(self) -> None:
        now = time.monotonic()
        if now - self._marked > MARKER_SECONDS:
            _mark(self._run, self._form, f"{PREFIX}{uuid.uuid4()}")
            self._marked = now
        if self._seen is None or self._pace.is_due():
            self._show(now)

    def _show(self, now: float) -> None:
        """Nothing at first, because it takes two looks to tell how fast it is; unless nobody reads
        the slot, which somebody has to change."""
        form, marker = self._form, self._run.record(self._form).marker_lsn
        with self._run.connect(form.database) as connection:
            slot = slot_catalog.find(connection, form.slot)
        if slot is None:
            raise CdcError(
                f"replication slot {form.slot} vanished while it was drained. Remedy: pulumi up, "
                "which says what is lost; then begin again"
            )
        left = max(0, lsn(marker) - lsn(slot.position))
        line = f"drain: slot {form.slot} is {size(left)} behind the marker"
        if self._seen is not None:
            rate = max(0.0, (self._seen[1] - left) / (now - self._seen[0]))
            line += f", {size(rate)}/s" + (f", about {duration(left / rate)} left" if rate else "")
        if not slot.active:
            line += "; nobody reads it: resume the source in the Streamkap app"
        if self._seen is not None or not slot.active:
            self._run.say(line)
        self._seen = now, left


def _mark(run: Upgrade, form: Form, marker: str) -> str:
    """Commit one row that the connector gets; a position that its commit is not before."""
    data = json.dumps({"message": "azure-postgres-cdc upgrade: everything before this was read"})
    with (
        run.connect(form.database) as connection,
        explained(f"cannot write a marker for slot {form.slot}"),
        connection.transaction(),
    ):
        table = _marker_table(connection, form)
        statement: sql.SQL | sql.Composed = sql.SQL(_MESSAGE)
        if table is not None:
            text = _SIGNAL if table == form.signal_table else _HEARTBEAT
            statement = sql.SQL(text).format(table.identifier)
        connection.execute(statement, {"id": marker, "data": data})
        # The commit comes right after this.
        return str(rows(connection, "SELECT pg_current_wal_insert_lsn()::text")[0])


def _marker_table(connection: Connection, form: Form) -> TableName | None:
    """The signal or heartbeat table, where it is published."""
    for table in (form.signal_table, form.heartbeat_table):
        if table is not None and rows(connection, _PUBLISHED, form.publication, *table)[0]:
            return table
    return None


def _is_drained(run: Upgrade, form: Form) -> bool:
    record = run.record(form)
    if record.unproven:
        return True
    with run.connect(form.database) as connection:
        slot = slot_catalog.find(connection, form.slot)
    if slot is None or not record.marker_lsn or slot.invalidated or lost(run, form):
        return False
    return lsn(slot.position) >= lsn(record.marker_lsn)


def _is_read(run: Upgrade, form: Form) -> bool:
    with run.connect(form.database) as connection:
        slot = slot_catalog.find(connection, form.slot)
    return slot is not None and slot.active


def _still_read(form: Form) -> str:
    return f"slot {form.slot} of database {quoted(form.database)} is still read by its connector"


def _is_ours(data: bytes, signal_table: int | None, heartbeat_table: int | None) -> bool:
    """A marker, or one of the connector's own heartbeats: what may be left in a slot."""
    kind, table = data[:1], int.from_bytes(data[1:5], "big")
    if kind == b"T":
        return False
    return table == heartbeat_table or (table == signal_table and PREFIX.encode() in data)


def _oid(connection: Connection, table: TableName | None) -> int | None:
    found = rows(connection, "SELECT to_regclass(%s)::oid::bigint", str(table)) if table else [None]
    return found[0]
