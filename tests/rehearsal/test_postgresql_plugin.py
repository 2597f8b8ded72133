"""The stand-in for pulumi-resource-postgresql: what the catalog holds, and what fights.

Most tests drive the resource types as the engine does (check, create, read, diff); one speaks the
protocol with the plugin's process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from psycopg import sql
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.postgresql.plugin import PostgresqlPlugin
from azure_postgres_rehearsal.plugins.protocol import (
    UNKNOWN,
    Diff,
    InitError,
    Properties,
    ProviderError,
)
from azure_postgres_rehearsal.plugins.wire import decode, encode

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


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17, databases=("shop",)) as embedded:
        yield embedded


@pytest.fixture
def engine(server: EmbeddedPostgres) -> Iterator[Engine]:
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


# The stable design


def test_stable_design_reaches_the_catalog(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    stable_design(engine, server)
    assert value(
        server, "SELECT rolcanlogin AND rolreplication FROM pg_roles WHERE rolname = 'cdc_user'"
    )
    assert value(server, "SELECT pg_has_role('cdc_user', 'cdc_role', 'USAGE')")
    assert value(server, "SELECT has_database_privilege('cdc_role', 'shop', 'CONNECT')")
    assert value(server, "SELECT has_schema_privilege('cdc_role', 'sales', 'CREATE, USAGE')")
    assert privileges(server, "sales.orders", "cdc_role") == {"SELECT"}
    assert value(
        server, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'cdc'"
    ) == (server.admin_user)
    run(server, "CREATE TABLE sales.later (id int)")
    assert privileges(server, "sales.later", "cdc_role") == {"SELECT"}
    with server.connect("shop", "cdc_user", "s3cret'x") as connection:
        assert connection.execute("SELECT count(*) FROM sales.orders").fetchone() == (0,)


def test_stable_design_shows_no_diff_at_refresh(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    resources = stable_design(engine, server)
    for _ in range(2):
        assert [engine.diff_after_refresh(resource) for resource in resources] == [[]] * 7


def test_stable_design_ids_are_the_real_ones(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    assert [resource.id for resource in stable_design(engine, server)] == [
        "cdc_role",
        "cdc_user",
        "shop.cdc",
        "cdc_role_shop_database",
        "cdc_role_shop_sales_schema",
        "cdc_role_shop_sales_table",
        f"cdc_role_shop_sales_{server.admin_user}_table",
    ]


def test_stable_design_is_deleted_without_a_trace(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    for resource in reversed(stable_design(engine, server)):
        engine.delete(resource)
    assert value(server, "SELECT count(*) FROM pg_roles WHERE rolname ~ '^cdc_(role|user)'") == 0
    assert value(server, "SELECT count(*) FROM pg_default_acl") == 0
    assert value(server, "SELECT to_regnamespace('cdc')") is None
    assert value(server, "SELECT count(*) FROM pg_class WHERE relname IN ('orders', 'signal')") == 2


def test_sixteen_at_once_do_not_disturb_each_other(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    names = [f"area_{number}" for number in range(6)]
    for name in names:
        run(server, f"CREATE SCHEMA {name}", f"CREATE TABLE {name}.orders (id int)")
    engine.create(ROLE, name="cdc_role")
    wanted = [
        (token, name, kind)
        for name in names
        for token, kind in (
            (GRANT, "schema"),
            (GRANT, "table"),
            (DEFAULTS, "table"),
        )
    ]

    def make(item: tuple[str, str, str]) -> Resource:
        token, schema, kind = item
        owner = {"owner": server.admin_user} if token == DEFAULTS else {}
        privilege = "USAGE" if kind == "schema" else "SELECT"
        return engine.create(
            token, **sales_grant(schema=schema, objectType=kind, privileges=[privilege]), **owner
        )

    with ThreadPoolExecutor(16) as pool:
        resources = list(pool.map(make, wanted))
        assert list(pool.map(engine.diff_after_refresh, resources)) == [[]] * len(wanted)
        list(pool.map(engine.delete, resources))


def test_a_grant_waits_for_work_on_a_member_of_its_role(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    tables(server)
    stable_design(engine, server)
    lock = "SELECT pg_advisory_xact_lock('cdc_user'::regrole::oid::bigint)"
    admin = sql.Identifier(server.admin_user)
    with server.superuser("shop") as other, other.transaction():
        other.execute(lock)
        with server.superuser("shop") as setting:
            setting.execute(sql.SQL("ALTER ROLE {} SET lock_timeout = '50ms'").format(admin))
        try:
            with pytest.raises(ProviderError, match="advisory lock for members of role cdc_role"):
                engine.create(GRANT, **sales_grant())
        finally:
            with server.superuser("shop") as setting:
                setting.execute(sql.SQL("ALTER ROLE {} RESET lock_timeout").format(admin))


def test_replaced_grant_is_lost_as_the_new_one_is_made_before_the_old_goes(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    tables(server)
    engine.create(ROLE, name="cdc_role")
    old = engine.create(GRANT, **sales_grant())
    assert not engine.diff(old, withGrantOption=True).delete_before_replace
    engine.create(GRANT, **sales_grant(withGrantOption=True))
    engine.delete(old)
    assert privileges(server, "sales.orders", "cdc_role") == set()


# Fights


def test_role_and_grant_role_for_one_membership_fight(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    engine.create(ROLE, name="cdc_role")
    user = engine.create(ROLE, name="cdc_user", login=True)
    membership = engine.create(GRANT_ROLE, role="cdc_user", grantRole="cdc_role")
    assert membership.id == "cdc_user_cdc_role_false"
    assert engine.diff(user).changed == []
    assert engine.diff_after_refresh(user) == ["roles"]
    engine.update(user)
    assert not value(server, "SELECT pg_has_role('cdc_user', 'cdc_role', 'MEMBER')")
    assert not engine.refresh(membership)


def test_overlapping_grants_undo_each_other(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    engine.create(ROLE, name="cdc_role")
    whole = engine.create(GRANT, **sales_grant())
    single = engine.create(
        GRANT, **sales_grant(objects=["signal"], privileges=["SELECT", "INSERT", "UPDATE"])
    )
    assert single.id == "cdc_role_shop_sales_table_signal"
    assert privileges(server, "sales.signal", "cdc_role") == {"SELECT", "INSERT", "UPDATE"}
    assert engine.diff_after_refresh(whole) == ["privileges"]
    assert whole.outputs["privileges"] == ["INSERT", "SELECT", "UPDATE"]
    engine.update(whole)
    assert privileges(server, "sales.signal", "cdc_role") == {"SELECT"}
    assert engine.diff_after_refresh(single) == ["privileges"]
    engine.update(single)
    assert privileges(server, "sales.signal", "cdc_role") == {"SELECT", "INSERT", "UPDATE"}
    assert engine.diff_after_refresh(whole) == ["privileges"]


def test_grants_in_different_schemas_do_not_fight(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    run(server, "CREATE SCHEMA cdc", "CREATE TABLE cdc.signal (id int)")
    engine.create(ROLE, name="cdc_role")
    whole = engine.create(GRANT, **sales_grant())
    single = engine.create(
        GRANT, **sales_grant(schema="cdc", objects=["signal"], privileges=["SELECT", "INSERT"])
    )
    assert engine.diff_after_refresh(whole) == []
    assert engine.diff_after_refresh(single) == []


def test_table_made_later_by_another_owner_shows_at_refresh(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    tables(server)
    engine.create(ROLE, name="cdc_role")
    engine.create(ROLE, name="app_a")
    run(server, "GRANT USAGE, CREATE ON SCHEMA sales TO app_a")
    grant = engine.create(GRANT, **sales_grant())
    engine.create(DEFAULTS, **sales_grant(owner=server.admin_user))
    run(
        server,
        "SET ROLE app_a",
        "CREATE TABLE sales.by_app (id int)",
        superuser=True,
    )
    assert engine.diff_after_refresh(grant) == ["privileges"]
    engine.update(grant)
    assert privileges(server, "sales.by_app", "cdc_role") == {"SELECT"}


# Owners


def test_owner_that_the_administrator_made_is_no_obstacle(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    tables(server)
    engine.create(ROLE, name="cdc_role")
    engine.create(ROLE, name="app_a")
    run(server, "ALTER TABLE sales.orders OWNER TO app_a", superuser=True)
    engine.create(GRANT, **sales_grant())
    engine.create(DEFAULTS, **sales_grant(owner="app_a"))
    assert privileges(server, "sales.orders", "cdc_role") == {"SELECT"}
    assert value(server, "SELECT defaclrole::regrole::text FROM pg_default_acl") == "app_a"
    assert not value(
        server,
        "SELECT bool_or(set_option) FROM pg_auth_members"
        " WHERE roleid = 'app_a'::regrole AND member = %s::regrole",
        server.admin_user,
    )


@pytest.mark.parametrize("wanted", [{}, {"objects": ["orders"]}])
def test_table_of_a_foreign_owner_refuses_the_grant(
    engine: Engine, server: EmbeddedPostgres, wanted: Properties
) -> None:
    tables(server)
    foreign_table(server)
    engine.create(ROLE, name="cdc_role")
    with pytest.raises(ProviderError) as caught:
        engine.create(GRANT, **sales_grant(**wanted))
    assert str(caught.value).startswith(
        f"error granting role app_b to {server.admin_user}: pq: permission denied to grant role"
    )
    assert privileges(server, "sales.orders", "cdc_role") == set()


def test_foreign_owner_refuses_default_privileges(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    foreign_table(server)
    engine.create(ROLE, name="cdc_role")
    with pytest.raises(
        ProviderError, match=r"^error granting role app_b to .*: pq: permission denied"
    ):
        engine.create(DEFAULTS, **sales_grant(owner="app_b"))


# Adoption


def test_role_that_is_there_already_is_refused(engine: Engine, server: EmbeddedPostgres) -> None:
    run(server, "CREATE ROLE cdc_role")
    with pytest.raises(ProviderError) as caught:
        engine.create(ROLE, name="cdc_role", password="s3cret")
    assert str(caught.value) == ('error creating role cdc_role: pq: role "cdc_role" already exists')


def test_schema_that_is_there_already_is_refused(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    with pytest.raises(
        ProviderError, match='error creating schema sales: pq: schema "sales" already exists'
    ):
        engine.create(SCHEMA, name="sales", database="shop")


def test_role_is_imported_by_its_name_and_brought_in_line(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    run(server, "CREATE ROLE cdc_role", "CREATE ROLE cdc_user LOGIN IN ROLE cdc_role")
    found = engine.read(ROLE, "cdc_user")
    assert found is not None
    role_id, inputs, outputs = found
    assert (role_id, inputs) == (
        "cdc_user",
        {"name": "cdc_user", "login": True, "roles": ["cdc_role"]},
    )
    user = Resource(ROLE, inputs, role_id, outputs)
    assert engine.diff(user, password="s3cret", replication=True).changed == [
        "password",
        "replication",
    ]
    engine.update(user, password="s3cret", replication=True)
    assert engine.diff_after_refresh(user) == []
    server.connect("shop", "cdc_user", "s3cret").close()


def test_schema_is_imported_by_database_and_name(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    assert engine.read(SCHEMA, "shop.sales") == (
        "shop.sales",
        {"name": "sales", "database": "shop", "owner": server.admin_user},
        {
            "name": "sales",
            "database": "shop",
            "owner": server.admin_user,
            "ifNotExists": True,
            "dropCascade": False,
        },
    )


@pytest.mark.parametrize(
    ("token", "missing"), [(ROLE, "nobody"), (SCHEMA, "shop.nothing"), (SCHEMA, "nowhere.sales")]
)
def test_what_is_not_there_is_not_imported(engine: Engine, token: str, missing: str) -> None:
    assert engine.read(token, missing) is None


@pytest.mark.parametrize("token", [GRANT, GRANT_ROLE, DEFAULTS])
def test_privileges_cannot_be_imported(engine: Engine, token: str) -> None:
    with pytest.raises(ProviderError, match="doesn't support import"):
        engine.read(token, "cdc_role_shop_sales_table")


def test_privileges_are_created_over_what_is_there(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    tables(server)
    engine.create(ROLE, name="cdc_role")
    run(server, "GRANT SELECT, DELETE ON sales.orders TO cdc_role")
    engine.create(GRANT, **sales_grant())
    engine.create(GRANT, **sales_grant())
    assert privileges(server, "sales.orders", "cdc_role") == {"SELECT"}


# Roles and schemas in detail


def test_role_attributes_reach_the_catalog_and_come_back(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    run(server, "CREATE ROLE cdc_role")
    role = engine.create(
        ROLE,
        name="Odd name",
        createDatabase=True,
        inherit=False,
        connectionLimit=3,
        statementTimeout=5000,
        idleInTransactionSessionTimeout=7000,
        searchPaths=["sales", "public"],
        roles=["cdc_role"],
    )
    query = "SELECT rolconfig FROM pg_roles WHERE rolname = 'Odd name'"
    assert value(server, query) == [
        "search_path=sales, public",
        "statement_timeout=5000",
        "idle_in_transaction_session_timeout=7000",
    ]
    assert engine.diff_after_refresh(role) == []
    engine.update(role, statementTimeout=None, searchPaths=None, connectionLimit=None, login=True)
    assert value(server, query) == ["idle_in_transaction_session_timeout=7000"]
    assert engine.diff_after_refresh(role) == []
    assert value(server, "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'Odd name'") == -1
    engine.update(role, name="renamed")
    assert role.outputs["name"] == "renamed"


def test_deleting_a_role_hands_its_tables_to_the_administrator(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    tables(server)
    role = engine.create(ROLE, name="app_a")
    run(server, "ALTER TABLE sales.orders OWNER TO app_a", superuser=True)
    engine.delete(role)
    owner = value(server, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'orders'")
    assert owner == server.admin_user


def test_role_that_is_gone_is_read_as_gone(engine: Engine, server: EmbeddedPostgres) -> None:
    role = engine.create(ROLE, name="cdc_role")
    run(server, "DROP ROLE cdc_role")
    assert not engine.refresh(role)


@pytest.mark.usefixtures("engine")
def test_claim_to_be_superuser_fails_once_a_login_role_is_read(server: EmbeddedPostgres) -> None:
    claiming = Engine(server, superuser="true")
    claiming.create(ROLE, name="cdc_role")
    with pytest.raises(InitError, match="is not a SUPERUSER") as caught:
        claiming.create(ROLE, name="cdc_user", login=True, password="s3cret")
    assert caught.value.resource_id == "cdc_user"


def test_schema_with_a_table_that_pulumi_does_not_know_stays(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    schema = engine.create(SCHEMA, name="cdc", database="shop")
    run(server, "CREATE TABLE cdc.unknown (id int)")
    with pytest.raises(
        ProviderError, match="error deleting schema: pq: cannot drop schema cdc because"
    ):
        engine.delete(schema)
    engine.update(schema, dropCascade=True)
    engine.delete(schema)
    assert value(server, "SELECT to_regnamespace('cdc')") is None


def test_schema_owner_is_changed_in_place(engine: Engine, server: EmbeddedPostgres) -> None:
    schema = engine.create(SCHEMA, name="cdc", database="shop")
    assert engine.diff(schema).changed == []
    run(server, "CREATE ROLE app_a", f"GRANT app_a TO {server.admin_user} WITH SET TRUE")
    engine.update(schema, owner="app_a")
    assert value(
        server, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'cdc'"
    ) == ("app_a")


# Checks and diffs


@pytest.mark.parametrize(
    ("token", "inputs", "property_name", "words"),
    [
        (ROLE, {"name": "a", "colour": "red"}, "colour", "Invalid or unknown key"),
        (ROLE, {}, "name", "name is required"),
        (ROLE, {"name": "a", "login": "yes"}, "login", "expected type bool"),
        (ROLE, {"name": "a", "connectionLimit": True}, "connectionLimit", "expected type int"),
        (ROLE, {"name": "a", "connectionLimit": -2}, "connectionLimit", "at least (-1), got -2"),
        (ROLE, {"name": "a", "passwordWo": "x"}, "passwordWo", "not part of the rehearsal"),
        (GRANT_ROLE, {"role": "a"}, "grantRole", 'The argument "grant_role" is required'),
        (GRANT, sales_grant(objectType="view"), "objectType", "expected object_type to be one of"),
        (GRANT, sales_grant(objectType="column"), "objectType", "not part of the rehearsal"),
        (GRANT, sales_grant(privileges=[1]), "privileges", "expected a set of strings"),
        (DEFAULTS, sales_grant(), "owner", 'The argument "owner" is required'),
        (SCHEMA, {"name": "a", "policies": []}, "policies", "not part of the rehearsal"),
    ],
)
def test_check_names_the_property_and_the_rule(
    token: str, inputs: Properties, property_name: str, words: str
) -> None:
    _, failures = PostgresqlPlugin().resource(token).check({}, inputs)
    assert [name for name, _ in failures] == [property_name]
    assert words in failures[0][1]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"privileges": ["CONNECT"]}, "CONNECT is not an allowed privilege for object type table"),
        ({"schema": ""}, "parameter 'schema' is mandatory"),
        ({"columns": ["id"]}, "cannot specify `columns`"),
        ({"objectType": "schema", "objects": ["a"]}, "cannot specify `objects`"),
        ({"role": "PUBLIC"}, 'pq: role "PUBLIC" does not exist'),
    ],
)
def test_grant_refuses_at_once(
    engine: Engine, server: EmbeddedPostgres, wanted: Properties, words: str
) -> None:
    tables(server)
    with pytest.raises(ProviderError) as caught:
        engine.create(GRANT, **(sales_grant("public") | wanted))
    assert words in str(caught.value)


def test_grant_to_everybody(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    grant = engine.create(GRANT, **sales_grant("public"))
    assert engine.diff_after_refresh(grant) == []
    assert (
        value(
            server,
            "SELECT grantee FROM pg_class, aclexplode(relacl) WHERE relname = 'orders'"
            " AND grantee = 0",
        )
        == 0
    )
    engine.delete(grant)


@pytest.mark.parametrize("kind", ["sequence", "function"])
def test_grant_on_other_objects(engine: Engine, server: EmbeddedPostgres, kind: str) -> None:
    tables(server)
    run(server, "CREATE SEQUENCE sales.counter", "CREATE FUNCTION sales.f() RETURNS int RETURN 1")
    engine.create(ROLE, name="cdc_role")
    privilege = "EXECUTE" if kind == "function" else "USAGE"
    grant = engine.create(GRANT, **sales_grant(objectType=kind, privileges=[privilege]))
    assert engine.diff_after_refresh(grant) == []
    engine.delete(grant)
    assert engine.diff_after_refresh(grant) == ["privileges"]


@pytest.mark.parametrize("name", ["role", "database", "schema", "objectType", "withGrantOption"])
@pytest.mark.parametrize("other", ["other", UNKNOWN])
def test_all_but_the_privileges_replaces_a_grant(name: str, other: Any) -> None:
    kind = PostgresqlPlugin().resource(GRANT)
    change = {name: True if (name, other) == ("withGrantOption", "other") else other}
    replaced = kind.diff("id", sales_grant(), sales_grant(), sales_grant() | change)
    assert replaced == Diff([name], [name])


def test_privileges_are_a_set_and_change_in_place() -> None:
    kind = PostgresqlPlugin().resource(GRANT)
    both = sales_grant(privileges=["SELECT", "INSERT"])
    turned = sales_grant(privileges=["INSERT", "SELECT"])
    assert kind.diff("id", both, both, turned) == Diff()
    assert kind.diff("id", both, both, sales_grant()) == Diff(["privileges"], [])


def test_connection_that_fails_does_not_tell_the_password(server: EmbeddedPostgres) -> None:
    wrong = Engine(server, password="wrong-s3cret")
    with pytest.raises(ProviderError) as caught:
        wrong.create(ROLE, name="cdc_role")
    assert str(caught.value).startswith(f"error connecting to PostgreSQL server {server.host}")
    assert "wrong-s3cret" not in str(caught.value)
    with pytest.raises(ProviderError, match='unsupported sslmode "prefer"'):
        Engine(server, sslmode="prefer")


# The process


def test_process_speaks_the_protocol_and_keeps_secrets(server: EmbeddedPostgres) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "azure_postgres_rehearsal.plugins.postgresql", "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}") as channel:
            converse(provider_pb2_grpc.ResourceProviderStub(channel), server)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
        clean(server)


def converse(stub: provider_pb2_grpc.ResourceProviderStub, server: EmbeddedPostgres) -> None:
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == "3.18.2"
    config = encode(provider_config(server), {"password"})
    checked = stub.CheckConfig(provider_pb2.CheckRequest(news=encode(provider_config(server))))
    assert decode(checked.inputs)[1] == {"password"}
    stub.Configure(provider_pb2.ConfigureRequest(args=config, acceptSecrets=True))
    urn = f"urn:pulumi:test::project::{ROLE}::user"
    wanted = {"name": "cdc_user", "login": True, "password": "s3cret"}
    inputs = stub.Check(provider_pb2.CheckRequest(urn=urn, news=encode(wanted))).inputs
    assert decode(inputs)[1] == {"password"}
    preview = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=inputs, preview=True))
    assert preview.id == ""
    assert decode(preview.properties)[1] == {"password"}
    assert value(server, "SELECT 1 FROM pg_roles WHERE rolname = 'cdc_user'") is None
    created = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=inputs))
    assert created.id == "cdc_user"
    assert decode(created.properties)[1] == {"password"}
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(provider_pb2.CreateRequest(urn=urn, properties=inputs))
    assert caught.value.details() == (
        'error creating role cdc_user: pq: role "cdc_user" already exists'
    )
    read = stub.Read(
        provider_pb2.ReadRequest(
            id=created.id, urn=urn, inputs=inputs, properties=created.properties
        )
    )
    assert read.inputs == inputs
    assert read.properties == created.properties
    with server.superuser() as connection:
        connection.execute("GRANT pg_monitor TO cdc_user")
    read = stub.Read(
        provider_pb2.ReadRequest(
            id=created.id, urn=urn, inputs=inputs, properties=created.properties
        )
    )
    difference = stub.Diff(
        provider_pb2.DiffRequest(
            id=created.id, urn=urn, old_inputs=inputs, olds=read.properties, news=inputs
        )
    )
    assert difference.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert difference.detailedDiff["roles"].kind == provider_pb2.PropertyDiff.DELETE
    stub.Delete(provider_pb2.DeleteRequest(id=created.id, urn=urn, properties=created.properties))
    gone = stub.Read(provider_pb2.ReadRequest(id=created.id, urn=urn, properties=read.properties))
    assert gone.id == ""


def test_process_ends_with_its_parent() -> None:
    program = (
        "import subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-m',"
        " 'azure_postgres_rehearsal.plugins.postgresql'], stdout=subprocess.PIPE, text=True);"
        "child.stdout.readline(); print(child.pid)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert eventually_gone(int(parent.stdout))


def eventually_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
