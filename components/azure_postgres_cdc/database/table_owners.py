"""Whose tables the captured schemas hold, looked at before anything is granted on them.

Granting on a table needs its owner, or membership in it. Where the administrator has neither, nor
may give itself one, the grants would fail in the middle of `up` with PostgreSQL's own words.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import renaming, tables
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.database.membership import within_reach
from azure_postgres_cdc.dynamic import CdcProvider, Props, warn
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed, quoted

_OUT_OF_REACH = """
SELECT o.rolname, n.nspname, c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles o ON o.oid = c.relowner
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND o.rolname <> ALL(%s)
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


class TableOwnersProvider(CdcProvider):
    """Looks at the owners at every preview and every up. Changes nothing."""

    identity = ("database",)

    def resolve(self, olds: Props, news: Props) -> Props:
        with connect(news["connection"], news["database"]) as connection:
            renaming.check_database(connection, olds, news)
            if news.get("readOnly"):
                _check_read_only(connection)
            schemas = news.get("schemas") or tables.user_schemas(connection)
            missing = _out_of_reach(connection, schemas)
        if not missing:
            return news
        text = (
            f"database {news['database']} has tables that the administrator may grant nothing on: "
            + "; ".join(missing)
        )
        if not olds:
            raise CdcError(f"{text}. Remedy: have these statements run, then run pulumi up again")
        # The grants are there already. A table that has come since is its owner's affair, until
        # it is to be captured.
        warn([text])
        return news

    def make(self, props: Props) -> Props:
        return props


class TableOwners(Resource, module="azure-postgres-cdc", name="TableOwners"):
    """The owners of every table in the captured schemas are within the administrator's reach.

    `schemas` None means every schema of the database. `read_only`: a connector takes read-only
    snapshots, which the server must be new enough for. The first of a database's resources, so that
    it also says whether the database is the one that was captured so far (`renaming.py`).
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        schemas: Sequence[str] | None,
        opts: pulumi.ResourceOptions | None = None,
        *,
        read_only: bool = False,
        slots: Sequence[str] = (),
        acknowledge: Sequence[str] = (),
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "schemas": sorted(schemas) if schemas is not None else [],
            "readOnly": read_only,
            **renaming.props(slots, acknowledge),
        }
        super().__init__(TableOwnersProvider(), resource_name, props, opts)


def _check_read_only(connection: Connection) -> None:
    feature = "read-only snapshots"
    if not capabilities.has(feature, connection.info.server_version):
        found = capabilities.major(connection.info.server_version)
        raise CdcError(
            f"{feature} need PostgreSQL 13 or later; this server is {found}. Remedy: snapshots: "
            "signal-table, for which a table is made"
        )


def _out_of_reach(connection: Connection, schemas: Sequence[str]) -> list[str]:
    """For each owner: its tables, the statement that is needed, and who may run it."""
    reach = list(within_reach(connection))
    owned: dict[str, list[TableName]] = {}
    for owner, schema, name in rows(connection, _OUT_OF_REACH, list(schemas), reach):
        owned.setdefault(owner, []).append(TableName(schema, name))
    who = dict(rows(connection, _WHO_MAY, list(owned)))
    administrator = quoted(connection.info.user)
    return [
        f"{listed(found, 5)} of {quoted(owner)}: GRANT {quoted(owner)} TO {administrator}, run by "
        f"{who.get(owner, 'a superuser or the role that made it')}"
        for owner, found in owned.items()
    ]
