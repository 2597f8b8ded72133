"""Whose the group roles are, and what they hold while one takes another's place.

New rights come before old ones go. Pulumi changes a login's membership long before the databases'
grants, and deletes last of all what is no longer declared. So a new group role is a member of the
one that it replaces until that is dropped, and the membership in pg_read_all_data is a resource of
its own: made before the grants that it replaces are revoked, gone after those that replace it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc import running_stack
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.dynamic import CdcProvider, ConvergingProvider, Props, warn
from azure_postgres_cdc.errors import ROLE_IS_GONE, CdcError, explained
from azure_postgres_cdc.names import quoted

READ_ALL_DATA = "pg_read_all_data"
_MARK = "azure-postgres-cdc: of stack "
_ON = " on "

_COMMENTS = """
SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ANY(%s)
"""
# A login has no mark of its own: it is its group role's.
_MARKED = """
SELECT r.rolname, g.rolname, substr(shobj_description(g.oid, 'pg_authid'), length(%s) + 1)
FROM pg_roles r JOIN pg_roles g ON g.oid = r.oid
    OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = g.oid)
WHERE r.rolname = ANY(%s) AND shobj_description(g.oid, 'pg_authid') LIKE %s
ORDER BY 1, 2
"""
_MAY_GO = """
SELECT DISTINCT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
JOIN pg_roles r ON r.oid = m.member
WHERE r.rolname = %s AND (g.rolname = %s OR shobj_description(g.oid, 'pg_authid') LIKE %s)
ORDER BY 1
"""
_GRANTORS = """
SELECT pg_get_userbyid(m.grantor) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
WHERE m.roleid = %s::regrole AND r.rolname = %s ORDER BY 1
"""


@contextmanager
def without_what_goes(connection: Connection, role: str) -> Iterator[None]:
    """Meanwhile, a group role has nothing of what it may lose at the end of this `up`: of another
    group role, and of pg_read_all_data. Rolled back afterwards."""
    with connection.transaction(force_rollback=True):
        for group in rows(connection, _MAY_GO, role, READ_ALL_DATA, f"{_MARK}%"):
            names = map(sql.Identifier, (group, role))
            with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(sql.SQL("REVOKE {} FROM {}").format(*names))
        yield


def refuse_other_stacks(
    connection: Connection,
    names: Iterable[str],
    new: Container[str],
    mine: Container[str | None],
) -> None:
    """Two stacks would each give a login its own password, and drop the role of both.

    `new`: those of the roles that this stack does not know yet; of others it only warns. `mine`:
    the names under which this stack is known.
    """
    here = _server(connection)
    found = rows(connection, _MARKED, _MARK, list(names), f"{_MARK}%")
    marks = [(role, group, *mark.partition(_ON)[::2]) for role, group, mark in found]
    # A restored server, and a replica that was promoted, have the marks of the one they come from.
    others = [
        (*row, stack) for *row, stack, server in marks if server == here and stack not in mine
    ]
    for role, group, stack in others:
        if role in new:
            word = f"COMMENT ON ROLE {quoted(group)} IS NULL"
            line = _of_another_stack(role, group, stack)
            line += f"; or, where that stack is gone, run {word}, and pulumi up again"
            raise CdcError(line)
    warn(_of_another_stack(*row) for row in others)


def _of_another_stack(role: str, group: str, stack: str) -> str:
    said = "" if role == group else f", as its group role {quoted(group)} says"
    return (
        f"the role {quoted(role)} is that of stack {stack}{said}: each stack would give its "
        "login another password, and the first that is destroyed drop it. Remedy: choose other "
        "names in one of them (server.user, server.role)"
    )


class GroupRolesProvider(CdcProvider):
    """Marks the group roles as the stack's, and hands one role's rights on to the next."""

    def make(self, props: Props) -> Props:
        with connect(props["connection"], props["database"]) as connection:
            _mark(connection, props)
        return props

    def change(self, olds: Props, news: Props) -> Props:
        with (
            connect(news["connection"], news["database"]) as connection,
            explained("cannot hand a group role's rights on", ROLE_IS_GONE),
        ):
            for old, new in _successions(olds["memberships"], news["memberships"]):
                if rows(connection, "SELECT FROM pg_roles WHERE rolname = %s", old):
                    names = map(sql.Identifier, (old, new))
                    connection.execute(sql.SQL("GRANT {} TO {}").format(*names))
            _mark(connection, news, before=olds["stack"])
        return olds | news

    def id_of(self, props: Mapping[str, object]) -> str:  # noqa: ARG002 - one for each server
        return "group-roles"


class GroupRoles(Resource, module="azure-postgres-cdc", name="GroupRoles"):
    """The group roles of a server: a comment says which stack's they are.

    Where a login gets another group role and its former one goes, the new one is a member of the
    former until then, so that the connector may do at every moment what it needs.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        memberships: Mapping[str, Sequence[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`memberships`: each login with its group roles."""
        props = {
            "connection": connection_props(connection),
            "database": database,
            "memberships": {user: sorted(roles) for user, roles in memberships.items()},
            "stack": running_stack.full_name(),
        }
        super().__init__(GroupRolesProvider(), resource_name, props, opts)


class ReadAllDataProvider(ConvergingProvider):
    """The membership in pg_read_all_data; it goes last, when the grants are there."""

    identity = ("role",)

    def make(self, props: Props) -> Props:
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot grant {READ_ALL_DATA} to {quoted(props['role'])}", ROLE_IS_GONE),
        ):
            if not rows(connection, _GRANTORS, READ_ALL_DATA, props["role"]):
                connection.execute(_statement("GRANT {} TO {}", props["role"]))
        return props

    def look(self, props: Props) -> Props | None:
        with connect(props["connection"], props["database"]) as connection:
            return props if rows(connection, _GRANTORS, READ_ALL_DATA, props["role"]) else None

    def remove(self, props: Props) -> None:
        """The role is no longer a member, once everything else is done."""
        role = props["role"]
        with connect(props["connection"], props["database"]) as connection:
            if not rows(connection, _GRANTORS, READ_ALL_DATA, role):
                return
            with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(_statement("REVOKE {} FROM {}", role))
            grantors = rows(connection, _GRANTORS, READ_ALL_DATA, role)
        if grantors:
            warn(
                [
                    f"role {quoted(role)} stays a member of {READ_ALL_DATA}, and reads every "
                    "table: the administrator may not revoke it. Remedy: have "
                    f"{quoted(grantors[0])}, who granted it, run: REVOKE {READ_ALL_DATA} FROM "
                    f"{quoted(role)}"
                ]
            )


class ReadAllData(Resource, module="azure-postgres-cdc", name="ReadAllData"):
    """A group role's membership in pg_read_all_data (PostgreSQL 14+)."""

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        role: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"connection": connection_props(connection), "database": database, "role": role}
        super().__init__(ReadAllDataProvider(), resource_name, props, opts)


def _successions(
    olds: Mapping[str, Sequence[str]], news: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Pairs of a role that goes, and the one that its logins are in from now on."""
    gone = {role for roles in olds.values() for role in roles}
    gone -= {role for roles in news.values() for role in roles}
    pairs = {
        (old, new)
        for user in olds.keys() & news.keys()
        for old in gone.intersection(olds[user])
        for new in set(news[user]).difference(olds[user])
    }
    yield from sorted(pairs)


def _mark(connection: Connection, props: Props, before: str | None = None) -> None:
    """A comment that somebody else has made stays, and so does a role that is out of reach."""
    here = _server(connection)
    names = {role for roles in props["memberships"].values() for role in roles}
    statement = sql.SQL("COMMENT ON ROLE {} IS {}")
    for role, comment in rows(connection, _COMMENTS, sorted(names)):
        stack, _, server = (comment or "").removeprefix(_MARK).partition(_ON)
        is_mark = comment is None or comment.startswith(_MARK)
        if is_mark and (comment is None or stack == before or server != here):
            mark = sql.Literal(f"{_MARK}{props['stack']}{_ON}{here}")
            with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement.format(sql.Identifier(role), mark))


def _server(connection: Connection) -> str:
    return f"{connection.info.host}:{connection.info.port}"


def _statement(text: str, role: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(READ_ALL_DATA), sql.Identifier(role))
