"""REPLICA IDENTITY FULL: what the WAL holds of a row that was updated or deleted.

By default only the primary key's values of a deleted row are kept; a table without a primary key
cannot be updated at all once it is published. FULL keeps every column (the page: for soft deletes,
audits and history). The setting is not inherited, so partitions get it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
import pulumi
from psycopg import sql
from pulumi.dynamic import Resource
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.capture import CaptureArgs, normalised, resolve
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.dynamic import CdcProvider, Props, pack
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import TableName, listed

# ALTER TABLE waits for readers, and everyone else waits behind it: better to try again.
_LOCK_TIMEOUT = "2s"
_ATTEMPTS = 10

_IDENTITIES = """
SELECT n.nspname, c.relname, CASE c.relreplident
       WHEN 'f' THEN 'FULL' WHEN 'd' THEN 'DEFAULT' WHEN 'n' THEN 'NOTHING'
       ELSE coalesce('USING INDEX ' || quote_ident(i.relname), 'NOTHING') END
FROM unnest(%s::text[], %s::text[]) AS wanted(schema, name)
JOIN pg_namespace n ON n.nspname = wanted.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
LEFT JOIN pg_index x ON x.indrelid = c.oid AND x.indisreplident
LEFT JOIN pg_class i ON i.oid = x.indexrelid
"""
_FULL = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relreplident = 'f'
"""


class ReplicaIdentityProvider(CdcProvider):
    """Sets FULL where it is not set, and remembers what was there before."""

    identity = ("database",)
    packed = ("captures", "tables", "before")

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002 - the base's signature
        wanted: set[TableName] = set()
        own = [TableName.parse(text) for text in news["ownTables"]]
        with connect(news["connection"], news["database"]) as connection:
            full = {TableName(*row) for row in rows(connection, _FULL)}
            for capture in news["captures"]:
                wanted.update(resolve(connection, capture, own, full))
            family = tables.with_partitions(connection, wanted)
        return news | {"tables": [str(table) for table in family]}

    def make(self, props: Props) -> Props:
        with connect(props["connection"], props["database"], autocommit=True) as connection:
            before = _identities(connection, props["tables"])
            _set(connection, {name: "FULL" for name, found in before.items() if found != "FULL"})
        return props | {"before": before}

    def change(self, olds: Props, news: Props) -> Props:
        dropped = {name: olds["before"][name] for name in set(olds["before"]) - set(news["tables"])}
        with connect(news["connection"], news["database"], autocommit=True) as connection:
            found = _identities(connection, [*news["tables"], *dropped])
            full = {name: "FULL" for name in news["tables"] if found.get(name) != "FULL"}
            _set(connection, {name: old for name, old in dropped.items() if name in found} | full)
        before = {
            name: olds["before"].get(name) or found.get(name, "DEFAULT") for name in news["tables"]
        }
        return olds | news | {"before": before}

    def look(self, props: Props) -> Props:
        with connect(props["connection"], props["database"]) as connection:
            found = _identities(connection, props["tables"])
        full = [name for name in props["tables"] if found.get(name) == "FULL"]
        return props | {"tables": full}

    def remove(self, props: Props) -> None:
        with connect(props["connection"], props["database"], autocommit=True) as connection:
            found = _identities(connection, props["before"])
            _set(connection, {name: props["before"][name] for name in found})


class ReplicaIdentity(Resource, module="azure-postgres-cdc", name="ReplicaIdentity"):
    """REPLICA IDENTITY FULL for the tables of some capture sets and all their partitions.

    Each table in a short transaction of its own, with retries, so that no application waits
    behind it. What was there before comes back when the table is taken out or at destroy.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        captures: Sequence[CaptureArgs],
        own_tables: Sequence[TableName] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "captures": pack([normalised(capture) for capture in captures]),
            "ownTables": [str(table) for table in own_tables],
        }
        super().__init__(ReplicaIdentityProvider(), resource_name, props, opts)


def _identities(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    parsed = [TableName.parse(name) for name in names]
    columns = [table.schema for table in parsed], [table.name for table in parsed]
    found = rows(connection, _IDENTITIES, *columns)
    return {str(TableName(schema, name)): identity for schema, name, identity in found}


def _set(connection: Connection, wanted: dict[str, str]) -> None:
    """Set each identity; a table that stays locked does not keep the others from theirs."""
    connection.execute(sql.SQL("SET lock_timeout = {}").format(_LOCK_TIMEOUT))
    locked = [
        name for name, identity in sorted(wanted.items()) if not _alter(connection, name, identity)
    ]
    if locked:
        raise CdcError(
            f"the replica identity of {listed(locked)} could not be changed: other sessions keep "
            f"the tables locked ({_ATTEMPTS} attempts of {_LOCK_TIMEOUT}). Remedy: run pulumi up "
            "again when their long transactions are over; the other tables are done"
        )


def _alter(connection: Connection, name: str, identity: str) -> bool:
    # FULL, DEFAULT, NOTHING or USING INDEX with a name that quote_ident has quoted.
    statement = sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(
        TableName.parse(name).identifier,
        sql.SQL(identity),
    )
    with explained(f"cannot change the replica identity of {name}"):
        try:
            _with_retries(connection, statement)
        except psycopg.errors.LockNotAvailable:
            return False
    return True


@retry(
    retry=retry_if_exception_type(psycopg.errors.LockNotAvailable),
    stop=stop_after_attempt(_ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.1, max=3),
    reraise=True,
)
def _with_retries(connection: Connection, statement: sql.Composed) -> None:
    connection.execute(statement)
