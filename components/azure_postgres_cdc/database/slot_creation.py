"""Creating a replication slot, and making sure that it can be read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import ledger as ledgers
from azure_postgres_cdc.database.connection import Connection, connect, rows
from azure_postgres_cdc.database.continuity import Sighting
from azure_postgres_cdc.database.slot_catalog import Slot, waited_for_counts
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import quoted

# Creating a slot waits for every transaction that is writing at that moment.
_CREATE_TIMEOUT_SECONDS = 300
_PEEK_TIMEOUT_SECONDS = 60
_PEEK_AT_MOST = 64 * 2**20
"""Bytes of WAL. A peek decodes all that a slot retains, and locks its connector out meanwhile."""

# Locks, because whoever may not read all statistics sees nothing of others' transactions there. A
# subtransaction has a lock of its own.
_WRITERS = """
SELECT DISTINCT format('%s (%s)', l.pid, concat_ws(
    ', ', a.usename, 'open for ' || extract(epoch FROM now() - a.xact_start)::int || ' s'))
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
  AND l.pid <> pg_backend_pid()
UNION ALL
SELECT format('none, but the prepared transaction %L of database %I', gid, database)
FROM pg_prepared_xacts
"""
_PEEK = """
SELECT count(*) FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, VARIADIC %s::text[])
"""
# More than the 64 kB that logical_decoding_work_mem is at least: beyond it, a peek streams.
_LARGE = "SELECT pg_logical_emit_message(true, 'azure-postgres-cdc', repeat('-', 100000))"
_CREATE_REMEDIES = {
    "55000": "set wal_level to logical, max_replication_slots to 2 or more, and restart the server",
    "53400": "raise max_replication_slots and restart, or drop a slot that is not needed",
    "42501": "run ALTER ROLE <administrator> WITH REPLICATION as a role that may",
}
_READ_REMEDIES = {
    "42501": _CREATE_REMEDIES["42501"],
    "42704": "where the slot is older than its publication, no connector can read it either: stop "
    "the source, drop the slot with pg_drop_replication_slot, then pulumi up, which says how to go "
    "on",
    "57014": "run pulumi up again; a slot with failover waits for what synchronized_standby_slots "
    "names: check that this is there, and active",
}


def create(connection: Connection, props: Props) -> None:
    """Create the slot, and mark it, so that one made later in its place can be told from it."""
    name = props["name"]
    _limit(connection, _CREATE_TIMEOUT_SECONDS)
    failover = sql.SQL(", failover => true" if props.get("failover") else "")
    statement = sql.SQL("SELECT pg_create_logical_replication_slot({}, {}{})").format(
        sql.Literal(name), sql.Literal(props["plugin"]), failover
    )
    try:
        connection.execute(statement)
    except psycopg.errors.QueryCanceled:
        writers = ", ".join(rows(connection, _WRITERS)) or "none is left by now"
        raise CdcError(
            f"replication slot {name} was not created within {_CREATE_TIMEOUT_SECONDS} s: it waits "
            f"for open transactions that have written; pids: {writers}. Remedy: let them end, or "
            "end them with pg_terminate_backend (a prepared one with ROLLBACK PREPARED), then run "
            "pulumi up again"
        ) from None
    except psycopg.Error as error:
        with explained(f"cannot create replication slot {name}", _CREATE_REMEDIES):
            raise error
    _mark(connection, props, "was created")


def verify_adopted(connection: Connection, props: Props, slot: Slot, former: str = "") -> None:
    """Peek at a slot that was there already, where that costs little and disturbs nobody.

    `former`: the publication through which it was read so far, where that was another one. What
    was written before the new one was made cannot be read through it.
    """
    if not _may_peek(slot):
        return
    remedies = {}
    if former:
        remedies["42704"] = (
            f"resume the source with publication {quoted(former)}, which is still there, until it "
            "has read what was written before; stop it, then run pulumi up again"
        )
    _mark(connection, props, "is there", remedies)


def lacks_mark(slot: Slot, now: Sighting | None) -> bool:
    """Whether a slot has no mark, and can be given one."""
    return _may_peek(slot) and now is not None and now.counters.get("stream_txns") == 0


def _may_peek(slot: Slot) -> bool:
    return not slot.active and slot.retained_bytes < _PEEK_AT_MOST


def _mark(
    connection: Connection, props: Props, how: str, remedies: Mapping[str, str] | None = None
) -> None:
    """The page's check, on a transaction of our own, which leaves a trace in the slot's counters.

    From then on the slot has streamed a transaction before its end (`stream_txns`), which no
    Debezium ever asks for: the counters of one made anew run backwards, whatever it has decoded.
    No connector sees anything of it: what made the transaction large enough is rolled back.
    """
    publication = props["publication"]
    counted = capabilities.has("slot statistics", connection.info.server_version)
    # Where the publication is somebody else's there is no trace, and a warning follows.
    with (
        explained(f"cannot write into the comment of publication {publication}"),
        suppress(psycopg.errors.InsufficientPrivilege),
        connection.transaction(),
    ):
        if counted:
            with connection.transaction(force_rollback=True):
                connection.execute(_LARGE)
        ledgers.write_again(connection, publication)
    _limit(connection, _PEEK_TIMEOUT_SECONDS)
    if counted:
        connection.execute("SET logical_decoding_work_mem = '64kB'")
    # A connector that waits for it is quicker at times. Then it can be read, as is to be shown.
    with (
        explained(
            f"replication slot {props['name']} {how}, but cannot be read",
            {**_READ_REMEDIES, **(remedies or {})},
        ),
        suppress(psycopg.errors.ObjectInUse),
    ):
        rows(connection, _PEEK, props["name"], _options(publication, streaming=counted))
    if counted:
        waited_for_counts(connection)  # they are written down next


def _options(publication: str, *, streaming: bool) -> list[str]:
    """What the peek asks pgoutput for."""
    # A list of identifiers, so a name is quoted as one.
    names = '"' + publication.replace('"', '""') + '"'
    how = ["proto_version", "2", "streaming", "on"] if streaming else ["proto_version", "1"]
    return [*how, "publication_names", names]


def set_failover(props: Props) -> None:
    """Have the standby keep a copy of the slot, or not. Only a replication connection can do it."""
    name = props["name"]
    with (
        connect(props["connection"], props["database"], replication=True) as connection,
        explained(f"cannot set failover of replication slot {name}"),
    ):
        statement = sql.SQL("ALTER_REPLICATION_SLOT {} (FAILOVER {})")
        wanted = bool(props["failover"])
        connection.execute(statement.format(sql.Identifier(name), sql.Literal(wanted)))


def _limit(connection: Connection, seconds: int) -> None:
    """For what waits for others' transactions, too: there is one limit for all of it."""
    limits = sql.SQL("SET statement_timeout = {}; SET lock_timeout = 0")
    connection.execute(limits.format(sql.Literal(seconds * 1000)))
