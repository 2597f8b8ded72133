"""The publication: which tables' changes the connector gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pulumi
from psycopg import sql
from pulumi.dynamic import Resource

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.capture import CaptureArgs, normalised, resolve
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.dynamic import CdcProvider, Props, warn
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted

_FIND = "SELECT puballtables, {via_root} FROM pg_publication WHERE pubname = %s"
_TABLES = """
SELECT n.nspname, c.relname FROM pg_publication p
JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s
"""
_REMEDIES = {
    "42501": "FOR ALL TABLES needs a superuser here: capture `schemas` or `tables` instead. For "
    "one of the tables, it needs ownership: run up as the owner or as a member of the owner"
}


class PublicationProvider(CdcProvider):
    """Creates a publication and changes it in place, through psycopg."""

    identity = ("database", "name")

    def resolve(self, olds: Props, news: Props) -> Props:
        _refuse_other_kind(olds, news)
        with connect(news["connection"], news["database"]) as connection:
            if olds and _find(connection, olds["name"]) is None:
                raise CdcError(_vanished(olds))
            own = _own(news)
            found = resolve(connection, news["capture"], own)
            if news["capture"] != news["fullIdentity"]:
                _warn_without_identity(connection, found, news["fullIdentity"].get("tables", ()))
            published = [] if _all_tables(news) else sorted({*found, *own})
            return news | {
                "tables": [str(table) for table in published],
                "viaPartitionRoot": _has_via_root(connection),
            }

    def make(self, props: Props) -> Props:
        name = props["name"]
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot create publication {quoted(name)}", _REMEDIES),
        ):
            found = _find(connection, name)
            if found is None:
                connection.execute(_create_statement(props))
            elif found != _wanted(props):
                raise CdcError(_refusal(props, found))
        return props

    def change(self, olds: Props, news: Props) -> Props:
        name = news["name"]
        with (
            connect(news["connection"], news["database"]) as connection,
            explained(f"cannot change publication {quoted(name)}", _REMEDIES),
        ):
            found = _find(connection, name)
            if found is None:
                raise CdcError(_vanished(news))
            for statement in _alterations(name, found, _wanted(news)):
                connection.execute(statement)
        return olds | news

    def look(self, props: Props) -> Props:
        with connect(props["connection"], props["database"]) as connection:
            found = _find(connection, props["name"])
            if found is None:
                raise CdcError(_vanished(props))
            return props | found

    def remove(self, props: Props) -> None:
        name = props["name"]
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot drop publication {quoted(name)}"),
        ):
            connection.execute(
                sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name))
            )


class Publication(Resource, module="azure-postgres-cdc", name="Publication"):
    """A publication of the captured tables and of our own.

    Tables are added and dropped in place, in one transaction. Partitioned tables are published
    as their root (`publish_via_partition_root`, PostgreSQL 13 and later), as the page asks.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        publication: str,
        capture: CaptureArgs,
        own_tables: Sequence[TableName] = (),
        full_identity: CaptureArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "name": publication,
            "capture": normalised(capture),
            "ownTables": [str(table) for table in own_tables],
            "fullIdentity": normalised(full_identity) if full_identity else {},
        }
        super().__init__(PublicationProvider(), resource_name, props, opts)


def _own(props: Props) -> list[TableName]:
    return [TableName.parse(text) for text in props["ownTables"]]


def _all_tables(props: Props) -> bool:
    return bool(props["capture"].get("allTables"))


def _wanted(props: Props) -> Props:
    return {
        "tables": props["tables"],
        "allTables": _all_tables(props),
        "viaPartitionRoot": props["viaPartitionRoot"],
    }


def _find(connection: Connection, name: str) -> Props | None:
    via_root = "pubviaroot" if _has_via_root(connection) else "false"
    found = rows(connection, _FIND.format(via_root=via_root), name)
    if not found:
        return None
    members = sorted(TableName(*row) for row in rows(connection, _TABLES, name))
    return {
        "tables": [str(table) for table in members],
        "allTables": found[0][0],
        "viaPartitionRoot": found[0][1],
    }


def _has_via_root(connection: Connection) -> bool:
    return capabilities.has("publish_via_partition_root", connection.info.server_version)


def _create_statement(props: Props) -> sql.Composed:
    target: sql.Composable = sql.SQL("FOR ALL TABLES" if _all_tables(props) else "")
    if props["tables"]:
        target = sql.SQL("FOR TABLE {}").format(_table_list(props["tables"]))
    options = sql.SQL(
        "WITH (publish_via_partition_root = true)" if props["viaPartitionRoot"] else ""
    )
    name = sql.Identifier(props["name"])
    return sql.SQL("CREATE PUBLICATION {} {} {}").format(name, target, options)


def _alterations(name: str, found: Props, wanted: Props) -> Iterable[sql.Composed]:
    """What brings the publication in line, additions first, so that nothing goes missing."""
    publication = sql.Identifier(name)
    alter = sql.SQL("ALTER PUBLICATION {} {} {}")
    have, want = set(found["tables"]), set(wanted["tables"])
    for verb, members in (("ADD TABLE", want - have), ("DROP TABLE", have - want)):
        if members:
            yield alter.format(publication, sql.SQL(verb), _table_list(members))
    if found["viaPartitionRoot"] != wanted["viaPartitionRoot"]:
        value = sql.SQL("(publish_via_partition_root = {})").format(wanted["viaPartitionRoot"])
        yield alter.format(publication, sql.SQL("SET"), value)


def _table_list(names: Iterable[str]) -> sql.Composed:
    ordered = sorted(TableName.parse(text) for text in names)
    return sql.SQL(", ").join(table.identifier for table in ordered)


def _refuse_other_kind(olds: Props, news: Props) -> None:
    if not olds or _all_tables(olds) == _all_tables(news):
        return
    raise CdcError(
        f"publication {quoted(news['name'])} cannot change between FOR ALL TABLES and listed "
        "tables in place (PostgreSQL's rule), and changes before a new publication are not in it. "
        "Remedy: let the connector drain, stop the source, pulumi state unprotect the publication "
        "and the slot, pulumi destroy --target both, pulumi up, resume the source and snapshot"
    )


def _refusal(props: Props, found: Props) -> str:
    wanted = _wanted(props)
    have, want = set(found["tables"]), set(wanted["tables"])
    differences = [
        f"it lacks {listed(sorted(want - have))}" if want - have else "",
        f"it also holds {listed(sorted(have - want))}" if have - want else "",
        *(
            f"{key} is {found[key]}, needed {wanted[key]}"
            for key in ("allTables", "viaPartitionRoot")
            if found[key] != wanted[key]
        ),
    ]
    return (
        f"publication {quoted(props['name'])} of database {props['database']} is there already, "
        f"this stack did not make it, and it differs: {'; '.join(filter(None, differences))}. "
        "Remedy: alter or drop it by hand, or choose another name"
    )


def _vanished(props: Props) -> str:
    return (
        f"publication {quoted(props['name'])} of database {props['database']} has vanished: "
        "changes made since then are not captured. It is not created again without a word. Remedy: "
        "stop the source, take the publication out of the state (pulumi state unprotect and pulumi "
        "state delete), run pulumi up, resume the source and snapshot every captured table"
    )


def _warn_without_identity(
    connection: Connection, found: Sequence[TableName], full_identity: Sequence[str]
) -> None:
    """UPDATE and DELETE on such a table fail for the application once it is published."""
    full = {TableName.parse(text) for text in full_identity}
    without = [
        table.name
        for table in tables.describe(connection, found)
        if not table.has_identity and table.name not in full
    ]
    if without:
        warn(
            [
                f"{listed(without)}: no primary key and no replica identity, so that UPDATE and "
                "DELETE fail for the application once published; add to replicaIdentityFull"
            ]
        )
