"""The privileges of one role: what it lacks of what it is to have, and the statements for that.

Only what is missing is granted, so that a table which somebody else has made readable, or which
nobody here may grant on, is no obstacle. The connector's own tables are left alone: they have
grants of their own, to write as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection, rows, together
from azure_postgres_cdc.database.group_roles import without_what_goes
from azure_postgres_cdc.database.membership import (
    SCHEMA_OWNER,
    acting_for,
    statement_for,
    within_reach,
)
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import CONNECTORS_TABLES, TableName, listed, quoted

CONNECT = "CONNECT"
_REVOKE = "REVOKE {} ON {} {} FROM {}"

# The role's own grant, whatever PUBLIC has; the database's owner may give it, or a member of him.
_CONNECT = """
SELECT pg_get_userbyid(d.datdba),
    coalesce(has_database_privilege(r.oid, d.oid, 'CONNECT'),
             has_database_privilege('public', d.oid, 'CONNECT')),
    EXISTS (SELECT FROM aclexplode(d.datacl) acl
            WHERE acl.grantee = r.oid AND acl.privilege_type = 'CONNECT'),
    has_database_privilege(d.oid, 'CONNECT WITH GRANT OPTION')
FROM pg_database d LEFT JOIN pg_roles r ON r.rolname = %s WHERE d.datname = current_database()
"""
_SCHEMAS = """
SELECT n.nspname, p.name, {owner}, EXISTS (
    SELECT FROM aclexplode(n.nspacl) acl
    WHERE acl.grantee = r.oid AND acl.privilege_type = p.name),
    -- A role that is not there yet will have what everybody has.
    coalesce(has_schema_privilege(r.oid, n.oid, p.name),
             has_schema_privilege('public', n.oid, p.name)),
    has_schema_privilege(n.oid, p.name || ' WITH GRANT OPTION')
FROM pg_namespace n CROSS JOIN unnest(ARRAY['CREATE', 'USAGE']) AS p(name)
LEFT JOIN pg_roles r ON r.rolname = %s
WHERE n.nspname = ANY(%s)
"""
# Views, materialized views and foreign tables too, as ON ALL TABLES IN SCHEMA does. None for a role
# that is not there: what it lacks on the schemas says enough.
_UNREADABLE = """
SELECT n.nspname, c.relname, o.rolname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
JOIN pg_roles r ON r.rolname = %s
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND NOT (c.relname = ANY(%s) AND n.nspname = ANY(%s))
  AND {is_closed}
"""
_READABLE = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%%'
  AND has_table_privilege((SELECT oid FROM pg_roles WHERE rolname = %s), c.oid, 'SELECT')
"""
_GRANTED = """
SELECT n.nspname, c.relname, o.rolname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
JOIN pg_roles r ON r.rolname = %s
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND NOT (c.relname = ANY(%s) AND n.nspname = ANY(%s))
  AND EXISTS (SELECT FROM aclexplode(c.relacl) acl
              WHERE acl.grantee = r.oid AND acl.privilege_type = 'SELECT')
"""
_DEFAULTS = """
SELECT o.rolname, n.nspname
FROM pg_default_acl d JOIN pg_roles o ON o.oid = d.defaclrole
JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) acl
WHERE n.nspname = ANY(%s) AND d.defaclobjtype = 'r' AND acl.privilege_type = 'SELECT'
  AND acl.grantee = (SELECT oid FROM pg_roles WHERE rolname = %s)
"""
_TABLE_OWNERS = """
SELECT DISTINCT o.rolname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles o ON o.oid = c.relowner
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p')
"""

_HELD = """
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0)
FROM pg_shdepend d JOIN pg_database b ON b.oid = d.dbid JOIN pg_roles r ON r.oid = d.refobjid
WHERE d.refclassid = 'pg_authid'::regclass AND b.datname = current_database() AND r.rolname = %s
ORDER BY 1
"""


class _OnDatabase(NamedTuple):
    """CONNECT. Its parts mean the same as in `_OnSchema`."""

    owner: str
    has: bool
    is_granted: bool
    may_grant: bool


class _OnSchema(NamedTuple):
    """One privilege on one schema."""

    schema: str
    privilege: str
    owner: str
    is_granted: bool
    """To the role itself."""
    has: bool
    """The role has it, if only because everybody has."""
    may_grant: bool
    """The administrator has the grant option, whoever owns the schema."""

    @property
    def pair(self) -> tuple[str, str]:
        return self.schema, self.privilege


@dataclass(frozen=True)
class Access:
    """What a role is to have in one database."""

    role: str
    schemas: frozenset[str] = frozenset()
    """Those that it may use."""
    writes: frozenset[str] = frozenset()
    """Those of them that hold the connector's own tables."""
    create: bool = False
    """Whether it may create something in them."""
    readable: frozenset[str] = frozenset()
    """The schemas whose tables it may read, future ones of the owners among them."""
    owners: frozenset[str] = frozenset()
    """Roles that create tables."""
    tables: frozenset[TableName] = frozenset()
    """Single tables that it may read."""
    connect: bool = False
    """Whether it may connect to the database, whoever else may."""

    @property
    def on_schemas(self) -> set[tuple[str, str]]:
        """Pairs of schema and privilege."""
        privileges = ("CREATE", "USAGE") if self.create else ("USAGE",)
        return set(itertools.product(self.schemas, privileges))

    @property
    def defaults(self) -> set[tuple[str, str]]:
        """Pairs of owner and schema: what the one makes in the other is readable at once."""
        return set(itertools.product(self.owners, self.readable))

    @property
    def looked_at(self) -> list[str]:
        """The schemas in which there are tables to read."""
        return sorted(self.readable | {table.schema for table in self.tables})

    def reads(self, table: TableName) -> bool:
        """Whether the table is one that the role is to read."""
        return table.schema in self.readable or table in self.tables


@dataclass(frozen=True)
class Held:
    """What a role has in one database, of what it is to have there."""

    connect: _OnDatabase
    on_schemas: list[_OnSchema]
    """On the schemas that are there."""
    defaults: set[tuple[str, str]]
    tables: dict[TableName, str]
    """Of the schemas that it reads in, those that were asked for, with their owners."""


@dataclass(frozen=True)
class Difference:
    """What is to be granted or revoked, with the owners on whose behalf that is done."""

    on_schemas: dict[tuple[str, str], str]
    tables: dict[TableName, str]
    defaults: set[tuple[str, str]]
    connect: str | None = None
    """The database's owner, where CONNECT is among it."""

    @property
    def schemas(self) -> list[str]:
        """The schemas that it is about."""
        found = {schema for schema, _ in self.on_schemas} | {schema for _, schema in self.defaults}
        return sorted(found | {table.schema for table in self.tables})

    @property
    def owners(self) -> set[str]:
        """Whoever owns any of it."""
        found = {*self.on_schemas.values(), *self.tables.values(), *(o for o, _ in self.defaults)}
        return found | {self.connect} if self.connect else found


def look(connection: Connection, access: Access, which: str = _UNREADABLE) -> Held:
    """What a role has, and which tables it may not read; or those of another query."""
    role = access.role
    own = [*CONNECTORS_TABLES], sorted(access.writes)
    connect, on_schemas, defaults, found = together(
        connection,
        (_CONNECT, role),
        (_SCHEMAS.format(owner=SCHEMA_OWNER), role, [*access.schemas]),
        (_DEFAULTS, sorted(access.readable), role),
        (which.format(is_closed=tables.IS_CLOSED), role, access.looked_at, *own),
    )
    privileges = (_OnSchema(*row) for row in on_schemas)
    return Held(
        _OnDatabase(*connect[0]),
        [item for item in privileges if item.pair in access.on_schemas],
        set(defaults),
        {TableName(schema, name): owner for schema, name, owner in found},
    )


def lacking(held: Held, access: Access, reach: Container[str]) -> Difference:
    """What a role lacks, as far as the administrator may grant it.

    Of schemas that belong to somebody else, it is also what he would have to grant. `reach`: the
    owners that the administrator may act for.
    """
    return Difference(
        {
            found.pair: found.owner
            for found in held.on_schemas
            if not found.is_granted
            and not (found.has and not found.may_grant and found.owner not in reach)
        },
        {t: owner for t, owner in held.tables.items() if access.reads(t) and owner in reach},
        access.defaults - held.defaults,
        _owner_to_ask(held.connect, reach) if access.connect else None,
    )


def closed_schemas(held: Held, reach: Container[str]) -> dict[str, str]:
    """The schemas on which the role lacks a privilege that nobody here may grant, with owners."""
    return {
        found.schema: found.owner
        for found in held.on_schemas
        if not found.has and not found.may_grant and found.owner not in reach
    }


def surplus(
    connection: Connection, was: Access, now: Access, reach: Container[str]
) -> tuple[Difference, Difference]:
    """What a role was to have, and is no longer to have. What is gone by itself is none of it.

    In two parts: what the administrator may revoke, and what it may not, without the tables, which
    nobody reads that may not use their schema.
    """
    ours: dict[tuple[str, str], str] = {}
    others: dict[tuple[str, str], str] = {}
    held = look(connection, was, _GRANTED)
    for found in held.on_schemas:
        if found.is_granted and found.pair not in now.on_schemas:
            may_revoke = found.may_grant or found.owner in reach
            (ours if may_revoke else others)[found.pair] = found.owner
    found_tables = {
        t: owner
        for t, owner in held.tables.items()
        if was.reads(t) and not now.reads(t) and owner in reach
    }
    defaults = held.defaults & was.defaults - now.defaults
    closed_defaults = {pair for pair in defaults if pair[0] not in reach}
    connect = None
    if was.connect > now.connect and held.connect.is_granted:
        may_revoke = held.connect.may_grant or held.connect.owner in reach
        connect = held.connect.owner if may_revoke else None
    return (
        Difference(ours, found_tables, defaults - closed_defaults, connect),
        Difference(others, {}, closed_defaults),
    )


def grant(connection: Connection, access: Access) -> None:
    """Grant what is lacking."""
    missing = tables.missing_schemas(connection, sorted(access.schemas))
    if missing:
        raise CdcError(
            f"cannot grant anything to {quoted(access.role)}: schema "
            f"{listed(map(quoted, missing))} does not exist. Remedy: make it, or take it out of "
            "the settings"
        )
    reach = within_reach(connection)
    with without_what_goes(connection, access.role):
        missing_grants = lacking(look(connection, access), access, reach)
    _carry_out(connection, "GRANT {} ON {} {} TO {}", missing_grants, access.role)
    _check_granted(connection, access, reach)


def revoke(connection: Connection, was: Access, now: Access) -> str:
    """Revoke what is no longer wanted. What is said of the rest, which nobody here may revoke."""
    found, closed = surplus(connection, was, now, within_reach(connection))
    _carry_out(connection, _REVOKE, found, was.role)
    statements = _statements(connection, _REVOKE, closed, was.role)
    remedy = "; ".join(statement.as_string(connection) for statement in statements)
    owners = sorted(map(quoted, closed.owners))
    return remedy and (
        f"what {quoted(was.role)} may do with what belongs to {listed(owners)} stays: the "
        f"administrator may not revoke it. Remedy: as a superuser or {' or '.join(owners)}, in "
        f"database {quoted(connection.info.dbname)}: {remedy}"
    )


def held(connection: Connection, role: str) -> list[str]:
    """Everything in the database that a role owns or may do something with, as PostgreSQL says."""
    return rows(connection, _HELD, role)


def readable(connection: Connection, role: str) -> set[TableName]:
    """Every table that a role may read already."""
    return {TableName(*row) for row in rows(connection, _READABLE, role)}


def table_owners(schemas: Iterable[str]) -> tuple[str, list[str]]:
    """The query for every role that owns a table in one of the schemas."""
    return _TABLE_OWNERS, list(schemas)


def _carry_out(connection: Connection, statement: str, what: Difference, role: str) -> None:
    with acting_for(connection, what.owners), connection.pipeline():
        for composed in _statements(connection, statement, what, role):
            connection.execute(composed)


def _statements(
    connection: Connection, statement: str, what: Difference, role: str
) -> Iterator[sql.Composed]:
    """One for each kind of privilege, and one for each owner of future tables."""
    grantee = sql.Identifier(role)

    def text(privilege: str, kind: str, names: sql.Composable) -> sql.Composed:
        return sql.SQL(statement).format(sql.SQL(privilege), sql.SQL(kind), names, grantee)

    for privilege, pairs in _grouped((b, a) for a, b in what.on_schemas).items():
        yield text(privilege, "SCHEMA", _identifiers(pairs))
    if what.connect:
        yield text(CONNECT, "DATABASE", sql.Identifier(connection.info.dbname))
    if what.tables:
        names = sql.SQL(", ").join(table.identifier for table in sorted(what.tables))
        yield text("SELECT", "TABLE", names)
    for owner, schemas in _grouped(what.defaults).items():
        future = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} {}")
        action = text("SELECT", "TABLES", sql.SQL(""))
        yield future.format(sql.Identifier(owner), _identifiers(schemas), action)


def _check_granted(connection: Connection, access: Access, reach: Container[str]) -> None:
    """Whoever has some privilege and may not grant it gets a mere warning from PostgreSQL."""
    held = look(connection, replace(access, readable=frozenset(), tables=frozenset()))
    refused = {found.schema: found.owner for found in held.on_schemas if not found.has}
    if refused:
        statements = {statement_for(connection, owner) for owner in refused.values()}
        raise CdcError(
            f"cannot grant anything to {quoted(access.role)} on schema "
            f"{listed(map(quoted, sorted(refused)))}: it belongs to somebody else. Remedy: have a "
            f"role that may run: {listed(sorted(statements))}; then run pulumi up again"
        )
    check_connect(connection, access, held, reach)


def check_connect(
    connection: Connection, access: Access, held: Held, reach: Container[str]
) -> None:
    """Raise a CdcError where the role may not connect, and nobody here can let it."""
    owner, has, _, may_grant = held.connect
    if access.connect and not has and not may_grant and owner not in reach:
        database = quoted(connection.info.dbname)
        raise CdcError(
            f"cannot let {quoted(access.role)} connect to database {database}, which belongs to "
            f"{quoted(owner)}. Remedy: have its owner run: GRANT CONNECT ON DATABASE {database} TO "
            f"{quoted(connection.info.user)} WITH GRANT OPTION; then run pulumi up again"
        )


def _owner_to_ask(connect: _OnDatabase, reach: Container[str]) -> str | None:
    """The database's owner, where the role lacks a grant of its own.

    Where nobody here may give it, what PUBLIC has is enough.
    """
    enough = connect.is_granted or (connect.has and connect.owner not in reach)
    return None if enough else connect.owner


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The second of each pair under its first, sorted."""
    found: dict[str, list[str]] = {}
    for first, second in sorted(pairs):
        found.setdefault(first, []).append(second)
    return found


def _identifiers(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
