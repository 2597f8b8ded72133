"""What the signal table and the heartbeat table share: a fixed shape, and grants to write."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.database import ledger, tables
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    looking_at,
    rows,
    together,
)
from azure_postgres_cdc.database.membership import (
    SCHEMA_OWNER,
    acting_for,
    statement_for,
    within_reach,
)
from azure_postgres_cdc.database.slot_guard import ConnectorSlot, GuardedProvider, guarded
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.dynamic import Props, warn
from azure_postgres_cdc.errors import ROLE_IS_GONE, CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted

PRIVILEGES = ("SELECT", "INSERT", "UPDATE")

_OWNER_AND_KIND = """
SELECT pg_get_userbyid(c.relowner), CASE
    WHEN c.relkind = 'v' THEN 'it is a view'
    WHEN c.relkind = 'p' OR c.relispartition THEN 'it is partitioned, or a partition'
    WHEN c.relkind <> 'r' THEN 'it is no ordinary table'
    WHEN c.relpersistence <> 'p' THEN 'it is an unlogged table, whose changes are not in the WAL'
END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       coalesce(a.attnum = ANY(i.indkey), false)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_GRANTED = """
SELECT pg_get_userbyid(acl.grantee) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) acl
WHERE n.nspname = %s AND c.relname = %s
GROUP BY 1 HAVING array_agg(acl.privilege_type) @> %s::text[]
"""

# By its own name, or with every other table where a stack has its record: any other FOR ALL TABLES
# says nothing of whom the table is for.
_PUBLISHED_BY = """
SELECT p.pubname FROM pg_publication_tables t JOIN pg_publication p ON p.pubname = t.pubname
WHERE t.schemaname = %s AND t.tablename = %s
  AND (strpos(obj_description(p.oid, 'pg_publication'), %s) > 0 OR EXISTS (
    SELECT FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.prpubid = p.oid AND (n.nspname, c.relname) = (t.schemaname, t.tablename)))
ORDER BY 1
"""
_SCHEMA_OWNER = "SELECT {owner} FROM pg_namespace n WHERE n.nspname = %s"

Column = tuple[str, str, bool, bool]
"""Name, type, NOT NULL, part of the primary key."""
_Granted = tuple[str, str, TableName]
"""Privileges, the kind of what they are on, and its name."""


class ConnectorTableProvider(GuardedProvider):
    """Creates a table of the connector's, with its grants, through psycopg."""

    identity = ("database", "schema")
    unsettled = ("lacking",)

    table: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    statements: ClassVar[tuple[str, ...]]
    """How to make it. Placeholder: `{table}`."""

    def resolve(self, olds: Props, news: Props) -> Props:
        """One of another shape, or out of reach, is refused before anything is changed.

        A table that has vanished is made again, visibly: what it held were requests, no data. And
        a grant that it has lost is given again.
        """
        name = self._name(news)
        is_known = bool(olds) and self._name(olds) == name
        with looking_at(news["connection"], news["database"]) as connection:
            owner = self._owner(connection, name)
            lacking = self._lacking(connection, name, news["roles"]) if owner else []
            if owner and lacking:
                _check_reach(connection, name, owner)
        if is_known and not owner:
            warn([f"table {name} has vanished and is made again"])
        present = owner is not None or not is_known
        return news | {"present": present, "lacking": lacking if is_known else []}

    def make(self, props: Props) -> Props:
        name = self._name(props)
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot create table {name}", _may_not_create(connection, name)),
        ):
            self._bring_in_line(connection, name, props["roles"])
        return props | {"present": True, "lacking": []}

    def change(self, olds: Props, news: Props) -> Props:
        name = self._name(news)
        dropped = set(olds["roles"]) - set(news["roles"])
        with (
            connect(news["connection"], news["database"]) as connection,
            explained(f"cannot change the grants on table {name}", ROLE_IS_GONE),
        ):
            self._bring_in_line(connection, name, news["roles"], dropped)
        return olds | news | {"present": True, "lacking": []}

    def look(self, props: Props) -> Props | None:
        name = self._name(props)
        with looking_at(props["connection"], props["database"]) as connection:
            if self._owner(connection, name) is None:
                return None
            granted = self.granted(connection, name)
        return props | {"roles": sorted(set(props["roles"]) & granted)}

    def remove(self, props: Props) -> None:
        """The table is dropped; a signal table with rows needs `dropSignalTable: true` first.

        It stays while another connector's publication holds it.
        """
        name = self._name(props)
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot drop table {name}"),
            acting_for(connection, tables.owners_of(connection, [name])),
        ):
            if not rows(connection, _OWNER_AND_KIND, name.schema, name.name):
                return
            # This connector's holds it no longer by now. The other one may be another stack's.
            users = rows(connection, _PUBLISHED_BY, name.schema, name.name, ledger.MARK)
            if users:
                held_by = f"publication {listed(map(quoted, users))} holds it"
                where = f"of database {props['database']}"
                warn([f"table {name} {where} stays: {held_by}, so that another connector uses it"])
                self._revoke(connection, name, props["roles"])
                return
            self.before_drop(connection, props, name)
            connection.execute(sql.SQL("DROP TABLE {}").format(name.identifier))

    def before_drop(self, connection: Connection, props: Props, name: TableName) -> None:
        """Raise a CdcError where the table must not go."""

    def fault(self, connection: Connection, schema: str) -> str | None:
        """Why a connector could not use the table of this schema, if it could not."""
        name = TableName(schema, self.table)
        try:
            if self._owner(connection, name) is None:
                return f"table {name} does not exist. Remedy: run pulumi up, which makes it again"
        except CdcError as refusal:
            return str(refusal)
        return None

    def objects(self, connection: Connection, name: TableName) -> list[_Granted]:  # noqa: ARG002
        """What the roles get privileges on."""
        return [(", ".join(PRIVILEGES), "TABLE", name)]

    def granted(self, connection: Connection, name: TableName) -> set[str]:
        """The roles that have all of the grants."""
        return set(rows(connection, _GRANTED, name.schema, name.name, list(PRIVILEGES)))

    def _bring_in_line(
        self,
        connection: Connection,
        name: TableName,
        roles: Sequence[str],
        dropped: Collection[str] = (),
    ) -> None:
        """Make it where it is missing; revoke, and grant what is lacking, as its owner may."""
        owner = self._owner(connection, name)
        of_schema = _SCHEMA_OWNER.format(owner=SCHEMA_OWNER)
        owners = [owner] if owner else rows(connection, of_schema, name.schema)
        with acting_for(connection, owners):
            if owner is None:
                for statement in self.statements:
                    connection.execute(sql.SQL(statement).format(table=name.identifier))
            if owner:
                self._revoke(connection, name, dropped)
            lacking = self._lacking(connection, name, roles)
            if owner and lacking:
                _check_reach(connection, name, owner)
            if lacking:
                objects = self.objects(connection, name)
                _on_each(
                    connection, "GRANT {privileges} ON {kind} {name} TO {roles}", objects, lacking
                )

    def _revoke(self, connection: Connection, name: TableName, roles: Collection[str]) -> None:
        """From those of the roles that are there: one that is gone took its grants along."""
        there = rows(connection, "SELECT rolname FROM pg_roles") if roles else ()
        found = set(roles).intersection(there)
        if found:
            objects = self.objects(connection, name)
            _on_each(connection, "REVOKE ALL ON {kind} {name} FROM {roles}", objects, found)

    def _lacking(self, connection: Connection, name: TableName, roles: Iterable[str]) -> list[str]:
        return sorted(set(roles) - self.granted(connection, name))

    def _owner(self, connection: Connection, name: TableName) -> str | None:
        """Whose table it is; None where there is none. Raises a CdcError where it does not fit."""
        table = name.schema, name.name
        found, columns = together(connection, (_OWNER_AND_KIND, *table), (_COLUMNS, *table))
        if not found:
            return None
        ((owner, fault),) = found
        difference = fault or _difference(self.columns, columns)
        if difference:
            raise CdcError(
                f"table {name} is there already, but is not the connector's: {difference}. Remedy: "
                "rename or drop it, or choose another schema for it"
            )
        return str(owner)

    def _name(self, props: Props) -> TableName:
        return TableName(props["schema"], self.table)


class ConnectorTable(Resource):
    """A table of the connector's in one schema, writable for its roles."""

    provider: ClassVar[type[ConnectorTableProvider]]

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        schema: str,
        roles: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
        *,
        drop_with_rows: bool = True,
        slots: Sequence[ConnectorSlot] = (),
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "schema": schema,
            "roles": sorted(roles),
            "dropWithRows": drop_with_rows,
            **guarded(slots),
        }
        super().__init__(self.provider(), resource_name, props, opts)


def _on_each(
    connection: Connection, statement: str, objects: Iterable[_Granted], roles: Iterable[str]
) -> None:
    grantees = sql.SQL(", ").join(map(sql.Identifier, sorted(roles)))
    for privileges, kind, name in objects:
        connection.execute(
            sql.SQL(statement).format(
                privileges=sql.SQL(privileges),
                kind=sql.SQL(kind),
                name=name.identifier,
                roles=grantees,
            )
        )


def _check_reach(connection: Connection, name: TableName, owner: str) -> None:
    """Whoever may do something else with a table and grants it gets a mere warning."""
    if owner not in within_reach(connection):
        raise CdcError(
            f"table {name} belongs to {quoted(owner)}, and the administrator may grant nothing on "
            "it. Remedy: have a role that may run: "
            f"{statement_for(connection, owner)}; then run pulumi up again"
        )


def _may_not_create(connection: Connection, name: TableName) -> dict[str, str]:
    schema, administrator = quoted(name.schema), quoted(connection.info.user)
    return {
        "42501": f"have the owner of the schema run: GRANT CREATE ON SCHEMA {schema} TO "
        f"{administrator}, or choose another schema for it; then run pulumi up again"
    } | ROLE_IS_GONE


def _difference(columns: Sequence[Column], found: Sequence[Column]) -> str:
    """What is wrong with the columns; nothing where they are those that are wanted."""
    if list(columns) == list(found):
        return ""
    wanted, have = list(map(_spelt, columns)), list(map(_spelt, found))
    lacks = [column for column in wanted if column not in have]
    extra = [column for column in have if column not in wanted]
    differences = [
        f"it lacks {listed(lacks)}" if lacks else "",
        f"it has {listed(extra)} instead" if extra else "",
        "" if lacks or extra else "its columns are in another order",
    ]
    return ", ".join(filter(None, differences))


def _spelt(column: Column) -> str:
    name, type_, not_null, primary = column
    suffix = " PRIMARY KEY" if primary else " NOT NULL" if not_null else ""
    return f"{name} {type_}{suffix}"
