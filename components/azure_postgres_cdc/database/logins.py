"""The connectors' logins: none goes unless it was said, and what is set for them on the server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc import capabilities, running_stack
from azure_postgres_cdc.database import role_adoption
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    looking_at,
    rows,
)
from azure_postgres_cdc.database.group_roles import (
    READ_ALL_DATA,
    refuse_other_stacks,
)
from azure_postgres_cdc.database.role_drift import drift
from azure_postgres_cdc.database.role_obstacles import obstacles
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.dynamic import ConvergingProvider, Props, warn
from azure_postgres_cdc.errors import ROLE_IS_GONE, CdcError, explained
from azure_postgres_cdc.names import listed, quoted

NO_LIMIT = -1
_MOST_SECONDS = 2_147_483  # PostgreSQL counts milliseconds, in 31 bits


class LoginArgs(TypedDict):
    """What every login of the connectors gets beside LOGIN, REPLICATION and its group roles."""

    bypassRls: NotRequired[bool]
    """BYPASSRLS: snapshots see rows that row-level security would hide. PostgreSQL 16 and later,
    where the administrator has it itself. Default false."""
    walSenderTimeout: NotRequired[int]
    """Seconds after which PostgreSQL drops a connector that does not answer; 0 waits for ever.
    Default: the server's own, 60 s."""
    connectionLimit: NotRequired[int]
    """Connections at once for each login. Default -1: no limit."""


def login_faults(args: LoginArgs) -> Iterator[str]:
    """What is wrong with the logins' options, if anything."""
    timeout = args.get("walSenderTimeout", 0)
    if not 0 <= timeout <= _MOST_SECONDS:
        yield (
            f"login.walSenderTimeout is {timeout}: 0 to {_MOST_SECONDS} seconds; 0 waits for ever"
        )
    limit = args.get("connectionLimit", NO_LIMIT)
    if limit < 1 and limit != NO_LIMIT:
        yield f"login.connectionLimit is {limit}: at least 1, or -1 for no limit"


class ConnectorLoginsProvider(ConvergingProvider):
    """Looks before any role is touched, and sees to it that the administrator may make them."""

    unsettled = ("administratorLacks", "notInherited")
    only_looked_at = ("memberships", "connectionLimit", "stack")

    def resolve(self, olds: Props, news: Props) -> Props:
        _refuse_to_drop(olds, news)
        with looking_at(news["connection"], news["database"]) as connection:
            version = connection.info.server_version
            for feature, wanted in (
                ("BYPASSRLS from an administrator who is no superuser", news["bypassRls"]),
                ("pg_read_all_data", news["readAllData"]),
                ("wal_sender_timeout of a role", news["walSenderTimeout"]),
            ):
                if wanted:
                    capabilities.check(feature, version)
            _try_to_make_roles(connection, news)
            _refuse_strangers(connection, olds, news)
            _refuse_to_strand(connection, olds, news)
            _check_read_all_data(connection, news["memberships"])
            new = _new(olds, news)
            stacks = news.get("stack"), olds.get("stack")
            refuse_other_stacks(connection, news["memberships"], new, stacks)
            if new:
                role_adoption.announce(
                    connection,
                    new,
                    news["users"],
                    bypass_rls=news["bypassRls"],
                    connection_limit=int(news.get("connectionLimit", NO_LIMIT)),
                )
            if olds and olds["connection"]["user"] != news["connection"]["user"]:
                text = role_adoption.out_of_reach(connection, news["memberships"])
                warn([text] if text else [])
            if olds:
                known = {k: v for k, v in news["memberships"].items() if k not in new}
                groups = known.keys() - {*news["users"]}
                logins = {name: known[name] for name in known if name not in groups}
                warn(obstacles(connection, logins, [*groups, *news["formerUsers"]]))
                warn(drift(connection, _kept(olds, news), news["users"]))
            lacks = [] if rows(connection, _MAY_REPLICATE)[0] else ["REPLICATION"]
            closed = [user for user, _ in _without_privileges(connection, news)]
        return news | {"administratorLacks": lacks, "notInherited": sorted(set(closed))}

    def make(self, props: Props) -> Props:
        with connect(props["connection"], props["database"]) as connection:
            _give_administrator_replication(connection)
            for user, role in _without_privileges(connection, props):
                with explained(f"cannot let {quoted(user)} have the privileges of {quoted(role)}"):
                    names = map(sql.Identifier, (role, user))
                    connection.execute(sql.SQL("GRANT {} TO {} WITH INHERIT TRUE").format(*names))
        return props | {"administratorLacks": [], "notInherited": []}

    def id_of(self, props: Mapping[str, Any]) -> str:  # noqa: ARG002 - one for each server
        return "logins"


class ConnectorLogins(Resource, module="azure-postgres-cdc", name="ConnectorLogins"):
    """Which logins the stack has. One that it had and no longer names is refused, not dropped.

    The administrator, who is to make them, gets REPLICATION, and keeps it.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        users: Mapping[str, Sequence[str]],
        former_users: Sequence[str],
        login: LoginArgs,
        read_all_data: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`users`: each login with its group roles."""
        groups = {role for roles in users.values() for role in roles}
        props = {
            "connection": connection_props(connection),
            "database": database,
            "users": sorted(users),
            "formerUsers": sorted(set(former_users)),
            "bypassRls": login.get("bypassRls", False),
            "connectionLimit": login.get("connectionLimit", NO_LIMIT),
            "walSenderTimeout": "walSenderTimeout" in login,
            "readAllData": bool(read_all_data),
            "memberships": {
                **{user: sorted(roles) for user, roles in users.items()},
                **{role: [READ_ALL_DATA] if role in read_all_data else [] for role in groups},
            },
            "stack": running_stack.full_name(),
        }
        super().__init__(ConnectorLoginsProvider(), resource_name, props, opts)


class WalSenderTimeoutProvider(ConvergingProvider):
    """The parameter as the login's own, in force from its next connection on."""

    identity = ("user",)

    def make(self, props: Props) -> Props:
        user = props["user"]
        statement = sql.SQL("ALTER ROLE {} SET wal_sender_timeout = {}")
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot set wal_sender_timeout of {quoted(user)}", ROLE_IS_GONE),
        ):
            connection.execute(statement.format(sql.Identifier(user), _text(props)))
        return props

    def look(self, props: Props) -> Props | None:
        with looking_at(props["connection"], props["database"]) as connection:
            found = rows(connection, _TIMEOUT, props["user"])
        if not found:
            return None
        return props | {"seconds": props["seconds"] if found[0] == _text(props) else found[0]}

    def remove(self, props: Props) -> None:
        """The login has the server's timeout again."""
        user = props["user"]
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot reset wal_sender_timeout of {quoted(user)}"),
        ):
            if rows(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", user):
                connection.execute(
                    sql.SQL("ALTER ROLE {} RESET wal_sender_timeout").format(sql.Identifier(user))
                )


_MAY_REPLICATE = "SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user"
_LOOK = """
SELECT coalesce(bool_or(r.oid IS NULL), false),
       coalesce(bool_or(r.oid IS NULL AND is_login), false),
       coalesce(bool_or(is_login AND r.rolbypassrls IS NOT TRUE), false)
FROM unnest(%s::text[]) AS wanted(name) CROSS JOIN LATERAL (SELECT name = ANY(%s)) l(is_login)
LEFT JOIN pg_roles r ON r.rolname = wanted.name
"""
_MEMBERS = """
SELECT u.rolname, g.rolname FROM pg_auth_members m
JOIN pg_roles u ON u.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
WHERE u.rolname = ANY(%s) AND g.rolname = ANY(%s) ORDER BY 1, 2
"""
# Since PostgreSQL 16 that is each membership's own affair; pulumi-postgresql sees memberships only.
_NOT_INHERITED = """
SELECT u.rolname, g.rolname FROM pg_auth_members m
JOIN pg_roles u ON u.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
WHERE u.rolname = ANY(%s) GROUP BY 1, 2 HAVING NOT bool_or(m.inherit_option) ORDER BY 1, 2
"""
_MAY_GRANT = """
SELECT rolsuper OR pg_has_role(%s, 'MEMBER WITH ADMIN OPTION')
FROM pg_roles WHERE rolname = current_user
"""
_TIMEOUT = """
SELECT substring(entry FROM '=(.*)') FROM pg_roles, unnest(rolconfig) entry
WHERE rolname = %s AND entry LIKE 'wal_sender_timeout=%%'
"""


class WalSenderTimeout(Resource, module="azure-postgres-cdc", name="WalSenderTimeout"):
    """A login's own wal_sender_timeout, in seconds; the server's again once it is taken out."""

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        user: str,
        seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "user": user,
            "seconds": seconds,
        }
        super().__init__(WalSenderTimeoutProvider(), resource_name, props, opts)


def _text(props: Props) -> str:
    return f"{int(props['seconds'])}s"


def _give_administrator_replication(connection: Connection) -> None:
    """Without it, it can make neither slots nor a login that may; on Azure it can help itself."""
    if rows(connection, _MAY_REPLICATE)[0]:
        return
    try:
        connection.execute("ALTER ROLE CURRENT_USER REPLICATION")
    except psycopg.errors.InsufficientPrivilege:
        administrator = quoted(connection.info.user)
        raise CdcError(
            f"the administrator {administrator} lacks REPLICATION, without which it can neither "
            "create replication slots nor the connector's user, and may not give it to "
            f"itself. Remedy: run as a superuser: ALTER ROLE {administrator} REPLICATION"
        ) from None


def _refuse_to_drop(olds: Props, news: Props) -> None:
    """A login goes in two steps: out of the settings into formerUsers, and then out of these."""
    named = {*news["users"], *news["formerUsers"]}
    dropped = sorted(set(olds.get("users", ())) - named)
    if dropped:
        names = listed(map(quoted, dropped))
        raise CdcError(
            f"the login {names} is no longer named: it would be dropped, and a connector that "
            f"still uses it cut off. Remedy: server.formerUsers: [{', '.join(dropped)}] keeps it "
            "with its password; take it out of there once the connector's form has another"
        )


def _refuse_to_strand(connection: Connection, olds: Props, news: Props) -> None:
    """A former login keeps its privileges, which are those of its group role.

    But for one whose connector was taken out: its grants, publication and slot go with it.
    """
    if len(news["users"]) < len(olds.get("users", ())):
        return
    former = list(news["formerUsers"])
    kept = {*news["memberships"], *olds.get("users", ()), *former}
    dropped = set(olds.get("memberships", ())) - kept
    for user, role in rows(connection, _MEMBERS, former, list(dropped)) if dropped else ():
        raise CdcError(
            f"the role {quoted(role)} is no longer named: it would be dropped, and the former "
            f"login {quoted(user)}, which is in it, cut off. Remedy: keep the role until {user} "
            "is out of server.formerUsers"
        )


def _refuse_strangers(connection: Connection, olds: Props, news: Props) -> None:
    """Only what is there can be kept; it would be made anew, without a password."""
    known = {*olds.get("users", ()), *olds.get("formerUsers", ())}
    asked = set(news["formerUsers"]) - known
    there = rows(connection, "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", list(asked))
    missing = sorted(asked - set(there))
    if missing:
        raise CdcError(
            f"server.formerUsers: there is no role {listed(map(quoted, missing))} to keep. Remedy: "
            "take it out, or correct the name"
        )


def _kept(olds: Props, news: Props) -> dict[str, list[str]]:
    """The roles that the stack had and has, each with the memberships that it had and has."""
    was = olds.get("memberships", {})
    return {
        name: sorted(set(groups).intersection(was[name]))
        for name, groups in news["memberships"].items()
        if name in was
    }


def _without_privileges(connection: Connection, props: Props) -> list[tuple[str, str]]:
    """The logins that are in their group role, and have none of its privileges all the same."""
    if not capabilities.has("memberships without privileges", connection.info.server_version):
        return []
    found = rows(connection, _NOT_INHERITED, list(props["users"]))
    return [(user, role) for user, role in found if role in props["memberships"].get(user, ())]


def _check_read_all_data(connection: Connection, memberships: Mapping[str, Sequence[str]]) -> None:
    """Before 16, CREATEROLE is enough to grant it."""
    wanted = {role for role, groups in memberships.items() if READ_ALL_DATA in groups}
    have = "SELECT rolname FROM pg_roles WHERE pg_has_role(rolname, %s, 'MEMBER')"
    if (
        capabilities.has("CREATEROLE only with the ADMIN option", connection.info.server_version)
        and wanted.difference(rows(connection, have, READ_ALL_DATA) if wanted else ())
        and not rows(connection, _MAY_GRANT, READ_ALL_DATA)[0]
    ):
        administrator = quoted(connection.info.user)
        raise CdcError(
            f"grants.readAllData: the administrator {administrator} may not grant {READ_ALL_DATA}. "
            f"Remedy: have a superuser run: GRANT {READ_ALL_DATA} TO {administrator} WITH ADMIN "
            "OPTION; or take readAllData out"
        )


class _Roles(NamedTuple):
    """The roles to be, as the server has them."""

    is_missing: bool
    """One of them, at least."""
    is_login_missing: bool
    is_login_without_bypass_rls: bool


def _look(connection: Connection, props: Props) -> _Roles:
    names, users = list(props["memberships"]), list(props["users"])
    ((*found,),) = rows(connection, _LOOK, names, users)
    return _Roles(*found)


def _try_to_make_roles(connection: Connection, props: Props) -> None:
    """Whether the administrator may make what is missing, tried and rolled back.

    Only trying tells: what Azure lets an administrator do is more than its flags say.
    """
    found = _look(connection, props)
    lacks_bypass_rls = props["bypassRls"] and found.is_login_without_bypass_rls
    administrator = quoted(connection.info.user)
    refusals = {
        "NOLOGIN": f"the administrator {administrator} may make no roles. Remedy: have a "
        f"superuser run: ALTER ROLE {administrator} CREATEROLE",
        "REPLICATION": f"the administrator {administrator} may make no login with REPLICATION, "
        "which PostgreSQL before 16 leaves to superusers where it is not Azure's. Remedy: let a "
        "superuser be the administrator (connection.user)",
        "BYPASSRLS": f"server.login.bypassRls: the administrator {administrator} may not give "
        f"BYPASSRLS. Remedy: have a superuser run: ALTER ROLE {administrator} BYPASSRLS; or take "
        "bypassRls out, and give the role a policy on the tables that have row-level security",
    }
    needed = {
        "NOLOGIN": found.is_missing or lacks_bypass_rls,
        "REPLICATION": found.is_login_missing,
        "BYPASSRLS": lacks_bypass_rls,
    }
    for flag in (flag for flag, is_needed in needed.items() if is_needed):
        trial = sql.SQL("CREATE ROLE {} {}").format(
            sql.Identifier(f"azure_postgres_cdc_trial_{uuid.uuid4().hex}"), sql.SQL(flag)
        )
        try:
            with connection.transaction(force_rollback=True):
                if flag == "REPLICATION":
                    _give_administrator_replication(connection)
                connection.execute(trial)
        except psycopg.errors.InsufficientPrivilege:
            raise CdcError(refusals[flag]) from None


def _new(olds: Props, news: Props) -> dict[str, Sequence[str]]:
    """The roles that the stack does not know yet, each with those that it is to be a member of."""
    if olds and "memberships" not in olds:
        return {}  # an earlier version's state
    keys = ("memberships", "users", "formerUsers")
    known = {name for key in keys for name in olds.get(key, ())}
    return {name: groups for name, groups in news["memberships"].items() if name not in known}
