"""What the connectors' logins are tested with: a role that is there, and the resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database.logins import ConnectorLoginsProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture(name="user")
def login_of_the_administrator(shop: Shop) -> Iterator[str]:
    """A login that the administrator has made, as up does."""
    name = f"login_{shop.name}"
    shop.run(f"CREATE ROLE {name} LOGIN")
    yield name
    shop.run(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture(autouse=True)
def made_by_a_superuser(shop: Shop) -> Iterator[None]:
    """Before 16, plain PostgreSQL lets nobody else make a login with REPLICATION."""
    if shop.server.major < 16:
        shop.run("CREATE ROLE first LOGIN", "CREATE ROLE second LOGIN", superuser=True)
    yield
    shop.run("DROP ROLE IF EXISTS first", "DROP ROLE IF EXISTS second", superuser=True)


def logins(shop: Shop, *users: str, **inputs: Any) -> Managed:
    memberships = inputs.pop("memberships", {user: [] for user in users})
    defaults = {
        "bypassRls": False,
        "walSenderTimeout": False,
        "readAllData": False,
        "memberships": memberships,
    }
    return shop.managed(
        ConnectorLoginsProvider(), users=list(users), **{"formerUsers": [], **defaults, **inputs}
    )


def made(shop: Shop, user: str, *groups: str) -> None:
    """The login as pulumi-postgresql has made it, by the end of the first `up`."""
    if not shop.value("SELECT count(*) FROM pg_roles WHERE rolname = %s", user):
        shop.run(f"CREATE ROLE {user} LOGIN", superuser=True)
    shop.run(f"ALTER ROLE {user} REPLICATION", superuser=True)
    for group in groups:
        shop.run(f"GRANT {group} TO {user}")
