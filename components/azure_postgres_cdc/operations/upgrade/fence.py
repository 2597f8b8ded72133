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
_WRITABLE = f"SET {_SETTING} = off"
_END_SECONDS = 10
_CLOSING_SECONDS = 0.5
_HIDDEN = "connected ? UTC"

# Whatever DateStyle and time zone the server has when it is read again.
_NOW = """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_SET_FOR_DATABASE = """
SELECT split_part(setting, '=', 2)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) setting
WHERE d.datname = current_database() AND s.setrole = 0 AND setting LIKE %s
"""
# In any spelling: the catalog keeps `false` and `0` as they were given.
_ROLES_WITH_ANOTHER = """
SELECT DISTINCT pg_get_userbyid(s.setrole)
FROM pg_db_role_setting s, unnest(setconfig) setting
WHERE s.setrole <> 0 AND split_part(setting, '=', 1) = %s
  AND NOT split_part(setting, '=', 2)::boolean
  AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
# A row gets into a published partition by way of what it is a part of, and the other way round.
# The beginning of the two queries that follow.
_TABLES = """
WITH RECURSIVE published AS (
    SELECT c.oid FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
    WHERE p.pubname = ANY(%(publications)s)),
above AS (
    SELECT oid FROM published
    UNION SELECT i.inhparent FROM pg_inherits i JOIN above a ON a.oid = i.inhrelid),
below AS (
    SELECT oid FROM published
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON b.oid = i.inhparent),
tables AS (SELECT oid FROM above UNION SELECT oid FROM below)
"""
# What applies its changes minds no read-only database, and comes back when it is ended. The view,
# because the catalog does not show everybody its oid.
_SUBSCRIPTIONS = """
SELECT DISTINCT s.subname
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
JOIN pg_stat_subscription v ON v.subname = s.subname
JOIN pg_subscription_rel r ON r.srsubid = v.subid JOIN tables t ON t.oid = r.srrelid
WHERE s.subenabled ORDER BY 1
"""
# A session may take every role that its user is a member of, and columns have grants of their own.
#
# Whoever may not see what kind of backend another one is counts it as a client, and one that is
# older than the fence where its beginning is hidden. azuresu is the platform's own superuser;
# walsenders read.
_WRITERS = """,
writing (role) AS (
    SELECT c.relowner FROM pg_class c JOIN tables t ON t.oid = c.oid
    UNION SELECT acl.grantee
    FROM pg_class c JOIN tables t ON t.oid = c.oid, aclexplode(c.relacl) acl
    WHERE acl.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    UNION SELECT acl.grantee
    FROM pg_attribute a JOIN tables t ON t.oid = a.attrelid, aclexplode(a.attacl) acl
    WHERE acl.privilege_type IN ('INSERT', 'UPDATE')
    UNION SELECT oid FROM pg_roles WHERE rolname = 'pg_write_all_data')
SELECT a.pid, format('%%s (%%s%%s, connected %%s UTC)', a.pid, a.usename,
       coalesce(', ' || nullif(a.application_name, ''), ''),
       coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), '?'))
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND coalesce(a.backend_type, 'client backend')
      NOT IN ('walsender', 'autovacuum worker', 'parallel worker', 'slotsync worker')
  AND a.usename NOT IN ('azuresu') AND a.usename <> ALL(%(connectors)s)
  AND NOT (a.usename = current_user AND a.application_name = 'azure-postgres-cdc')
  AND (%(since)s = '' OR coalesce(a.backend_start < nullif(%(since)s, '')::timestamptz, true))
  AND EXISTS (SELECT FROM writing w
              WHERE w.role = 0 OR pg_has_role(a.usesysid, w.role, 'MEMBER'))
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
            roles = rows(connection, _ROLES_WITH_ANOTHER, _SETTING)
            if roles:
                return (
                    f"{where}: {_SETTING} is off for {listed(map(quoted, roles))}. Remedy: "
                    f"{_WRITABLE}; ALTER ROLE ... RESET {_SETTING} (IN DATABASE, where it was set "
                    "so)"
                )
        prepared = rows(connection, _PREPARED)
        if prepared:
            return (
                f"{where}: prepared transactions {listed(prepared)}. Remedy: COMMIT PREPARED or "
                "ROLLBACK PREPARED"
            )
        query = sql.SQL(_TABLES) + sql.SQL(_SUBSCRIPTIONS)
        found = connection.execute(query, _publications(run, database)).fetchall()
        if found:
            names = listed(quoted(name) for (name,) in found)
            return (
                f"{where}: subscription {names} writes to published tables. Remedy: {_WRITABLE}; "
                "ALTER SUBSCRIPTION ... DISABLE, and ENABLE once the upgrade is over"
            )
        writers = _writers_left(run, connection, database, _CLOSING_SECONDS)
    if not writers:
        return ""
    shown = listed(text for _, text in writers)
    remedy = "stop what they belong to, or end them with --terminate"
    if run.state.read_only_database and any(_HIDDEN in text for _, text in writers):
        remedy += (
            "; and GRANT pg_read_all_stats TO the administrator, who does not see which of them "
            "are younger than the fence"
        )
    return f"{where}: these sessions can still write: {shown}. Remedy: {remedy}"


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


def is_read_only(run: Upgrade, database: str) -> bool:
    """Whether new sessions are, whoever has set it so."""
    with run.connect(database) as connection:
        return bool(rows(connection, "SELECT coalesce(%s, 'off')::boolean", _set_to(connection))[0])


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
        record.fenced_at = rows(connection, _NOW)[0]
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
        "since": since,
        **_publications(run, database),
    }
    query = sql.SQL(_TABLES) + sql.SQL(_WRITERS)
    return list(connection.execute(query, parameters).fetchall())


def _publications(run: Upgrade, database: str) -> dict[str, list[str]]:
    return {"publications": [form.publication for form in run.forms_in(database)]}


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
