"""Who owns tables in the captured schemas is found out, and what they make later is readable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.test_schema_access import access, can_read, default_grants, may

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROLE = "streamkap_role"


@pytest.fixture
def app(shop: Shop) -> Iterator[str]:
    """The application's role, which the administrator has made: since 16, it has ADMIN on it."""
    name = f"app_{shop.name}"
    shop.run(
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.orders (id int)",
        f"CREATE ROLE {name}",
        f"GRANT CREATE, USAGE ON SCHEMA sales TO {name}",
    )
    make(shop, name, "first")
    yield name
    shop.run(f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}", superuser=True)


def make(shop: Shop, owner: str, table: str) -> None:
    """A table that somebody else creates."""
    shop.run(f'SET ROLE "{owner}"', f"CREATE TABLE sales.{table} (id int)", superuser=True)


def found(shop: Shop, **inputs: Any) -> Managed:
    return access(shop, "sales", discoverOwners=True, **inputs)


def test_owners_are_found_and_what_they_make_between_two_ups_is_readable(
    shop: Shop, app: str
) -> None:
    managed = found(shop)
    managed.up()
    assert managed.outputs["owners"] == sorted([app, shop.server.admin_user])
    assert default_grants(shop) == [
        (owner, "sales", ROLE, "SELECT") for owner in managed.outputs["owners"]
    ]
    make(shop, app, "between")
    assert can_read(shop, "sales.first")
    assert can_read(shop, "sales.between")
    assert managed.up() == []
    assert managed.refresh() == []


def test_owner_that_comes_later_is_found_by_the_next_up(shop: Shop, app: str) -> None:
    managed = found(shop)
    managed.up()
    shop.run("GRANT CREATE, USAGE ON SCHEMA sales TO team")
    make(shop, "team", "by_team")
    assert not can_read(shop, "sales.by_team")
    assert managed.up() == ["lacking", "owners"]
    assert can_read(shop, "sales.by_team")
    make(shop, "team", "by_team_later")
    assert can_read(shop, "sales.by_team_later")
    assert managed.up() == []
    assert app in managed.outputs["owners"]


def test_owner_whose_last_table_goes_no_longer_shares_what_it_makes(shop: Shop, app: str) -> None:
    managed = found(shop)
    managed.up()
    shop.run("DROP TABLE sales.first", superuser=True)
    assert managed.up() == ["owners"]
    assert default_grants(shop) == [(shop.server.admin_user, "sales", ROLE, "SELECT")]
    make(shop, app, "again")
    assert not can_read(shop, "sales.again")


def test_listed_owners_are_the_only_ones(shop: Shop, app: str) -> None:
    managed = access(shop, "sales", owners=[app])
    managed.up()
    assert default_grants(shop) == [(app, "sales", ROLE, "SELECT")]
    assert can_read(shop, "sales.orders")
    managed.up(owners=[shop.server.admin_user])
    assert default_grants(shop) == [(shop.server.admin_user, "sales", ROLE, "SELECT")]
    assert managed.up() == []


def test_stranger_s_table_is_left_alone_and_does_not_stop_the_others(shop: Shop, app: str) -> None:
    managed = found(shop)
    managed.up()
    shop.run(
        "CREATE TABLE sales.theirs (id int)",
        "REVOKE ALL ON sales.theirs FROM streamkap_role",
        "ALTER TABLE sales.theirs OWNER TO azuresu",
        superuser=True,
    )
    managed.up()
    assert not can_read(shop, "sales.theirs")
    assert can_read(shop, "sales.first")
    assert "azuresu" not in managed.outputs["owners"]
    assert managed.up() == managed.refresh() == []
    assert app in managed.outputs["owners"]


def test_owner_that_has_gone_out_of_reach_keeps_what_it_shares(shop: Shop, app: str) -> None:
    managed = found(shop)
    managed.up()
    shop.run(f"REVOKE {app} FROM {shop.server.admin_user}", superuser=True)
    assert managed.up() == []
    make(shop, app, "later")
    assert can_read(shop, "sales.later")


def test_what_another_administrator_may_not_revoke_stays_and_is_told(
    shop: Shop, app: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A stack that goes on with another login, such as one from Microsoft Entra."""
    if shop.server.major < 16:
        pytest.skip("before 16, CREATEROLE is enough to act for anybody")
    shop.run("CREATE SCHEMA other")
    shop.run(f"ALTER SCHEMA sales OWNER TO {app}", superuser=True)
    managed = access(shop, "sales", "other", owners=[app, shop.server.admin_user])
    managed.up()
    shop.run(
        f"REVOKE {app} FROM {shop.server.admin_user}",
        f"REVOKE ALL ON SCHEMA sales FROM {shop.server.admin_user}",
        superuser=True,
    )
    capfd.readouterr()
    managed.up(schemas=["other"], owners=[shop.server.admin_user])
    told = capfd.readouterr().err
    assert (
        f"warning: what {ROLE} may do with what belongs to {app} stays: the administrator may not "
        f"revoke it. Remedy: as a superuser or {app}, in database {shop.name}: REVOKE CREATE ON "
        f'SCHEMA "sales" FROM "{ROLE}"; REVOKE USAGE ON SCHEMA "sales" FROM "{ROLE}"; ALTER '
        f'DEFAULT PRIVILEGES FOR ROLE "{app}" IN SCHEMA "other", "sales" REVOKE SELECT ON '
        f'TABLES  FROM "{ROLE}"'
    ) in told
    assert default_grants(shop) == [
        (app, "other", ROLE, "SELECT"),
        (app, "sales", ROLE, "SELECT"),
        (shop.server.admin_user, "other", ROLE, "SELECT"),
    ]
    assert may(shop, "sales") == (True, True)
    assert managed.up() == managed.refresh() == []
    assert capfd.readouterr().err == ""
    managed.destroy()
    assert "has something left in database" in capfd.readouterr().err


def test_schema_of_such_an_owner_is_granted_too(shop: Shop, app: str) -> None:
    shop.run(f"ALTER SCHEMA sales OWNER TO {app}", superuser=True)
    before = shop.rows("SELECT * FROM pg_auth_members ORDER BY 1")
    managed = found(shop)
    managed.up()
    assert may(shop, "sales") == (True, True)
    assert shop.rows("SELECT * FROM pg_auth_members ORDER BY 1") == before
    managed.destroy()
    assert may(shop, "sales") == (False, False)
    assert default_grants(shop) == []


@pytest.mark.usefixtures("app")
def test_schema_of_a_stranger_is_refused_before_anything_is_done(shop: Shop) -> None:
    shop.run("ALTER SCHEMA sales OWNER TO azuresu", superuser=True)
    managed = found(shop)
    assert managed.refusal() == (
        f"database {shop.name} has schemas that the administrator may grant nothing on: schema "
        "sales of azuresu: GRANT azuresu TO cdc_admin, run by a superuser or the role that made "
        "it. Remedy: have these statements run, then run pulumi up again"
    )
    shop.run("ALTER TABLE sales.orders OWNER TO azuresu", superuser=True)
    assert "has schemas and tables that" in managed.refusal()
    assert "on: schema sales, sales.orders of azuresu: GRANT" in managed.refusal()


@pytest.mark.usefixtures("app")
def test_schema_of_a_stranger_is_no_obstacle_where_the_role_may_use_it(shop: Shop) -> None:
    shop.run("ALTER SCHEMA sales OWNER TO azuresu", superuser=True)
    shop.run("GRANT USAGE ON SCHEMA sales TO PUBLIC", superuser=True)
    assert "schema sales of azuresu" in found(shop).refusal()  # CREATE is still to be granted
    managed = found(shop, create=False)
    managed.up()
    assert may(shop, "sales") == (False, True)
    assert managed.up() == managed.refresh() == []
    shop.run("GRANT ALL ON SCHEMA sales TO cdc_admin WITH GRANT OPTION", superuser=True)
    managed.up(create=True)
    assert may(shop, "sales") == (True, True)
    managed.destroy()
    assert may(shop, "sales") == (False, True)


def test_public_schema_is_granted_for_the_owner_of_the_database(shop: Shop, app: str) -> None:
    """Since PostgreSQL 15 it belongs to pg_database_owner, which nobody can be made a member of."""
    shop.run(
        f"ALTER DATABASE {shop.name} OWNER TO {app}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        superuser=True,
    )
    managed = access(shop, "public", discoverOwners=True)
    managed.up()
    assert may(shop, "public") == (True, True)
    shop.run(f"REVOKE ALL ON SCHEMA public FROM {ROLE}", superuser=True)
    assert "lacking" in managed.up()
    assert may(shop, "public") == (True, True)
    managed.destroy()
    assert may(shop, "public") == (False, False)
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO cdc_admin", superuser=True)


def test_state_of_an_earlier_version_is_brought_up_to_date(shop: Shop, app: str) -> None:
    managed = access(shop, "sales")
    managed.up()
    new = ("discoverOwners", "writes", "captures", "create", "tableGrants", "users", "lacking")
    for key in (*new, "tables"):
        managed.inputs.pop(key, None)
        managed.outputs.pop(key, None)
    assert managed.refresh() == []
    managed.up(discoverOwners=True)
    assert (app, "sales", ROLE, "SELECT") in default_grants(shop)
    assert managed.up() == []
