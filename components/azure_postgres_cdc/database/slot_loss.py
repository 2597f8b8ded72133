"""A slot held against what was last seen of it: is it there, is it the same, what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from azure_postgres_cdc.database import ledger as ledgers
from azure_postgres_cdc.database import slot_catalog
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.continuity import Continuity, Sighting, judge, lsn
from azure_postgres_cdc.database.ledger import Doubt, Ledger
from azure_postgres_cdc.database.renaming import elsewhere
from azure_postgres_cdc.database.slot_catalog import PLUGIN, Slot
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import quoted

UNKNOWN = ("0/0", "0/1")
"""Stand for a position that nobody has recorded: the second where the first was used up."""


@dataclass(frozen=True)
class Loss:
    """Changes that the connector will never get, unless a snapshot brings them."""

    position: str
    """The last position that is known: what `acknowledgeLostSlot` has to name."""
    text: str
    """The whole of it for a person, the remedy included."""


@dataclass(frozen=True)
class Examination:
    """A slot, what was known of it, and what follows."""

    slot: Slot | None
    now: Sighting | None
    ledger: Ledger
    loss: Loss | None = None
    doubt: Doubt | None = None

    @property
    def is_news(self) -> bool:
        """Whether there is more to write down than a later time."""
        last, now = self.ledger.last, self.now
        return (
            self.doubt != self.ledger.doubt
            or last is None
            or now is None
            or replace(now, seen_at="", wal="") != replace(last, seen_at="", wal="")
        )

    @property
    def record(self) -> Ledger:
        """What is to be remembered from now on."""
        return replace(self.ledger, last=self.now, doubt=self.doubt)

    def without_doubt(self) -> Examination:
        """The same once `acknowledgeLostSlot` has named its doubt; that word is used up then."""
        used = self.doubt.position if self.doubt else ""
        return replace(self, ledger=replace(self.ledger, acknowledged=used), doubt=None)


def examine(
    connection: Connection,
    name: str,
    database: str,
    publication: str,
    *,
    known: bool,
    used: str | None = None,
    records: Mapping[str, Ledger] | None = None,
) -> Examination:
    """Look at a slot. `known`: the stack has made or adopted it, whatever the ledger says; `used`:
    the last `acknowledgeLostSlot` that it went on with.

    `records`: of every publication, where they have been read already. Raises a CdcError where
    another kind of slot has its name.
    """
    everything = ledgers.read_all(connection) if records is None else records
    ledger = _ledger_of(everything, name, publication)
    slot = slot_catalog.find(connection, name)
    if slot is None:
        lost = known or ledger.last is not None
        loss = _loss(name, database, _stood(ledger, used), "has vanished") if lost else None
        return Examination(None, None, ledger, loss)
    if not slot.fits(database):
        lost = known or (ledger.last is not None and ledger.database == database)
        raise CdcError(_other_kind(name, database, slot, _stood(ledger, used) if lost else None))
    now = _sighted(connection, name, slot, ledger.last)
    if slot.invalidated:
        what = f"was invalidated by PostgreSQL ({slot.invalidated})"
        stood = _stood(ledger if ledger.last else replace(ledger, last=now))
        return Examination(slot, now, ledger, _loss(name, database, stood, what))
    return _compared(Examination(slot, now, ledger), name, database, known=known)


def acknowledged(loss: Loss | Doubt, word: str | None) -> bool:
    """Whether `acknowledgeLostSlot` names this very loss."""
    return bool(word) and lsn(str(word)) == lsn(loss.position)


def _sighted(connection: Connection, name: str, slot: Slot, last: Sighting | None) -> Sighting:
    """As it is now. PostgreSQL 14 counts late: what speaks against it is looked at once more."""
    now = slot_catalog.sight(connection, name, slot, last)
    if (
        last is not None
        and judge(last, now).continuity is not Continuity.PROVEN
        and slot_catalog.waited_for_counts(connection)
    ):
        now = slot_catalog.sight(connection, name, slot, last)
    return now


def _compared(found: Examination, name: str, database: str, *, known: bool) -> Examination:
    last, now, doubt = found.ledger.last, found.now, found.ledger.doubt
    if now is None or (last is None and not known):
        return found
    if last is None:
        doubt = doubt or Doubt(
            now.position, now.seen_at, "there is no record of what was last seen"
        )
        return Examination(found.slot, now, found.ledger, doubt=doubt)
    verdict = judge(last, now)
    if verdict.continuity is Continuity.BROKEN:
        what = f"is not the one that was there before: {verdict.reason}"
        stood = _stood(found.ledger)
        return Examination(found.slot, now, found.ledger, _loss(name, database, stood, what))
    if verdict.continuity is Continuity.UNPROVEN:
        doubt = Doubt(_word(found.ledger, last), last.seen_at, verdict.reason)
    return Examination(found.slot, now, found.ledger, doubt=doubt)


def _ledger_of(everything: Mapping[str, Ledger], name: str, publication: str) -> Ledger:
    """The slot's record: its publication's, or that of the one which it had before."""
    mine = everything.get(publication, Ledger())
    for ledger in (mine, *everything.values()):
        if ledger.last is not None and ledger.last.slot == name:
            return ledger
    return Ledger(needs_snapshot=mine.needs_snapshot)


@dataclass(frozen=True)
class _Stood:
    """Where a slot was last known to stand."""

    word: str
    """What `acknowledgeLostSlot` has to name."""
    text: str
    """The same for a person, with the time."""


def _stood(ledger: Ledger, used: str | None = None) -> _Stood:
    last = ledger.last
    if last is not None:
        return _Stood(_word(ledger, last), f"LSN {last.position}, seen {last.seen_at}")
    first, second = UNKNOWN
    return _Stood(second if used and lsn(used) == lsn(first) else first, "not recorded")


def _word(ledger: Ledger, last: Sighting) -> str:
    """What names a loss or a doubt since the last sighting, and nothing from before it.

    That is the slot's position. Where a doubt was acknowledged by it and the slot has not moved
    since, the word may still be in the settings: then it is where the server's WAL ended.
    """
    return last.wal if ledger.acknowledged == last.position else last.position


def _loss(name: str, database: str, stood: _Stood, what: str) -> Loss:
    where = f"replication slot {name} of database {quoted(database)}"
    return Loss(
        stood.word,
        f"{where} {what}. Its last known position: {stood.text}. Changes from there on that the "
        "connector had not read are lost to it, and it would go on in silence with a gap, so "
        "nothing is created or changed. Remedy: stop the source; set acknowledgeLostSlot: "
        f"{stood.word} for this database, once; pulumi up (without --refresh); resume the source "
        "and snapshot every captured table",
    )


def doubtful(name: str, database: str, doubt: Doubt) -> str:
    """A warning for a person."""
    return (
        f"it cannot be proved that replication slot {name} of database {quoted(database)} has "
        f"lost nothing since LSN {doubt.position}, seen {doubt.seen_at}: {doubt.reason}. Remedy: "
        "compare with the destination, or snapshot every captured table; then set "
        "acknowledgeLostSlot: "
        f"{doubt.position} for this database, once"
    )


def _other_kind(name: str, database: str, slot: Slot, stood: _Stood | None) -> str:
    """`stood`: where the slot was whose place it has taken."""
    if stood is None and slot.database is not None and slot.fits(slot.database):
        return elsewhere(name, slot.database, database)
    what = (
        f"replication slot {name} is not this stack's: found a {slot.kind} slot of plug-in "
        f"{slot.plugin} on database {slot.database}, needed a logical one of {PLUGIN} on {database}"
    )
    if stood is None:
        return f"{what}. Remedy: drop it once its owner agrees, or choose another slot name"
    return (
        f"{what}. Last known position of the one that was there: {stood.text}. Changes from there "
        "on that the connector had not read are lost to it. Remedy: stop the source; drop the slot "
        f"once its owner agrees; set acknowledgeLostSlot: {stood.word} for this database, once; "
        "pulumi up (without --refresh); resume the source and snapshot every captured table"
    )
