"""Asks a connector for a snapshot of captured tables, through the signal table."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from psycopg import sql

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.snapshot_signal import (
    ID_PREFIX,
    SIGNAL_TYPE,
    WHOLE,
    is_plain,
    keyless,
    may_be_found,
    signals,
)
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted
from azure_postgres_cdc.operations.login import as_connector
from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.settings import read_tables

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
            texts = self.tables if self.file is None else _of_file(self.file)
            return sorted(set(map(TableName.parse, texts)))
        except ValueError as error:
            raise CdcError(f"{error}. Remedy: write a table as in SQL") from None


def _of_file(file: Path) -> list[str]:
    """The tables of a file. Raises a CdcError where it names none."""
    try:
        found = read_tables(file)
        reason = "" if found else f"{file} names no table"
    except UnicodeDecodeError:
        reason = f"{file} is not UTF-8 text"
    except ValueError as error:
        reason = f"{file}: {error}"
    if reason:
        raise CdcError(f"{reason}. Remedy: one table a row, as in SQL")
    return found


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
        filters = _filters(form, wanted, condition)
        if condition is not None:
            _try(connection, wanted[0], filters[wanted[0]])
        skipped = _skipped(connection, wanted, kind, filters)
        left_out = [
            f"{listed(names)}: {why}. Remedy: {_ANOTHER_WAY[why]}" for why, names in skipped.items()
        ]
        wanted = sorted(set(wanted).difference(*skipped.values()))
        if left_out and not (choice.everything and wanted):
            raise CdcError("; ".join(left_out))
        prefix = WHOLE if condition is None and filters else ID_PREFIX
        written = [(f"{prefix}{uuid.uuid4()}", item) for item in _data(wanted, kind, filters)]
        if not dry_run:
            _write(connection, table, written)
        told = [*_told(written, table, wanted, dry_run=dry_run), *_notes(connection, form)]
        return [*told, *(f"note: {line}" for line in left_out)]


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


def _filters(
    form: Form, wanted: Sequence[TableName], condition: str | None
) -> dict[TableName, str]:
    """Which rows, where it is not all: a snapshot knows nothing of the publication's filters."""
    if condition is not None and not condition.strip():
        raise CdcError(
            "--condition is empty: the whole table would be read. Remedy: leave it out where that "
            "is meant"
        )
    if condition is not None and (len(wanted) != 1 or not is_plain(wanted[0])):
        raise CdcError(
            "--condition goes with one table, whose name has only letters, digits and underscores. "
            "Remedy: one call for each table"
        )
    found: dict[TableName, str] = {}
    for table in wanted:
        parts = [part for part in (form.row_filters.get(table), condition) if part]
        if parts:
            # Debezium has conditions of its own to go with it.
            found[table] = " AND ".join(f"({part})" for part in parts)
    return found


def _skipped(
    connection: Connection, wanted: Sequence[TableName], kind: Kind, filters: Collection[TableName]
) -> dict[str, list[TableName]]:
    """What Debezium would pass over, or stop at, by the reason."""
    keys = keyless(connection, wanted) if kind is Kind.INCREMENTAL else set()
    lost = [
        name
        for name in wanted
        if name not in keys and not may_be_found(name, kind, filtered=name in filters)
    ]
    found = {_KEYLESS: sorted(keys), _LOST: lost}
    return {reason: names for reason, names in found.items() if names}


def _data(wanted: Sequence[TableName], kind: Kind, filters: Mapping[TableName, str]) -> list[str]:
    if kind is Kind.BLOCKING:  # it takes the whole query, an incremental one adds to its own
        filters = {
            table: f"SELECT * FROM {table} WHERE {where}"  # noqa: S608 - the user's own
            for table, where in filters.items()
        }
    try:
        return signals(wanted, kind, filters)
    except ValueError as error:
        raise CdcError(f"the signal is {error}. Remedy: a shorter condition") from None


def _try(connection: Connection, table: TableName, where: str) -> None:
    """Have PostgreSQL plan the connector's query, which fails on a wrong one, and runs nothing."""
    query = sql.SQL("EXPLAIN SELECT * FROM {} WHERE {}").format(table.identifier, sql.SQL(where))
    what = f"the connector could not read {table} with this --condition"
    # Binary, and so by the protocol that takes one statement only: nothing behind it is run.
    with explained(what, dict.fromkeys(_OF_A_CONDITION, "an SQL condition on its columns")):
        connection.execute(query, binary=True)


_OF_A_CONDITION = (
    *("22003", "22007", "22008", "22012", "22P02"),
    *("42501", "42601", "42702", "42703", "42704", "42725", "42803", "42804", "42846", "42883"),
    *("42P01", "42P02", "42P18", "42P20", "08P01", "0A000"),
)
"""SQLSTATEs of a value, of the syntax, or of something in it that is not there, or not allowed."""


def _write(connection: Connection, table: TableName, written: Sequence[tuple[str, str]]) -> None:
    statement = sql.SQL("INSERT INTO {} (id, type, data) VALUES (%s, %s, %s)")
    with explained(f"cannot write to {table}", _REMEDIES), connection.cursor() as cursor:
        cursor.executemany(
            statement.format(table.identifier), [(id_, SIGNAL_TYPE, data) for id_, data in written]
        )


_LOST = "Debezium finds no such name (spaces, dots, quotes; a regular expression's characters)"
_KEYLESS = "without a primary key, Debezium takes no incremental snapshot"
_ANOTHER_WAY = {
    _LOST: "the other kind of snapshot (--type), or another name for the table",
    _KEYLESS: "--type blocking, or a primary key",
}
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


def _notes(connection: Connection, form: Form) -> Iterator[str]:
    if rows(connection, _ACTIVE, form.slot) != [True]:
        yield f"note: nobody reads slot {form.slot}; the snapshot begins once the connector does"
