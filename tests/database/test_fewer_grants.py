"""Fewer privileges than the page's: no CREATE, the captured tables only, or none on tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.database.test_schema_access import access, can_read, default_grants, may

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROLE = "streamkap_role"


@pytest.fixture(autouse=True)
def tables(shop: Shop) -> None:
    shop.run(
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int PRIMARY KEY)",
        "CREATE TABLE sales.items (id int PRIMARY KEY)",
        "CREATE TABLE sales.secrets (id int PRIMARY KEY)",
    )


def captured(shop: Shop, *names: str) -> Managed:
    return access(
        shop, "sales", tableGrants="captured", captures=json.dumps([{"tables": list(names)}])
    )


def readable(shop: Shop) -> list[str]:
    return shop.column(
        "SELECT relname FROM pg_class WHERE relnamespace = 'sales'::regnamespace"
        " AND relkind = 'r' AND has_table_privilege(%s, oid, 'SELECT') ORDER BY 1",
        ROLE,
    )


def test_without_create_the_role_uses_the_schema_only(shop: Shop) -> None:
    managed = access(shop, "sales", create=False, writes=["public"])
    managed.up()
    assert may(shop, "sales") == (False, True)
    assert can_read(shop, "sales.orders")
    assert managed.up() == managed.refresh() == []


def test_create_is_taken_away_and_given_back(shop: Shop) -> None:
    managed = access(shop, "sales")
    managed.up()
    managed.up(create=False)
    assert may(shop, "sales") == (False, True)
    assert managed.up() == []
    managed.up(create=True)
    assert may(shop, "sales") == (True, True)


def test_schema_of_the_connector_s_tables_is_used_and_not_read(shop: Shop) -> None:
    shop.run("CREATE SCHEMA streamkap", "CREATE TABLE streamkap.other (id int)")
    managed = access(shop, "sales", writes=["streamkap"])
    managed.up()
    assert may(shop, "streamkap") == (True, True)
    assert not can_read(shop, "streamkap.other")
    managed.up(writes=[])
    assert may(shop, "streamkap") == (False, False)


def test_only_the_captured_tables_are_readable(shop: Shop) -> None:
    managed = captured(shop, "sales.orders", "sales.items")
    managed.up()
    assert readable(shop) == ["items", "orders"]
    assert default_grants(shop) == []
    shop.run("CREATE TABLE sales.later (id int)")
    assert managed.up() == managed.refresh() == []
    assert readable(shop) == ["items", "orders"]


def test_table_no_longer_captured_is_revoked_and_a_new_one_granted(shop: Shop) -> None:
    managed = captured(shop, "sales.orders", "sales.items")
    managed.up()
    managed.up(captures=json.dumps([{"tables": ["sales.items", "sales.secrets"]}]))
    assert readable(shop) == ["items", "secrets"]
    assert managed.up() == []
    managed.destroy()
    assert readable(shop) == []


def test_captured_schema_means_its_tables_at_each_up(shop: Shop) -> None:
    managed = access(
        shop, "sales", tableGrants="captured", captures=json.dumps([{"schemas": ["sales"]}])
    )
    managed.up()
    assert readable(shop) == ["items", "orders", "secrets"]
    shop.run("CREATE TABLE sales.later (id int)", "DROP TABLE sales.secrets")
    assert "tables" in managed.up()
    assert readable(shop) == ["items", "later", "orders"]
    assert managed.up() == []


def test_lost_grant_on_a_captured_table_is_repaired(shop: Shop) -> None:
    managed = captured(shop, "sales.orders")
    managed.up()
    shop.run(f"REVOKE SELECT ON sales.orders FROM {ROLE}")
    assert managed.up() == ["lacking"]
    assert readable(shop) == ["orders"]


def test_all_and_captured_change_into_each_other(shop: Shop) -> None:
    managed = access(shop, "sales")
    managed.up()
    managed.up(tableGrants="captured", captures=json.dumps([{"tables": ["sales.orders"]}]))
    assert readable(shop) == ["orders"]
    assert default_grants(shop) == []
    assert managed.up() == []
    managed.up(tableGrants="all")
    assert readable(shop) == ["items", "orders", "secrets"]
    assert default_grants(shop) == [(shop.server.admin_user, "sales", ROLE, "SELECT")]
    assert managed.up() == managed.refresh() == []


def test_role_that_reads_all_data_needs_no_grant_on_a_table(shop: Shop) -> None:
    managed = access(shop, "sales")
    managed.up()
    managed.up(tableGrants="none")
    assert readable(shop) == []
    assert default_grants(shop) == []
    assert may(shop, "sales") == (True, True)
    assert managed.up() == managed.refresh() == []


def test_captured_table_that_a_stranger_has_made_readable_is_no_obstacle(shop: Shop) -> None:
    shop.run(
        "ALTER TABLE sales.orders OWNER TO azuresu",
        f"GRANT SELECT ON sales.orders TO {ROLE}",
        superuser=True,
    )
    managed = captured(shop, "sales.orders")
    managed.up()
    assert readable(shop) == ["orders"]
    assert "sales.items belongs to" not in managed.refusal(
        captures=json.dumps([{"tables": ["sales.nothing"]}])
    )


def test_another_capture_set_changes_nothing_where_all_tables_are_readable(shop: Shop) -> None:
    managed = access(shop, "sales", captures=json.dumps([{"tables": ["sales.orders"]}]))
    managed.up()
    assert managed.up(captures=json.dumps([{"tables": ["sales.items"]}])) == []
    assert readable(shop) == ["items", "orders", "secrets"]
