"""A table that somebody takes out of the publication and puts back between two `up`s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.publication_support import SIGNAL, listed, make_tables, publication

from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

OUT_AND_BACK = (
    "ALTER PUBLICATION streamkap_pub DROP TABLE public.a",
    "INSERT INTO public.a VALUES (1)",
    "ALTER PUBLICATION streamkap_pub ADD TABLE public.a",
)


@pytest.fixture
def managed(shop: Shop) -> Managed:
    make_tables(shop)
    found = publication(shop, listed("public.a", "public.b"), ownTables=[SIGNAL])
    found.up()
    return found


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


@pytest.mark.parametrize("ups", [0, 1, 2], ids=["at once", "after one more", "after two more"])
def test_it_needs_a_snapshot(shop: Shop, managed: Managed, ups: int) -> None:
    """The publication is as it was, and what was changed meanwhile never arrives."""
    for _ in range(ups):
        assert managed.up() == []
    shop.run(*OUT_AND_BACK)
    assert managed.up() == ["toRepair", "toSnapshot"]
    assert needed(managed) == ["public.a"]
    assert managed.up() == managed.refresh() == []
    managed.up(acknowledge=["snapshot of public.a"])
    assert needed(managed) == []
    managed.up(acknowledge=[])
    assert managed.up() == []
    assert needed(managed) == []


def test_what_up_adds_and_changes_by_itself_was_not_put_back(managed: Managed) -> None:
    managed.up(capture=listed("public.a", "public.b", "public.c"))
    managed.up(acknowledge=["snapshot of public.c"])
    assert needed(managed) == managed.up() == []
    managed.up(publish=["insert"])
    assert needed(managed) == managed.up() == []


def test_a_signal_from_before_does_not_settle_it(shop: Shop, managed: Managed) -> None:
    managed.up()
    shop.run(*OUT_AND_BACK)
    managed.up()
    shop.run(
        f"INSERT INTO {SIGNAL} VALUES ('1', 'execute-snapshot',"
        ' \'{"data-collections": ["public.a"]}\')',
        *OUT_AND_BACK[::2],
    )
    managed.up()
    assert needed(managed) == ["public.a"]
    assert managed.up() == []


def test_another_server_s_numbers_say_nothing(shop: Shop, managed: Managed) -> None:
    """After pg_upgrade every entry is a younger one."""
    managed.up()
    shop.run(
        "DROP PUBLICATION streamkap_pub",
        f"CREATE PUBLICATION streamkap_pub FOR TABLE public.a, public.b, {SIGNAL}"
        " WITH (publish_via_partition_root = true)",
    )
    assert managed.up() == []
    assert needed(managed) == []
