"""What others have given to a connector's role, and pulumi-postgresql stumbles over.

It takes away every membership that it is not told of, and reads a role's timeouts as milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.names import quoted

TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout")
"""The settings of a role that pulumi-postgresql reads as numbers."""

_FIND = """
SELECT r.rolname, NULL, NULL, split_part(entry, '=', 1), entry
FROM pg_roles r, unnest(r.rolconfig) entry
WHERE r.rolname = ANY(%s) AND split_part(entry, '=', 1) = ANY(%s) AND entry !~ '=[-+]?[0-9]+$'
UNION ALL
SELECT r.rolname, pg_get_userbyid(m.roleid), pg_get_userbyid(m.grantor), NULL, NULL
FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)
ORDER BY 1, 2, 3, 4
"""
_IS_MEMBER = """
SELECT FROM pg_auth_members
WHERE pg_get_userbyid(roleid) = %s AND pg_get_userbyid(member) = %s
"""


def obstacles(
    connection: Connection,
    memberships: Mapping[str, Sequence[str]],
    former: Collection[str] = (),
) -> list[str]:
    """One line for each. `memberships`: the roles, each with those that it is to be a member of.

    `former`: logins whose memberships are left as they are.
    """
    names, found = list(memberships), []
    for role, group, grantor, setting, entry in rows(
        connection, _FIND, [*names, *former], list(TIMEOUTS), names
    ):
        if entry is not None:
            value = entry.partition("=")[2]
            found.append(
                f"role {quoted(role)} has {entry}, and pulumi-postgresql reads only milliseconds "
                f"without a unit. Remedy: ALTER ROLE {quoted(role)} RESET {setting}; where it is "
                f"wanted, ALTER ROLE {quoted(role)} IN DATABASE <database> SET {setting} = "
                f"'{value}'"
            )
        elif group not in memberships[role] and not _may_be_taken(connection, role, group):
            found.append(
                f"role {quoted(role)} is a member of {quoted(group)}, which the stack does not "
                "name: pulumi-postgresql takes that away when it changes the role, and the "
                f"administrator {quoted(connection.info.user)} may not. Remedy: have "
                f"{quoted(grantor)}, who granted it, run: REVOKE {quoted(group)} FROM "
                f"{quoted(role)}"
            )
    return found


def _may_be_taken(connection: Connection, role: str, group: str) -> bool:
    """Tried and rolled back: what somebody else has granted, a REVOKE may leave without a word."""
    statement = sql.SQL("REVOKE {} FROM {}").format(*map(sql.Identifier, (group, role)))
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
            return not rows(connection, _IS_MEMBER, group, role)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.DependentObjectsStillExist):
        return False
