"""The publication: which tables' changes the connector gets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace as with_changes

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.database import (
    ledger,
    needs_snapshot,
    partition_names,
    publication_mark,
    tables,
)
from azure_postgres_cdc.database.capture import CaptureArgs, resolve
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    looking_at,
    rows,
)
from azure_postgres_cdc.database.membership import acting_for, who_may_create
from azure_postgres_cdc.database.publication_adoption import check_adoption
from azure_postgres_cdc.database.publication_catalog import (
    Definition,
    by_table,
    find,
    owner_of,
    parsed,
)
from azure_postgres_cdc.database.publication_plan import planned, vanished
from azure_postgres_cdc.database.publication_replacement import needs_replacement, replace
from azure_postgres_cdc.database.publication_sql import alterations, create_statement
from azure_postgres_cdc.database.publication_trial import NOT_ALLOWED
from azure_postgres_cdc.database.slot_guard import (
    GUARDED,
    ConnectorSlot,
    GuardedProvider,
    guarded,
)
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.dynamic import Props, pack
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, quoted
from azure_postgres_cdc.publication_options import PublicationOptions


class PublicationProvider(GuardedProvider):
    """Creates a publication and changes it in place, through psycopg."""

    identity = ("database", "name")
    packed = (
        *("capture", "fullIdentity", "identityIndexes", "allowWithoutIdentity"),
        *("alsoFull", "alsoIndexes"),
        *("tables", "partitions", "toRepair"),
        *("columns", "rowFilters", "shownFilters", "filterColumns"),
        *("toSnapshot", "needsSnapshot", "attached", "tableOids"),
    )
    only_looked_at = ("attached", "tableOids", GUARDED)

    def resolve(self, olds: Props, news: Props) -> Props:
        news = _option_props(PublicationOptions()) | {"slot": ""} | news
        same = olds.get("name") == news["name"]
        with looking_at(news["connection"], news["database"]) as connection:
            return planned(connection, olds if same else {}, news)

    def make(self, props: Props) -> Props:
        name, wanted = props["name"], Definition.of(props)
        with (
            connect(props["connection"], props["database"]) as connection,
            _explained(f"cannot create publication {quoted(name)}", wanted),
        ):
            ledger.lock(connection)
            found = find(connection, name)
            captured = _captured(connection, props)
            filters = by_table(props["rowFilters"])
            with acting_for(connection, _owners(connection, props, captured)):
                if found is None:
                    connection.execute(create_statement(name, wanted, filters))
                else:
                    check_adoption(connection, props, found, wanted, captured)
                    for statement in alterations(name, found, wanted, filters):
                        connection.execute(statement)
                _make_readable(connection, props, captured)
                needs = _recorded(connection, props)
        return props | {"needsSnapshot": needs}

    def change(self, olds: Props, news: Props) -> Props:
        name, wanted, filters = news["name"], Definition.of(news), by_table(news["rowFilters"])
        with (
            connect(news["connection"], news["database"]) as connection,
            _explained(f"cannot change publication {quoted(name)}", wanted),
        ):
            ledger.lock(connection)
            found = find(connection, name)
            if found is None:
                raise CdcError(vanished(connection, news))
            captured = _captured(connection, news)
            with acting_for(connection, _owners(connection, news, captured)):
                if needs_replacement(connection, news, found, wanted):
                    replace(connection, name, wanted, filters)
                else:
                    for statement in alterations(name, found, wanted, filters):
                        connection.execute(statement)
                _make_readable(connection, news, captured)
                needs = _recorded(connection, news)
        return olds | news | {"toRepair": [], "needsSnapshot": needs}

    def look(self, props: Props) -> Props:
        with looking_at(props["connection"], props["database"]) as connection:
            found = find(connection, props["name"])
            if found is None:
                raise CdcError(vanished(connection, props))
            needs = ledger.read(connection, props["name"]).needs_snapshot
            own = parsed(props["ownTables"])
            return props | found.properties(connection, own) | {"needsSnapshot": needs}

    def remove(self, props: Props) -> None:
        """The publication is dropped. It is protected: `pulumi state unprotect` first."""
        name = props["name"]
        with (
            connect(props["connection"], props["database"]) as connection,
            explained(f"cannot drop publication {quoted(name)}"),
            acting_for(connection, owner_of(connection, name)),
        ):
            connection.execute(
                sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name))
            )


class Publication(Resource, module="azure-postgres-cdc", name="Publication"):
    """A publication of the captured tables and of our own.

    Tables, lists of columns, row filters and options are changed in place, in one transaction, and
    what is published is readable for the role from the moment it is. A table that was dropped and
    made again is added again. Partitioned tables are published as their root, as the page asks. The
    output `needsSnapshot` has every table whose earlier rows are still to be fetched.
    """

    tables: pulumi.Output[str]
    """What is published, as in SQL, the connector's own tables among it: a packed list. Of FOR ALL
    TABLES, what there is at the moment."""
    partitions: pulumi.Output[str | None]
    """Of each partitioned table, its partitions, as in SQL, where their changes are published by
    their own names: packed. None where they are published as their root's."""

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
        identity_indexes: Mapping[str, str] | None = None,
        allow_without_identity: Sequence[str] = (),
        options: PublicationOptions | None = None,
        slot: str = "",
        also_full: Sequence[CaptureArgs] = (),
        also_indexes: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
        *,
        slots: Sequence[ConnectorSlot] = (),
    ) -> None:
        """`also_full` and `also_indexes`: identities for the database's other connectors. `slots`:
        of all of them."""
        props = {
            "connection": connection_props(connection),
            "database": database,
            "name": publication,
            "role": role,
            "capture": pack(capture),
            "ownTables": [str(table) for table in own_tables],
            "fullIdentity": pack(full_identity or {}),
            "identityIndexes": pack(dict(sorted((identity_indexes or {}).items()))),
            "allowWithoutIdentity": pack(sorted(set(allow_without_identity))),
            "slot": slot,
            **_option_props(options or PublicationOptions()),
            **guarded(slots),
            "tables": None,  # an output: what is published now
            "partitions": None,  # another one
        }
        for key in ("columns", "rowFilters"):
            props[key] = pack(props[key])
        if also_full:
            props["alsoFull"] = pack(list(also_full))
        if also_indexes:
            props["alsoIndexes"] = pack(dict(sorted(also_indexes.items())))
        super().__init__(PublicationProvider(), resource_name, props, opts)


def _option_props(options: PublicationOptions) -> Props:
    return {
        "columns": options.columns,
        "rowFilters": options.row_filters,
        "publish": list(options.publish),
        "viaPartitionRoot": options.via_partition_root,
        "generatedColumns": options.generated_columns,
        "tablesInSchema": options.tables_in_schema,
        "acknowledge": list(options.acknowledge),
    }


def _owners(connection: Connection, props: Props, captured: Collection[TableName]) -> list[str]:
    """Whoever has a say: over the tables, our own among them, the publication, and the database.

    Somebody else may have made any of them.
    """
    return [
        *tables.owners_of(connection, {*captured, *parsed(props["ownTables"])}),
        *owner_of(connection, props["name"]),
        *who_may_create(connection),
    ]


def _captured(connection: Connection, props: Props) -> Collection[TableName]:
    if props["allTables"]:
        return resolve(connection, props["capture"], parsed(props["ownTables"]))
    return parsed(props["tables"]) - parsed(props["ownTables"])


def _make_readable(connection: Connection, props: Props, captured: Collection[TableName]) -> None:
    """Grant SELECT where it is missing: on tables of owners that nobody listed, for example."""
    role = props["role"]
    published = partition_names.published(captured, props.get("partitions"))
    missing = tables.unreadable(connection, published, role)
    if missing:
        names = sql.SQL(", ").join(table.identifier for table in missing)
        grant = sql.SQL("GRANT SELECT ON TABLE {} TO {}").format(names, sql.Identifier(role))
        connection.execute(grant)


def _recorded(connection: Connection, props: Props) -> dict[str, int]:
    """Keep what needs a snapshot, and how the publication is left, in the transaction that makes
    it so."""
    name, needed = props["name"], props.get("toSnapshot", ())
    before = ledger.read(connection, name)
    (transaction,) = rows(connection, "SELECT txid_current()") if needed else (0,)
    again = before.needs_snapshot if needed else {}
    signals = needs_snapshot.read_signals(connection, parsed(props["ownTables"]), again)
    needs = needs_snapshot.recorded_from(before.needs_snapshot, needed, transaction, signals)
    left = publication_mark.find(connection, name)
    after = with_changes(before, needs_snapshot=needs, left=left)
    # One that is somebody else's, and fits, was not altered, and need not be writable.
    if needs != before.needs_snapshot or (
        left != before.left and ledger.may_write(connection, name)
    ):
        ledger.write(connection, name, after)
    return needs


def _explained(what: str, wanted: Definition) -> AbstractContextManager[None]:
    return explained(what, {"42501": NOT_ALLOWED[wanted.kind]})
