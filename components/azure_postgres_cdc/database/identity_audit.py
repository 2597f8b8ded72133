"""Captured tables that an application could no longer update once they are published.

UPDATE and DELETE on a published table without a usable replica identity *fail for the application*:
a primary key, a chosen index or REPLICA IDENTITY FULL must tell the rows apart. So such a table is
refused before it is published, unless it is known to be only inserted into.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed


def check_identities(
    connection: Connection, captured: Iterable[TableName], allowed: Container[TableName]
) -> None:
    """Raise one CdcError with every captured table without an identity that is not `allowed`.

    Partitions count for themselves, and not their root: rows are in them, and no identity is
    inherited.
    """
    family = tables.with_partitions(connection, captured)
    allowed_family = set(tables.with_partitions(connection, [t for t in family if t in allowed]))
    without = [
        table.name
        for table in tables.describe(connection, family)
        if not table.has_identity and table.kind != "p" and table.name not in allowed_family
    ]
    if without:
        raise CdcError(
            f"{listed(without)}: no primary key and no replica identity, so that UPDATE and DELETE "
            "would fail for the application once published. Remedy: add a primary key, add them to "
            "replicaIdentityFull, or, where rows are only ever inserted, to allowWithoutIdentity"
        )
