"""What the catalog says about a replication slot. Looking takes nothing from it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, rows, together
from azure_postgres_cdc.database.continuity import Sighting

PLUGIN = "pgoutput"

_LATE_SECONDS = 1.0
"""Twice as long as PostgreSQL 14 takes to write its counts down."""

_FIND = """
WITH server AS (
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                ELSE pg_current_wal_lsn() END AS wal)
SELECT slot_type, plugin::text, database::text, active, active_pid,
       coalesce(confirmed_flush_lsn, '0/0')::text,
       pg_wal_lsn_diff(server.wal, restart_lsn)::bigint,
       pg_wal_lsn_diff(server.wal, confirmed_flush_lsn)::bigint,
       -- by way of JSON, because older versions lack the columns
       coalesce(to_jsonb(s) ->> 'wal_status', 'reserved'),
       CASE WHEN to_jsonb(s) ->> 'wal_status' = 'lost'
            THEN coalesce(to_jsonb(s) ->> 'invalidation_reason', 'wal_removed') END,
       coalesce((to_jsonb(s) ->> 'failover')::boolean, false),
       to_char((to_jsonb(s) ->> 'inactive_since')::timestamptz AT TIME ZONE 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       extract(epoch FROM
           clock_timestamp() - (to_jsonb(s) ->> 'inactive_since')::timestamptz)::bigint,
       server.wal::text,
       (to_jsonb(s) ->> 'safe_wal_size')::bigint, temporary,
       coalesce((to_jsonb(s) ->> 'two_phase')::boolean, false)
FROM pg_replication_slots s, server WHERE slot_name = %s
"""
_SERVER = """
SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       CASE WHEN pg_is_in_recovery() THEN 0
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
       to_char((SELECT stats_reset FROM pg_stat_archiver) AT TIME ZONE 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       has_function_privilege('pg_control_system()', 'EXECUTE')
"""
_SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
_COUNTERS = """
SELECT to_jsonb(s) - 'slot_name' - 'stats_reset',
       -- in UTC, because the connector's user may have a time zone of its own
       coalesce(to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '')
FROM pg_stat_replication_slots s WHERE slot_name = %s
"""


@dataclass(frozen=True)
class Slot:
    """A replication slot as it is now."""

    type: str
    plugin: str | None
    database: str | None
    active: bool
    """Whether a connector is reading it."""
    active_pid: int | None
    position: str
    held_bytes: int | None
    """WAL that the server keeps for it. None where it keeps none: `restart_lsn` is null."""
    lag_bytes: int | None
    """WAL that its connector has not confirmed. None for a physical slot."""
    wal_status: str
    """Whether that WAL is there: `reserved`, `extended`, `unreserved`, `lost`."""
    invalidated: str | None
    """Why PostgreSQL has given it up, if it has."""
    failover: bool
    idle_since: str | None
    """Since when nobody has read it. Known from PostgreSQL 17 on."""
    idle_seconds: int | None
    """For how long. As `idle_since`."""
    wal: str
    safe_bytes: int | None = None
    """WAL that can be written before the slot is in danger. None where nothing limits it, as on
    Azure, and before PostgreSQL 13."""
    temporary: bool = False
    """It goes with the session that has made it."""
    two_phase: bool = False
    """It sends prepared transactions when they are prepared, in messages that the protocol which
    Debezium speaks does not have."""

    @property
    def retained_bytes(self) -> int:
        """WAL that the server keeps for it."""
        return max(0, self.held_bytes or 0)

    def fits(self, database: str) -> bool:
        """Whether the connector of a database can use it."""
        kind = "logical", PLUGIN, database
        is_another = self.temporary or self.two_phase
        return (self.type, self.plugin, self.database) == kind and not is_another

    @property
    def kind(self) -> str:
        """What it is, for a person."""
        words = ["temporary"] * self.temporary + ["two-phase"] * self.two_phase
        return " ".join([*words, self.type])


def find(connection: Connection, name: str) -> Slot | None:
    """The slot of a name; None where there is none."""
    found = rows(connection, _FIND, name)
    return Slot(*found[0]) if found else None


def sight(connection: Connection, name: str, slot: Slot, last: Sighting | None) -> Sighting:
    """What is worth remembering of a slot; `last` is what was remembered of it so far."""
    counted = capabilities.has("slot statistics", connection.info.server_version)
    server, found = together(connection, (_SERVER,), (_COUNTERS, name) if counted else None)
    now, timeline, statistics_since, may_read_system = server[0]
    counters, counters_since = found[0] if found else ({}, "")
    # Before PostgreSQL 17 nobody knows; one that has moved was read in the meantime.
    known_since = last.idle_since if last and last.position == slot.position else ""
    since = slot.idle_since or known_since or now
    return Sighting(
        slot=name,
        position=slot.position,
        seen_at=now,
        # Whoever may not read it, as maybe the connector's user, does not make it forgotten.
        system=rows(connection, _SYSTEM)[0] if may_read_system else last.system if last else "",
        timeline=timeline,
        counters=counters,
        counters_since=counters_since,
        statistics_since=statistics_since or "",
        wal=slot.wal,
        idle_since="" if slot.active else since,
    )


def waited_for_counts(connection: Connection) -> bool:
    """Whether what a slot has counted so far could be seen only now, after a while."""
    if capabilities.has("statistics without delay", connection.info.server_version):
        return False
    time.sleep(_LATE_SECONDS)
    connection.execute("SELECT pg_stat_clear_snapshot()")
    return True
