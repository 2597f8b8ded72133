"""The stand-in for pulumi-resource-postgresql: what is there already."""

from __future__ import annotations

import pytest
from postgresql_plugin_support import (
    DEFAULTS,
    GRANT,
    GRANT_ROLE,
    ROLE,
    SCHEMA,
    Engine,
    Resource,
    plugin_engine,  # noqa: F401 - a fixture
    plugin_server,  # noqa: F401 - a fixture
    privileges,
    run,
    sales_grant,
    tables,
)

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.protocol import ProviderError


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
