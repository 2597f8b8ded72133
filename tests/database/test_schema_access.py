"""Grants on schemas: read everything, now and later, and leave single write grants alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROLE = "streamkap_role"


@pytest.fixture(autouse=True)
def tables(shop: Shop) -> None:
    shop.run(
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.secrets (id int)",
    )


def access(shop: Shop, *schemas: str, **inputs: Any) -> Managed:
    """As the resource's constructor writes its properties."""
    return shop.managed(
        SchemaAccessProvider(),
        **{
            "role": ROLE,
            "owners": [shop.server.admin_user],
            "discoverOwners": False,
            "allSchemas": not schemas,
            "schemas": sorted(schemas),
            "writes": [],
            "captures": json.dumps([{"allTables": True}]),
            "create": True,
            "tableGrants": "all",
            "users": ["streamkap_user"],
            **inputs,
        },
    )


def may(shop: Shop, schema: str) -> tuple[bool, bool]:
    return shop.rows(
        "SELECT has_schema_privilege(%s, %s, 'CREATE'), has_schema_privilege(%s, %s, 'USAGE')",
        ROLE,
        schema,
        ROLE,
        schema,
    )[0]


def can_read(shop: Shop, table: str) -> bool:
    return shop.value("SELECT has_table_privilege(%s, %s, 'SELECT')", ROLE, table)


def default_grants(shop: Shop) -> list[tuple[str, str, str, str]]:
    return shop.rows(
        "SELECT defaclrole::regrole::text, defaclnamespace::regnamespace::text,"
        " grantee::regrole::text, privilege_type FROM pg_default_acl, aclexplode(defaclacl)"
        " ORDER BY 1, 2, 3, 4"
    )


def test_schema_and_its_tables_are_readable_and_no_other(shop: Shop) -> None:
    managed = access(shop, "sales")
    managed.up()
    assert managed.id == f"{shop.name}/{ROLE}"
    assert may(shop, "sales") == (True, True)
    assert shop.privileges("sales.orders") == {"SELECT"}
    assert may(shop, "other") == (False, False)
    assert not can_read(shop, "other.secrets")
    assert managed.refresh() == []
    assert managed.up() == []


def test_table_made_later_is_readable_at_once(shop: Shop) -> None:
    access(shop, "sales").up()
    assert default_grants(shop) == [(shop.server.admin_user, "sales", ROLE, "SELECT")]
    shop.run("CREATE TABLE sales.later (id int)", "CREATE TABLE other.later (id int)")
    assert can_read(shop, "sales.later")
    assert not can_read(shop, "other.later")


def test_tables_that_another_owner_makes_later_are_readable(shop: Shop) -> None:
    shop.run("GRANT CREATE, USAGE ON SCHEMA sales TO team")
    access(shop, "sales", owners=["team"]).up()
    shop.run("SET ROLE team", "CREATE TABLE sales.theirs (id int)", superuser=True)
    assert can_read(shop, "sales.theirs")


def test_owner_that_the_administrator_may_not_act_for_is_refused_in_the_preview(
    shop: Shop,
) -> None:
    assert access(shop, "sales", owners=["azuresu"]).refusal() == (
        f"owners of database {shop.name}: the administrator may not act for azuresu. Remedy: list "
        "only owners that it is a member of, or have a role that may run: "
        "GRANT azuresu TO cdc_admin"
    )
    assert access(shop, "sales", owners=["nobody"]).refusal() == (
        f"owners of database {shop.name}: there is no role nobody. Remedy: correct `owners`, or "
        "leave it out: the owners of tables are found by themselves"
    )


def test_write_grants_on_the_signal_table_survive(shop: Shop) -> None:
    signal = shop.managed(SignalTableProvider(), schema="sales", roles=[ROLE])
    managed = access(shop, "sales", writes=["sales"])
    signal.up()
    managed.up()
    managed.up(owners=[shop.server.admin_user, "team"])
    assert shop.privileges("sales.streamkap_signal") == {"SELECT", "INSERT", "UPDATE"}
    assert managed.up() == []
    assert signal.refresh() == managed.refresh() == []
    managed.destroy()
    assert shop.privileges("sales.streamkap_signal") == {"SELECT", "INSERT", "UPDATE"}


def test_signal_table_of_another_schema_is_a_table_like_any_other(shop: Shop) -> None:
    """Left over from an earlier set-up, in a captured schema: it is captured, so it is read."""
    shop.run("CREATE SCHEMA streamkap", "CREATE TABLE sales.streamkap_signal (id int)")
    managed = access(shop, "sales", writes=["streamkap"])
    managed.up()
    assert can_read(shop, "sales.streamkap_signal")
    managed.destroy()
    assert not can_read(shop, "sales.streamkap_signal")


def test_schema_of_a_foreign_extension_is_left_alone(shop: Shop) -> None:
    shop.run("CREATE SCHEMA cron", "ALTER EXTENSION plpgsql ADD SCHEMA cron", superuser=True)
    managed = access(shop)
    managed.up()
    assert managed.outputs["schemas"] == ["other", "public", "sales"]
    assert may(shop, "cron") == (False, False)


def test_every_schema_is_looked_up(shop: Shop) -> None:
    managed = access(shop)
    managed.up()
    assert managed.outputs["schemas"] == ["other", "public", "sales"]
    assert may(shop, "other") == (True, True)
    assert can_read(shop, "other.secrets")
    shop.run("CREATE SCHEMA later", "CREATE TABLE later.t (id int)")
    assert managed.preview() == ["lacking", "schemas"]
    managed.up()
    assert can_read(shop, "later.t")
    assert managed.up() == []


@pytest.mark.parametrize(
    "by_hand",
    [
        f"REVOKE SELECT ON sales.orders FROM {ROLE}",
        f"REVOKE USAGE ON SCHEMA sales FROM {ROLE}",
        f"REVOKE CREATE ON SCHEMA sales FROM {ROLE}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA sales REVOKE SELECT ON TABLES FROM {ROLE}",
        f"CREATE TABLE sales.hidden (id int); REVOKE ALL ON TABLE sales.hidden FROM {ROLE}",
    ],
)
@pytest.mark.parametrize("refreshed", [False, True])
def test_lost_grant_is_seen_and_repaired(shop: Shop, by_hand: str, *, refreshed: bool) -> None:
    managed = access(shop, "sales")
    managed.up()
    shop.run(*by_hand.split("; "))
    if refreshed:
        assert managed.refresh() == ["schemas"]
    assert "lacking" in managed.up()
    assert may(shop, "sales") == (True, True)
    assert all(
        shop.column(
            "SELECT has_table_privilege(%s, oid, 'SELECT') FROM pg_class"
            " WHERE relnamespace = 'sales'::regnamespace AND relkind = 'r'",
            ROLE,
        )
    )
    assert default_grants(shop) == [(shop.server.admin_user, "sales", ROLE, "SELECT")]
    assert managed.up() == []
    assert managed.refresh() == []


def test_schema_taken_out_is_revoked(shop: Shop) -> None:
    managed = access(shop, "other", "sales")
    managed.up()
    managed.up(schemas=["sales"])
    assert may(shop, "other") == (False, False)
    assert not can_read(shop, "other.secrets")
    assert can_read(shop, "sales.orders")
    assert default_grants(shop) == [(shop.server.admin_user, "sales", ROLE, "SELECT")]


def test_owner_taken_out_no_longer_shares_what_it_makes(shop: Shop) -> None:
    managed = access(shop, "sales", owners=[shop.server.admin_user, "team"])
    managed.up()
    managed.up(owners=[shop.server.admin_user])
    assert default_grants(shop) == [(shop.server.admin_user, "sales", ROLE, "SELECT")]


def test_everything_is_revoked_at_destroy(shop: Shop) -> None:
    managed = access(shop, "other", "sales")
    managed.up()
    managed.destroy()
    assert may(shop, "sales") == may(shop, "other") == (False, False)
    assert not can_read(shop, "sales.orders")
    assert default_grants(shop) == []


def test_what_is_left_for_the_role_at_destroy_is_named(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL drops no role that something depends on, and says not on what."""
    managed = access(shop, "sales", "other")
    managed.up()
    shop.run(
        "CREATE SCHEMA attic",
        "ALTER TABLE sales.orders SET SCHEMA attic",
        "ALTER TABLE other.secrets OWNER TO azuresu",
        superuser=True,
    )
    capfd.readouterr()
    managed.destroy()
    assert capfd.readouterr().err == (
        f"warning: role {ROLE} has something left in database {shop.name}: table attic.orders, "
        "table other.secrets. Remedy, where it cannot be dropped for that: in database "
        f"{shop.name}, as a superuser or a member of the role, DROP OWNED BY {ROLE}, which revokes "
        "what it was granted there, and drops what it owns; then run pulumi destroy again\n"
    )


def test_dropped_schema_is_no_obstacle(shop: Shop) -> None:
    managed = access(shop, "other", "sales")
    managed.up()
    shop.run("DROP SCHEMA other CASCADE")
    assert managed.refresh() == ["schemas"]
    managed.up(schemas=["sales"])
    shop.run("DROP SCHEMA sales CASCADE")
    managed.destroy()


def test_dropped_role_is_one_line_at_refresh(shop: Shop) -> None:
    shop.run("CREATE ROLE passing")
    managed = access(shop, "sales", role="passing")
    managed.up()
    shop.run("DROP OWNED BY passing CASCADE", "DROP ROLE passing", superuser=True)
    assert managed.refresh() == ["schemas"]
    assert managed.failure(managed.up) == (
        f'cannot change what passing may do in database {shop.name}: role "passing" does not '
        "exist [42704]. Remedy: run pulumi up --refresh, which makes the role again, where "
        "somebody has dropped it"
    )


def test_missing_schema_is_one_line(shop: Shop) -> None:
    managed = access(shop, "nope")
    assert managed.failure(managed.up) == (
        "cannot grant anything to streamkap_role: schema nope does not exist. Remedy: make it, or "
        "take it out of the settings"
    )


def test_oddly_named_schema_is_quoted(shop: Shop) -> None:
    odd = 'odd"; DROP TABLE sales.orders; --'
    shop.run('CREATE SCHEMA "odd""; DROP TABLE sales.orders; --"')
    managed = access(shop, odd)
    managed.up()
    assert may(shop, '"odd""; DROP TABLE sales.orders; --"'.strip('"').replace('""', '"')) == (
        True,
        True,
    )
    assert shop.value("SELECT to_regclass('sales.orders')") is not None
    assert managed.refresh() == []
