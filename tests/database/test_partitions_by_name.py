"""publishViaPartitionRoot: false: each partition's changes arrive under its own name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.database.conftest import ROLE
from tests.database.publication_support import listed, publication

from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture(autouse=True)
def tables(shop: Shop) -> None:
    """Partitions in two levels, and in two schemas."""
    shop.run(
        "CREATE SCHEMA parts",
        "CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE parts.low PARTITION OF public.root FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE public.middle PARTITION OF public.root FOR VALUES FROM (10) TO (20)"
        " PARTITION BY RANGE (id)",
        "CREATE TABLE public.leaf PARTITION OF public.middle DEFAULT",
        "CREATE TABLE public.plain (id int PRIMARY KEY)",
    )


def by_own_names(shop: Shop, *names: str) -> Managed:
    return publication(shop, listed(*names), viaPartitionRoot=False, role=ROLE)


def may_read(shop: Shop, table: str) -> bool:
    schema = table.partition(".")[0]
    found: bool = shop.value(
        f"SELECT has_schema_privilege('{ROLE}', '{schema}', 'USAGE')"
        f" AND has_table_privilege('{ROLE}', '{table}', 'SELECT')"
    )
    return found


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


def test_the_form_has_partitions_in_the_place_of_their_root(shop: Shop) -> None:
    managed = by_own_names(shop, "public.plain", "public.root")
    managed.up()
    leaves = {"public.root": ["parts.low", "public.leaf"]}
    assert unpack(managed.outputs["partitions"]) == leaves
    assert managed.up() == managed.refresh() == []
    shop.run("CREATE TABLE public.high PARTITION OF public.root FOR VALUES FROM (20) TO (30)")
    assert managed.up() == ["partitions", "toRepair"]  # to be readable
    assert needed(managed) == []  # it was empty, and is published from its first row on
    assert managed.up() == []


def test_a_root_stands_for_its_partitions_otherwise(shop: Shop) -> None:
    managed = publication(shop, listed("public.root"))
    managed.up()
    assert "partitions" not in managed.outputs


@pytest.mark.parametrize(
    "grants", [{"tableGrants": "captured"}, {"tableGrants": "all"}], ids=lambda found: str(found)
)
def test_the_role_may_read_every_partition(shop: Shop, grants: dict[str, str]) -> None:
    """A connector's snapshot reads them by the names under which their changes arrive."""
    access = shop.managed(
        SchemaAccessProvider(),
        role=ROLE,
        owners=[shop.server.admin_user],
        allSchemas=False,
        schemas=["public"],
        captures=json.dumps([{"tables": ["public.root"]}]),
        partitions=True,
        **grants,
    )
    access.up()
    assert may_read(shop, "public.leaf")
    assert may_read(shop, "parts.low")
    assert access.up() == access.refresh() == []
    access.destroy()
    assert not may_read(shop, "public.leaf")
    assert not may_read(shop, "parts.low")
    assert not shop.value(f"SELECT has_schema_privilege('{ROLE}', 'parts', 'USAGE')")


def test_what_needs_a_snapshot_is_named_as_the_connector_knows_it(shop: Shop) -> None:
    managed = by_own_names(shop, "public.plain")
    managed.up()
    shop.run("INSERT INTO public.root VALUES (1), (11)")
    managed.up(capture=listed("public.plain", "public.root"))
    assert needed(managed) == ["parts.low", "public.leaf"]
    managed.up(acknowledge=["snapshot of parts.low"])
    assert needed(managed) == ["public.leaf"]
    assert managed.up() == []


def test_only_the_partition_that_brought_rows_needs_one(shop: Shop) -> None:
    managed = by_own_names(shop, "public.root")
    managed.up()
    shop.run(
        "CREATE TABLE public.loaded (id int PRIMARY KEY)",
        "INSERT INTO public.loaded VALUES (21)",
        "ALTER TABLE public.root ATTACH PARTITION public.loaded FOR VALUES FROM (20) TO (30)",
    )
    managed.up()
    assert needed(managed) == ["public.loaded"]
    assert managed.up() == []


def test_one_that_was_captured_by_itself_goes_on_by_its_name(shop: Shop) -> None:
    shop.run("INSERT INTO public.plain VALUES (21)")
    managed = by_own_names(shop, "public.plain", "public.root")
    managed.up()
    shop.run("ALTER TABLE public.root ATTACH PARTITION public.plain FOR VALUES FROM (20) TO (30)")
    managed.up(capture=listed("public.root"))
    assert needed(managed) == []
    assert managed.up() == []


@pytest.mark.usefixtures("superuser")
def test_partition_in_a_captured_schema_whose_root_is_in_none(shop: Shop) -> None:
    """FOR TABLES IN SCHEMA publishes it by its own name; its rows had arrived as its root's."""
    if shop.server.major < 15:
        pytest.skip("FOR TABLES IN SCHEMA needs PostgreSQL 15")
    shop.run("INSERT INTO public.root VALUES (1)")
    managed = publication(shop, {"schemas": ["parts", "public"]}, tablesInSchema=True, role=ROLE)
    managed.up()
    assert "partitions" not in managed.outputs
    managed.up(capture={"schemas": ["parts"]})
    assert unpack(managed.outputs["partitions"]) == {"public.root": ["parts.low"]}
    assert needed(managed) == ["parts.low"]
    assert managed.up() == managed.refresh() == []
    assert shop.published() == ["parts.low"]


@pytest.mark.usefixtures("superuser")
def test_one_with_partitions_itself_stands_for_them(shop: Shop) -> None:
    if shop.server.major < 15:
        pytest.skip("FOR TABLES IN SCHEMA needs PostgreSQL 15")
    shop.run("ALTER TABLE public.middle SET SCHEMA parts", "DROP TABLE parts.low")
    managed = publication(shop, {"schemas": ["parts"]}, tablesInSchema=True, role=ROLE)
    managed.up()
    assert unpack(managed.outputs["partitions"]) == {"public.root": ["parts.middle"]}
    assert shop.published() == ["parts.middle"]
    assert managed.up() == []
