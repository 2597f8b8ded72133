"""The schema of the connector's own tables: made, adopted, and gone only when nobody needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from azure_postgres_cdc.database.connector_schema import ConnectorSchemaProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

NAME = 'Odd "Schema"; \'s'
QUOTED = '"Odd ""Schema""; \'s"'


@pytest.fixture
def managed(shop: Shop) -> Managed:
    return shop.managed(ConnectorSchemaProvider(), name=NAME)


def owner(shop: Shop) -> list[str]:
    return shop.column(
        "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = %s", NAME
    )


def test_schema_is_made_once_and_goes_with_the_stack(shop: Shop, managed: Managed) -> None:
    managed.up()
    assert owner(shop) == [shop.server.admin_user]
    assert managed.up() == []
    assert managed.refresh() == []
    managed.destroy()
    assert owner(shop) == []


def test_schema_that_is_there_is_adopted_and_stays(shop: Shop, managed: Managed) -> None:
    """Made by hand, or by an `up` that was killed before it was recorded."""
    shop.run(f"CREATE SCHEMA {QUOTED}")
    managed.up()
    assert managed.refresh() == []
    managed.destroy()
    assert owner(shop) == [shop.server.admin_user]


def test_schema_with_something_else_in_it_stays(
    shop: Shop, managed: Managed, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    shop.run(f"CREATE TABLE {QUOTED}.other (id int PRIMARY KEY)")
    managed.destroy()
    assert owner(shop) == [shop.server.admin_user]
    assert f"schema {QUOTED} stays: there is something else in it" in capfd.readouterr().err


def test_schema_that_has_vanished_is_made_again_by_the_next_up(
    shop: Shop, managed: Managed, capfd: pytest.CaptureFixture[str]
) -> None:
    managed.up()
    shop.run(f"DROP SCHEMA {QUOTED}")
    assert managed.up() == ["present"]
    assert f"schema {QUOTED} has vanished and is made again" in capfd.readouterr().err
    assert owner(shop) == [shop.server.admin_user]
    shop.run(f"DROP SCHEMA {QUOTED}")
    assert managed.refresh() == ["id"]
    managed.up()
    assert owner(shop) == [shop.server.admin_user]


def test_schema_in_a_database_of_a_role_within_reach(shop: Shop, managed: Managed) -> None:
    """The administrator holds the ADMIN option on the owner only."""
    role = f"owner_of_{shop.name}"
    shop.run(f"CREATE ROLE {role}")
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO {role}", superuser=True)
    managed.up()
    assert owner(shop) == [shop.server.admin_user]
    managed.destroy()
    shop.run(
        f"ALTER DATABASE {shop.name} OWNER TO {shop.server.admin_user}",
        f"DROP ROLE {role}",
        superuser=True,
    )


def test_schema_in_a_stranger_s_database_is_refused_in_one_line(
    shop: Shop, managed: Managed
) -> None:
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO azuresu", superuser=True)
    assert managed.failure(managed.up) == (
        f"cannot create schema {QUOTED} in database {shop.name}: permission denied for database "
        f"{shop.name} [42501]. Remedy: have its owner run: GRANT CREATE ON DATABASE {shop.name} "
        f"TO {shop.server.admin_user}; then run pulumi up again"
    )
    shop.run(f"GRANT CREATE ON DATABASE {shop.name} TO {shop.server.admin_user}", superuser=True)
    managed.up()
    assert owner(shop) == [shop.server.admin_user]
