"""What was last seen of a connector's slot, kept in the database and not in Pulumi's state.

It has to be written down by every `up` and by the doctor, also when nothing is to be changed, and
it must not be forgotten with a state. It is a line of JSON in the comment of the publication:
there with every kind of snapshot, no table that might be captured by mistake, dumped, restored and
upgraded with the database. Whatever else the comment says stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from azure_postgres_cdc.database import publication_mark
from azure_postgres_cdc.database.connection import LOCK_TIMEOUT_SECONDS, Connection, rows
from azure_postgres_cdc.database.continuity import Sighting, lsn
from azure_postgres_cdc.database.publication_mark import Mark
from azure_postgres_cdc.driver import sql

MARK = "azure-postgres-cdc: "
"""What a publication's record begins with, in its comment."""

_COMMENTS = """
SELECT pubname, obj_description(oid, 'pg_publication') FROM pg_publication
WHERE obj_description(oid, 'pg_publication') IS NOT NULL ORDER BY 1
"""
_MAY_WRITE = "SELECT pg_has_role(pubowner, 'USAGE') FROM pg_publication WHERE pubname = %s"
_LOCK = """
SET LOCAL lock_timeout = {}; SELECT pg_advisory_xact_lock(hashtext('azure-postgres-cdc'))
"""


@dataclass(frozen=True)
class Doubt:
    """Continuity that could not be proved, until somebody acknowledges it."""

    position: str
    """The last position before it: what `acknowledgeLostSlot` names."""
    seen_at: str
    reason: str

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Doubt:
        """From plain values. Raises ValueError, TypeError or AttributeError for anything else."""
        found = cls(**values)
        lsn(found.position)
        return found


@dataclass(frozen=True)
class Ledger:
    """What is known of one publication's slot."""

    last: Sighting | None = None
    doubt: Doubt | None = None
    needs_snapshot: dict[str, int] = field(default_factory=dict)
    """Tables whose earlier rows never arrived, and the transaction that began to publish each."""
    stack: str = ""
    """Whose connector it is: another stack may capture the same database."""
    database: str = ""
    """The database's name when it was written: a renamed or copied one takes the record along."""
    acknowledged: str = ""
    """The position by which a doubt was acknowledged last: good for that doubt, and no other."""
    left: Mark | None = None
    """The publication as the last `up` that has altered it left it."""


def read(connection: Connection, publication: str) -> Ledger:
    """A publication's record; an empty one where there is none."""
    for name, comment in rows(connection, _COMMENTS):
        if name == publication:
            return parsed(comment)
    return Ledger()


def read_all(connection: Connection) -> dict[str, Ledger]:
    """The record of every publication of the database."""
    return {name: parsed(comment) for name, comment in rows(connection, _COMMENTS)}


def write(connection: Connection, publication: str, ledger: Ledger) -> None:
    """Keep a record; an empty one leaves no trace.

    Needs the publication's ownership, and waits for its lock as long as every other change does.
    """
    with _alone(connection) as comments:
        _write(connection, publication, ledger, comments)


def write_again(connection: Connection, publication: str) -> None:
    """The record as it is, which leaves a trace also where there is none."""
    with _alone(connection) as comments:
        ledger = parsed(comments.get(publication, ""))
        _write(connection, publication, ledger, comments, mark=True)


def write_seen(connection: Connection, publication: str, ledger: Ledger) -> None:
    """As `write`, but for what the publication's own resource writes, maybe since that was read."""
    with _alone(connection) as comments:
        now = parsed(comments.get(publication, ""))
        left = _left(connection, publication, now) if ledger.last else None
        kept = replace(ledger, needs_snapshot=now.needs_snapshot, left=left)
        _write(connection, publication, kept, comments)


def _left(connection: Connection, publication: str, now: Ledger) -> Mark | None:
    """One that an earlier version has made, or that was made anew, is watched from now on."""
    mark = publication_mark.find(connection, publication)
    known = now.left and mark and now.left.publication == mark.publication
    return now.left if known else mark


def lock(connection: Connection) -> None:
    """Whoever reads a record to write it anew is alone with it until the transaction is over.

    To be asked for before anything else is locked, so that two never wait for each other.
    """
    # Somebody else's open transaction may keep the publication itself, for hours.
    timeout = sql.Literal(f"{LOCK_TIMEOUT_SECONDS}s")
    connection.execute(sql.SQL(_LOCK).format(timeout))


@contextmanager
def _alone(connection: Connection) -> Iterator[Mapping[str, str]]:
    """Every publication's comment, which nobody else writes meanwhile."""
    with connection.transaction():
        lock(connection)
        yield dict(rows(connection, _COMMENTS))


def _write(
    connection: Connection,
    publication: str,
    ledger: Ledger,
    comments: Mapping[str, str],
    *,
    mark: bool = False,
) -> None:
    text = text_of(ledger, comments.get(publication, ""), mark=mark)
    value = sql.Literal(text) if text else sql.SQL("NULL")
    statement = sql.SQL("COMMENT ON PUBLICATION {} IS {}")
    connection.execute(statement.format(sql.Identifier(publication), value))


def may_write(connection: Connection, publication: str) -> bool:
    """Whether this user may keep a record with a publication that is there."""
    return any(rows(connection, _MAY_WRITE, publication))


def text_of(ledger: Ledger, comment: str, *, mark: bool = False) -> str:
    """A comment with this record in it."""
    lines = list(_foreign(comment))
    if mark or ledger != Ledger():
        lines.append(MARK + json.dumps(_values(ledger), separators=(",", ":")))
    return "\n".join(lines)


def _foreign(comment: str) -> Iterator[str]:
    """What somebody else has written into the comment."""
    return (line for line in comment.splitlines() if not line.startswith(MARK))


def _values(ledger: Ledger) -> dict[str, Any]:
    found = {
        "last": ledger.last and ledger.last.recorded(),
        "doubt": ledger.doubt and vars(ledger.doubt),
        "needsSnapshot": ledger.needs_snapshot,
        "stack": ledger.stack,
        "database": ledger.database,
        "acknowledged": ledger.acknowledged,
        "left": ledger.left,
    }
    return {key: value for key, value in found.items() if value}


def parsed(comment: str) -> Ledger:
    """The record in a comment; an empty one where there is none."""
    for line in comment.splitlines():
        if line.startswith(MARK):
            try:
                found = json.loads(line.removeprefix(MARK))
                return Ledger(
                    last=Sighting.of(found["last"]) if "last" in found else None,
                    doubt=Doubt.of(found["doubt"]) if "doubt" in found else None,
                    needs_snapshot={
                        str(table): int(transaction)
                        for table, transaction in found.get("needsSnapshot", {}).items()
                    },
                    stack=str(found.get("stack", "")),
                    database=str(found.get("database", "")),
                    acknowledged=str(found.get("acknowledged", "")),
                    left=Mark(*map(int, found["left"])) if "left" in found else None,
                )
            except (ValueError, TypeError, AttributeError):
                break  # somebody has edited it: what it said is not known any more
    return Ledger()
