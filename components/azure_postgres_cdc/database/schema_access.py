"""Grants on schemas through psycopg, for the two cases in which `postgresql.Grant` cannot serve.

A captured schema that also holds the signal or the heartbeat table: a schema-wide
`postgresql.Grant` means *exactly these privileges* and would revoke the write grants on that
table at every refresh. And FOR ALL TABLES, whose schemas are only known once the database has
been looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from psycopg import sql
from pulumi.dynamic import Resource

from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    rows,
)
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import explained
from azure_postgres_cdc.names import quoted

_REMEDIES = {
    "42501": "list only owners that the administrator is a member of, or run: "
    "GRANT <owner> TO <administrator>, as a role that may"
}
_READABLE = """
SELECT nspname FROM pg_namespace n JOIN pg_roles r ON r.rolname = %s
WHERE nspname = ANY(%s)
  AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_schema_privilege(r.oid, n.oid, 'CREATE')
  AND NOT EXISTS (
    SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
      AND NOT has_table_privilege(r.oid, c.oid, 'SELECT'))
  AND NOT EXISTS (
    SELECT FROM pg_roles o WHERE o.rolname = ANY(%s) AND NOT EXISTS (
      SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) acl
      WHERE d.defaclrole = o.oid AND d.defaclnamespace = n.oid AND d.defaclobjtype = 'r'
        AND acl.grantee = r.oid AND acl.privilege_type = 'SELECT'))
"""
_GRANT = (
    (
        "GRANT CREATE, USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} "
        "GRANT SELECT ON TABLES TO {role}",
    ),
)
_REVOKE = (
    (
        "REVOKE CREATE, USAGE ON SCHEMA {schema} FROM {role}",
        "REVOKE SELECT ON ALL TABLES IN SCHEMA {schema} FROM {role}",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} "
        "REVOKE SELECT ON TABLES FROM {role}",
    ),
)


class SchemaAccessProvider(CdcProvider):
    """The same grants as above, through psycopg, leaving write grants on single tables alone."""

    identity = ("database", "role")

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002 - the base's signature
        if not news["allSchemas"]:
            return news
        with connect(news["connection"], news["database"]) as connection:
            return news | {"schemas": tables.user_schemas(connection)}

    def make(self, props: Props) -> Props:
        with connect(props["connection"], props["database"]) as connection:
            self._each(connection, props, props["schemas"], _GRANT)
        return props

    def change(self, olds: Props, news: Props) -> Props:
        former_owners = olds | {"owners": sorted(set(olds["owners"]) - set(news["owners"]))}
        with connect(news["connection"], news["database"]) as connection:
            missing = tables.missing_schemas(connection, olds["schemas"])
            present = set(olds["schemas"]) - set(missing)
            kept = present & set(news["schemas"])
            self._each(connection, olds, sorted(present - kept), _REVOKE)
            self._each(connection, former_owners, sorted(kept), ((), _REVOKE[1]))
            self._each(connection, news, news["schemas"], _GRANT)
        return olds | news

    def look(self, props: Props) -> Props:
        wanted = props["role"], props["schemas"], props["owners"]
        with connect(props["connection"], props["database"]) as connection:
            readable = set(rows(connection, _READABLE, *wanted))
        return props | {"schemas": [name for name in props["schemas"] if name in readable]}

    def remove(self, props: Props) -> None:
        with connect(props["connection"], props["database"]) as connection:
            missing = tables.missing_schemas(connection, props["schemas"])
            present = [schema for schema in props["schemas"] if schema not in missing]
            self._each(connection, props, present, _REVOKE)

    def _each(
        self,
        connection: Connection,
        props: Props,
        schemas: Sequence[str],
        statements: tuple[Sequence[str], Sequence[str]],
    ) -> None:
        role = sql.Identifier(props["role"])
        per_schema, per_owner = statements
        for schema in schemas:
            names = {"schema": sql.Identifier(schema), "role": role}
            with explained(f"cannot change the grants on schema {quoted(schema)}", _REMEDIES):
                for statement in per_schema:
                    connection.execute(sql.SQL(statement).format(**names))
                for owner in props["owners"]:
                    for statement in per_owner:
                        text = sql.SQL(statement)
                        connection.execute(text.format(owner=sql.Identifier(owner), **names))


class SchemaAccess(Resource, module="azure-postgres-cdc", name="SchemaAccess"):
    """CREATE and USAGE on schemas, SELECT on their tables, present and future.

    `schemas` None means every schema of the database, looked up at each `pulumi up`.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        role: str,
        schemas: Sequence[str] | None,
        owners: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "role": role,
            "owners": list(owners),
            "allSchemas": schemas is None,
            "schemas": sorted(schemas or ()),
        }
        super().__init__(SchemaAccessProvider(), resource_name, props, opts)
