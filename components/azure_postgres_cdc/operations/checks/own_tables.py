"""The signal and the heartbeat table: as the connector expects them, and writable for it."""

from __future__ import annotations

import uuid

import psycopg
from psycopg import sql

from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.connector_table import ConnectorTableProvider
from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider
from azure_postgres_cdc.errors import CdcError, Passing, explained
from azure_postgres_cdc.names import TableName, quoted
from azure_postgres_cdc.operations.findings import Result, failed, from_error, ok, unknown
from azure_postgres_cdc.operations.subject import Subject

_LOCK_TIMEOUT = "5s"
_IN_BETWEEN = "look for triggers, rules and policies on the table, or a pooler in between"
_SIGNAL = (
    "INSERT INTO {table} (id, type) VALUES ({id}, 'doctor')",
    "UPDATE {table} SET data = '' WHERE id = {id}",
    "SELECT FROM {table} WHERE id = {id}",
)
_HEARTBEAT = (
    "INSERT INTO {table} (text) VALUES ({id})",
    "UPDATE {table} SET last_update = CURRENT_TIMESTAMP WHERE text = {id}",
    "SELECT FROM {table} WHERE text = {id}",
)


def signal_table(subject: Subject) -> Result | None:
    """It has exactly the page's columns, and is published: the connector reads it as a change."""
    return _as_expected(subject, SignalTableProvider(), subject.form.signal_table)


def signal_writable(subject: Subject) -> Result | None:
    """The user may write to it. Tried, and rolled back."""
    return _written(subject, subject.form.signal_table, _SIGNAL)


def heartbeat_table(subject: Subject) -> Result | None:
    """It has the connector's columns, and is published: unpublished writes move no slot."""
    return _as_expected(subject, HeartbeatTableProvider(), subject.form.heartbeat_table)


def heartbeat_writable(subject: Subject) -> Result | None:
    """The user may write to it, its sequence included. Tried, and rolled back."""
    return _written(subject, subject.form.heartbeat_table, _HEARTBEAT)


def _as_expected(
    subject: Subject, provider: ConnectorTableProvider, table: TableName | None
) -> Result | None:
    if table is None:
        return None
    fault = provider.fault(subject.connection, table.schema)
    if fault:
        return from_error(CdcError(fault))
    found = subject.published
    if found is not None and table not in found:
        return failed(
            f"{table} is not in the publication: what is written to it never reaches the connector",
            "run pulumi up --refresh, which puts it back",
        )
    return ok(f"{table} has its columns, and is published")


def _written(
    subject: Subject, table: TableName | None, statements: tuple[str, ...]
) -> Result | None:
    if table is None:
        return None
    remedies = {
        "42501": f"pulumi up --refresh, which grants SELECT, INSERT and UPDATE on {table} again",
        "42P01": "pulumi up, which makes it again",
        "3F000": "pulumi up, which makes it again",
    }
    what = f"{quoted(subject.form.username)} cannot write to {table}"
    try:
        with explained(what, remedies):
            left = _try(subject.connection, table, statements)
    except Passing as error:  # a lock, say: nothing is known of what the connector may
        found = from_error(error)
        return unknown(found.evidence, found.remedy)
    except CdcError as error:
        found = from_error(error)
        return failed(found.evidence, found.remedy or _IN_BETWEEN)
    if left:
        return failed(
            f"a row of doctor's stayed in {table}, though it was rolled back",
            f"{_IN_BETWEEN}, and delete the row",
        )
    return ok(f"{table} takes INSERT and UPDATE (tried, and rolled back)")


def _try(connection: Connection, table: TableName, statements: tuple[str, ...]) -> bool:
    """Run the statements and roll back; whether anything of them stayed."""
    names = {"table": table.identifier, "id": sql.Literal(f"doctor-{uuid.uuid4()}")}
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_TIMEOUT))
        for statement in statements:
            cursor = connection.execute(sql.SQL(statement).format(**names))
            if cursor.rowcount != 1:
                raise psycopg.DataError("a row that was just written cannot be seen")
    return bool(connection.execute(sql.SQL(statements[-1]).format(**names)).fetchall())
