"""A publication that somebody else has made: adopted where the connector gets the same from it.

The page's script leaves out publish_via_partition_root, which makes no difference as long as no
captured table is partitioned, and it knows no heartbeat table. Both are brought in line in place.
Whatever else differs would change what a running connector gets, and is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.publication_catalog import Definition, parsed
from azure_postgres_cdc.database.publication_difference import difference
from azure_postgres_cdc.dynamic import Props, note
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, quoted


def check_adoption(
    connection: Connection,
    props: Props,
    found: Definition,
    wanted: Definition,
    captured: Collection[TableName],
) -> None:
    """Raise a CdcError where a publication that the stack did not make is another one."""
    differences = difference(_harmless(connection, props, found, wanted, captured), wanted)
    if differences:
        raise CdcError(
            f"{_which(props)}, this stack did not make it, and it differs: "
            f"{'; '.join(differences)}. Remedy: alter or drop it by hand, or choose another name"
        )


def announce(props: Props, found: Definition, wanted: Definition) -> None:
    """Say that it is adopted, and what will be brought in line."""
    differences = difference(found, wanted)
    changes = f"; brought in line in place: {'; '.join(differences)}" if differences else ""
    note(f"{_which(props)}, and is adopted{changes}")


def _harmless(
    connection: Connection,
    props: Props,
    found: Definition,
    wanted: Definition,
    captured: Collection[TableName],
) -> Definition:
    """The publication, but for what may be changed under a connector that reads."""
    own = parsed(props["ownTables"]) & wanted.tables
    same = replace(found, tables=found.tables | own)
    if found.via_partition_root == wanted.via_partition_root:
        return same
    if tables.has_partitioned(connection, captured):
        return same
    return replace(same, via_partition_root=wanted.via_partition_root)


def _which(props: Props) -> str:
    return f"publication {quoted(props['name'])} of database {props['database']} is there already"
