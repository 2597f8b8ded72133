"""Roles that somebody has made by hand: what they are, before the stack makes them its own.

pulumi-postgresql brings an imported role in line with what is declared, and says only which of its
properties change. So every difference is listed here first, and what it would stumble over halfway
is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
       r.rolinherit, r.rolconnlimit,
       CASE WHEN r.rolvaliduntil < 'infinity' THEN r.rolvaliduntil::text ELSE '' END,
       ARRAY(SELECT entry FROM unnest(r.rolconfig) entry
             WHERE split_part(entry, '=', 1) = ANY(%s) AND entry NOT LIKE '%%=0' ORDER BY 1),
       me.rolsuper OR pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
           OR NOT %s AND me.rolcreaterole AND NOT r.rolsuper
FROM pg_roles r, pg_roles me
WHERE r.rolname = ANY(%s) AND me.rolname = current_user ORDER BY 1
"""
_NO_LIMIT = -1
_LOCKED_OUT = (
    "gets the stack's password, without which its connector is locked out (give its own as "
    "connectorPassword to keep it)"
)
# Of a role's settings, those that pulumi-postgresql knows, and takes away where none is declared.
_SETTINGS = [*TIMEOUTS, "role", "search_path"]


@dataclass(frozen=True)
class _Found:
    """A role as the server has it."""

    name: str
    can_login: bool
    replicates: bool
    flags: Sequence[str]
    """Those that none of the roles has, but for BYPASSRLS where that is asked for."""
    memberships: Sequence[str]
    inherits: bool
    connection_limit: int
    valid_until: str
    """Empty where it is for ever."""
    settings: Sequence[str]
    may_be_changed: bool


def announce(
    connection: Connection,
    memberships: Mapping[str, Sequence[str]],
    logins: Collection[str],
    *,
    bypass_rls: bool,
    connection_limit: int,
) -> None:
    """List the roles that are there, and what will be brought in line.

    `memberships`: the roles to be, each with those that it is to be a member of. `bypass_rls`:
    whether the logins keep BYPASSRLS. `connection_limit`: what the logins get; -1 for none. Raises
    a CdcError where the administrator may not change one of them, or pulumi-postgresql could not.
    """
    found = _find(connection, memberships)
    if closed := _closed(connection, found, "; or choose other names (server.user, server.role)"):
        raise CdcError(closed)
    of_logins = {name: memberships[name] for name in memberships if name in logins}
    if lines := obstacles(connection, of_logins, [*memberships.keys() - of_logins.keys()]):
        raise CdcError("; ".join(lines))
    for role in found:
        is_login = role.name in logins
        kept = {"BYPASSRLS"} if is_login and bypass_rls else set()
        lost = [flag for flag in role.flags if flag not in kept]
        limit = connection_limit if is_login else _NO_LIMIT
        differences = "; ".join(
            [
                *_differences(role, memberships[role.name], lost, is_login=is_login),
                *_other_differences(role, limit),
                *([_LOCKED_OUT] if is_login else []),
            ]
        )
        changes = f"; brought in line: {differences}" if differences else ""
        kind = "login" if is_login else "role"
        note(f"{kind} {quoted(role.name)} is there already, and is adopted{changes}")


def out_of_reach(connection: Connection, names: Iterable[str]) -> str:
    """What is said of the stack's own roles that its administrator may not change; or nothing."""
    return _closed(connection, _find(connection, names))


def _find(connection: Connection, names: Iterable[str]) -> list[_Found]:
    by_admin_option = capabilities.has(
        "CREATEROLE only with the ADMIN option", connection.info.server_version
    )
    found = rows(connection, _FIND, _SETTINGS, by_admin_option, [*names])
    return [_Found(*row) for row in found]


def _closed(connection: Connection, found: Sequence[_Found], otherwise: str = "") -> str:
    closed = [quoted(role.name) for role in found if not role.may_be_changed]
    administrator = quoted(connection.info.user)
    statements = "; ".join(f"GRANT {name} TO {administrator} WITH ADMIN OPTION" for name in closed)
    return statements and (
        f"the role {listed(closed)} is there already, made by another one, and the "
        f"administrator {administrator} may not change it. Remedy: have a role that may run: "
        f"{statements}{otherwise}"
    )


def _differences(
    role: _Found, memberships: Sequence[str], lost: Sequence[str], *, is_login: bool
) -> Iterator[str]:
    if role.can_login != is_login:
        yield "gets LOGIN" if is_login else "loses LOGIN"
    if role.replicates != is_login:
        yield "gets REPLICATION" if is_login else "loses REPLICATION"
    yield from (f"loses {flag}" for flag in lost)
    if lacking := sorted(set(memberships).difference(role.memberships)):
        yield f"becomes a member of {listed(map(quoted, lacking))}"
    beyond = sorted(set(role.memberships).difference(memberships))
    if beyond and is_login:  # a group role's others stay
        yield f"is no longer a member of {listed(map(quoted, beyond))}"


def _other_differences(role: _Found, limit: int) -> Iterator[str]:
    if not role.inherits:
        yield "gets INHERIT"
    if role.connection_limit != limit:
        spelt = "no limit" if limit == _NO_LIMIT else limit
        yield f"its connection limit of {role.connection_limit} becomes {spelt}"
    if role.valid_until:
        yield f"its password is valid for ever, no longer until {role.valid_until}"
    if role.settings:
        yield f"loses the setting {listed(role.settings)}"
