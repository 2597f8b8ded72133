"""Questions to the catalog and the provider's ways around PostgreSQL's rules of membership."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import sql

from azure_postgres_rehearsal.plugins.postgresql.connections import Server, Transaction
from azure_postgres_rehearsal.plugins.protocol import ProviderError

PUBLIC = "public"
"""The provider's word for everybody (PostgreSQL takes it quoted, too); in capitals it is a role."""

ALLOWED_PRIVILEGES = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "table": (
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
        "MAINTAIN",
    ),
    "sequence": ("USAGE", "SELECT", "UPDATE"),
    "schema": ("CREATE", "USAGE"),
    "function": ("EXECUTE",),
    "procedure": ("EXECUTE",),
    "routine": ("EXECUTE",),
    "type": ("USAGE",),
}


def validate_privileges(object_type: str, privileges: Iterable[str]) -> None:
    """Refuse privileges that this kind of object does not have."""
    allowed = ("ALL", *ALLOWED_PRIVILEGES[object_type])
    for privilege in privileges:
        if privilege not in allowed:
            raise ProviderError(
                f"{privilege} is not an allowed privilege for object type {object_type}"
            )


def privileges_equal(object_type: str, granted: Iterable[str], wanted: Iterable[str]) -> bool:
    """Exactly these privileges, neither more nor less; ALL stands for every one there is."""
    have, want = set(granted), set(wanted)
    return have == want or ("ALL" in want and have == set(ALLOWED_PRIVILEGES[object_type]))


def privilege_list(privileges: Iterable[str]) -> sql.Composed:
    """Privileges for GRANT and REVOKE."""
    return sql.SQL(", ").join(sql.SQL(privilege) for privilege in sorted(privileges))


def lock_role(txn: Transaction, role: str) -> None:
    """Wait for whoever works on this role or on one of its members.

    As the real provider does, the role first and then its members in no order. That can deadlock
    (pulumi-postgresql issue 897): from 16 on the administrator is a member of every role it made,
    so that work on a user and on a role that the user is in must not run side by side.
    """
    txn.execute(sql.SQL("SET statement_timeout = 0"))
    txn.rows(
        "SELECT pg_advisory_xact_lock(oid::bigint) FROM pg_roles WHERE rolname = %s",
        role,
        attempt=f"could not get advisory lock for role {role}",
    )
    txn.rows(
        "SELECT pg_advisory_xact_lock(member::bigint) FROM pg_auth_members"
        " JOIN pg_roles ON roleid = pg_roles.oid WHERE rolname = %s",
        role,
        attempt=f"could not get advisory lock for members of role {role}",
    )


def lock_database(txn: Transaction, database: str) -> None:
    """Wait for whoever works on the privileges of this database."""
    txn.execute(sql.SQL("SET statement_timeout = 0"))
    txn.rows(
        "SELECT pg_advisory_xact_lock(oid::bigint) FROM pg_database WHERE datname = %s",
        database,
        attempt=f"could not get advisory lock for database {database}",
    )


def role_exists(txn: Transaction, role: str) -> bool:
    """Whether there is such a role; everybody is always there."""
    found = txn.value("SELECT 1 FROM pg_roles WHERE rolname = %s", role)
    return role == PUBLIC or found is not None


def database_exists(txn: Transaction, database: str) -> bool:
    """Whether the server has such a database."""
    return txn.value("SELECT 1 FROM pg_database WHERE datname = %s", database) is not None


def schema_exists(txn: Transaction, schema: str) -> bool:
    """Whether the connected database has such a schema."""
    return txn.value("SELECT 1 FROM pg_namespace WHERE nspname = %s", schema) is not None


def role_oid(txn: Transaction, role: str) -> int:
    """The role's oid; 0 is everybody's."""
    if role == PUBLIC:
        return 0
    oid: int | None = txn.value("SELECT oid::bigint FROM pg_roles WHERE rolname = %s", role)
    if oid is None:
        raise ProviderError(f"could not find oid for role {role}: sql: no rows in result set")
    return oid


def is_superuser(txn: Transaction, role: str) -> bool:
    """Whether the role is a superuser; an error where there is no such role."""
    superuser: bool | None = txn.value("SELECT rolsuper FROM pg_roles WHERE rolname = %s", role)
    if superuser is None:
        raise ProviderError(
            f"could not check if role {role} is superuser: sql: no rows in result set"
        )
    return superuser


def current_user(txn: Transaction) -> str:
    """The role that this connection works as."""
    return str(txn.value("SELECT current_user"))


def database_owner(txn: Transaction, database: str) -> str:
    """Who owns a database; "" is the connected one."""
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = "
    if database:
        owner = txn.value(query + "%s", database)
    else:
        owner = txn.value(query + "current_database()")
    if owner is None:
        raise ProviderError(f"could not find database '{database}' while looking for owner")
    return str(owner)


def owners_in_schema(txn: Transaction, schema: str, tables: bool) -> list[str]:
    """The owner of the schema and, if asked for, of every table in it.

    Of every table, not just of those the grant names: so does the real provider, and one table of
    another team is enough to make it fail.
    """
    owners: list[str] = []
    if tables:
        found = txn.rows(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = %s ORDER BY 1", schema
        )
        owners = [owner for (owner,) in found]
    schema_owner = txn.value(
        "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s", schema
    )
    if schema_owner is None:
        raise ProviderError(f"could not find schema '{schema}' while looking for owner")
    owners += [] if schema_owner in owners else [schema_owner]
    return [database_owner(txn, "") if o == "pg_database_owner" else o for o in owners]


def is_member(txn: Transaction, role: str, member: str) -> bool:
    """Whether `member` was granted `role` and may SET ROLE to it (before 16: always may)."""
    memberships = txn.rows(
        "SELECT to_jsonb(m) FROM pg_auth_members m"
        " WHERE pg_get_userbyid(roleid) = %s AND pg_get_userbyid(member) = %s",
        role,
        member,
    )
    return any(membership.get("set_option", True) for (membership,) in memberships)


def grant_membership(txn: Transaction, role: str, member: str) -> bool:
    """Make `member` a member of `role`; False where it is one already."""
    if member == role or is_member(txn, role, member):
        return False
    txn.execute(
        sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(member)),
        f"error granting role {role} to {member}",
    )
    return True


def revoke_membership(txn: Transaction, role: str, member: str) -> bool:
    """Take `role` from `member`; False where it is no member."""
    if member == role or not is_member(txn, role, member):
        return False
    txn.execute(
        sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(role), sql.Identifier(member)),
        f"error revoking role {role} from {member}",
    )
    return True


@contextlib.contextmanager
def roles_granted(txn: Transaction, roles: Sequence[str]) -> Iterator[None]:
    """For the moment, be a member of these roles, to do what only they may.

    It fails where the administrator has no ADMIN option on one of them. Superusers are left out,
    as nobody else may become one.
    """
    admin = current_user(txn)
    if not roles or is_superuser(txn, admin):
        yield
        return
    granted, turned_round = [], []
    for role in roles:
        if is_superuser(txn, role):
            continue
        # Two roles cannot be members of each other.
        if revoke_membership(txn, admin, role):
            turned_round.append(role)
        if grant_membership(txn, role, admin):
            granted.append(role)
    yield
    for role in granted:
        revoke_membership(txn, role, admin)
    for role in turned_round:
        if role_exists(txn, role):
            grant_membership(txn, admin, role)


def target_exists(server: Server, wanted: Mapping[str, Any]) -> bool:
    """Whether the role, the database and the schema that privileges speak of are there."""
    with server.transaction() as txn:
        if not database_exists(txn, wanted["database"]):
            return False
    schema = "" if wanted["objectType"] == "database" else wanted["schema"]
    with server.transaction(wanted["database"]) as txn:
        return role_exists(txn, wanted["role"]) and (not schema or schema_exists(txn, schema))
