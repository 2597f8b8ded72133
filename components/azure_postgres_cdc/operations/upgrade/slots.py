"""Dropping the slots, once nothing is left in them."""

from __future__ import annotations

from azure_postgres_cdc.database import ledger as ledgers
from azure_postgres_cdc.database import slot_catalog, slot_loss
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.slot_loss import doubtful
from azure_postgres_cdc.errors import explained
from azure_postgres_cdc.names import listed
from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.upgrade import drain
from azure_postgres_cdc.operations.upgrade.context import Upgrade, published_oids, rows_written
from azure_postgres_cdc.operations.upgrade.fence import hole_of


class DropSlots:
    """What is known of each slot is on disk, and the slot gone, unless pg_upgrade keeps it."""

    name = "drop slot"

    def is_true(self, run: Upgrade) -> bool:
        if run.is_upgraded:
            return all(run.record(form).is_let_go for form in run.forms)
        return all(
            run.record(form).is_let_go and (run.state.keep_slots or not _is_there(run, form))
            for form in run.forms
        )

    def make_true(self, run: Upgrade) -> None:
        if run.is_upgraded:
            _let_go_of_what_was_not_drained(run)
            return
        for form in run.forms:
            if not _is_there(run, form) and run.record(form).is_let_go:
                continue
            _check_again(run, form)
            _write_down(run, form)
            if not run.state.keep_slots and _is_there(run, form):
                with (
                    run.connect(form.database) as connection,
                    explained(f"cannot drop replication slot {form.slot}"),
                ):
                    connection.execute("SELECT pg_drop_replication_slot(%s)", (form.slot,))
                run.record(form).is_dropped = True
                run.save()

    def evidence(self, run: Upgrade) -> str:
        shown = listed(f"{form.slot} at LSN {run.record(form).position}" for form in run.forms)
        return f"{shown} {'stays for pg_upgrade' if run.state.keep_slots else 'is dropped'}"


def leak(run: Upgrade, form: Form) -> str:
    """What was written since the position was written down; empty where nothing was."""
    with run.connect(form.database) as connection:
        now, before = rows_written(connection, form), run.record(form).written
    if now == before:
        return ""
    what = f"{now - before} rows were" if now > before else "the statistics were reset; rows may be"
    return (
        f"{what} written to captured tables of {form.database} after slot {form.slot} was drained"
    )


def _let_go_of_what_was_not_drained(run: Upgrade) -> None:
    """Somebody else has upgraded the server: there is nothing to be proved any more."""
    for form in run.forms:
        if not run.record(form).is_let_go:
            run.doubt(
                form,
                f"the server is on version {run.state.to} already, and it was not proved before "
                f"that slot {form.slot} was drained. Remedy: find out who, and what was written",
            )
            _write_down(run, form)


def _check_again(run: Upgrade, form: Form) -> None:
    """The proofs at the last moment: a slot that is dropped cannot be asked any more."""
    record = run.record(form)
    if record.unproven:
        return
    hole = hole_of(run, form.database)  # first: a session that has ended has reported its writes
    reason = drain.lost(run, form)
    if record.is_dropped or (reason and record.is_let_go):
        # The connector has made another one, which no record may tell from it.
        reason = leak(run, form)
    reason = hole or reason
    if not reason and (reason := drain.unread(run, form)):
        drain.drain_again(run, form)
    if reason:
        run.doubt(form, reason)


def _write_down(run: Upgrade, form: Form) -> None:
    record = run.record(form)
    with run.connect(form.database) as connection:
        slot = slot_catalog.find(connection, form.slot)
        if slot is not None:
            _keep_doubt(run, form, connection)
            seen = slot_catalog.sight(connection, form.slot, slot, None)
            record.system, record.timeline = seen.system, seen.timeline
            record.failover = slot.failover
        record.tables = published_oids(connection, form)
        record.written = rows_written(connection, form)
        record.position = slot.position if slot else record.position or "0/0"
    run.save()


def _keep_doubt(run: Upgrade, form: Form, connection: Connection) -> None:
    """What came up since the last `up`, such as a failover, goes along to the new server."""
    where = form.slot, form.database, form.publication
    found = slot_loss.examine(connection, *where, known=False)
    if found.loss is None and found.doubt is not None:
        if found.doubt != found.ledger.doubt:
            ledgers.write_seen(connection, form.publication, found.record)
        run.say(f"drop slot: {doubtful(form.slot, form.database, found.doubt)}")


def _is_there(run: Upgrade, form: Form) -> bool:
    with run.connect(form.database) as connection:
        return slot_catalog.find(connection, form.slot) is not None
