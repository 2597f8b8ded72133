"""What the tests of the stand-in for pulumi-resource-postgresql share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import sql

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.postgresql.plugin import PostgresqlPlugin
from azure_postgres_rehearsal.plugins.protocol import (
    Diff,
    Properties,
)

ROLE = "postgresql:index/role:Role"
GRANT_ROLE = "postgresql:index/grantRole:GrantRole"
GRANT = "postgresql:index/grant:Grant"
DEFAULTS = "postgresql:index/defaultPrivileges:DefaultPrivileges"
SCHEMA = "postgresql:index/schema:Schema"


@dataclass
class Resource:
    """What the engine keeps of a resource."""

    token: str
    inputs: Properties
    id: str = ""
    outputs: Properties = field(default_factory=dict)


class Engine:
    """The engine's part: it checks before it creates, and refreshes before it compares."""

    def __init__(self, server: EmbeddedPostgres, **config: Any) -> None:
        self.plugin = PostgresqlPlugin()
        self.plugin.configure(provider_config(server) | config)

    def create(self, token: str, **inputs: Any) -> Resource:
        kind = self.plugin.resource(token)
        checked, failures = kind.check({}, inputs)
        assert not failures
        new_id, outputs = kind.create(checked)
        return Resource(token, checked, new_id, outputs)

    def refresh(self, resource: Resource) -> bool:
        found = self.plugin.resource(resource.token).read(
            resource.id, resource.inputs, resource.outputs
        )
        if found is not None:
            resource.id, _, resource.outputs = found
        return found is not None

    def diff(self, resource: Resource, **changes: Any) -> Diff:
        kind = self.plugin.resource(resource.token)
        news = {k: v for k, v in (resource.inputs | changes).items() if v is not None}
        return kind.diff(resource.id, resource.inputs, resource.outputs, news)

    def diff_after_refresh(self, resource: Resource) -> list[str]:
        assert self.refresh(resource)
        return self.diff(resource).changed

    def update(self, resource: Resource, **changes: Any) -> None:
        resource.inputs = {k: v for k, v in (resource.inputs | changes).items() if v is not None}
        resource.outputs = self.plugin.resource(resource.token).update(
            resource.id, resource.outputs, resource.inputs
        )

    def delete(self, resource: Resource) -> None:
        self.plugin.resource(resource.token).delete(resource.id, resource.outputs)

    def read(self, token: str, resource_id: str) -> tuple[str, Properties, Properties] | None:
        return self.plugin.resource(token).read(resource_id, {}, {})


def provider_config(server: EmbeddedPostgres) -> Properties:
    """As the SDK sends it: all but strings as JSON text."""
    return {
        "host": server.host,
        "port": str(server.port),
        "username": server.admin_user,
        "password": server.admin_password,
        "database": "shop",
        "sslmode": server.ssl_mode,
        "superuser": "false",
    }


@pytest.fixture(name="server", scope="module")
def plugin_server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17, databases=("shop",)) as embedded:
        yield embedded


@pytest.fixture(name="engine")
def plugin_engine(server: EmbeddedPostgres) -> Iterator[Engine]:
    yield Engine(server)
    clean(server)


def clean(server: EmbeddedPostgres) -> None:
    """Bring the server back to where it was, for the next test."""
    with server.superuser("shop") as connection:
        for (schema,) in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'"
        ).fetchall():
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
        roles = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"
            " AND rolname NOT IN ('azuresu', 'azure_pg_admin', %s)",
            [server.admin_user],
        ).fetchall()
        for (role,) in roles:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        for (role,) in roles:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def run(server: EmbeddedPostgres, *statements: str, superuser: bool = False) -> None:
    connect = server.superuser if superuser else server.connect
    with connect("shop") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def value(server: EmbeddedPostgres, query: str, *parameters: str) -> Any:
    with server.superuser("shop") as connection:
        row = connection.execute(query.encode(), parameters).fetchone()
        return row[0] if row else None


def tables(server: EmbeddedPostgres) -> None:
    """A schema with two tables, all of it the administrator's."""
    run(
        server,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int PRIMARY KEY)",
        "CREATE TABLE sales.signal (id text, type text, data text)",
    )


def foreign_table(server: EmbeddedPostgres, role: str = "app_b") -> None:
    """A table of somebody whom the administrator has no say over."""
    run(
        server,
        f"CREATE ROLE {role}",
        f"CREATE TABLE sales.{role} (id int)",
        f"ALTER TABLE sales.{role} OWNER TO {role}",
        superuser=True,
    )


def privileges(server: EmbeddedPostgres, table: str, role: str) -> set[str]:
    return set(
        value(
            server,
            "SELECT array(SELECT privilege_type::text FROM pg_class, aclexplode(relacl) a"
            " WHERE pg_class.oid = %s::regclass AND a.grantee = %s::regrole)",
            table,
            role,
        )
    )


def sales_grant(role: str = "cdc_role", **changes: Any) -> Properties:
    return {
        "role": role,
        "database": "shop",
        "schema": "sales",
        "objectType": "table",
        "privileges": ["SELECT"],
    } | changes


def stable_design(engine: Engine, server: EmbeddedPostgres) -> list[Resource]:
    """The design that FACTS calls stable, in its order."""
    role = engine.create(ROLE, name="cdc_role")
    user = engine.create(
        ROLE, name="cdc_user", login=True, replication=True, password="s3cret'x", roles=["cdc_role"]
    )
    schema = engine.create(SCHEMA, name="cdc", database="shop")
    return [
        role,
        user,
        schema,
        engine.create(
            GRANT, role="cdc_role", database="shop", objectType="database", privileges=["CONNECT"]
        ),
        engine.create(GRANT, **sales_grant(objectType="schema", privileges=["USAGE", "CREATE"])),
        engine.create(GRANT, **sales_grant()),
        engine.create(DEFAULTS, **sales_grant(owner=server.admin_user)),
    ]
