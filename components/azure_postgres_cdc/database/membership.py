"""Acting for the owner of a table, for as long as one transaction lasts.

Granting on a table, publishing it and changing its replica identity need its owner, or a member
of the owner. Where the administrator only holds the ADMIN option on the owner (it made that role,
or was granted it `WITH ADMIN TRUE, INHERIT FALSE`), it makes itself a member, does the work and
gives the membership back. All of it in one transaction, so that a failure leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import quoted

# Since PostgreSQL 16, CREATEROLE alone gives no say over a role that another one has made: the
# ADMIN option does, one's own or that of a role whose privileges one has. Nobody but a superuser
# hands out a superuser, nobody becomes a member of a role that is a member of oneself, and the
# owner of the database is the only member of pg_database_owner.
_WITHIN_REACH = """
SELECT o.rolname, pg_has_role(o.oid, 'USAGE'), admin.rolname, EXISTS (
    SELECT FROM pg_auth_members m
    WHERE m.roleid = o.oid AND m.member = me.oid AND m.grantor = admin.oid)
FROM pg_roles me JOIN pg_roles o ON me.rolname = current_user
LEFT JOIN LATERAL (
    SELECT r.oid, r.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.member
    WHERE a.roleid = o.oid AND a.admin_option AND pg_has_role(r.oid, 'USAGE')
    ORDER BY r.oid <> me.oid, r.rolname LIMIT 1) admin ON true
WHERE pg_has_role(o.oid, 'USAGE')
   OR (NOT o.rolsuper AND o.rolname <> 'pg_database_owner'
       AND NOT pg_has_role(o.oid, me.oid, 'MEMBER')
       AND CASE WHEN %s THEN admin.oid IS NOT NULL
           ELSE me.rolcreaterole AND NOT pg_has_role(o.oid, 'MEMBER') END)
"""

# Of a schema `n`. Since PostgreSQL 15, `public` belongs to pg_database_owner, whose one member is
# the owner of the database: to act for the one is to act for the other.
SCHEMA_OWNER = """
pg_get_userbyid(CASE pg_get_userbyid(n.nspowner) WHEN 'pg_database_owner'
    THEN (SELECT datdba FROM pg_database WHERE datname = current_database()) ELSE n.nspowner END)
"""

_DATABASE = """
SELECT pg_get_userbyid(datdba), has_database_privilege(oid, 'CREATE')
FROM pg_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Loan:
    """A membership that is taken and given back."""

    take: sql.Composed
    give_back: sql.Composed


def within_reach(connection: Connection) -> dict[str, Loan | None]:
    """The roles that the administrator may act for, each with the membership that it takes first.

    None where it takes nothing: the administrator itself, and roles whose privileges it has.
    """
    by_admin_option = capabilities.has(
        "CREATEROLE only with the ADMIN option", connection.info.server_version
    )
    return {
        owner: None if ours else _loan(owner, grantor if by_admin_option else None, kept=kept)
        for owner, ours, grantor, kept in rows(connection, _WITHIN_REACH, by_admin_option)
    }


@contextmanager
def acting_for(connection: Connection, owners: Iterable[str]) -> Iterator[None]:
    """Have the privileges of these owners meanwhile. Others than those within reach are left out.

    The connection is inside of a transaction. An error ends it, and the membership with it. In
    the order of the names, because another transaction may be doing the same.
    """
    reach = within_reach(connection)
    loans = [loan for owner in sorted(set(owners)) if (loan := reach.get(owner))]
    for loan in loans:
        connection.execute(loan.take)
    yield
    for loan in loans:
        connection.execute(loan.give_back)


def statement_for(connection: Connection, owner: str) -> str:
    """What gives the administrator the privileges of an owner out of reach, run by who may.

    To grant a membership again that is there without them changes nothing.
    """
    administrator = quoted(connection.info.user)
    grant = f"GRANT {quoted(owner)} TO {administrator}"
    if not rows(connection, "SELECT pg_has_role(%s, 'MEMBER')", owner)[0]:
        return grant
    if capabilities.has("memberships without privileges", connection.info.server_version):
        return f"{grant} WITH INHERIT TRUE"
    return f"ALTER ROLE {administrator} INHERIT"


def statements_for(connection: Connection, owners: Collection[str]) -> dict[str, str]:
    """That statement for each of the owners who is out of reach."""
    strangers = set(owners).difference(within_reach(connection)) if owners else ()
    return {owner: statement_for(connection, owner) for owner in strangers}


def who_may_create(connection: Connection) -> list[str]:
    """Whom to act for to create something in the database: nobody, or its owner."""
    ((owner, may_create),) = rows(connection, _DATABASE)
    return [] if may_create else [owner]


def check_may_create(connection: Connection, what: str) -> None:
    """Raise a CdcError where the administrator may create nothing in the database.

    `what`: that which it would create.
    """
    strangers = set(who_may_create(connection)).difference(within_reach(connection))
    for owner in strangers:
        database, administrator = quoted(connection.info.dbname), quoted(connection.info.user)
        raise CdcError(
            f"the administrator {administrator} may create nothing in database {database}, which "
            f"belongs to {quoted(owner)}, but has to: {what}. Remedy: have the owner of the "
            f"database run: GRANT CREATE ON DATABASE {database} TO {administrator}; then run "
            "pulumi up again"
        )


def _loan(owner: str, grantor: str | None, *, kept: bool) -> Loan:
    """`kept`: this grantor's grant is there already, without the privileges; it stays."""
    names = {"owner": sql.Identifier(owner)}
    if grantor is None:
        take, give_back = "GRANT {owner} TO CURRENT_USER", "REVOKE {owner} FROM CURRENT_USER"
    else:
        names["grantor"] = sql.Identifier(grantor)
        take = "GRANT {owner} TO CURRENT_USER WITH INHERIT TRUE GRANTED BY {grantor}"
        give_back = "REVOKE {owner} FROM CURRENT_USER GRANTED BY {grantor}"
        if kept:
            give_back = "GRANT {owner} TO CURRENT_USER WITH INHERIT FALSE GRANTED BY {grantor}"
    return Loan(sql.SQL(take).format(**names), sql.SQL(give_back).format(**names))
