"""Whether the connector gets every change: the slot was not made again, no table came in late.

A slot that is there proves nothing: a connector makes a missing one again by itself, with a gap.
"""

from __future__ import annotations

from contextlib import suppress

import psycopg

from azure_postgres_cdc.database import (
    attached_partitions,
    ledger,
    needs_snapshot,
    publication_mark,
)
from azure_postgres_cdc.database.slot_loss import Examination, acknowledged, doubtful, examine
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import listed
from azure_postgres_cdc.operations.findings import Result, from_error, ok, unknown, warning
from azure_postgres_cdc.operations.subject import Administrator, Subject


def continuity(subject: Subject) -> Result | None:
    """The slot is the one that was last seen, with nothing lost in between; that is recorded."""
    form = subject.form
    where = form.slot, form.database, form.publication
    try:
        found = examine(subject.connection, *where, known=False)
    except CdcError:
        return None  # another kind of slot: the check `slot` says so
    if found.loss is not None:
        return from_error(CdcError(found.loss.text))
    if found.slot is None:
        return None
    if found.ledger.last is None:
        return unknown(
            "where the slot stood before is recorded nowhere", "run pulumi up, which records it"
        )
    record(subject.administrator, form.publication, found)
    if found.doubt is not None and not _is_acknowledged(subject, found):
        text = doubtful(form.slot, form.database, found.doubt)
        evidence, _, remedy = text.partition(". Remedy: ")
        return warning(evidence, remedy)
    return ok(f"the same since LSN {found.ledger.last.position}, seen {found.ledger.last.seen_at}")


def snapshots_needed(subject: Subject) -> Result | None:
    """Every table's earlier rows have been asked for."""
    form, options = subject.form, subject.plan.publication_options
    kept = ledger.read(subject.connection, form.publication)
    recorded, now = kept.needs_snapshot, publication_mark.find(subject.connection, form.publication)
    altered = publication_mark.altered(subject.connection, kept.left, now, subject.captured)
    own = set(form.own_tables)
    signals = needs_snapshot.read_signals(subject.connection, own, recorded)
    needed = needs_snapshot.still_needed(recorded, altered, subject.published_names, signals)
    left = needs_snapshot.without_acknowledged(needed, form.publication, options.acknowledge)
    if not left:
        return ok("no table was added without a snapshot of what it held before")
    return warning(
        f"rows of {listed(left)} from before they were published have not been asked for",
        "azure-postgres-cdc snapshot --tables …, or acknowledge that none is needed",
    )


def partitions_attached(subject: Subject) -> Result | None:
    """No partition was attached since the last `up` that had rows already."""
    form, captured = subject.form, subject.captured
    found = attached_partitions.find(subject.connection, form.publication, captured)
    if not found:
        return None
    new = attached_partitions.new_among(found, subject.stack.attached(form))
    brought = attached_partitions.brought_rows(subject.administrator.connection, new)
    signals = needs_snapshot.read_signals(subject.connection, form.own_tables, brought)
    needed = needs_snapshot.still_needed(brought, (), captured, signals)
    words = subject.plan.publication_options.acknowledge
    left = needs_snapshot.without_acknowledged(needed, form.publication, words)
    if not left:
        return ok(f"{len(found):,} attached, none since pulumi up with rows that never arrive")
    return warning(
        f"a partition that had rows already was attached to {listed(left)} since pulumi up: those "
        "rows never arrive by themselves",
        f"azure-postgres-cdc snapshot --tables {listed(left, 3)}; pulumi up, which records it",
    )


def _is_acknowledged(subject: Subject, found: Examination) -> bool:
    word = subject.plan.slot_options.acknowledge_lost
    return found.doubt is not None and acknowledged(found.doubt, word)


def record(administrator: Administrator, publication: str, found: Examination) -> None:
    """Remember what was seen of a slot. Only the administrator may; where there is none to be had,
    or the server is read-only, the next `up` records it."""
    if not found.is_news:
        return
    with suppress(CdcError, psycopg.Error):
        ledger.write_seen(administrator.connection, publication, found.record)
