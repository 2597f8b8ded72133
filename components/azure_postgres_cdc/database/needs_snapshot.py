"""Tables whose earlier rows never arrived, and how that is settled.

A publication passes on changes. The rows that a table had before it was added to a publication that
is being read never arrive by themselves: the connector's initial snapshot is over. Such a table
needs a snapshot, until one was signalled or somebody acknowledges that none is needed.

What is kept is a plain mapping: the table, as SQL shows it, and the transaction that began to
publish it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from azure_postgres_cdc.acknowledge import snapshot_of, snapshot_of_all
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.errors import explained
from azure_postgres_cdc.names import SIGNAL_TABLE, TableName, listed, quoted

Needs = Mapping[str, int]
Signals = list[tuple[int, str]]
"""The transaction that wrote each signal, and its `data`."""

# Both counters, because xmin has 32 bits only.
_SIGNALS = """
SELECT xmin::text::bigint, txid_snapshot_xmax(txid_current_snapshot()), data
FROM {} WHERE type = 'execute-snapshot' AND data IS NOT NULL
"""
_ESCAPED_OR_PLAIN = re.compile(r"(?:[^\\^$|?*+()\[\]{}]|\\[^A-Za-z0-9])*")
_QUOTED = re.compile(r"\\Q(.*?)(?:\\E|$)", re.DOTALL)


def newly_published(
    captured: Iterable[TableName], known: Definition, found: Definition, wanted: Definition
) -> set[TableName]:
    """Captured tables of which changes begin to be published that were not published so far.

    `known`: what was published by the last `up`. A table that somebody else has added since, or
    that an `up` has added that was killed, is new too.
    """
    if set(wanted.publish) - set(found.publish):
        return set(captured)
    return {
        table
        for table in captured
        if table not in found
        or (table in wanted.tables and table not in known)
        or _is_widened(table, found, wanted)
    }


def _is_widened(table: TableName, found: Definition, wanted: Definition) -> bool:
    """Whether columns or rows are to be published that have not been."""
    columns, row_filter = found.columns.get(table), found.filters.get(table)
    wanted_columns = wanted.columns.get(table)
    more_columns = columns and not (wanted_columns and set(wanted_columns) <= set(columns))
    return bool(more_columns) or bool(row_filter and row_filter != wanted.filters.get(table))


def still_needed(
    recorded: Needs, new: Iterable[TableName], captured: Collection[TableName], signals: Signals
) -> list[TableName]:
    """What needs a snapshot now: recorded and neither signalled since nor let go of, or new."""
    since = {TableName.parse(name): int(transaction) for name, transaction in recorded.items()}
    done = signalled(since, signals)
    return sorted({*new, *(table for table in since if table in captured and table not in done)})


def without_acknowledged(
    needed: Iterable[TableName], publication: str, words: Collection[str]
) -> list[TableName]:
    """Those that nobody has acknowledged."""
    if snapshot_of_all(publication) in words:
        return []
    return [table for table in needed if snapshot_of(table) not in words]


def recorded_from(recorded: Needs, needed: Iterable[str], transaction: int) -> dict[str, int]:
    """The record once this transaction has begun to publish what is new in it."""
    return {name: int(recorded.get(name, transaction)) for name in needed}


def signalled(since: Mapping[TableName, int], signals: Signals) -> set[TableName]:
    """The tables of which a snapshot was asked for after the given transaction."""
    literal: dict[str, int] = {}
    patterns: list[tuple[int, re.Pattern[str]]] = []
    for transaction, data in signals:
        for entry in _collections(data):
            if _ESCAPED_OR_PLAIN.fullmatch(entry):
                name = re.sub(r"\\(.)", r"\1", entry)
                literal[name] = max(transaction, literal.get(name, 0))
            elif pattern := _compiled(entry):
                patterns.append((transaction, pattern))
    return {
        table
        for table, start in since.items()
        if max(literal.get(table.plain, 0), literal.get(str(table), 0)) > start
        or any(
            transaction > start and pattern.fullmatch(table.plain)
            for transaction, pattern in patterns
        )
    }


def _collections(data: str) -> list[str]:
    """What a signal names; nothing where it is malformed, or asks for some of the rows only."""
    try:
        found: Any = json.loads(data)
    except ValueError:
        return []
    if not isinstance(found, dict):
        return []
    if found.get("additional-conditions") or found.get("additional-condition"):
        return []
    names = found.get("data-collections")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _compiled(entry: str) -> re.Pattern[str] | None:
    """A regular expression of Java's, which Debezium matches against the whole name."""
    try:
        return re.compile(_QUOTED.sub(lambda match: re.escape(match[1]), entry))
    except re.error:
        return None


def full_transaction_id(xmin: int, now: int) -> int:
    """A transaction's 64-bit number from its low 32 bits; `now` is a number not far from it."""
    found = (now >> 32 << 32) | xmin
    if found > now + (1 << 31):
        return found - (1 << 32)
    return found + (1 << 32) if found < now - (1 << 31) else found


def read_signals(connection: Connection, own_tables: Iterable[TableName]) -> Signals:
    """Every request for a snapshot in the signal table, if the connector has one."""
    signals: Signals = []
    for table in own_tables:
        if table.name == SIGNAL_TABLE and rows(connection, "SELECT to_regclass(%s)", str(table))[0]:
            with explained(f"cannot read {table}"):
                query = sql.SQL(_SIGNALS).format(table.identifier)
                found = connection.execute(query).fetchall()
            signals += [(full_transaction_id(xmin, now), data) for xmin, now, data in found]
    return signals


def warning(publication: str, needed: Collection[TableName]) -> str:
    """What every `up` says until it is settled."""
    words = snapshot_of(min(needed))
    if len(needed) > 1:
        words += f"' or '{snapshot_of_all(publication)}"
    return (
        f"publication {quoted(publication)} needs snapshot: {listed(sorted(needed))}: rows from "
        "before they were published never arrive by themselves. Remedy: snapshot them (a signal in "
        f"{SIGNAL_TABLE} is seen here); where that was done in another way or is not wanted, add "
        f"'{words}' to acknowledge"
    )
