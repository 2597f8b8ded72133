"""The names under which changes arrive, where partitions are published by their own.

That is so without `publish_via_partition_root`; and FOR TABLES IN SCHEMA does so with a partition
of the schema whose root is in none of the published schemas.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.publication_catalog import parsed, texts
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.names import TableName

Partitions = Mapping[str, Sequence[str]]
"""Of each partitioned table, its partitions, as a resource's properties hold them."""


def find(
    connection: Connection,
    captured: Collection[TableName],
    schemas: Sequence[str],
    *,
    via_root: bool,
) -> Partitions:
    """Those that are published by their own names. `schemas`: FOR TABLES IN SCHEMA."""
    found = {} if via_root else tables.leaves(connection, captured)
    if schemas:
        found |= tables.orphans(connection, schemas, via_root=via_root)
    return {str(root): texts(found[root]) for root in sorted(found)}


def instead_of_roots(names: Collection[TableName], partitions: Partitions | None) -> set[TableName]:
    """The tables under whose names changes of these arrive."""
    if not partitions:  # of ten thousand names, nearly always
        return set(names)
    leaves = {TableName.parse(root): parsed(found) for root, found in partitions.items()}
    return {leaf for name in names for leaf in leaves.get(name, {name})}


def published(captured: Collection[TableName], partitions: Partitions | None) -> set[TableName]:
    """All of them: partitions in a captured schema, whose root is not captured, among them."""
    every = parsed(name for names in (partitions or {}).values() for name in names)
    return instead_of_roots(captured, partitions) | every


def in_place_of_roots(olds: Props, news: Props) -> set[TableName]:
    """Those whose changes arrived by their root's name so far."""
    partitions = news.get("partitions")
    if not partitions:
        return set()
    known = olds.get("partitions") or {}
    roots = set(olds.get("tables") or ()).intersection(partitions).difference(known)
    return parsed(leaf for root in roots for leaf in partitions[root])
