"""The replication slot: the stream of changes that the connector reads.

A slot that is gone took its changes with it. Creating another one in its place would let the
connector go on in silence, with a gap; so a slot that was known is never created again without a
word. What was last seen of it is kept in a ledger (`ledger.py`), and compared at every preview, up
and refresh (`slot_loss.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc import capabilities, running_stack
from azure_postgres_cdc.database import ledger as ledgers
from azure_postgres_cdc.database import renaming, slot_creation
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    looking_at,
)
from azure_postgres_cdc.database.retention import retention_warnings
from azure_postgres_cdc.database.slot_catalog import PLUGIN, Slot, find
from azure_postgres_cdc.database.slot_loss import (
    Examination,
    acknowledged,
    doubtful,
    examine,
)
from azure_postgres_cdc.dynamic import CdcProvider, Props, note, warn
from azure_postgres_cdc.errors import CdcError, DatabaseIsGone, Passing, explained
from azure_postgres_cdc.names import quoted
from azure_postgres_cdc.slot_options import SlotOptions

# What `up` has to do with a slot that the stack knows already.
_REPLACE = "a new slot in place of a lost one"
_ACCEPT = "go on with a slot that somebody else has created again"
_FAILOVER = "failover"


class ReplicationSlotProvider(CdcProvider):
    """Creates, verifies and watches a logical replication slot through psycopg."""

    identity = ("database", "name")
    unsettled = ("toDo",)

    def resolve(self, olds: Props, news: Props) -> Props:
        """Beside looking, an `up` (and no preview) writes down what it has seen."""
        props = {key: value for key, value in news.items() if key != "record"}
        with looking_at(props["connection"], props["database"]) as connection:
            _check_failover(connection, props)
            renaming.check_database(connection, olds, props, quiet=True)
            records = ledgers.read_all(connection)
            for former in renaming.check_names(records, olds, props):
                _check_former(connection, props, former, records)
            found = _examine(connection, props, olds, known=_known(olds), records=records)
            _check_is_unread(found, olds, props)
            if found.loss is not None:
                if not acknowledged(found.loss, props.get("acknowledgeLostSlot")):
                    raise CdcError(found.loss.text)
                broken = found.slot is not None and not found.slot.invalidated
                return props | {"toDo": _ACCEPT if broken else _REPLACE}
            found = _without_acknowledged_doubt(found, props)
            if found.slot is not None and not olds and props.get("createSlot", True):
                note(
                    f"replication slot {props['name']} is there already, and is adopted where it "
                    f"stands, at {found.slot.position}"
                )
            warn(_warnings(found, props))
            if news.get("record"):
                _record(connection, props, found)
            lacks_mark = bool(olds) and _lacks_mark(connection, props, found)
        if lacks_mark and news.get("record"):
            _mark_again(props)
        return props | {"toDo": _to_do(olds, props, found)}

    def make(self, props: Props) -> Props:
        return self.change({}, props)

    def change(self, olds: Props, news: Props) -> Props:
        name = news["name"]
        with connect(news["connection"], news["database"], transaction=False) as connection:
            found = _examine(connection, news, olds, known=_known(olds))
            if found.loss is not None:
                if not acknowledged(found.loss, news.get("acknowledgeLostSlot")):
                    raise CdcError(found.loss.text)
                note(f"replication slot {name}: snapshot every captured table; {found.loss.text}")
                found = _without_invalidated(connection, name, found)
            if found.slot is None and news.get("createSlot", True):
                slot_creation.create(connection, news)
            elif found.slot is not None:
                former = _former_publication(olds, news)
                if former or not olds or found.loss is not None:
                    slot_creation.verify_adopted(connection, news, found.slot, former)
            if found.loss is not None:
                # Not before there is another one: until then the word has to be good for it.
                _forget(connection, name)
            if news.get("toDo") == _FAILOVER:
                slot_creation.set_failover(news)
            seen = _examine(connection, news, olds, known=False)
            _write(connection, news["publication"], name, _signed(seen.record, news))
            _forget(connection, name, but=news["publication"])
        position = seen.slot.position if seen.slot else ""
        created = olds.get("createdAtLsn") if found.slot is not None else None
        return olds | news | {"createdAtLsn": created or position, "toDo": ""}

    def look(self, props: Props) -> Props:
        with looking_at(props["connection"], props["database"]) as connection:
            found = _examine(connection, props, props, known=bool(props.get("createdAtLsn")))
        if found.loss is not None:
            raise CdcError(found.loss.text)
        warn(_warnings(found, props))
        return props

    def remove(self, props: Props) -> None:
        """The slot is dropped, but never while it is read, and not with `onDestroy: retain`."""
        try:
            self._drop(props)
        except DatabaseIsGone:
            renaming.check_gone(props)
            raise

    def _drop(self, props: Props) -> None:
        name = props["name"]
        with connect(props["connection"], props["database"], transaction=False) as connection:
            found = find(connection, name)
            if found is None:
                return
            if not found.fits(props["database"]):
                note(
                    f"warning: replication slot {name} stays: it is not this stack's, but a "
                    f"{found.kind} slot of plug-in {found.plugin} on database {found.database}"
                )
                return
            if props.get("onDestroy") == "retain":
                size = found.retained_bytes / 2**20
                note(
                    f"warning: replication slot {name} stays. It holds {size:.0f} MiB of WAL now, "
                    "and more without bound until something reads it or drops it"
                )
                return
            if found.active:
                raise CdcError(
                    f"replication slot {name} is being read: dropping it would cut its connector "
                    "off. Remedy: stop the source in the Streamkap app, then try again"
                )
            with explained(f"cannot drop replication slot {name}"):
                connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))
            _forget(connection, name)


class ReplicationSlot(Resource, module="azure-postgres-cdc", name="ReplicationSlot"):
    """A logical replication slot with the plug-in pgoutput, created after its publication.

    Deleting it drops it, except while a connector reads it or with `on_destroy` "retain". A slot
    that fits and that nobody knew is adopted; one of another database or plug-in is refused.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        slot: str,
        publication: str,
        options: SlotOptions | None = None,
        *,
        acknowledge: Sequence[str] = (),
        slots_of_database: Sequence[str] = (),
        failover: pulumi.Input[bool] = False,
        storage_gib: pulumi.Input[float] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`failover` is what holds where the options do not say."""
        options = options or SlotOptions()
        props = {
            "connection": connection_props(connection),
            "database": database,
            "name": slot,
            "plugin": PLUGIN,
            "publication": publication,
            "createSlot": options.create,
            "failover": failover if options.failover is None else options.failover,
            "onDestroy": options.on_destroy,
            "acknowledgeLostSlot": options.acknowledge_lost,
            "acknowledge": sorted(acknowledge),
            "slots": sorted({slot, *slots_of_database}),
            "storageGiB": storage_gib,
            "stack": running_stack.name(),
            "record": not pulumi.runtime.is_dry_run(),
        }
        if options.failover is False:
            # Only where somebody says so: a server may have its standby back tomorrow.
            props["noFailover"] = True
        super().__init__(ReplicationSlotProvider(), resource_name, props, opts)


def _examine(
    connection: Connection,
    props: Props,
    olds: Props,
    *,
    known: bool,
    records: Mapping[str, ledgers.Ledger] | None = None,
) -> Examination:
    where = props["name"], props["database"], props["publication"]
    used = olds.get("acknowledgeLostSlot")
    return examine(connection, *where, known=known, used=used, records=records)


def _check_former(
    connection: Connection,
    props: Props,
    former: tuple[str, str],
    records: Mapping[str, ledgers.Ledger],
) -> None:
    """The slot that gives its place to one of another name is there, and lost nothing."""
    slot, publication = former
    loss = examine(
        connection, slot, props["database"], publication, known=True, records=records
    ).loss
    if loss is not None and not acknowledged(loss, props.get("acknowledgeLostSlot")):
        raise CdcError(loss.text)


def _former_publication(olds: Props, news: Props) -> str:
    """The publication in whose place there is to be another one; empty where it is the same."""
    former = str(olds.get("publication", ""))
    return "" if former == news["publication"] else former


def _check_is_unread(found: Examination, olds: Props, news: Props) -> None:
    """A connector does not outlive the publication that it reads through."""
    former = _former_publication(olds, news)
    if former and found.slot is not None and found.slot.active:
        raise CdcError(
            f"replication slot {news['name']} is being read through publication {quoted(former)}, "
            f"which is to give its place to {quoted(news['publication'])}: its connector would "
            "stop with an error. Remedy: stop the source once it has drained, then run pulumi up "
            "again"
        )


def _known(olds: Props) -> bool:
    """Whether the stack has made the slot; with createSlot: false, only the ledger can tell."""
    return bool(olds) and olds.get("createSlot", True)


def _to_do(olds: Props, props: Props, found: Examination) -> str:
    if found.slot is None:
        return _REPLACE if olds and props.get("createSlot", True) else ""
    if not _differs_in_failover(found.slot, props):
        return ""
    return "" if found.slot.active else _FAILOVER


def _differs_in_failover(slot: Slot, props: Props) -> bool:
    if slot.failover:
        return bool(props.get("noFailover"))
    return bool(props.get("failover"))


def _warnings(found: Examination, props: Props) -> list[str]:
    lines = []
    if found.doubt is not None:
        lines.append(doubtful(props["name"], props["database"], found.doubt))
    if found.slot is not None and found.now is not None:
        size = props.get("storageGiB")
        lines += retention_warnings(found.slot, found.ledger.last, found.now, size)
        if _differs_in_failover(found.slot, props) and found.slot.active:
            has = (
                "keeps its copy on the standby"
                if found.slot.failover
                else "would not survive a failover"
            )
            lines.append(
                f"replication slot {props['name']} {has}, and cannot be changed while it is read. "
                "Remedy: stop the source, pulumi up, resume it"
            )
    return lines


def _without_acknowledged_doubt(found: Examination, props: Props) -> Examination:
    word = props.get("acknowledgeLostSlot")
    if found.doubt is None or not acknowledged(found.doubt, word):
        return found
    return found.without_doubt()


def _signed(record: ledgers.Ledger, props: Props) -> ledgers.Ledger:
    return replace(record, stack=props.get("stack", ""), database=props["database"])


def _record(connection: Connection, props: Props, found: Examination) -> None:
    """Write down what was seen, where it differs in more than the time."""
    publication = props["publication"]
    if found.now is None or not (found.is_news or found.ledger.database != props["database"]):
        return
    try:
        _write(connection, publication, found.now.slot, _signed(found.record, props))
    except Passing as error:
        warn([str(error)])  # the next `up` may well succeed


def _lacks_mark(connection: Connection, props: Props, found: Examination) -> bool:
    """One that was read when it was adopted has no mark; a crash or a reset takes it away."""
    if found.slot is None or found.doubt is not None:
        return False
    lacks = slot_creation.lacks_mark(found.slot, found.now)
    return lacks and ledgers.may_write(connection, props["publication"])


def _mark_again(props: Props) -> None:
    """In transactions of its own: the counters of another one do not move."""
    name = props["name"]
    try:
        with connect(props["connection"], props["database"], transaction=False) as connection:
            slot = find(connection, name)
            if slot is not None:
                slot_creation.verify_adopted(connection, props, slot)
                seen = _examine(connection, props, {}, known=False)
                if seen.loss is None:
                    _write(connection, props["publication"], name, _signed(seen.record, props))
    except CdcError as error:
        warn([str(error)])  # the slot is as good as it was


def _write(connection: Connection, publication: str, slot: str, ledger: ledgers.Ledger) -> None:
    """Where the publication is somebody else's, that is a warning: the slot itself is sound."""
    what = f"what was seen of replication slot {slot} cannot be written into the comment of "
    try:
        with explained(f"{what}publication {quoted(publication)}"), connection.transaction():
            ledgers.write_seen(connection, publication, ledger)
    except Passing:
        raise
    except CdcError as error:
        reason, remedy, help_ = str(error).partition(". Remedy: ")
        warn([f"{reason}; a slot made anew in its place may not be told from it{remedy}{help_}"])


def _without_invalidated(connection: Connection, name: str, found: Examination) -> Examination:
    """What PostgreSQL has invalidated makes room."""
    if found.slot is None or not found.slot.invalidated:
        return found
    with explained(f"cannot drop replication slot {name}"):
        connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))
    return replace(found, slot=None)


def _forget(connection: Connection, name: str, *, but: str = "") -> None:
    """Take the slot out of every publication's record `but` one."""
    for publication, ledger in ledgers.read_all(connection).items():
        if publication != but and ledger.last is not None and ledger.last.slot == name:
            kept = ledgers.Ledger(needs_snapshot=ledger.needs_snapshot)
            _write(connection, publication, name, kept)


def _check_failover(connection: Connection, props: Props) -> None:
    if props.get("failover"):
        capabilities.check("failover slots", connection.info.server_version)
