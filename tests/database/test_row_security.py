"""Row-level security that would hide rows from the connector is told at every preview and up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.database.test_schema_access import access

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROLE = "streamkap_role"


@pytest.fixture
def user(shop: Shop) -> Iterator[str]:
    """A login in the group role."""
    name = f"reader_{shop.name}"
    shop.run(
        f"CREATE ROLE {name} LOGIN IN ROLE {ROLE}",
        f"GRANT {name} TO {shop.server.admin_user}",
        superuser=True,
    )
    shop.run(
        "CREATE TABLE public.orders (id int PRIMARY KEY)",
        "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE public.plain (id int PRIMARY KEY)",
        "CREATE TABLE public.elsewhere (id int PRIMARY KEY)",
        "ALTER TABLE public.elsewhere ENABLE ROW LEVEL SECURITY",
    )
    yield name
    shop.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}", superuser=True)


def managed(shop: Shop, user: str) -> Managed:
    captures = json.dumps([{"tables": ["public.orders", "public.plain"]}])
    return access(shop, "public", captures=captures, users=[user])


def warning(user: str) -> str:
    return (
        f"warning: row-level security may hide rows of public.orders from {user}, and snapshots "
        "would lack them. Remedy: server.login.bypassRls (PostgreSQL 16 and later), or "
        f"CREATE POLICY ... FOR SELECT TO {ROLE} USING (true) on each\n"
    )


def test_captured_tables_are_named_with_the_remedy(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    resource = managed(shop, user)
    resource.up()
    assert resource.preview() == []
    assert capfd.readouterr().err == warning(user) * 2


def test_login_that_is_not_there_yet_is_warned_of_too(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert user != "nobody_yet"
    managed(shop, "nobody_yet").check()
    assert capfd.readouterr().err == warning("nobody_yet")


@pytest.mark.parametrize(
    "remedy",
    [
        "ALTER ROLE {user} BYPASSRLS",
        "ALTER TABLE public.orders DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.orders OWNER TO {user}",
        f"CREATE POLICY p ON public.orders FOR SELECT TO {ROLE} USING (true)",
        "CREATE POLICY p ON public.orders USING (true)",
    ],
)
def test_what_makes_every_row_visible_ends_the_warning(
    shop: Shop, user: str, remedy: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.run(remedy.format(user=user), superuser=True)
    managed(shop, user).check()
    assert capfd.readouterr().err == ""
    assert count_visible(shop, user) == 1


@pytest.mark.parametrize(
    "half",
    [
        "ALTER TABLE public.orders OWNER TO {user}; ALTER TABLE public.orders FORCE ROW LEVEL"
        " SECURITY",
        f"CREATE POLICY p ON public.orders FOR SELECT TO {ROLE} USING (id > 1)",
        "CREATE POLICY p ON public.orders FOR SELECT TO other_role USING (true)",
        f"CREATE POLICY p ON public.orders FOR INSERT TO {ROLE} WITH CHECK (true)",
        "CREATE POLICY p ON public.orders USING (true);"
        f" CREATE POLICY q ON public.orders AS RESTRICTIVE TO {ROLE} USING (id > 1)",
    ],
)
def test_what_hides_a_row_all_the_same_does_not(
    shop: Shop, user: str, half: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.run(*half.format(user=user).split("; "), superuser=True)
    managed(shop, user).check()
    assert capfd.readouterr().err == warning(user)
    assert count_visible(shop, user) == 0


def count_visible(shop: Shop, user: str) -> int:
    """How many rows of one the login sees: what the warning is about."""
    shop.run(
        "INSERT INTO public.orders VALUES (1)",
        f"GRANT SELECT ON public.orders TO {ROLE}",
        superuser=True,
    )
    with shop.server.superuser(shop.name) as connection:
        connection.execute(f"SET ROLE {user}".encode())
        row = connection.execute("SELECT count(*) FROM public.orders").fetchone()
    assert row is not None
    return int(row[0])
