"""Every check of doctor's: one small function each, in files by topic.

A check looks at one thing and returns what it found, or None where there is nothing to look at.
Its name, in reports and in docs/doctor.md, is the function's, with hyphens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from azure_postgres_cdc.operations.checks import (
    continuity,
    own_tables,
    parameters,
    publication,
    role,
    server,
    slot,
    storage,
    tables,
)
from azure_postgres_cdc.operations.findings import Result
from azure_postgres_cdc.operations.subject import Subject

Check = Callable[[Subject], Result | None]

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "server": (server.tls, server.version, server.primary),
    "parameters": (
        parameters.wal_level,
        parameters.worker_processes,
        parameters.replication_slots,
        parameters.wal_senders,
        parameters.wal_sender_timeout,
        parameters.timeouts,
        parameters.slot_limits,
        parameters.pending_restart,
    ),
    "role": (role.role_flags, role.role_membership, role.replication_connection),
    "tables": (
        tables.captured_tables,
        tables.column_names,
        tables.schema_usage,
        tables.tables_readable,
        tables.row_level_security,
        tables.replica_identity,
        tables.full_identity,
    ),
    "publication": (
        publication.publication,
        publication.published_tables,
        publication.new_tables,
        publication.inheriting_tables,
        publication.publication_options,
        publication.restrictions,
        publication.form_tables,
        continuity.snapshots_needed,
        continuity.partitions_attached,
    ),
    "own tables": (
        own_tables.signal_table,
        own_tables.signal_writable,
        own_tables.heartbeat_table,
        own_tables.heartbeat_writable,
    ),
    "slot": (
        slot.slot,
        slot.slot_valid,
        slot.slot_active,
        continuity.continuity,
        slot.lag,
        slot.retained_wal,
        storage.storage,
        storage.time_to_full,
    ),
}


def name_of(check: Check) -> str:
    """How a check is called."""
    return check.__name__.replace("_", "-")
