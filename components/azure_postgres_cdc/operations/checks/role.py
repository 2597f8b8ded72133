"""What the connector's user is, and whether it may do what a connector does first."""

from __future__ import annotations

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import rows
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import quoted
from azure_postgres_cdc.operations.findings import Result, failed, from_error, ok, warning
from azure_postgres_cdc.operations.login import as_connector
from azure_postgres_cdc.operations.subject import Subject

_FLAGS = """
SELECT rolreplication, rolsuper, rolcreatedb, rolcreaterole, rolvaliduntil < now() + '7 days',
       rolvaliduntil::text
FROM pg_roles WHERE rolname = current_user
"""
_MEMBER = """
SELECT pg_has_role(oid, 'MEMBER'), pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = %s
"""


def role_flags(subject: Subject) -> Result:
    """The user has REPLICATION, and nothing that a connector has no use for."""
    user = quoted(subject.form.username)
    replication, *more, expires, until = rows(subject.connection, _FLAGS)[0]
    acting = rows(
        subject.connection, "SELECT current_user::text WHERE current_user <> session_user"
    )
    if acting:
        return failed(
            f"{user} acts as {quoted(acting[0])} as soon as it has logged in: it can read no slot",
            f"ALTER ROLE {user} RESET role, as the administrator",
        )
    if not replication:
        return failed(
            f"{user} lacks REPLICATION: it can read no slot",
            f"pulumi up --refresh, or ALTER ROLE {user} REPLICATION as the administrator",
        )
    flags = ("SUPERUSER", "CREATEDB", "CREATEROLE")
    needless = [flag for flag, has in zip(flags, more, strict=True) if has]
    if needless:
        return warning(
            f"{user} has {', '.join(needless)}, which a connector has no use for",
            f"ALTER ROLE {user} {' '.join(f'NO{flag}' for flag in needless)}",
        )
    if expires:
        return warning(
            f"the password of {user} is valid until {until} only",
            f"ALTER ROLE {user} VALID UNTIL 'infinity'",
        )
    return ok(f"{user} has LOGIN and REPLICATION, and nothing that it has no use for")


def role_membership(subject: Subject) -> Result:
    """The user is in the group role that holds the grants."""
    user, role = quoted(subject.form.username), quoted(subject.plan.role)
    found = rows(subject.connection, _MEMBER, subject.plan.role)
    is_member, has_privileges = found[0] if found else (False, False)
    if has_privileges:
        return ok(f"{user} is in {role}, which holds the grants")
    if is_member:
        per_membership = capabilities.has(
            "memberships without privileges", subject.connection.info.server_version
        )
        grant = f"GRANT {role} TO {user} WITH INHERIT TRUE"
        return failed(
            f"{user} is in {role}, which holds the grants, but without INHERIT: it has none of its "
            "privileges",
            f"pulumi up, or {grant}"
            if per_membership
            else f"pulumi up --refresh, or ALTER ROLE {user} INHERIT",
        )
    what = f"{user} is not in {role}" if found else f"there is no role {role}"
    return failed(
        f"{what}, which holds the grants",
        f"pulumi up --refresh{f', or GRANT {role} TO {user}' if found else ''}",
    )


def replication_connection(subject: Subject) -> Result:
    """The server lets the user open the kind of connection that reads a slot."""
    try:
        with as_connector(subject.form, autocommit=True, replication=True):
            return ok("a connection for replication opens")
    except CdcError as error:
        return failed(
            from_error(error).evidence,
            "the user needs REPLICATION, a free WAL sender, and, outside of Azure, a line in "
            "pg_hba.conf",
        )
