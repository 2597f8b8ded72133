"""Owners that the administrator cannot act for are named before anything is granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.database.test_schema_access import access

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture
def managed(shop: Shop) -> Managed:
    shop.run("CREATE SCHEMA app", "CREATE TABLE app.mine (id int PRIMARY KEY)")
    return access(shop, "app")


def give(shop: Shop, table: str, owner: str) -> None:
    """Somebody else's table in the captured schema."""
    shop.run(
        f"CREATE TABLE IF NOT EXISTS {table} (id int PRIMARY KEY)",
        f'ALTER TABLE {table} OWNER TO "{owner}"',
        superuser=True,
    )


def test_own_tables_and_those_of_a_role_that_one_is_in_are_fine(
    shop: Shop, managed: Managed
) -> None:
    give(shop, "app.theirs", "team")
    managed.up()
    assert managed.refresh() == []


def test_table_out_of_reach_is_told_with_the_statement_and_who_may_run_it(
    shop: Shop, managed: Managed
) -> None:
    give(shop, "app.theirs", "App B")
    if shop.server.major < 16:  # there, CREATEROLE is enough to grant any role
        managed.up()
        return
    assert managed.refusal() == (
        f"database {shop.name} has tables that the administrator may grant nothing on: app.theirs "
        'of "App B": GRANT "App B" TO cdc_admin, run by a superuser or the role that made it. '
        "Remedy: have these statements run, then run pulumi up again"
    )


def test_membership_that_is_there_without_privileges_is_given_them(
    shop: Shop, managed: Managed
) -> None:
    """To grant it again as it is would change nothing, and the remedy would help nobody."""
    if shop.server.major < 16:
        pytest.skip("before 16, CREATEROLE is enough to grant any role")
    give(shop, "app.theirs", "App B")
    shop.run('GRANT "App B" TO cdc_admin WITH INHERIT FALSE', superuser=True)
    try:
        assert 'GRANT "App B" TO cdc_admin WITH INHERIT TRUE, run by' in managed.refusal()
        shop.run('GRANT "App B" TO cdc_admin WITH INHERIT TRUE', superuser=True)
        managed.up()
    finally:
        shop.run('REVOKE "App B" FROM cdc_admin', superuser=True)


def test_superuser_s_table_is_out_of_reach_on_every_version(shop: Shop, managed: Managed) -> None:
    give(shop, "app.theirs", "azuresu")
    assert "app.theirs of azuresu: GRANT azuresu TO cdc_admin" in managed.refusal()


def test_role_that_the_administrator_made_is_within_reach(shop: Shop, managed: Managed) -> None:
    """It has the ADMIN option on it, with which the plugin makes itself a member meanwhile."""
    role = f"made_for_{shop.name}"
    shop.run(f"CREATE ROLE {role}")
    try:
        give(shop, "app.theirs", role)
        managed.up()
    finally:
        shop.run("DROP TABLE app.theirs", f"DROP ROLE {role}", superuser=True)


def test_other_schemas_do_not_count_unless_everything_is_captured(
    shop: Shop, managed: Managed
) -> None:
    shop.run("CREATE SCHEMA other")
    give(shop, "other.theirs", "azuresu")
    managed.up()
    assert "other.theirs of azuresu" in access(shop).refusal()


def test_table_that_has_come_since_is_a_warning(
    shop: Shop, managed: Managed, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    give(shop, "app.theirs", "azuresu")
    assert managed.up() == []
    assert capfd.readouterr().err.startswith(f"warning: database {shop.name} has tables that")


def test_read_only_snapshots_need_13(
    shop: Shop, managed: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed.up(readOnly=True)
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 120020)
    assert managed.refusal() == (
        "read-only snapshots need PostgreSQL 13 or later; this server is 12. Remedy: snapshots: "
        "signal-table, for which a table is made"
    )
    assert access(shop, "app", readOnly=False).preview() != []
