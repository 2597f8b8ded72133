"""Replica identities that a publication does not go with, whoever has made it.

With REPLICA IDENTITY FULL goes no column list; with another one, a list that has all of its columns
and a row filter that uses no other. Elsewhere PostgreSQL refuses UPDATE and DELETE, *for the
application*, from the moment on at which the identity is changed. So it is looked at before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.names import TableName, listed, quoted

# The columns of every identity that table c could have, other than FULL.
_IDENTITIES = """
    (SELECT jsonb_object_agg(identity, ARRAY(
         SELECT a.attname FROM pg_attribute a WHERE a.attrelid = x.indrelid
         AND a.attnum = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1])))
     FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid, unnest(
         ARRAY['USING INDEX ' || quote_ident(i.relname)]
         || CASE WHEN x.indisprimary THEN ARRAY['DEFAULT'] END) identity
     WHERE x.indrelid = c.oid AND x.indisunique)
"""
# From the entries with a list or a filter, of which there are few, down to the tables with rows.
# Of several entries of one publication PostgreSQL takes the topmost, which may have neither. The
# columns of a filter stand in it by number; pg_depend would name those of the list too.
_RESTRICTED = """
WITH RECURSIVE family(publication, entry, depth, relid) AS (
    SELECT p.pubname, r.oid, 0, r.prrelid
    FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
    JOIN pg_class c ON c.oid = r.prrelid
    WHERE (p.pubupdate OR p.pubdelete)
      AND (r.prattrs IS NOT NULL OR r.prqual IS NOT NULL
           OR p.pubviaroot AND c.relkind = 'p' AND EXISTS (
               SELECT FROM pg_publication_rel WHERE prattrs IS NOT NULL OR prqual IS NOT NULL))
    UNION ALL
    SELECT publication, entry, depth + 1, i.inhrelid
    FROM family JOIN pg_inherits i ON i.inhparent = family.relid
    JOIN pg_class child ON child.oid = i.inhrelid AND child.relispartition
    JOIN pg_publication p ON p.pubname = family.publication AND p.pubviaroot),
decisive AS (
    SELECT DISTINCT ON (publication, relid) publication, entry, relid
    FROM family ORDER BY publication, relid, depth DESC)
SELECT n.nspname, c.relname, d.publication,
    ARRAY(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = r.prrelid AND a.attnum = ANY(r.prattrs)),
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum IN (
          SELECT found[1]::int
          FROM regexp_matches(r.prqual::text, ':varattno (-?[0-9]+) ', 'g') found)),
    {identities}
FROM decisive d JOIN pg_publication_rel r ON r.oid = d.entry
JOIN pg_class c ON c.oid = d.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (r.prattrs IS NOT NULL OR r.prqual IS NOT NULL) ORDER BY 1, 2, 3
"""


# From PostgreSQL 18 on: from the tables with generated columns up to what is published.
_GENERATED = """
WITH RECURSIVE lineage(relid, ancestor) AS (
    SELECT DISTINCT a.attrelid, a.attrelid FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    WHERE a.attgenerated <> '' AND NOT a.attisdropped
    UNION SELECT relid, i.inhparent FROM lineage JOIN pg_inherits i ON i.inhrelid = lineage.ancestor
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition)
SELECT n.nspname, c.relname, t.pubname, ARRAY(
    SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> ''
    AND NOT a.attisdropped AND a.attname <> ALL(t.attnames)),
    {identities}
FROM lineage JOIN pg_class c ON c.oid = lineage.relid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = lineage.ancestor JOIN pg_namespace s ON s.oid = o.relnamespace
JOIN pg_publication_tables t ON (t.schemaname, t.tablename) = (s.nspname, o.relname)
JOIN pg_publication p USING (pubname) WHERE p.pubupdate OR p.pubdelete ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class _Restricted:
    """A table with rows, as one publication restricts it."""

    publication: str
    columns: frozenset[str]
    """The column list; empty where there is none."""
    used: frozenset[str]
    """The columns of the row filter."""
    indexes: Mapping[str, list[str]]
    """The columns of each identity that it could have, other than FULL."""

    def faults(self, table: TableName, identity: str) -> Iterator[str]:
        """Why UPDATE and DELETE would fail with this identity."""
        publication = f"publication {quoted(self.publication)}"
        if identity == "FULL":
            if self.columns:
                yield f"{publication} has a column list of {table}, which FULL does not go with"
            return
        held = frozenset(self.indexes.get(identity, ()))
        if not held:
            return  # none at all, which is the audit's to say
        lacking = held - self.columns if self.columns else ()
        if lacking:
            yield (
                f"{publication} publishes {table} without {listed(sorted(lacking))}, of its "
                "replica identity"
            )
        beyond = self.used - held
        if beyond:
            yield (
                f"the row filter of {table} in {publication} uses {listed(sorted(beyond))}, which "
                "is not in its replica identity"
            )


def conflicts(connection: Connection, identities: Mapping[str, str]) -> dict[str, str]:
    """The tables that could not be updated with these identities, and why.

    `identities`: FULL, DEFAULT, NOTHING or USING INDEX and a name for each table, as SQL shows it.
    """
    version = connection.info.server_version
    if not identities or not capabilities.has(
        "column lists and row filters of a publication", version
    ):
        return {}
    faults: dict[str, list[str]] = {}
    for schema, name, publication, columns, used, indexes in rows(
        connection, _RESTRICTED.format(identities=_IDENTITIES)
    ):
        table = TableName(schema, name)
        identity = identities.get(str(table))
        if identity is not None:
            restricted = _Restricted(
                publication, frozenset(columns), frozenset(used), indexes or {}
            )
            faults.setdefault(str(table), []).extend(restricted.faults(table, identity))
    if capabilities.has("generated columns in a publication", version):
        for table_text, fault in _generated_faults(connection, identities):
            faults.setdefault(table_text, []).append(fault)
    return {table: "; ".join(found) for table, found in faults.items() if found}


def _generated_faults(
    connection: Connection, identities: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Generated columns that are in an identity and not published."""
    found = rows(connection, _GENERATED.format(identities=_IDENTITIES))
    for schema, name, publication, unpublished, indexes in found:
        table = TableName(schema, name)
        identity = identities.get(str(table))
        held = unpublished if identity == "FULL" else (indexes or {}).get(identity, ())
        inside = sorted(set(unpublished).intersection(held))
        if inside:
            yield (
                str(table),
                f"publication {quoted(publication)} publishes {table} without {listed(inside)}, "
                "generated, of its replica identity",
            )
