"""Rows that a partition brought along when it was attached never arrive: that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.publication_support import SIGNAL, listed, make_tables, publication
from tests.database.upgrade_support import ready_server

from azure_postgres_cdc.database import attached_partitions
from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROOT = """
CREATE TABLE public.root (id bigserial, day int NOT NULL DEFAULT 3, PRIMARY KEY (id, day))
PARTITION BY RANGE (id)
"""
LIKE = "CREATE TABLE public.p{} (LIKE public.root INCLUDING ALL)"
FILL = "INSERT INTO public.p{0} VALUES ({0}1)"
ATTACH = "ALTER TABLE public.root ATTACH PARTITION public.p{0} FOR VALUES FROM ({0}0) TO ({0}9)"
MADE = "CREATE TABLE public.p{0} PARTITION OF public.root FOR VALUES FROM ({0}0) TO ({0}9)"
THROUGH_ROOT = "INSERT INTO public.root VALUES ({0}2)"


@pytest.fixture
def managed(shop: Shop) -> Managed:
    """A captured table with a partition from before, which the first snapshot reads."""
    make_tables(shop)
    shop.run(ROOT, *(text.format(1) for text in (LIKE, FILL, ATTACH)))
    found = publication(shop, listed("public.root"), ownTables=[SIGNAL])
    found.up()
    assert needed(found) == found.up() == []
    return found


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "in one transaction"])
def test_partition_that_brings_rows_along(shop: Shop, managed: Managed, *, at_once: bool) -> None:
    statements = [text.format(2) for text in (LIKE, FILL, ATTACH, THROUGH_ROOT)]
    shop.run(*(["; ".join(statements)] if at_once else statements))
    assert managed.up() == ["toRepair", "toSnapshot"]
    assert needed(managed) == ["public.root"]
    assert managed.up() == managed.refresh() == []
    managed.up(acknowledge=["snapshot of public.root"])
    assert needed(managed) == []
    managed.up(acknowledge=[])
    assert needed(managed) == managed.up() == []


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "in one transaction"])
@pytest.mark.parametrize("how", [[MADE], [LIKE, ATTACH]], ids=["made", "attached empty"])
def test_partition_that_was_empty(
    shop: Shop, managed: Managed, how: list[str], *, at_once: bool
) -> None:
    """Its rows have come through the root, and every `up` has nothing to do."""
    statements = [text.format(2) for text in (*how, THROUGH_ROOT)]
    shop.run(*(["; ".join(statements)] if at_once else statements))
    assert managed.up() == needed(managed) == []


def test_partition_that_was_away_for_a_while(shop: Shop, managed: Managed) -> None:
    shop.run(
        "ALTER TABLE public.root DETACH PARTITION public.p1",
        "INSERT INTO public.p1 VALUES (15)",
        ATTACH.format(1),
    )
    managed.up()
    assert needed(managed) == ["public.root"]


def test_partitions_of_a_partition(shop: Shop, managed: Managed) -> None:
    shop.run(
        "CREATE TABLE public.p3 (LIKE public.root INCLUDING ALL) PARTITION BY RANGE (day)",
        "CREATE TABLE public.leaf PARTITION OF public.p3 DEFAULT",
        FILL.format(3),
        ATTACH.format(3),
    )
    managed.up()
    assert needed(managed) == ["public.root"]


def test_snapshot_that_was_signalled_since(shop: Shop, managed: Managed) -> None:
    shop.run(*(text.format(2) for text in (LIKE, FILL, ATTACH)))
    data = '{"type": "incremental", "data-collections": ["public.root"]}'
    shop.run(f"INSERT INTO {SIGNAL} VALUES ('1', 'execute-snapshot', '{data}')")
    managed.up()
    assert needed(managed) == managed.up() == []


def test_stack_that_did_not_look_so_far(shop: Shop, managed: Managed) -> None:
    """What was attached after the publication was made is told all the same."""
    shop.run(*(text.format(2) for text in (LIKE, FILL, ATTACH)))
    del managed.inputs["attached"]
    managed.outputs.pop("attached")
    managed.up()
    assert needed(managed) == ["public.root"]
    assert managed.up() == []


@pytest.mark.parametrize("rows", [True, False], ids=["with rows", "emptied"])
def test_published_table_that_becomes_a_partition(shop: Shop, *, rows: bool) -> None:
    """Its rows have arrived under its own name, and never under the root's."""
    make_tables(shop)
    shop.run(ROOT, *(text.format(2) for text in (LIKE, FILL)))
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    assert unpack(managed.outputs["attached"]) == []
    shop.run("SELECT" if rows else "DELETE FROM public.p2", ATTACH.format(2))
    # Its row is younger then than what was attached.
    shop.run("ALTER PUBLICATION streamkap_pub OWNER TO team", superuser=True)
    managed.up()
    assert needed(managed) == (["public.root"] if rows else [])
    assert managed.up() == []


def test_root_that_is_younger_than_the_last_up(shop: Shop) -> None:
    make_tables(shop)
    root = ROOT.replace("bigserial", "int")
    shop.run(root, *(text.format(2) for text in (LIKE, FILL)), "DROP TABLE public.root")
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    shop.run(root, ATTACH.format(2))
    managed.up()
    assert needed(managed) == ["public.root"]


def test_before_partitions_can_be_told_nothing_is_remembered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached_partitions, "find", lambda *_: None)
    make_tables(shop)
    managed = publication(shop, listed("public.a"))
    managed.up()
    assert "attached" not in managed.outputs


def test_major_upgrade() -> None:
    """pg_upgrade makes the catalog anew, in transactions after all that wrote the rows."""
    with ready_server(16) as connector:
        shop = connector.shop
        shop.run(ROOT, *(text.format(1) for text in (LIKE, FILL, ATTACH)), MADE.format(2))
        shop.run(THROUGH_ROOT.format(2))
        managed = publication(shop, listed("public.root"), name="another", ownTables=[])
        managed.up()
        shop.server.upgrade(18)
        assert managed.up() == needed(managed) == []
        shop.run(*(text.format(3) for text in (LIKE, FILL, ATTACH)))
        managed.up()
        assert needed(managed) == ["public.root"]


def test_partition_is_looked_at_once(shop: Shop, managed: Managed) -> None:
    """Whoever attaches one every hour has thousands of them after a year."""
    before = unpack(managed.inputs["attached"])
    shop.run(*(text.format(2) for text in (LIKE, ATTACH, THROUGH_ROOT)))
    assert managed.up() == []
    assert len(unpack(managed.inputs["attached"])) == len(before) + 1


@pytest.mark.parametrize("brings", [False, True], ids=["empty", "with rows"])
def test_partition_that_the_administrator_may_not_read(
    shop: Shop, managed: Managed, *, brings: bool
) -> None:
    """It acts for the owner, as it does wherever it may."""
    owner = f"app_{shop.name}"
    shop.run(f"CREATE ROLE {owner}")
    try:
        statements = [LIKE, FILL, ATTACH] if brings else [LIKE, ATTACH, THROUGH_ROOT]
        shop.run(*(text.format(2) for text in statements))
        shop.run(f"ALTER TABLE public.p2 OWNER TO {owner}", superuser=True)
        managed.up()
        assert needed(managed) == (["public.root"] if brings else [])
    finally:
        shop.run(f"DROP OWNED BY {owner} CASCADE", f"DROP ROLE {owner}", superuser=True)


def test_signal_from_before_the_last_partition(shop: Shop, managed: Managed) -> None:
    """It reads what the first of them has brought, and not what the second has."""
    shop.run(*(text.format(2) for text in (LIKE, FILL, ATTACH)))
    managed.up()
    data = '{"type": "incremental", "data-collections": ["public.root"]}'
    shop.run(f"INSERT INTO {SIGNAL} VALUES ('1', 'execute-snapshot', '{data}')")
    shop.run(*(text.format(3) for text in (LIKE, FILL, ATTACH)))
    assert managed.up() == ["toRepair"]
    assert needed(managed) == ["public.root"]
    assert managed.up() == []
    assert needed(managed) == ["public.root"]
