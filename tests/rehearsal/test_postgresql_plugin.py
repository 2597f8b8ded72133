"""The stand-in for pulumi-resource-postgresql: what the catalog holds, and what fights.

The tests drive the resource types as the engine does (check, create, read, diff).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from postgresql_plugin_support import (
    DEFAULTS,
    GRANT,
    GRANT_ROLE,
    ROLE,
    Engine,
    Resource,
    foreign_table,
    plugin_engine,  # noqa: F401 - a fixture
    plugin_server,  # noqa: F401 - a fixture
    privileges,
    run,
    sales_grant,
    stable_design,
    tables,
    value,
)
from psycopg import sql

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.protocol import (
    Properties,
    ProviderError,
)

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
