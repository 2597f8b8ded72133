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
from azure_postgres_cdc.database.identity_audit import check_identities
from azure_postgres_cdc.database.membership import acting_for
from azure_postgres_cdc.dynamic import CdcProvider, Props, pack
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed, quoted

# As JSON, because not every version has every column.
_FIND = """
SELECT puballtables, coalesce((to_jsonb(p) ->> 'pubviaroot')::boolean, false), ARRAY(
    SELECT substr(key, 4) FROM jsonb_each_text(to_jsonb(p)) WHERE value = 'false'
    AND key IN ('pubinsert', 'pubupdate', 'pubdelete', 'pubtruncate') ORDER BY 1)
FROM pg_publication p WHERE pubname = %s
"""
_TABLES = """
SELECT n.nspname, c.relname,
       coalesce(to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs') IS NOT NULL
FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s
"""
_SCHEMAS = """
SELECT n.nspname FROM pg_publication p JOIN pg_publication_namespace s ON s.pnpubid = p.oid
JOIN pg_namespace n ON n.oid = s.pnnspid WHERE p.pubname = %s ORDER BY 1
"""
# What somebody may have done to it by hand, and what loses or adds changes in silence.
_UNTOUCHED: Props = {"restricted": [], "schemas": [], "unpublished": []}
_REMEDIES = {
    "42501": "FOR ALL TABLES needs a superuser here: capture `schemas` or `tables` instead. For "
    "one of the tables, it needs ownership: run up as the owner or as a member of the owner"
}


class PublicationProvider(CdcProvider):
    """Creates a publication and changes it in place, through psycopg."""

    identity = ("database", "name")
    packed = ("capture", "fullIdentity", "allowWithoutIdentity", "tables", "toRepair")

    def resolve(self, olds: Props, news: Props) -> Props:
        _refuse_other_kind(olds, news)
        with connect(news["connection"], news["database"]) as connection:
            there = _find(connection, news["name"])
            if there is None and olds.get("name") == news["name"]:
                raise CdcError(_vanished(olds))
            published = _parsed(there["tables"]) if there else set()
            found = _captured(connection, news, there)
            if news["capture"] != news["fullIdentity"]:
                full = news["fullIdentity"].get("tables", ())
                check_identities(
                    connection, found, _parsed([*full, *news.get("allowWithoutIdentity", ())])
                )
            members = [] if _all_tables(news) else sorted({*found, *_own(news)})
            repair = set(members) - published if olds else set()
            repair.update(tables.unreadable(connection, found, news["role"]) if olds else ())
            return news | {
                "tables": [str(table) for table in members],
                "toRepair": [str(table) for table in sorted(repair)],
                "allTables": _all_tables(news),
                "viaPartitionRoot": _has_via_root(connection),
                **_UNTOUCHED,
            }

    def make(self, props: Props) -> Props:
        name = props["name"]
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot create publication {quoted(name)}", _REMEDIES),
        ):
            found = _find(connection, name)
            if found not in (None, _wanted(props)):
                raise CdcError(_refusal(props, found))
            captured = _captured(connection, props, found)
            with acting_for(connection, tables.owners_of(connection, captured)):
                _make_readable(connection, props["role"], captured)
                if found is None:
                    connection.execute(_create_statement(props))
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
            if found["allTables"] != _all_tables(news):
                raise CdcError(_other_kind(news))
            repair = _parsed(news["toRepair"]) - _own(news)
            owned = repair | _parsed(news["tables"])
            with acting_for(connection, tables.owners_of(connection, owned)):
                _make_readable(connection, news["role"], repair)
                for statement in _alterations(connection, name, found, _wanted(news)):
                    connection.execute(statement)
        return olds | news | {"toRepair": []}

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

    Tables are added and dropped in place, in one transaction, and are readable for the role
    from the moment they are in it. A table that was dropped and made again is added again.
    Partitioned tables are published as their root (`publish_via_partition_root`, PostgreSQL 13
    and later), as the page asks.
    """

    tables: pulumi.Output[str]
    """What is published, as in SQL, the connector's own tables among it: a packed list."""

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        publication: str,
        role: str,
        capture: CaptureArgs,
        own_tables: Sequence[TableName] = (),
        full_identity: CaptureArgs | None = None,
        allow_without_identity: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "name": publication,
            "role": role,
            "capture": pack(normalised(capture)),
            "ownTables": [str(table) for table in own_tables],
            "fullIdentity": pack(normalised(full_identity) if full_identity else {}),
            "allowWithoutIdentity": pack(sorted(set(allow_without_identity))),
            "tables": None,  # an output: what is published now
        }
        super().__init__(PublicationProvider(), resource_name, props, opts)


def _make_readable(connection: Connection, role: str, captured: Iterable[TableName]) -> None:
    """Grant SELECT where it is missing: on tables of owners that nobody listed, for example."""
    missing = tables.unreadable(connection, captured, role)
    if missing:
        names = sql.SQL(", ").join(table.identifier for table in missing)
        grant = sql.SQL("GRANT SELECT ON TABLE {} TO {}").format(names, sql.Identifier(role))
        connection.execute(grant)


def _captured(connection: Connection, props: Props, there: Props | None) -> list[TableName]:
    """The captured tables; those that are in the publication already need no ownership."""
    done = _parsed(there["tables"]) if there else set()
    return resolve(connection, props["capture"], _own(props), done)


def _own(props: Props) -> set[TableName]:
    return _parsed(props["ownTables"])


def _parsed(names: Iterable[str]) -> set[TableName]:
    return {TableName.parse(text) for text in names}


def _all_tables(props: Props) -> bool:
    return bool(props["capture"].get("allTables"))


def _wanted(props: Props) -> Props:
    return {
        "tables": props["tables"],
        "allTables": _all_tables(props),
        "viaPartitionRoot": props["viaPartitionRoot"],
        **_UNTOUCHED,
    }


def _find(connection: Connection, name: str) -> Props | None:
    found = rows(connection, _FIND, name)
    if not found:
        return None
    all_tables, via_root, unpublished = found[0]
    members = sorted((TableName(*row), part) for *row, part in rows(connection, _TABLES, name))
    by_schema = capabilities.has("FOR TABLES IN SCHEMA", connection.info.server_version)
    return {
        "tables": [str(table) for table, restricted in members if not restricted],
        "allTables": all_tables,
        "viaPartitionRoot": via_root,
        "restricted": [str(table) for table, restricted in members if restricted],
        "schemas": rows(connection, _SCHEMAS, name) if by_schema else [],
        "unpublished": unpublished,
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


def _alterations(
    connection: Connection, name: str, found: Props, wanted: Props
) -> Iterable[sql.Composed]:
    """What brings the publication in line, in one transaction: readers see all of it or nothing."""
    have, want = set(found["tables"]), set(wanted["tables"])
    changes: list[sql.Composable] = [
        sql.SQL(f"{verb} TABLE {{}}").format(_table_list(members))
        for verb, members in (
            ("DROP", found["restricted"]),
            ("ADD", want - have),
            ("DROP", have - want),
        )
        if members
    ]
    if found["schemas"]:
        schemas = sql.SQL(", ").join(map(sql.Identifier, found["schemas"]))
        changes.append(sql.SQL("DROP TABLES IN SCHEMA {}").format(schemas))
    if found["unpublished"]:
        truncate = capabilities.has("publishing TRUNCATE", connection.info.server_version)
        kinds = "insert, update, delete" + (", truncate" if truncate else "")
        changes.append(sql.SQL("SET (publish = {})").format(kinds))
    if found["viaPartitionRoot"] != wanted["viaPartitionRoot"]:
        value = wanted["viaPartitionRoot"]
        changes.append(sql.SQL("SET (publish_via_partition_root = {})").format(value))
    for change in changes:
        yield sql.SQL("ALTER PUBLICATION {} {}").format(sql.Identifier(name), change)


def _table_list(names: Iterable[str]) -> sql.Composed:
    ordered = sorted(TableName.parse(text) for text in names)
    return sql.SQL(", ").join(table.identifier for table in ordered)


def _refuse_other_kind(olds: Props, news: Props) -> None:
    if olds and _all_tables(olds) != _all_tables(news):
        raise CdcError(_other_kind(news))


def _other_kind(props: Props) -> str:
    return (
        f"publication {quoted(props['name'])} cannot change between FOR ALL TABLES and listed "
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
        *(f"it holds {name} with a row filter or a column list" for name in found["restricted"]),
        *(f"it holds every table of schema {quoted(name)}" for name in found["schemas"]),
        *(f"it does not publish {kind.upper()}" for kind in found["unpublished"]),
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
        "stop the source; pulumi state unprotect --all; pulumi state delete --target-dependents "
        "with the publication's URN (pulumi stack --show-urns; the slot leaves the state too, and "
        "is adopted again); pulumi up; resume the source and snapshot every captured table"
    )
