"""Roles that somebody has made by hand: what they are, before the stack makes them its own.

pulumi-postgresql brings an imported role in line with what is declared, and says only which of its
properties change. So every difference is listed here first, and what it would stumble over halfway
is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.role_obstacles import TIMEOUTS, obstacles
from azure_postgres_cdc.dynamic import note
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import listed, quoted

_FIND = """
SELECT r.rolname, r.rolcanlogin, r.rolreplication,
       array_remove(ARRAY[CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
                          CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
                          CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
                          CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END], NULL),
       ARRAY(SELECT pg_get_userbyid(m.roleid)::text FROM pg_auth_members m
             WHERE m.member = r.oid ORDER BY 1),
       me.rolsuper OR pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
           OR NOT %s AND me.rolcreaterole AND NOT r.rolsuper,
       r.rolinherit, nullif(r.rolvaliduntil, 'infinity')::text,
       ARRAY(SELECT split_part(entry, '=', 1) FROM unnest(r.rolconfig) entry
             WHERE split_part(entry, '=', 1) = ANY(%s) ORDER BY 1)
FROM pg_roles r, pg_roles me
WHERE r.rolname = ANY(%s) AND me.rolname = current_user ORDER BY 1
"""
_SETTINGS = (*TIMEOUTS, "search_path", "role")


@dataclass(frozen=True)
class _Found:
    """A role as the server has it."""

    name: str
    can_login: bool
    replicates: bool
    flags: Sequence[str]
    """Those that none of the roles has, but for BYPASSRLS where that is asked for."""
    memberships: Sequence[str]
    may_be_changed: bool
    inherits: bool
    valid_until: str | None
    settings: Sequence[str]
    """Which of those that pulumi-postgresql knows are set for it."""


def announce(
    connection: Connection,
    memberships: Mapping[str, Sequence[str]],
    logins: Collection[str],
    *,
    bypass_rls: bool,
) -> None:
    """List the roles that are there, and what will be brought in line.

    `memberships`: the roles to be, each with those that it is to be a member of. `bypass_rls`:
    whether the logins keep BYPASSRLS. Raises a CdcError where the administrator may not change one
    of them.
    """
    by_admin_option = capabilities.has(
        "CREATEROLE only with the ADMIN option", connection.info.server_version
    )
    parameters = (by_admin_option, [*_SETTINGS], [*memberships])
    found = [_Found(*row) for row in rows(connection, _FIND, *parameters)]
    _check_changeable(connection, found)
    if lines := obstacles(connection, memberships):
        raise CdcError("; ".join(lines))
    for role in found:
        is_login = role.name in logins
        kept = {"BYPASSRLS"} if is_login and bypass_rls else set()
        lost = [flag for flag in role.flags if flag not in kept]
        differences = "; ".join(_differences(role, memberships[role.name], lost, is_login=is_login))
        changes = f"; brought in line: {differences}" if differences else ""
        kind = "login" if is_login else "role"
        note(f"{kind} {quoted(role.name)} is there already, and is adopted{changes}")


def _check_changeable(connection: Connection, found: Sequence[_Found]) -> None:
    closed = [quoted(role.name) for role in found if not role.may_be_changed]
    if closed:
        administrator = quoted(connection.info.user)
        statements = "; ".join(
            f"GRANT {name} TO {administrator} WITH ADMIN OPTION" for name in closed
        )
        raise CdcError(
            f"the role {listed(closed)} is there already, made by another one, and the "
            f"administrator {administrator} may not change it. Remedy: have a role that may run: "
            f"{statements}; or choose other names (server.user, server.role)"
        )


def _differences(
    role: _Found, memberships: Sequence[str], lost: Sequence[str], *, is_login: bool
) -> Iterator[str]:
    if role.can_login != is_login:
        yield "gets LOGIN" if is_login else "loses LOGIN"
    if role.replicates != is_login:
        yield "gets REPLICATION" if is_login else "loses REPLICATION"
    yield from (f"loses {flag}" for flag in lost)
    if not role.inherits:
        yield "gets INHERIT"
    if role.valid_until is not None:
        yield f"is valid for ever, not until {role.valid_until}"
    if role.settings:
        yield f"loses its setting of {listed(role.settings)}"
    if lacking := sorted(set(memberships).difference(role.memberships)):
        yield f"becomes a member of {listed(map(quoted, lacking))}"
    if beyond := sorted(set(role.memberships).difference(memberships)):
        yield f"is no longer a member of {listed(map(quoted, beyond))}"
    if is_login:
        yield (
            "gets the stack's password, without which its connector is locked out (give its own as "
            "connectorPassword to keep it)"
        )
