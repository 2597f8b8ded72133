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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.acknowledge import snapshot_of, snapshot_of_all
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.database.snapshot_signal import (
    BLOCKING,
    WHOLE,
    in_quotes,
    keyless,
    needs_quotes,
)
from azure_postgres_cdc.database.tables import columns
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.errors import explained
from azure_postgres_cdc.names import SIGNAL_TABLE, TableName, listed, quoted

Needs = Mapping[str, int]


@dataclass(frozen=True)
class Signals:
    """Every request for a snapshot in the signal table."""

    asked: Sequence[tuple[int, str]] = ()
    """The transaction that wrote each signal, and its `data`."""
    keyless: Collection[TableName] = ()
    """The tables that an incremental snapshot skips."""


# The connector of a slot that nobody has read so far has its first snapshot still to come. Before
# PostgreSQL 14 nobody counts.
_WAS_READ = """
SELECT s.active OR {counted} FROM pg_replication_slots s
WHERE s.slot_name = %s AND s.database = current_database()
"""
_COUNTED = """
coalesce((SELECT total_txns > 0 FROM pg_stat_replication_slots t
          WHERE t.slot_name = s.slot_name), false)
"""
_ATTACHED = """
SELECT DISTINCT n.nspname, r.relname
FROM unnest(%s::text[], %s::text[]) AS published(schema, name)
JOIN pg_namespace m ON m.nspname = published.schema
JOIN pg_class c ON c.relnamespace = m.oid AND c.relname = published.name AND c.relispartition
JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE EXISTS (SELECT FROM pg_partition_tree(c.oid) t WHERE pg_relation_size(t.relid) > 0)
"""
_GENERATED = """
SELECT DISTINCT n.nspname, c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attgenerated = 's' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
"""
# Both counters, because xmin has 32 bits only.
_SIGNALS = """
SELECT xmin::text::bigint, txid_snapshot_xmax(txid_current_snapshot()), data, coalesce(id::text, '')
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
    published, row_filter = found.columns.get(table), found.filters.get(table)
    wanted_columns = wanted.columns.get(table)
    more_columns = published and not (wanted_columns and set(wanted_columns) <= set(published))
    return bool(more_columns) or bool(row_filter and row_filter != wanted.filters.get(table))


def newly_complete(
    connection: Connection, known: Definition, found: Definition, wanted: Definition
) -> set[TableName]:
    """Published tables that have more in them from now on than their changes have told.

    Roots to which a table was attached whose rows arrived under its own name; and tables whose
    generated columns begin to be published.
    """
    new: set[TableName] = set()
    left = known.tables & found.tables - wanted.tables if wanted.via_partition_root else None
    if left and capabilities.has("pg_partition_root", connection.info.server_version):
        new.update(TableName(*row) for row in rows(connection, _ATTACHED, *columns(left)))
    if wanted.generated_columns != "none" and found.generated_columns == "none":
        generated = {TableName(*row) for row in rows(connection, _GENERATED)}
        new |= generated.difference(wanted.columns)
    return {table for table in new if table in wanted}


def unseen_by_slot(
    connection: Connection, slot: str, captured: Collection[TableName]
) -> set[TableName]:
    """The captured tables, where a publication is made after the slot that passes it on.

    What was changed before is not in it, and the connector that has read the slot takes no other
    first snapshot.
    """
    known = capabilities.has("slot statistics", connection.info.server_version)
    query = _WAS_READ.format(counted=_COUNTED if known else "true")
    return set(captured) if any(rows(connection, query, slot)) else set()


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


def recorded_from(
    recorded: Needs, needed: Iterable[str], transaction: int, signals: Signals
) -> dict[str, int]:
    """The record once this transaction has begun to publish what is new in it.

    What was signalled before, and is needed all the same, is needed from now on.
    """
    since = {TableName.parse(name): int(number) for name, number in recorded.items()}
    done = set(map(str, signalled(since, signals)))
    return {
        name: transaction if name in done else int(recorded.get(name, transaction))
        for name in needed
    }


def signalled(since: Mapping[TableName, int], signals: Signals) -> set[TableName]:
    """The tables of which a snapshot was asked for after the given transaction.

    Asked for in words under which Debezium finds them.
    """
    literal: dict[tuple[str, bool], int] = {}
    patterns: list[tuple[int, re.Pattern[str], bool]] = []
    for transaction, data in signals.asked:
        names, blocking = _collections(data)
        for entry in names:
            if _ESCAPED_OR_PLAIN.fullmatch(entry):
                key = re.sub(r"\\(.)", r"\1", entry), blocking
                literal[key] = max(transaction, literal.get(key, 0))
            elif pattern := _compiled(entry):
                patterns.append((transaction, pattern, blocking))
    return {
        table
        for table, start in since.items()
        if max(literal.get(words, 0) for words in _words_for(table, signals)) > start
        or any(
            transaction > start
            and (blocking or not (needs_quotes(table) or table in signals.keyless))
            and pattern.fullmatch(table.plain)
            for transaction, pattern, blocking in patterns
        )
    }


def _words_for(table: TableName, signals: Signals) -> Iterator[tuple[str, bool]]:
    """What means the table in a signal, and whether in one for a blocking snapshot."""
    yield in_quotes(table), True
    yield table.plain, True
    if table in signals.keyless:
        return
    yield in_quotes(table), False
    yield str(table), False
    if not needs_quotes(table):
        yield table.plain, False


def _collections(data: str) -> tuple[list[str], bool]:
    """What a signal names, and whether for a blocking snapshot; nothing where it is malformed, or
    asks for some of the rows only."""
    try:
        found: Any = json.loads(data)
    except ValueError:
        return [], False
    if not isinstance(found, dict):
        return [], False
    if found.get("additional-conditions") or found.get("additional-condition"):
        return [], False
    names = found.get("data-collections")
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return texts, str(found.get("type")).lower() == BLOCKING


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


def read_signals(
    connection: Connection, own_tables: Iterable[TableName], recorded: Needs
) -> Signals:
    """What the connector was asked for, if it has a signal table and something is recorded."""
    signals: list[tuple[int, str]] = []
    if not recorded:
        return Signals()
    for table in own_tables:
        if table.name == SIGNAL_TABLE and rows(connection, "SELECT to_regclass(%s)", str(table))[0]:
            with explained(f"cannot read {table}"):
                query = sql.SQL(_SIGNALS).format(table.identifier)
                found = connection.execute(query).fetchall()
            signals += [
                (full_transaction_id(xmin, now), _whole(data) if id_.startswith(WHOLE) else data)
                for xmin, now, data, id_ in found
            ]
    return Signals(signals, keyless(connection, map(TableName.parse, recorded)))


def _whole(data: str) -> str:
    """Without the conditions, which are those of the publication."""
    try:
        found: Any = json.loads(data)
    except ValueError:
        return data
    return json.dumps(found | {"additional-conditions": []}) if isinstance(found, dict) else data


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
