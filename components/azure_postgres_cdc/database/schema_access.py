"""What one role may do in one database: connect, use schemas, read their tables.

One dynamic resource for all of it, and no `postgresql.Grant`s: those mean *exactly these
privileges*, so that a schema-wide one revokes the write grants on a signal table in the same
schema; they fail on a schema as soon as one table in it belongs to a stranger; and an option that
changes which of them there are would revoke, last of all, what had just been granted.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.database import own_schemas, privileges, renaming, tables
from azure_postgres_cdc.database.capture import CaptureArgs, resolve
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    looking_at,
    together,
)
from azure_postgres_cdc.database.membership import statement_for, within_reach
from azure_postgres_cdc.database.privileges import CONNECT, Access
from azure_postgres_cdc.database.row_security import hidden_tables
from azure_postgres_cdc.database.slot_guard import (
    GUARDED,
    ConnectorSlot,
    GuardedProvider,
    guarded,
)
from azure_postgres_cdc.database.table_owners import check_owners, check_read_only
from azure_postgres_cdc.dynamic import Props, pack, warn
from azure_postgres_cdc.errors import ROLE_IS_GONE, CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted

ALL, CAPTURED, NONE = "all", "captured", "none"
"""Which tables are made readable: those of the captured schemas, the captured ones, or none
(pg_read_all_data reads them anyway)."""

_REMEDIES = {
    "42501": "have the owner, or a role that may, run: GRANT <owner> TO <administrator>; then run "
    "pulumi up again"
} | ROLE_IS_GONE


@dataclass(frozen=True)
class RoleAccess:
    """What one group role needs in one database."""

    role: str
    captured: frozenset[str] | None
    """The schemas to read; None for every schema."""
    writes: frozenset[str]
    """The schemas of the signal and heartbeat tables that it writes to."""
    own_schemas: frozenset[str]
    """Those of them that are the connector's own: made where they are missing."""
    captures: tuple[CaptureArgs, ...]
    """What its connectors capture."""
    owners: tuple[str, ...]
    """Roles that create tables: what they create later is to be readable at once."""
    discover_owners: bool = True
    """Whether every role that owns a table in the captured schemas counts as one of them."""
    create: bool = True
    """CREATE on the schemas, as on the page."""
    table_grants: str = ALL
    partitions: bool = False
    """Whether partitions are read by their own names, as they are published then."""
    users: tuple[str, ...] = ()
    """The logins in it that row-level security may hide rows from."""
    read_only: bool = False
    """Whether one of its connectors takes read-only snapshots, which old servers have not."""


class SchemaAccessProvider(GuardedProvider):
    """Grants what is lacking, revokes what is no longer wanted, through psycopg."""

    identity = ("database", "role")
    packed = ("captures", "tables")
    only_looked_at = ("captures", "slots", "acknowledge", GUARDED)
    unsettled = ("lacking",)

    def resolve(self, olds: Props, news: Props) -> Props:
        with looking_at(news["connection"], news["database"]) as connection:
            renaming.check_database(connection, olds, news)
            found = dict(news)
            if news.get("readOnly"):
                check_read_only(connection)
            if news["allSchemas"]:
                own = news.get("ownSchemas", ())
                found["schemas"] = sorted({*tables.user_schemas(connection), *own})
            missing = own_schemas.missing(connection, found.get("ownSchemas", ()))
            reach = within_reach(connection)
            found["owners"] = _owners(connection, olds, found, reach)
            found["tables"] = _tables(connection, found)
            access = _access(found)
            held = privileges.look(connection, access)
            privileges.check_connect(connection, access, held, reach)
            check_owners(connection, access, held, reach, is_known=bool(olds))
            # Before there is anything, the role and its schemas may be missing altogether.
            found["lacking"] = _lacking(held, access, missing, reach) if olds else []
            for user in found.get("users", ()):
                _warn_of_hidden_rows(connection, found, user)
        return found

    def make(self, props: Props) -> Props:
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(_what(props), _REMEDIES),
        ):
            made = own_schemas.make(connection, props.get("ownSchemas", ()))
            privileges.grant(connection, _access(props))
        return props | {"madeSchemas": made}

    def change(self, olds: Props, news: Props) -> Props:
        with (
            connect(news["connection"], news["database"]) as connection,
            explained(_what(news), _REMEDIES),
        ):
            wanted = _access(news)
            left = privileges.revoke(connection, _access(olds), wanted)
            own, made = news.get("ownSchemas", ()), set(olds.get("madeSchemas", ()))
            own_schemas.drop_empty(connection, made.difference(own))
            # What holds a table still, which goes later, is ours to drop later.
            made.difference_update(tables.missing_schemas(connection, made))
            made.update(own_schemas.make(connection, own))
            privileges.grant(connection, wanted)
        if left:
            warn([left])
        return olds | news | {"lacking": [], "madeSchemas": sorted(made)}

    def look(self, props: Props) -> Props:
        with looking_at(props["connection"], props["database"]) as connection:
            access = _access(props)
            missing = tables.missing_schemas(connection, props.get("ownSchemas", ()))
            held = privileges.look(connection, access)
            lacking = _lacking(held, access, missing, within_reach(connection))
        granted = {"schemas": [name for name in props["schemas"] if name not in lacking]}
        return props | granted | {"connect": props.get("connect", False) and CONNECT not in lacking}

    def remove(self, props: Props) -> None:
        """What was granted is taken back; a schema that was made here goes, where it is empty."""
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(_what(props), _REMEDIES),
        ):
            privileges.revoke(connection, _access(props), Access(props["role"]))
            own_schemas.drop_empty(connection, props.get("madeSchemas", ()))
            _warn_of_what_is_left(connection, props["role"])


class SchemaAccess(Resource, module="azure-postgres-cdc", name="SchemaAccess"):
    """CONNECT; USAGE, and CREATE, on schemas; SELECT on their tables or on the captured ones only.

    The first of a database's resources: it also says whether the database is the one that was
    captured so far (`renaming.py`), and looks at the owners of the captured schemas' tables.

    Schemas (where all are captured), owners (where none are listed) and captured tables are looked
    up at each `pulumi up`.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: pulumi.Input[str],
        access: RoleAccess,
        opts: pulumi.ResourceOptions | None = None,
        *,
        slots: Sequence[ConnectorSlot] = (),
        acknowledge: Sequence[str] = (),
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "role": access.role,
            "allSchemas": access.captured is None,
            "schemas": sorted(access.captured or ()),
            "writes": sorted(access.writes),
            "ownSchemas": sorted(access.own_schemas),
            "connect": True,
            "readOnly": access.read_only,
            "captures": pack(list(access.captures)),
            "owners": sorted(access.owners),
            "discoverOwners": access.discover_owners,
            "create": access.create,
            "tableGrants": access.table_grants,
            "users": sorted(access.users),
            **renaming.props([slot.name for slot in slots], acknowledge),
            **guarded(slots),
        }
        if access.partitions:
            props["partitions"] = True
        super().__init__(SchemaAccessProvider(), resource_name, props, opts)


def _access(props: Props) -> Access:
    """What the properties mean. Those of an earlier version have fewer keys."""
    everything = props.get("tableGrants", ALL) == ALL
    single = frozenset(map(TableName.parse, props.get("tables") or ()))
    schemas = {*props["schemas"], *props.get("writes", ()), *(table.schema for table in single)}
    return Access(
        role=props["role"],
        schemas=frozenset(schemas),
        writes=frozenset(props.get("writes", ())),
        connect=props.get("connect", False),
        create=props.get("create", True),
        readable=frozenset(props["schemas"] if everything else ()),
        owners=frozenset(props["owners"]),
        tables=single,
    )


def _lacking(
    held: privileges.Held, access: Access, missing: Iterable[str], reach: Container[str]
) -> list[str]:
    """The schemas in which something is to be granted again, and CONNECT.

    `missing`: schemas that are to be made again.
    """
    lacking = privileges.lacking(held, access, reach)
    return [*sorted({*lacking.schemas, *missing}), *([CONNECT] if lacking.connect else [])]


def _owners(connection: Connection, olds: Props, news: Props, reach: Collection[str]) -> list[str]:
    """The listed owners, all within reach, and those that are found.

    One that is out of reach by now stays, so that its privileges are not revoked, which would fail.
    """
    names, owning = together(
        connection, ("SELECT rolname FROM pg_roles",), privileges.table_owners(news["schemas"])
    )
    found = set(names)
    missing = [owner for owner in news["owners"] if owner not in found]
    strangers = [owner for owner in news["owners"] if owner in found and owner not in reach]
    known = set(olds.get("owners", ()))
    if missing:
        raise CdcError(
            f"owners of database {news['database']}: there is no role {listed(missing)}. Remedy: "
            "correct `owners`, or leave it out: the owners of tables are found by themselves"
        )
    if set(strangers) - known:
        statements = listed(statement_for(connection, owner) for owner in strangers)
        raise CdcError(
            f"owners of database {news['database']}: the administrator may not act for "
            f"{listed(strangers)}. Remedy: list only owners that it is a member of, or have a role "
            f"that may run: {statements}"
        )
    if not news.get("discoverOwners"):
        return sorted(news["owners"])
    return sorted({*news["owners"], *(set(owning) & (known | set(reach)))})


def _tables(connection: Connection, props: Props) -> list[str]:
    """The tables that are readable one by one.

    The captured ones, where only those are to be; and partitions that are read by their own names,
    wherever they are.
    """
    grants, partitions = props.get("tableGrants", ALL), props.get("partitions", False)
    if grants == NONE or (grants == ALL and not partitions):
        return []
    done = privileges.readable(connection, props["role"])
    found: set[TableName] = set()
    for capture in props["captures"]:
        found.update(resolve(connection, capture, (), done))
    if partitions:
        found.update(itertools.chain(*tables.leaves(connection, found).values()))
    if grants == ALL:
        found = {table for table in found if table.schema not in props["schemas"]}
    return sorted(map(str, found))


def _warn_of_hidden_rows(connection: Connection, props: Props, user: str) -> None:
    hidden = [
        table
        for table in hidden_tables(connection, props["schemas"], user, props["role"])
        if any(_captures(capture, table) for capture in props["captures"])
    ]
    if hidden:
        warn(
            [
                f"row-level security may hide rows of {listed(hidden)} from {quoted(user)}, and "
                "snapshots would lack them. Remedy: server.login.bypassRls (PostgreSQL 16 and "
                "later), or CREATE POLICY ... FOR SELECT "
                f"TO {quoted(props['role'])} USING (true) on each"
            ]
        )


def _warn_of_what_is_left(connection: Connection, role: str) -> None:
    """Of tables that have moved or changed hands since, and of grants that others have made."""
    left = privileges.held(connection, role)
    if left:
        database, name = quoted(connection.info.dbname), quoted(role)
        warn(
            [
                f"role {name} has something left in database {database}: {listed(left)}. Remedy, "
                f"where it cannot be dropped for that: in database {database}, as a superuser or a "
                f"member of the role, DROP OWNED BY {name}, which revokes what it was granted "
                "there, and drops what it owns; then run pulumi destroy again"
            ]
        )


def _captures(capture: Mapping[str, Any], table: TableName) -> bool:
    if capture.get("tables"):
        return str(table) in capture["tables"]
    return bool(capture.get("allTables")) or table.schema in capture["schemas"]


def _what(props: Props) -> str:
    return f"cannot change what {quoted(props['role'])} may do in database {props['database']}"
