"""Whether the server's storage has room for the WAL that slots hold, and for how long."""

from __future__ import annotations

import time

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.retention import seconds_to_full
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.checks.slot import duration, size
from azure_postgres_cdc.operations.findings import Result, failed, ok, warning
from azure_postgres_cdc.operations.subject import Subject

WARNING_SHARE, CRITICAL_SHARE = 0.8, 0.9
"""Microsoft's baseline for storage_percent."""
WARNING_SECONDS, CRITICAL_SECONDS = 7 * 86400, 86400

_REMEDY = "let the connectors catch up, drop slots that nobody reads, or enlarge the storage"
_SAMPLE_SECONDS = 1
YOUNG_SECONDS = 3600
"""Statistics that are younger say nothing of a day: they hold the making of a database, say."""

# What the databases and the WAL take; temporary files and logs come on top.
_USED = """
SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint,
       (SELECT sum(size) FROM pg_ls_waldir())::bigint
"""
_SINCE_RESET = """
SELECT wal_bytes::float, extract(epoch FROM clock_timestamp() - stats_reset)::float FROM pg_stat_wal
"""


def storage(subject: Subject) -> Result:
    """The storage has room. Its size is Azure's to say, and what is used PostgreSQL's."""
    total = subject.storage_bytes
    databases, wal = used(subject.administrator.connection)
    share = (databases + wal) / total
    evidence = (
        f"about {share:.0%} of {size(total)} used: databases {size(databases)}, WAL {size(wal)}"
    )
    if share >= CRITICAL_SHARE:
        return failed(f"{evidence}; at 95% the server becomes read-only", _REMEDY)
    if share >= WARNING_SHARE:
        return warning(evidence, _REMEDY)
    return ok(evidence)


def time_to_full(subject: Subject) -> Result | None:
    """When a slot that nobody reads will have filled the storage, at the average rate of WAL."""
    found = subject.own_slot
    if found is None:
        return None
    if found.active:
        return ok("the slot is being read, and its WAL is released")
    total = subject.storage_bytes
    free = total - sum(used(subject.administrator.connection))
    rate = _bytes_per_second(subject.connection)
    left = seconds_to_full(free, rate)
    if left is None:
        return ok("no WAL is written")
    evidence = (
        f"nobody reads the slot, and {size(rate * 86400)} of WAL are written a day: "
        f"the storage is full in about {duration(left)}"
    )
    if left < CRITICAL_SECONDS:
        return failed(evidence, _REMEDY)
    if left < WARNING_SECONDS:
        return warning(evidence, _REMEDY)
    return ok(evidence)


def used(connection: Connection) -> tuple[int, int]:
    """Bytes that the databases take, and the WAL; asked as the administrator."""
    databases, wal = rows(connection, _USED)[0]
    return databases, wal


def _bytes_per_second(connection: Connection) -> float:
    """The average since the statistics were reset; before PostgreSQL 14, of one second."""
    if capabilities.has("pg_stat_wal", connection.info.server_version):
        written, seconds = rows(connection, _SINCE_RESET)[0]
        if seconds < YOUNG_SECONDS:
            raise CdcError(
                f"the statistics of WAL are {duration(seconds)} old, too young for a forecast. "
                "Remedy: run doctor again in an hour"
            )
        return float(written / seconds)
    first = _written(connection)
    time.sleep(_SAMPLE_SECONDS)
    return (_written(connection) - first) / _SAMPLE_SECONDS


def _written(connection: Connection) -> float:
    return float(rows(connection, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")[0])
