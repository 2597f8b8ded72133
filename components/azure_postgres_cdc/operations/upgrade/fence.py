"""The fence: nobody writes any more. Optionally the database refuses new sessions' writes.

default_transaction_read_only reaches new sessions only, and only as a default. So a session that
is older, and may write to a published table, counts as a hole.
"""

from __future__ import annotations

import time

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import listed, quoted
from azure_postgres_cdc.operations.upgrade.context import Upgrade

_SETTING = "default_transaction_read_only"
_END_SECONDS = 10
_CLOSING_SECONDS = 0.5

_SET_FOR_DATABASE = """
SELECT split_part(setting, '=', 2)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) setting
WHERE d.datname = current_database() AND s.setrole = 0 AND setting LIKE %s
"""
_ROLES_WITH_ANOTHER = """
SELECT DISTINCT pg_get_userbyid(s.setrole)
FROM pg_db_role_setting s, unnest(setconfig) setting
WHERE s.setrole <> 0 AND setting = %s
  AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
# Whoever may not see what kind of backend another one is counts it as a client. azuresu is the
# platform's own superuser; walsenders read.
_WRITERS = """
SELECT a.pid, format('%%s (%%s%%s, connected %%s UTC)', a.pid, a.usename,
       coalesce(', ' || nullif(a.application_name, ''), ''),
       coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), '?'))
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND coalesce(a.backend_type, 'client backend')
      NOT IN ('walsender', 'autovacuum worker', 'parallel worker', 'slotsync worker')
  AND a.usename NOT IN ('azuresu') AND a.usename <> ALL(%(connectors)s)
  AND NOT (a.usename = current_user AND a.application_name = 'azure-postgres-cdc')
  AND (%(since)s = '' OR a.backend_start < nullif(%(since)s, '')::timestamptz)
  AND EXISTS (
      SELECT FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
      WHERE p.pubname = ANY(%(publications)s)
        AND (pg_has_role(a.usesysid, c.relowner, 'MEMBER')
             OR has_table_privilege(a.usesysid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')))
ORDER BY 1
"""
_PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY 1"


class Fence:
    """Nobody can write to a published table, as far as that can be seen."""

    name = "fence"

    def is_true(self, run: Upgrade) -> bool:
        return all(not hole_of(run, database) for database in run.databases)

    def make_true(self, run: Upgrade) -> None:
        for database in run.databases:
            if run.state.read_only_database:
                _set_read_only(run, database)
            if run.terminate:
                _end_writers(run, database)
        holes = [hole for database in run.databases if (hole := hole_of(run, database))]
        if holes:
            raise CdcError("; ".join(holes))

    def evidence(self, run: Upgrade) -> str:
        names = listed(quoted(database) for database in run.databases)
        how = (
            "is read-only for new sessions, and no older one"
            if run.state.read_only_database
            else ("has no session that")
        )
        return f"database {names} {how} can write to a published table"


def hole_of(run: Upgrade, database: str) -> str:
    """Who can still write, in a line with the remedy; empty where nobody can."""
    where = f"database {quoted(database)} is not fenced"
    with run.connect(database) as connection:
        if run.state.read_only_database:
            if not run.state.database(database).fenced_at or _set_to(connection) != "on":
                return f"{where}: new sessions may write. Remedy: azure-postgres-cdc upgrade run"
            roles = rows(connection, _ROLES_WITH_ANOTHER, f"{_SETTING}=off")
            if roles:
                return (
                    f"{where}: {_SETTING} is off for {listed(map(quoted, roles))}. Remedy: ALTER "
                    f"ROLE ... RESET {_SETTING} (IN DATABASE, where it was set so)"
                )
        prepared = rows(connection, _PREPARED)
        if prepared:
            return (
                f"{where}: prepared transactions {listed(prepared)}. Remedy: COMMIT PREPARED or "
                "ROLLBACK PREPARED"
            )
        writers = _writers_left(run, connection, database, _CLOSING_SECONDS)
    if not writers:
        return ""
    shown = listed(text for _, text in writers)
    return (
        f"{where}: these sessions can still write: {shown}. Remedy: stop what they belong to, or "
        "end them with --terminate"
    )


def lift(run: Upgrade, database: str) -> None:
    """Give the database back what it was set to before."""
    record = run.state.database(database)
    if not record.is_to_give_back:
        return
    name = sql.Identifier(database)
    before = record.read_only_before
    with run.connect(database) as connection, explained(f"cannot lift the fence of {database}"):
        if before is None:
            statement = sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only")
        else:
            statement = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        connection.execute(statement.format(name, sql.Literal(before)))


def is_lifted(run: Upgrade, database: str) -> bool:
    """Whether it is set to what it was before."""
    record = run.state.database(database)
    if not record.is_to_give_back:
        return True
    with run.connect(database) as connection:
        return _set_to(connection) == record.read_only_before


def _set_read_only(run: Upgrade, database: str) -> None:
    record = run.state.database(database)
    with run.connect(database) as connection:
        found = _set_to(connection)
        if found == "on" and record.fenced_at:
            return
        if not record.is_to_give_back:
            record.read_only_before, record.is_to_give_back = found, True
            run.save()
        with explained(
            f"cannot set {_SETTING} for database {quoted(database)}",
            {"42501": "as the database's owner, or without --read-only-database"},
        ):
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(
                    sql.Identifier(database)
                )
            )
        record.fenced_at = rows(connection, "SELECT clock_timestamp()::text")[0]
        run.save()
    run.say(f"fence: database {quoted(database)} is read-only for new sessions")


def _set_to(connection: Connection) -> str | None:
    found = rows(connection, _SET_FOR_DATABASE, f"{_SETTING}=%")
    return found[0] if found else None


def _writers(run: Upgrade, connection: Connection, database: str) -> list[tuple[int, str]]:
    forms = run.forms_in(database)
    since = run.state.database(database).fenced_at if run.state.read_only_database else ""
    parameters = {
        "connectors": [form.username for form in forms],
        "publications": [form.publication for form in forms],
        "since": since,
    }
    return list(connection.execute(_WRITERS, parameters).fetchall())


def _end_writers(run: Upgrade, database: str) -> None:
    with run.connect(database) as connection:
        for pid, text in _writers(run, connection, database):
            remedy = {"42501": "let the administrator have pg_signal_backend, or stop it yourself"}
            with explained(f"cannot end session {text}", remedy):
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
            run.say(f"fence: ended session {text}")
        _writers_left(run, connection, database, _END_SECONDS)


def _writers_left(
    run: Upgrade, connection: Connection, database: str, seconds: float
) -> list[tuple[int, str]]:
    """Those that do not end within a moment: a session outlives its client a little."""
    deadline = time.monotonic() + seconds
    while (found := _writers(run, connection, database)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
