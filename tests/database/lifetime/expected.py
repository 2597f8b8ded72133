"""What a source's settings mean for a database, worked out anew and plainly.

Nothing of the module's own code is used: every rule is written a second time, from the settings
and a list of what is in the catalog.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.database.conftest import Shop

ROLE = "streamkap_role"
CHANGES = ("insert", "update", "delete", "truncate")
_TABLES = """
SELECT c.oid::int, n.nspname || '.' || c.relname, n.nspname, c.relkind::text,
       c.relpersistence::text, CASE WHEN c.relispartition
           THEN (SELECT m.nspname || '.' || r.relname FROM pg_class r
                 JOIN pg_namespace m ON m.oid = r.relnamespace
                 WHERE r.oid = pg_partition_root(c.oid)) END,
       pg_get_userbyid(c.relowner), c.relreplident::text,
       (SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND x.indisreplident),
       ARRAY(SELECT p.relname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
             JOIN pg_inherits h ON h.inhrelid = i.oid JOIN pg_class p ON p.oid = h.inhparent
             WHERE x.indrelid = c.oid AND x.indisreplident),
       has_table_privilege('streamkap_role', c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'sales', 'streamkap') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY 2
"""
_PUBLICATION = """
SELECT puballtables, pubviaroot, ARRAY[pubinsert, pubupdate, pubdelete, pubtruncate],
       ARRAY(SELECT nspname::text FROM pg_publication_namespace
             JOIN pg_namespace s ON s.oid = pnnspid WHERE pnpubid = p.oid ORDER BY 1)
FROM pg_publication p WHERE pubname = %s
"""
_MEMBERS = """
SELECT n.nspname || '.' || c.relname,
       ARRAY(SELECT attname::text FROM pg_attribute
             WHERE attrelid = c.oid AND attnum = ANY(r.prattrs) ORDER BY 1),
       pg_get_expr(r.prqual, r.prrelid)
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s
"""


@dataclass(frozen=True)
class Table:
    """A table as the catalog has it."""

    oid: int
    name: str
    schema: str
    kind: str
    persistence: str
    root: str | None
    """Of a partition: the topmost table above it."""
    owner: str
    identity: str
    index: str | None
    """Of REPLICA IDENTITY USING INDEX."""
    parts_of: list[str]
    """The indexes of the table above of which that index is a part."""
    readable: bool

    @property
    def is_own(self) -> bool:
        """One of the connector's."""
        return self.name.partition(".")[2] in ("streamkap_signal", "streamkap_heartbeat")


def look(shop: Shop) -> dict[str, Table]:
    """Everything in the schemas that these tests use."""
    return {row[1]: Table(*row) for row in shop.rows(_TABLES)}


def own_tables(settings: dict[str, Any]) -> set[str]:
    """The connector's own."""
    if settings.get("snapshots") == "read-only":
        return set()
    heartbeat = {"streamkap.streamkap_heartbeat"} if settings.get("heartbeat") else set()
    return {"streamkap.streamkap_signal"} | heartbeat


def captured(capture: dict[str, Any], found: dict[str, Table]) -> set[str]:
    """What a capture set means: tables, and roots instead of their partitions."""
    if capture.get("tables"):
        return set(capture["tables"])
    schemas = capture.get("schemas", ("public", "sales", "streamkap"))
    return {
        table.name
        for table in found.values()
        if table.schema in schemas
        and table.kind in "rp"
        and table.persistence == "p"
        and table.root is None
        and not table.is_own
    }


def publication_faults(shop: Shop, settings: dict[str, Any], found: dict[str, Table]) -> list[str]:
    """In what the publication is not what the settings mean."""
    name = settings.get("publication", "streamkap_pub")
    rows = shop.rows(_PUBLICATION, name)
    if not rows:
        return [f"there is no publication {name}"]
    capture = settings["capture"]
    everything = bool(capture.get("allTables"))
    schemas = sorted(capture["schemas"]) if settings.get("tablesInSchema") else []
    kinds = settings.get("publish", CHANGES)
    wanted = (
        everything,
        settings.get("publishViaPartitionRoot", True),
        [kind in kinds for kind in CHANGES],
        schemas,
    )
    faults = [] if rows[0] == wanted else [f"it is {rows[0]}, wanted {wanted}"]
    tables = set() if everything else captured(capture, found) | own_tables(settings)
    members = {row[0]: row[1:] for row in shop.rows(_MEMBERS, name)}
    columns, filters = settings.get("columns", {}), settings.get("rowFilters", {})
    expected = {
        table: (sorted(columns.get(table, ())), f"({filters[table]})" if table in filters else None)
        for table in tables
        if table.partition(".")[0] not in schemas
    }
    return faults if members == expected else [*faults, f"it has {members}, wanted {expected}"]


def identities(settings: dict[str, Any], found: dict[str, Table]) -> dict[str, str]:
    """The tables that get a replica identity from the settings: `f`, or an index's name."""
    full = settings.get("replicaIdentityFull", False)
    roots: set[str] = set()
    if full:
        capture = settings["capture"] if full is True else {"tables": full}
        roots = captured(capture, found)
    indexes = settings.get("replicaIdentityIndex", {})
    wanted = {}
    for table in found.values():
        if table.kind not in "rp":
            continue
        if table.name in roots or table.root in roots:
            wanted[table.name] = "f"
        for root in (table.root, table.name):
            if root in indexes:
                wanted[table.name] = indexes[root]
    return wanted


def identity_faults(settings: dict[str, Any], found: dict[str, Table]) -> list[str]:
    """Tables without the replica identity that the settings ask for."""
    faults = []
    for name, wanted in identities(settings, found).items():
        table = found[name]
        has = {"f", table.identity} if wanted == "f" else {table.index, *table.parts_of}
        if (table.identity if wanted == "f" else wanted) not in has or (
            wanted == "f" and table.identity != "f"
        ):
            faults.append(f"{name} has identity {table.identity} {table.index}, wanted {wanted}")
    return faults


def grant_faults(shop: Shop, settings: dict[str, Any], found: dict[str, Table]) -> list[str]:
    """What the connector's role lacks, and what it has too much of."""
    capture, grants = settings["capture"], settings.get("grants", {})
    schemas = capture.get("schemas") or sorted(
        {name.partition(".")[0] for name in capture.get("tables", ("public.", "sales."))}
    )
    wanted = captured(capture, found)
    if grants.get("tables", "all") == "all":
        wanted |= {
            table.name
            for table in found.values()
            if table.schema in schemas and table.owner in ("app", shop.server.admin_user)
        }
    faults = [f"{name} is not readable" for name in sorted(wanted) if not found[name].readable]
    faults += [
        f"no {right} on schema {schema}"
        for schema in {*schemas, *(name.partition(".")[0] for name in own_tables(settings))}
        for right in ("USAGE", *(["CREATE"] if grants.get("create", True) else []))
        if not shop.value(f"SELECT has_schema_privilege('{ROLE}', '{schema}', '{right}')")
    ]
    for name in own_tables(settings):
        query = f"SELECT has_table_privilege('{ROLE}', '{name}', %s)"
        faults += [
            f"no {right} on {name}"
            for right in ("SELECT", "INSERT", "UPDATE")
            if not shop.value(query, right)
        ]
    return faults
