"""The parameters in effect, which are not always those that are configured, and what uses them."""

from __future__ import annotations

from collections.abc import Sequence

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.azure.parameters import MAX_WORKER_PROCESSES
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import listed, quoted
from azure_postgres_cdc.operations.findings import Result, failed, ok, warning
from azure_postgres_cdc.operations.subject import Subject

TIMEOUT_ADVISED_MS = 300_000
"""A pause of the connector's (a rebalance, a deployment) takes minutes."""

# What a server or a login may set, and the least that a connector can live with, in ms. It takes a
# snapshot of all tables in one transaction, and waits in it while its queue is full.
_LIMITS = {
    "statement_timeout": TIMEOUT_ADVISED_MS,
    "idle_in_transaction_session_timeout": TIMEOUT_ADVISED_MS,
    "idle_session_timeout": TIMEOUT_ADVISED_MS,
    "transaction_timeout": 24 * 60 * 60 * 1000,
}
_LOCK_TIMEOUT = "2s"

_RAISE = "raise {} (server.parameters), and let pulumi up restart the server"
# Everything that PostgreSQL runs beside its background workers, which alone count here.
_WORKERS = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type NOT IN (
    'client backend', 'walsender', 'checkpointer', 'background writer', 'walwriter', 'archiver',
    'autovacuum launcher', 'autovacuum worker', 'startup', 'walreceiver', 'walsummarizer',
    'slotsync worker', 'io worker', 'logger', 'stats collector', 'standalone backend')
"""
# Some parameters are hidden from ordinary users, shared_preload_libraries among them.
_PENDING = "SELECT name FROM pg_settings WHERE pending_restart ORDER BY 1"


def wal_level(subject: Subject) -> Result:
    """The WAL holds what logical decoding needs."""
    found = _settings(subject.connection, ["wal_level"])["wal_level"]
    if found == "logical":
        return ok("wal_level is logical")
    return failed(
        f"wal_level is {found}: no change can be captured",
        "set wal_level to logical and restart the server (pulumi up does both)",
    )


def worker_processes(subject: Subject) -> Result:
    """There are as many background workers as the page asks for, and not all are in use."""
    most = int(_settings(subject.connection, ["max_worker_processes"])["max_worker_processes"])
    used = rows(subject.administrator.connection, _WORKERS)[0]
    evidence = f"max_worker_processes is {most}, {used} in use"
    if most < MAX_WORKER_PROCESSES or used >= most:
        return warning(
            f"{evidence}: 'out of background worker slots' may follow",
            _RAISE.format(f"max_worker_processes to {MAX_WORKER_PROCESSES} or more"),
        )
    return ok(evidence)


def replication_slots(subject: Subject) -> Result:
    """There is room for another slot."""
    query = "SELECT count(*) FROM pg_replication_slots"
    return _room(subject, "max_replication_slots", query, "another slot")


def wal_senders(subject: Subject) -> Result:
    """There is room for another WAL sender: the connector needs one to come back."""
    query = "SELECT count(*) FROM pg_stat_replication"
    return _room(subject, "max_wal_senders", query, "another connection that reads WAL")


def wal_sender_timeout(subject: Subject) -> Result:
    """The server waits long enough for a connector that pauses. Asked with its own settings."""
    found = int(_settings(subject.connection, ["wal_sender_timeout"])["wal_sender_timeout"])
    shown = f"wal_sender_timeout is {found} ms" if found else "wal_sender_timeout is off"
    if found == 0 or found >= TIMEOUT_ADVISED_MS:
        return ok(shown)
    return warning(
        f"{shown}: the server ends the connection of a connector that pauses longer",
        "set it to 300000 ms or more, or to 0 (server.parameters; no restart is needed)",
    )


def own_limits(connection: Connection) -> None:
    """None of the login's time limits ends doctor, which has to tell of them; a lock does not hold
    it up: since PostgreSQL 18, the catalog's view of a publication waits for those on its tables.
    """
    version = connection.info.server_version
    later = ("idle_session_timeout", "transaction_timeout")
    names = [name for name in _LIMITS if name not in later or capabilities.has(name, version)]
    statements = [sql.SQL("SET lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT))]
    statements += [sql.SQL("SET {} = 0").format(sql.Identifier(name)) for name in names]
    connection.execute(sql.SQL("; ").join(statements))


def timeouts(subject: Subject) -> Result:
    """No time limit of the login's ends what the connector is at, its snapshots first."""
    query = "SELECT name, reset_val FROM pg_settings WHERE name = ANY(%s) ORDER BY 1"
    found = [(name, int(value)) for name, value in rows(subject.connection, query, list(_LIMITS))]
    short = [(name, value) for name, value in found if 0 < value < _LIMITS[name]]
    if not short:
        return ok("no time limit ends what the connector does")
    user = quoted(subject.form.username)
    return warning(
        f"{listed(f'{name} is {value} ms' for name, value in short)}: the server ends what takes "
        "the connector longer, a snapshot first",
        "; ".join(f"ALTER ROLE {user} SET {name} = 0" for name, _ in short)
        + ", as the administrator; then restart the source",
    )


def slot_limits(subject: Subject) -> Result:
    """Nothing is set that lets PostgreSQL give up a slot by itself."""
    endless = {"max_slot_wal_keep_size": "-1", "idle_replication_slot_timeout": "0"}
    query = """
SELECT name, setting, coalesce(unit, '') FROM pg_settings WHERE name = ANY(%s) ORDER BY 1
"""
    limits = [
        f"{name} is {value} {unit}"
        for name, value, unit in rows(subject.connection, query, list(endless))
        if value != endless[name]
    ]
    if not limits:
        return ok("PostgreSQL keeps a slot's WAL for as long as it takes")
    return warning(
        f"{listed(limits)}: PostgreSQL invalidates a slot that falls behind, and its changes are "
        "lost",
        "turn the limit off, and watch the retained WAL instead",
    )


def pending_restart(subject: Subject) -> Result:
    """Every parameter that was changed is in effect."""
    try:
        pending = rows(subject.administrator.connection, _PENDING)
    except CdcError:
        pending = rows(subject.connection, _PENDING)  # which sees most of them
    if not pending:
        return ok("no parameter waits for a restart")
    return warning(
        f"changed, and not in effect before a restart: {listed(pending)}",
        "restart the server (pulumi up does, where server.restart allows it)",
    )


def _room(subject: Subject, name: str, query: str, what: str) -> Result:
    most = int(_settings(subject.connection, [name])[name])
    used = rows(subject.connection, query)[0]
    evidence = f"{used} of {most} in use ({name})"
    if used < most:
        return ok(evidence)
    return warning(f"{evidence}: there is no room for {what}", _RAISE.format(name))


def _settings(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """The values in effect for this login, in each parameter's own unit."""
    query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
    return dict(rows(connection, query, list(names)))
