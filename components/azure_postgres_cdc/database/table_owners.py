"""Whose the captured schemas and their tables are, looked at before anything is granted on them.

Granting on a table needs its owner, or membership in it. Where the administrator has neither, nor
may give itself one, the grants would fail in the middle of `up` with PostgreSQL's own words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.membership import statement_for
from azure_postgres_cdc.database.privileges import Access, Held, closed_schemas
from azure_postgres_cdc.dynamic import CdcProvider, warn
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed, quoted

_OUT_OF_REACH = """
SELECT o.rolname, n.nspname, c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles o ON o.oid = c.relowner
LEFT JOIN pg_roles r ON r.rolname = %s
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p')
  -- In this order: to look up what may be done with ten thousand tables takes its time.
  AND CASE WHEN o.rolname = ANY(%s) THEN false ELSE {is_closed} END
  -- What an extension has made is the extension's to grant.
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2, 3
"""
_WHO_MAY = """
SELECT o.rolname, string_agg(DISTINCT m.rolname, ' or ' ORDER BY m.rolname)
FROM pg_roles o JOIN pg_auth_members a ON a.roleid = o.oid AND a.admin_option
JOIN pg_roles m ON m.oid = a.member
WHERE o.rolname = ANY(%s) GROUP BY 1
"""


def check_owners(
    connection: Connection,
    access: Access,
    held: Held,
    reach: Collection[str],
    *,
    is_known: bool,
) -> None:
    """The owners of these schemas, and of every table to be read, are within reach.

    What the role may use or read already needs no grant, and is no obstacle.

    Raises a CdcError that lists those which are not, or warns where the grants are there already
    (`is_known`): a table that has come since is its owner's affair, until it is to be captured.
    """
    schemas = closed_schemas(held, reach)
    owned = _tables_out_of_reach(connection, access, reach)
    if not schemas and not owned:
        return
    kinds = " and ".join(filter(None, ("schemas" * bool(schemas), "tables" * bool(owned))))
    text = (
        f"database {connection.info.dbname} has {kinds} that the administrator may grant nothing "
        f"on: {'; '.join(_statements(connection, schemas, owned))}"
    )
    if schemas or not is_known:
        raise CdcError(f"{text}. Remedy: have these statements run, then run pulumi up again")
    warn([text])


def check_read_only(connection: Connection) -> None:
    """Raise a CdcError where the server is too old for read-only snapshots."""
    feature = "read-only snapshots"
    if not capabilities.has(feature, connection.info.server_version):
        found = capabilities.major(connection.info.server_version)
        raise CdcError(
            f"{feature} need PostgreSQL 13 or later; this server is {found}. Remedy: snapshots: "
            "signal-table, for which a table is made"
        )


def _tables_out_of_reach(
    connection: Connection, access: Access, reach: Collection[str]
) -> dict[str, list[TableName]]:
    """For each owner, the tables."""
    owned: dict[str, list[TableName]] = {}
    query = _OUT_OF_REACH.format(is_closed=tables.IS_CLOSED)
    for owner, *name in rows(connection, query, access.role, sorted(access.readable), [*reach]):
        owned.setdefault(owner, []).append(TableName(*name))
    return owned


def _statements(
    connection: Connection, schemas: Mapping[str, str], owned: Mapping[str, Sequence[TableName]]
) -> list[str]:
    """For each owner: its schemas and tables, the statement that is needed, and who may run it."""
    found: dict[str, list[str]] = {}
    for schema, owner in sorted(schemas.items()):
        found.setdefault(owner, []).append(f"schema {quoted(schema)}")
    for owner, names in owned.items():
        found.setdefault(owner, []).append(listed(names, 5))
    who = dict(rows(connection, _WHO_MAY, list(found)))
    return [
        f"{listed(what)} of {quoted(owner)}: {statement_for(connection, owner)}, run by "
        f"{who.get(owner, 'a superuser or the role that made it')}"
        for owner, what in sorted(found.items())
    ]


class TableOwnersProvider(CdcProvider):
    """Of stacks from before the check was part of SchemaAccess: there for them to let go of."""
