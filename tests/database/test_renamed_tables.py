"""Names that come into a publication by themselves: of new tables, and of old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.database.publication_support import publication

from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

pytestmark = pytest.mark.usefixtures("superuser")


@pytest.fixture(params=["all tables", "tables in schema"])
def managed(shop: Shop, request: pytest.FixtureRequest) -> Managed:
    shop.run(
        "CREATE SCHEMA away",
        "CREATE TABLE public.a (id int PRIMARY KEY)",
        "CREATE TABLE away.x (id int PRIMARY KEY)",
        "CREATE UNLOGGED TABLE public.u (id int PRIMARY KEY)",
        "CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.part PARTITION OF public.root DEFAULT",
        *(f"INSERT INTO {table} VALUES (1)" for table in ("public.a", "away.x", "public.root")),
    )
    if request.param == "all tables":
        settings: dict[str, Any] = {"capture": {"allTables": True}}
    elif shop.server.major < 15:
        pytest.skip("FOR TABLES IN SCHEMA needs PostgreSQL 15")
    else:
        settings = {"capture": {"schemas": ["public"]}, "tablesInSchema": True}
    found = publication(shop, **settings)
    found.up()
    assert found.up() == []
    return found


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("ALTER TABLE public.a RENAME TO b", "public.b"),
        ("ALTER TABLE away.x SET SCHEMA public", "public.x"),
        ("ALTER TABLE public.u SET LOGGED", "public.u"),
        ("ALTER TABLE public.root DETACH PARTITION public.part", "public.part"),
    ],
)
def test_an_old_table_under_a_new_name_needs_a_snapshot(
    shop: Shop, managed: Managed, statement: str, name: str
) -> None:
    """The publication has not changed, and its rows have arrived under another name, or never."""
    shop.run(statement)
    managed.up()
    assert needed(managed) == [name]
    assert managed.up() == managed.refresh() == []
    managed.up(acknowledge=[f"snapshot of {name}"])
    assert needed(managed) == []
    assert managed.up() == []


def test_a_new_table_needs_none(shop: Shop, managed: Managed) -> None:
    shop.run("CREATE TABLE public.new (id int PRIMARY KEY)", "INSERT INTO public.new VALUES (1)")
    managed.up()
    assert needed(managed) == managed.up() == []
