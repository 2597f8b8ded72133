"""Asks a connector for a snapshot of captured tables, through the signal table."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from psycopg import sql

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.snapshot_signal import SIGNAL_TYPE, is_plain, signals
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted
from azure_postgres_cdc.operations.login import as_connector
from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.settings import read_tables

ID_PREFIX = "azure-postgres-cdc-"

_IS_THERE = "SELECT pubname FROM pg_publication WHERE pubname = %s"
_PUBLISHED = "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s"
_ACTIVE = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"


class Kind(StrEnum):
    """How the connector reads the tables."""

    INCREMENTAL = "incremental"
    """In chunks, beside the changes."""
    BLOCKING = "blocking"
    """At once, while the changes wait."""


@dataclass(frozen=True)
class Choice:
    """Which tables, said in exactly one of three ways."""

    tables: tuple[str, ...] = ()
    file: Path | None = None
    everything: bool = False

    def names(self, published: Sequence[TableName]) -> list[TableName]:
        """The tables, sorted. Raises a CdcError where they are not said, or are no names."""
        if sum((bool(self.tables), self.file is not None, self.everything)) != 1:
            raise CdcError(
                "say which tables in one way. Remedy: --tables NAME, --tables-file FILE, or --all"
            )
        if self.everything:
            return sorted(published)
        try:
            texts = self.tables if self.file is None else read_tables(self.file)
            return sorted(set(map(TableName.parse, texts)))
        except ValueError as error:
            raise CdcError(f"{error}. Remedy: write a table as in SQL") from None


def signal(
    form: Form, choice: Choice, kind: Kind, condition: str | None = None, *, dry_run: bool = False
) -> list[str]:
    """Write the signals in one transaction, as the connector's user; what to tell about it."""
    table = form.signal_table
    if form.read_only or table is None:
        raise CdcError(
            f"the connector on {form.database} takes its snapshots over a read-only connection: "
            "there is no signal table. Remedy: start the snapshot in the Streamkap app, which "
            "signals through Kafka"
        )
    with as_connector(form) as connection:
        published = _published(connection, form, table)
        wanted = choice.names(published)
        _check(form, wanted, published)
        data = _data(wanted, kind, condition)
        written = [(f"{ID_PREFIX}{uuid.uuid4()}", item) for item in data]
        if not dry_run:
            _write(connection, table, written)
        return [*_told(written, table, wanted, dry_run=dry_run), *_notes(connection, form, wanted)]


def _published(connection: Connection, form: Form, signal_table: TableName) -> list[TableName]:
    """The captured tables. Raises a CdcError where the connector would never see the signal."""
    if not rows(connection, _IS_THERE, form.publication):
        raise CdcError(
            f"there is no publication {quoted(form.publication)} in database "
            f"{quoted(form.database)}: no change would follow a snapshot. Remedy: stop the source, "
            "then run pulumi preview, which says how to go on"
        )
    found = {TableName(*row) for row in rows(connection, _PUBLISHED, form.publication)}
    if found and signal_table not in found:
        raise CdcError(
            f"signal table {signal_table} is not in publication {form.publication}: the connector "
            "would never see the signal. Remedy: pulumi up --refresh, which puts it back"
        )
    return sorted(found - form.own_tables)


def _check(form: Form, wanted: Sequence[TableName], published: Sequence[TableName]) -> None:
    others = sorted(set(wanted) - set(published))
    if others:
        raise CdcError(
            f"not captured by the connector on {form.database}: {listed(others)}. A snapshot of "
            "them would never be followed by changes. Remedy: add them to `capture` and run pulumi "
            "up, or name the root of a partitioned table"
        )
    if not wanted:
        raise CdcError(
            f"publication {form.publication} holds no captured table. Remedy: run pulumi up, which "
            "puts the tables of `capture` into it"
        )


def _data(wanted: Sequence[TableName], kind: Kind, condition: str | None) -> list[str]:
    if condition is None:
        return signals(wanted, kind)
    if len(wanted) != 1 or not is_plain(wanted[0]):
        raise CdcError(
            "--condition goes with one table, whose name has only letters, digits and underscores. "
            "Remedy: one call for each table"
        )
    # A blocking snapshot takes the whole query, an incremental one adds its condition to its own.
    blocking = f"SELECT * FROM {wanted[0]} WHERE {condition}"  # noqa: S608 - the user's own query
    try:
        return signals(wanted, kind, blocking if kind is Kind.BLOCKING else condition)
    except ValueError as error:
        raise CdcError(f"the signal is {error}. Remedy: a shorter condition") from None


def _write(connection: Connection, table: TableName, written: Sequence[tuple[str, str]]) -> None:
    statement = sql.SQL("INSERT INTO {} (id, type, data) VALUES (%s, %s, %s)")
    with explained(f"cannot write to {table}", _REMEDIES), connection.cursor() as cursor:
        cursor.executemany(
            statement.format(table.identifier), [(id_, SIGNAL_TYPE, data) for id_, data in written]
        )


_REMEDIES = {
    "42501": "pulumi up --refresh, which grants INSERT to the connector's role again",
    "42P01": "pulumi up, which makes the table again",
}


def _told(
    written: Sequence[tuple[str, str]],
    table: TableName,
    wanted: Sequence[TableName],
    *,
    dry_run: bool,
) -> Iterator[str]:
    verb = "would write" if dry_run else "wrote"
    count = "1 signal" if len(written) == 1 else f"{len(written)} signals"
    yield f"{verb} {count} to {table}, for {listed(wanted)}"
    for id_, data in written:
        yield f"{id_} {data}"


def _notes(connection: Connection, form: Form, wanted: Sequence[TableName]) -> Iterator[str]:
    if rows(connection, _ACTIVE, form.slot) != [True]:
        yield f"note: nobody reads slot {form.slot}; the snapshot begins once the connector does"
    odd = [table for table in wanted if not is_plain(table)]
    if odd:
        yield (
            f"note: {listed(odd)}: Debezium may not find a name with dots or quotes in an "
            "incremental snapshot; look at the connector's log"
        )
