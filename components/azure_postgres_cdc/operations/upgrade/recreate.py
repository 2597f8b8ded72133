"""The slots on the new server, before writes come back, and the proof that nothing is between."""

from __future__ import annotations

from dataclasses import replace

from azure_postgres_cdc.database import ledger as ledgers
from azure_postgres_cdc.database import publication_catalog, slot_catalog, slot_creation
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.continuity import Continuity, judge, lsn
from azure_postgres_cdc.database.ledger import Doubt
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import listed, quoted
from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.upgrade import drain
from azure_postgres_cdc.operations.upgrade.context import Upgrade, published_oids, rows_written
from azure_postgres_cdc.operations.upgrade.fence import Fence
from azure_postgres_cdc.operations.upgrade.plan import owner_remedy

_OFFSETS = (
    "the connector's offsets do not belong to this server: have them reset, or it skips changes in "
    "silence"
)


class Recreate:
    """Each slot is there, and recorded as the one that the stack goes on with."""

    name = "recreate"

    def is_true(self, run: Upgrade) -> bool:
        return run.is_upgraded and all(_is_recorded(run, form) for form in run.forms)

    def make_true(self, run: Upgrade) -> None:
        fence = Fence()
        if not fence.is_true(run):
            fence.make_true(run)  # a new server may not have it
        for form in run.forms:
            if not _is_recorded(run, form):
                _check_not_lost_since(run, form)
                _check_server(run, form)
                create(run, form)
                run.record(form).is_made_again = True
                run.save()

    def evidence(self, run: Upgrade) -> str:
        shown = []
        for form in run.forms:
            with run.connect(form.database) as connection:
                slot = slot_catalog.find(connection, form.slot)
            position = slot.position if slot else "?"
            shown.append(f"{form.slot} at LSN {position}, before: {run.record(form).position}")
        return f"slot {listed(shown)}"


def create(run: Upgrade, form: Form) -> None:
    """The slot, made or found, and verified; its record says with what it goes on."""
    record = run.record(form)
    with run.connect(form.database) as connection:
        if publication_catalog.find(connection, form.publication) is None:
            raise CdcError(
                f"publication {quoted(form.publication)} of database {quoted(form.database)} is "
                "gone: its slot would send nothing. Remedy: pulumi up, with the publication's own "
                "definition, then the same command again"
            )
        slot = slot_catalog.find(connection, form.slot)
        if slot is None:
            slot_creation.create(connection, _props(form, failover=record.failover))
        elif not slot.fits(form.database):
            raise CdcError(
                f"replication slot {form.slot} is not the connector's: {slot.kind}, plug-in "
                f"{slot.plugin}, database {slot.database}. Remedy: drop it once its owner agrees"
            )
        else:
            slot_creation.verify_adopted(connection, _props(form, failover=False), slot)
        _check_position(run, form, connection)
        _record(run, form, connection)


def _check_not_lost_since(run: Upgrade, form: Form) -> None:
    """A run that goes on after weeks must not take a loss for a slot that is still to be made."""
    reason = drain.lost(run, form) if run.record(form).is_made_again else ""
    if reason:
        run.doubt(
            form,
            f"slot {form.slot} was made again on the new server, and is lost since: {reason}. "
            "Remedy: pulumi up, which says how to go on",
        )


def _check_server(run: Upgrade, form: Form) -> None:
    """Whether it is the same server, upgraded, and nothing was written since the slot is gone."""
    record = run.record(form)
    with run.connect(form.database) as connection:
        now = published_oids(connection, form)
        marker = drain.has_marker(connection, form, record.marker) if record.marker else None
        written = rows_written(connection, form)
        slot = slot_catalog.find(connection, form.slot)
        is_as_good = slot is not None and (record.quiet or run.state.keep_slots)
        other = [name for name, oid in record.tables.items() if now.get(name) != oid]
    if other:
        run.remember_doubt(
            form,
            f"database {quoted(form.database)} was dumped and restored, or is on another server: "
            f"table {listed(other)} has another OID or is not published any more; {_OFFSETS}",
        )
    elif marker is False:
        run.remember_doubt(
            form,
            f"database {quoted(form.database)} is as it was before the drain: its marker row is "
            f"not there. It was restored from a backup; {_OFFSETS}",
        )
    elif written and not is_as_good:
        run.remember_doubt(
            form,
            f"{written} rows were written to captured tables of {quoted(form.database)} on the new "
            f"server before slot {form.slot} was there",
        )
    record.quiet = True
    run.save()


def _check_position(run: Upgrade, form: Form, connection: Connection) -> None:
    record, slot = run.record(form), slot_catalog.find(connection, form.slot)
    if slot is not None and lsn(slot.position) < lsn(record.position or "0/0"):
        run.remember_doubt(
            form,
            f"slot {form.slot} begins at LSN {slot.position}, before {record.position} of the old "
            f"server; {_OFFSETS}",
        )


def _record(run: Upgrade, form: Form, connection: Connection) -> None:
    """The next `up` finds in the ledger what it finds on the server; or that a snapshot is due."""
    slot = slot_catalog.find(connection, form.slot)
    if slot is None:
        raise CdcError(f"replication slot {form.slot} vanished again. Remedy: the same command")
    record = run.record(form)
    kept = ledgers.read(connection, form.publication)
    now = slot_catalog.sight(connection, form.slot, slot, None)
    fresh = replace(kept, last=now)
    if record.unproven:
        (transaction,) = rows(connection, "SELECT txid_current()")
        needs = dict.fromkeys(published_oids(connection, form), int(transaction))
        doubt = Doubt(record.position, now.seen_at, "; ".join(record.unproven))
        fresh = replace(fresh, doubt=doubt, needs_snapshot={**kept.needs_snapshot, **needs})
    what = f"what is seen of slot {form.slot} cannot be written into its publication's comment"
    with explained(what, {"42501": f"{owner_remedy(form)}, then the same command again"}):
        ledgers.write(connection, form.publication, fresh)


def _is_recorded(run: Upgrade, form: Form) -> bool:
    """Whether the next `up` would take the slot for the one that it knows."""
    with run.connect(form.database) as connection:
        slot = slot_catalog.find(connection, form.slot)
        last = ledgers.read(connection, form.publication).last
        if slot is None or last is None or last.slot != form.slot:
            return False
        seen = slot_catalog.sight(connection, form.slot, slot, last)
    return run.record(form).quiet and judge(last, seen).continuity is not Continuity.BROKEN


def _props(form: Form, *, failover: bool) -> dict[str, object]:
    return {
        "name": form.slot,
        "plugin": slot_catalog.PLUGIN,
        "publication": form.publication,
        "failover": failover,
    }
