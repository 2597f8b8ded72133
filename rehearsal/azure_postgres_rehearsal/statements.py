"""What `pulumi up` sends to PostgreSQL, as the server itself has logged it.

Only what stayed: the statements of a transaction count when it is committed, and one that failed
does not count. Statements that only read are left out, and so are passwords.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from azure_postgres_rehearsal.embedded import EmbeddedPostgres

LOGGING = {
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_filename": "statements",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
}
"""The settings with which PostgreSQL writes a log that programs can read."""

_PATIENCE_SECONDS = 10
_SENT = re.compile(r"(?:statement|execute [^:]*|received replication command): (.*)", re.DOTALL)
_READING = re.compile(
    r"(?:SELECT|SHOW|SET|RESET|DISCARD|VALUES|TABLE|WITH|EXPLAIN|FETCH|DECLARE|CLOSE|DEALLOCATE|"
    r"IDENTIFY_SYSTEM|READ_REPLICATION_SLOT|LISTEN|UNLISTEN)\b",
    re.IGNORECASE,
)
# SELECT changes something only through one of these.
_WRITING_FUNCTION = re.compile(
    r"\bpg_(?:create_\w+_slot|drop_replication_slot|replication_slot_advance|copy_\w+_slot|"
    r"logical_emit_message|terminate_backend|cancel_backend|reload_conf|sync_replication_slots)\b",
    re.IGNORECASE,
)
_BEGIN = re.compile(r"(?:BEGIN|START TRANSACTION)\b", re.IGNORECASE)
_COMMIT = re.compile(r"(?:COMMIT|END)\b", re.IGNORECASE)
_BACK_TO = re.compile(r"ROLLBACK (?:TRANSACTION |WORK )?TO (?:SAVEPOINT )?(\S+)", re.IGNORECASE)
_ROLLBACK = re.compile(r"(?:ROLLBACK|ABORT)\b", re.IGNORECASE)
_SAVEPOINT = re.compile(r"SAVEPOINT (\S+)", re.IGNORECASE)
_RELEASE = re.compile(r"RELEASE\b", re.IGNORECASE)

_PASSWORD = re.compile(
    r"""(\bPASSWORD\s+)(?:[Ee]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\$(\w*)\$.*?\$\2\$)""",
    re.IGNORECASE | re.DOTALL,
)
_VERIFIER = re.compile(r"SCRAM-SHA-256\$[^\s']+|\bmd5[0-9a-f]{32}\b")
_HIDDEN = "'********'"


@dataclass(frozen=True)
class Statement:
    """One statement that took effect."""

    database: str
    text: str


@dataclass
class _Session:
    pending: list[tuple[str, Statement | None]] = field(default_factory=list)
    """In a transaction: savepoints by name, and statements under an empty name."""
    in_transaction: bool = False


class StatementLog:
    """The statements of one role, from `begin` on."""

    def __init__(self, postgres: EmbeddedPostgres, role: str) -> None:
        self._postgres = postgres
        self._role = role
        self._offset = 0
        self.has_begun = False

    def begin(self) -> None:
        """Have everything of the role logged from now on."""
        with self._postgres.superuser() as connection:
            for name, value in (("log_statement", "all"), ("log_replication_commands", "on")):
                connection.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(
                        sql.Identifier(self._role), sql.Identifier(name), sql.Literal(value)
                    )
                )
        self._offset = self._file.stat().st_size
        self.has_begun = True

    def statements(self, secrets: Sequence[str] = ()) -> list[Statement]:
        """What took effect, in order. `secrets` are hidden wherever they stand."""
        self._wait()
        with self._file.open("rb") as log:
            log.seek(self._offset)
            lines = log.read().decode(errors="replace").splitlines()
        entries = (json.loads(line) for line in lines)
        ours = (entry for entry in entries if self._is_ours(entry))
        return [
            Statement(found.database, redacted(found.text, secrets))
            for found in taken_effect(ours)
            if not _only_reads(found.text)
        ]

    @property
    def _file(self) -> Path:
        return self._postgres.data_dir / "log" / "statements.json"

    def _is_ours(self, entry: dict[str, Any]) -> bool:
        # The rehearsal's own connections have no name.
        return entry.get("user") == self._role and bool(entry.get("application_name"))

    def _wait(self) -> None:
        """Until everything that was logged so far is in the file."""
        mark = f"mark {uuid.uuid4()}"
        with self._postgres.superuser() as connection:
            connection.execute("SET log_statement = 'all'")
            connection.execute(sql.SQL("SELECT {}").format(sql.Literal(mark)))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while mark.encode() not in self._file.read_bytes()[self._offset :]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL wrote no log within {_PATIENCE_SECONDS} s")
            time.sleep(0.02)


def taken_effect(entries: Iterator[dict[str, Any]]) -> Iterator[Statement]:
    """The statements of a log that were neither rolled back nor refused."""
    sessions: dict[str, _Session] = {}
    done: list[tuple[str, Statement]] = []
    for entry in entries:
        key = str(entry["session_id"])
        session = sessions.setdefault(key, _Session())
        if entry["error_severity"] in ("ERROR", "FATAL"):
            _forget_last(session, key, done)
        elif match := _SENT.match(entry["message"]):
            text = match[1].strip()
            if not _is_control(session, text, key, done):
                _keep(session, Statement(entry.get("dbname", ""), text), key, done)
    return (statement for _, statement in done)


def _is_control(session: _Session, text: str, key: str, done: list[tuple[str, Statement]]) -> bool:
    """Follow the transactions of a session."""
    if _BEGIN.match(text):
        session.in_transaction, session.pending = True, []
    elif _COMMIT.match(text):
        done += [(key, statement) for _, statement in session.pending if statement]
        session.in_transaction, session.pending = False, []
    elif back := _BACK_TO.match(text):
        names = [name for name, _ in session.pending]
        if back[1] in names:
            del session.pending[len(names) - names[::-1].index(back[1]) :]
    elif _ROLLBACK.match(text):
        session.in_transaction, session.pending = False, []
    elif savepoint := _SAVEPOINT.match(text):
        session.pending.append((savepoint[1], None))
    elif not _RELEASE.match(text):
        return False
    return True


def _keep(
    session: _Session, statement: Statement, key: str, done: list[tuple[str, Statement]]
) -> None:
    if session.in_transaction:
        session.pending.append(("", statement))
    else:
        done.append((key, statement))


def _forget_last(session: _Session, key: str, done: list[tuple[str, Statement]]) -> None:
    """An error is that of the session's last statement."""
    if session.in_transaction:
        if session.pending and session.pending[-1][1]:
            session.pending.pop()
        return
    for place in range(len(done) - 1, -1, -1):
        if done[place][0] == key:
            del done[place]
            return


def redacted(text: str, secrets: Sequence[str] = ()) -> str:
    """A statement without what nobody may see."""
    text = _VERIFIER.sub("********", _PASSWORD.sub(rf"\1{_HIDDEN}", text))
    for secret in secrets:
        text = text.replace(secret, "********")
    return text


def _only_reads(text: str) -> bool:
    return bool(_READING.match(text)) and not _WRITING_FUNCTION.search(text)
