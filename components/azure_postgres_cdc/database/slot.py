"""The replication slot: the stream of changes that the connector reads.

A slot that is gone took its changes with it. Creating another one in its place would let the
connector go on in silence, with a gap; so a slot that this stack knows is never created again
without a word.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pulumi
from psycopg import sql
from pulumi.dynamic import Resource

from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import CdcError, explained

PLUGIN = "pgoutput"

# Creating a slot waits for every transaction that is writing at that moment.
_CREATE_TIMEOUT_SECONDS = 300
_PEEK_TIMEOUT_SECONDS = 60

_FIND = """
SELECT slot_type, plugin, database, active, confirmed_flush_lsn::text,
       -- by way of JSON, because older versions lack the columns
       CASE WHEN to_jsonb(s) ->> 'wal_status' = 'lost'
            THEN coalesce(to_jsonb(s) ->> 'invalidation_reason', 'wal_removed') END
FROM pg_replication_slots s WHERE slot_name = %s
"""
_WRITERS = """
SELECT format('%s (%s, open for %s s)', pid, usename,
              extract(epoch FROM now() - xact_start)::int)
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start
"""
_PEEK = """
SELECT count(*) FROM pg_logical_slot_peek_binary_changes(
    %s, NULL, NULL, 'proto_version', '1', 'publication_names', %s)
"""


class ReplicationSlotProvider(CdcProvider):
    """Creates, verifies and watches a logical replication slot through psycopg."""

    identity = ("database", "name")

    def resolve(self, olds: Props, news: Props) -> Props:
        if olds:
            with connect(olds["connection"] | news["connection"], olds["database"]) as connection:
                _require(connection, olds)
        return news

    def make(self, props: Props) -> Props:
        with connect(props["connection"], props["database"], autocommit=True) as connection:
            if _find(connection, props["name"]) is None:
                _create(connection, props)
                _verify_with_a_peek(connection, props)
            return props | _require(connection, props)

    def look(self, props: Props) -> Props:
        with connect(props["connection"], props["database"]) as connection:
            _require(connection, props)
        return props

    def remove(self, props: Props) -> None:
        name = props["name"]
        with connect(props["connection"], props["database"], autocommit=True) as connection:
            found = _find(connection, name)
            if found is None:
                return
            if found["active"]:
                raise CdcError(
                    f"replication slot {name} is being read: dropping it would cut its connector "
                    "off. Remedy: stop the source in the Streamkap app, then try again"
                )
            with explained(f"cannot drop replication slot {name}"):
                connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))


class ReplicationSlot(Resource, module="azure-postgres-cdc", name="ReplicationSlot"):
    """A logical replication slot with the plug-in pgoutput, created after its publication.

    Deleting it drops it, except while a connector reads it. A slot that fits and is not in the
    stack is adopted; one of another database or plug-in is refused.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        slot: str,
        publication: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "name": slot,
            "plugin": PLUGIN,
            "publication": publication,
        }
        super().__init__(ReplicationSlotProvider(), resource_name, props, opts)


def _find(connection: Connection, name: str) -> dict[str, Any] | None:
    found = rows(connection, _FIND, name)
    if not found:
        return None
    keys = ("type", "plugin", "database", "active", "confirmedFlushLsn", "invalidated")
    return dict(zip(keys, found[0], strict=True))


def _require(connection: Connection, props: Props) -> Props:
    """The slot's outputs, or a CdcError where it is not there or is another one."""
    name, database = props["name"], props["database"]
    found = _find(connection, name)
    if found is None:
        raise CdcError(_lost(props))
    if (found["type"], found["plugin"], found["database"]) != ("logical", PLUGIN, database):
        raise CdcError(
            f"replication slot {name} is not this stack's: found a {found['type']} slot of plug-in "
            f"{found['plugin']} on database {found['database']}, needed a logical one of {PLUGIN} "
            f"on {database}. Remedy: drop it once its owner agrees, or choose another slot name"
        )
    if found["invalidated"]:
        raise CdcError(_invalidated(props, found))
    return {"createdAtLsn": props.get("createdAtLsn") or found["confirmedFlushLsn"]}


def _lost(props: Props) -> str:
    since = props.get("createdAtLsn")
    known = f" (created at LSN {since})" if since else ""
    return (
        f"replication slot {props['name']} of database {props['database']} has vanished{known}: "
        "every change since the connector's last confirmed position is lost to it. It is not "
        "created again, because the connector would go on in silence with a gap. Remedy: stop the "
        "source; pulumi state unprotect --all; pulumi state delete with the slot's URN (pulumi "
        "stack --show-urns); pulumi up; resume the source and snapshot every captured table"
    )


def _invalidated(props: Props, found: Props) -> str:
    return (
        f"replication slot {props['name']} of database {props['database']} was invalidated by "
        f"PostgreSQL ({found['invalidated']}): every change since LSN {found['confirmedFlushLsn']} "
        "is lost to the connector. It is not replaced without a word. Remedy: stop the source; "
        "SELECT pg_drop_replication_slot of it; pulumi state unprotect --all; pulumi state delete "
        "with the slot's URN (pulumi stack --show-urns); pulumi up; resume the source and snapshot "
        "every captured table"
    )


def _create(connection: Connection, props: Props) -> None:
    name = props["name"]
    _limit(connection, _CREATE_TIMEOUT_SECONDS)
    try:
        connection.execute(
            "SELECT pg_create_logical_replication_slot(%s, %s)", (name, props["plugin"])
        )
    except psycopg.errors.QueryCanceled:
        writers = ", ".join(rows(connection, _WRITERS)) or "none is left by now"
        raise CdcError(
            f"replication slot {name} was not created within {_CREATE_TIMEOUT_SECONDS} s: it waits "
            f"for open transactions that have written; pids: {writers}. Remedy: let them end, or "
            "end them with pg_terminate_backend, then run pulumi up again"
        ) from None
    except psycopg.Error as error:
        with explained(f"cannot create replication slot {name}", _CREATE_REMEDIES):
            raise error


_CREATE_REMEDIES = {
    "55000": "set wal_level to logical and restart the server",
    "53400": "raise max_replication_slots and restart, or drop a slot that is not needed",
    "42501": "run ALTER ROLE <administrator> WITH REPLICATION as a role that may",
}


def _verify_with_a_peek(connection: Connection, props: Props) -> None:
    """The page's check, right after creation, while the slot holds next to nothing."""
    _limit(connection, _PEEK_TIMEOUT_SECONDS)
    with explained(f"replication slot {props['name']} was created, but cannot be read"):
        rows(connection, _PEEK, props["name"], _publication_names(props["publication"]))


def _publication_names(publication: str) -> str:
    """pgoutput takes a list of identifiers, so a name is quoted as one."""
    return '"' + publication.replace('"', '""') + '"'


def _limit(connection: Connection, seconds: int) -> None:
    milliseconds = sql.Literal(seconds * 1000)
    connection.execute(sql.SQL("SET statement_timeout = {}").format(milliseconds))
