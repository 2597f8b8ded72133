"""Many tables' replica identity, changed without any application waiting behind it.

ALTER TABLE needs the table for itself, for a moment. While it waits for its turn, whoever comes
later waits behind it: so it waits shortly, and comes back. Each table has a transaction of its own;
hundreds of them travel together, because the way to the server and back is what takes the time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.membership import Loan, within_reach
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.dynamic import note
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed
from azure_postgres_cdc.progress import Pace

LOCK_TIMEOUTS = (100, 300, 1000, 2000, 2000, 2000, 2000, 2000)
"""Milliseconds for which a table's lock is waited for, in one round after the other. The later ones
are longer than PostgreSQL's deadlock_timeout (1 s), after which autovacuum makes way."""

_PAUSE_SECONDS = 2
_PATIENCE_SECONDS = 90
_TOGETHER = 200

_OWNER = "run pulumi up as the table's owner, or as a member of it"
_IDENTITIES = """
SELECT n.nspname, c.relname, CASE c.relreplident
       WHEN 'f' THEN 'FULL' WHEN 'd' THEN 'DEFAULT' WHEN 'n' THEN 'NOTHING'
       ELSE coalesce('USING INDEX ' || quote_ident(i.relname), 'NOTHING') END
FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
LEFT JOIN pg_index x ON x.indrelid = c.oid AND x.indisreplident
LEFT JOIN pg_class i ON i.oid = x.indexrelid
"""


def identities(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """What each table that is there has: FULL, DEFAULT, NOTHING or USING INDEX and a name."""
    found = rows(connection, _IDENTITIES, *tables.columns(map(TableName.parse, names)))
    return {str(TableName(schema, name)): identity for schema, name, identity in found}


def set_identities(connection: Connection, wanted: Mapping[str, str]) -> None:
    """Give each table its identity, on a connection in autocommit mode.

    A table that stays locked does not keep the others from theirs; it is named in the end.
    """
    progress = _Progress(connection.info.dbname, len(wanted))
    patience_ends = time.monotonic() + _PATIENCE_SECONDS
    left = sorted(wanted)
    statements = _statements(connection, wanted)
    for turn, lock_timeout in enumerate(LOCK_TIMEOUTS):
        if turn > 0:
            note(f"replica identity: {listed(left, 3)} locked by other sessions; trying again")
            time.sleep(_PAUSE_SECONDS)
        connection.execute(sql.SQL("SET lock_timeout = {}").format(lock_timeout))
        left = _one_round(connection, left, wanted, statements, progress)
        if not left or time.monotonic() > patience_ends:
            break
    if left:
        raise CdcError(
            f"the replica identity of {listed(left)} could not be changed: other sessions keep "
            f"the tables locked ({turn + 1} attempts). Remedy: run pulumi up again when their "
            "long transactions are over; the other tables are done"
        )


class _Progress:
    """Says how far it is, where it takes longer than somebody waits in silence."""

    def __init__(self, database: str, total: int) -> None:
        self._database, self._total, self._done = database, total, 0
        self._pace = Pace()

    def add(self, count: int) -> None:
        self._done += count
        if self._pace.is_due():
            note(
                f"database {self._database}: replica identity: {self._done:,} of "
                f"{self._total:,} tables, {self._pace.seconds:.1f} s"
            )


def _one_round(
    connection: Connection,
    names: Sequence[str],
    wanted: Mapping[str, str],
    statements: Mapping[str, sql.Composed],
    progress: _Progress,
) -> list[str]:
    """Try each table once. Those that were locked are left; one that was dropped needs nothing."""
    todo, locked = list(names), []
    while todo:
        together = todo[:_TOGETHER]
        done = len(together)
        try:
            # Several statements in one text are never prepared.
            text = sql.SQL("; ").join(statements[name] for name in together)
            connection.execute(text, prepare=False)
        except psycopg.Error as error:
            done = _done_before_the_error(connection, together, wanted)
            is_gone = isinstance(error, psycopg.errors.UndefinedTable)
            if not is_gone and not isinstance(error, psycopg.errors.LockNotAvailable):
                with explained(
                    f"cannot change the replica identity of {together[done]}", {"42501": _OWNER}
                ):
                    raise error
            locked += [] if is_gone else [together[done]]
            del todo[done]
        progress.add(done)
        del todo[:done]
    return locked


def _statements(connection: Connection, wanted: Mapping[str, str]) -> dict[str, sql.Composed]:
    """A transaction for each table; membership in an owner that is within reach is taken in it."""
    reach = within_reach(connection)
    described = tables.describe(connection, map(TableName.parse, wanted))
    loans = {str(item.name): reach.get(item.owner) for item in described if not item.is_ours}
    return {
        name: _transaction(name, identity, loans.get(name)) for name, identity in wanted.items()
    }


def _transaction(name: str, identity: str, loan: Loan | None) -> sql.Composed:
    """FULL, DEFAULT, NOTHING or USING INDEX with a name that quote_ident has quoted."""
    alter = sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(
        TableName.parse(name).identifier, sql.SQL(identity)
    )
    steps = [loan.take, alter, loan.give_back] if loan else [alter]
    return sql.SQL("; ").join([sql.SQL("BEGIN"), *steps, sql.SQL("COMMIT")])


def _done_before_the_error(
    connection: Connection, names: Sequence[str], wanted: Mapping[str, str]
) -> int:
    """PostgreSQL does not say at which of several statements it stopped; the catalog does."""
    connection.rollback()
    found = identities(connection, names)
    different = (number for number, name in enumerate(names) if found.get(name) != wanted[name])
    return next(different, len(names) - 1)
