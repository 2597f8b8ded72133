"""A publication that somebody altered between two ups, and altered back, is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.database.publication_support import SIGNAL, listed, make_tables, publication
from tests.database.slot_support import replication_slot

from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ALTERED = "warning: publication streamkap_pub was altered by somebody since the last up: "
BACK = "ALTER PUBLICATION streamkap_pub SET (publish = 'insert, update, delete, truncate')"


@pytest.fixture
def managed(shop: Shop) -> Managed:
    make_tables(shop)
    found = publication(shop, listed("public.a", "public.b"), ownTables=[SIGNAL])
    found.up()
    return found


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


def alter(shop: Shop, *changes: str) -> None:
    shop.run(*(f"ALTER PUBLICATION streamkap_pub {change}" for change in changes))


@pytest.mark.parametrize("ups", [0, 1, 2], ids=["at once", "after one more", "after two more"])
def test_table_that_was_taken_out_for_a_while(
    shop: Shop, managed: Managed, ups: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the time of a bulk load, say. The publication is as it was, and nothing of it arrives."""
    for _ in range(ups):
        assert managed.up() == []
    alter(shop, "DROP TABLE public.a")
    shop.run("INSERT INTO public.a VALUES (1)")
    alter(shop, "ADD TABLE public.a")
    capsys.readouterr()
    assert managed.preview() == ["toRepair", "toSnapshot"]
    said = capsys.readouterr().err
    assert f"{ALTERED}what was changed in public.a meanwhile may be lost\n" in said
    assert "needs snapshot: public.a: " in said
    assert managed.up() == ["toRepair", "toSnapshot"]
    assert needed(managed) == ["public.a"]
    assert managed.up() == managed.refresh() == []
    managed.up(acknowledge=["snapshot of public.a"])
    assert needed(managed) == []
    managed.up(acknowledge=[])
    assert managed.up() == []
    assert needed(managed) == []


def test_it_is_told_once_where_it_is_acknowledged_at_once(shop: Shop, managed: Managed) -> None:
    alter(shop, "DROP TABLE public.a", "ADD TABLE public.a")
    assert managed.up(acknowledge=["snapshot of public.a"]) == ["acknowledge", "toRepair"]
    managed.up(acknowledge=[])
    assert needed(managed) == managed.up() == []


def test_signal_from_before_does_not_settle_it(shop: Shop, managed: Managed) -> None:
    alter(shop, "DROP TABLE public.a", "ADD TABLE public.a")
    managed.up()
    signal = """'execute-snapshot', '{"data-collections": ["public.a"]}')"""
    shop.run(f"INSERT INTO {SIGNAL} VALUES ('1', {signal}")
    alter(shop, "DROP TABLE public.a", "ADD TABLE public.a")
    managed.up()
    assert needed(managed) == ["public.a"]
    assert managed.up() == []
    shop.run(f"INSERT INTO {SIGNAL} VALUES ('2', {signal}")
    managed.up()
    assert needed(managed) == managed.up() == []


def test_table_that_was_made_again_and_added_by_hand(shop: Shop, managed: Managed) -> None:
    shop.run("DROP TABLE public.b", "CREATE TABLE public.b (id int PRIMARY KEY)")
    alter(shop, "ADD TABLE public.b")
    managed.up()
    assert needed(managed) == ["public.b"]


@pytest.mark.parametrize(
    "changes",
    [
        ["SET (publish = 'insert')", "SET (publish = 'insert, update, delete, truncate')"],
        ["RENAME TO other"],
    ],
    ids=["publish", "renamed"],
)
def test_options_that_were_changed_for_a_while(
    shop: Shop, managed: Managed, changes: list[str]
) -> None:
    alter(shop, *changes)
    if "RENAME" in changes[0]:
        shop.run("ALTER PUBLICATION other RENAME TO streamkap_pub")
    managed.up()
    assert needed(managed) == ["public.a", "public.b"]
    assert managed.up() == []


def test_filter_that_was_another_for_a_while(shop: Shop, managed: Managed) -> None:
    rest = f"public.b, {SIGNAL}"
    alter(shop, f"SET TABLE public.a WHERE (id > 9), {rest}", f"SET TABLE public.a, {rest}")
    managed.up()
    assert needed(managed) == ["public.a"]


@pytest.mark.usefixtures("superuser")
def test_schema_that_was_taken_out_for_a_while(shop: Shop) -> None:
    make_tables(shop)
    managed = publication(shop, {"schemas": ["public"]}, tablesInSchema=True)
    managed.up()
    assert managed.up() == []
    alter(shop, "DROP TABLES IN SCHEMA public", "ADD TABLES IN SCHEMA public")
    managed.up()
    assert needed(managed) == ["public.a", "public.b", "public.c"]
    assert managed.up() == []


def test_what_the_stack_itself_alters_counts_for_nothing(managed: Managed) -> None:
    managed.up(capture=listed("public.b", "public.c"), publish=["insert"])
    managed.up(acknowledge=["snapshot of public.c"])
    assert needed(managed) == managed.up() == []


def test_what_the_stack_adds_and_then_changes_counts_for_nothing(managed: Managed) -> None:
    managed.up(capture=listed("public.a", "public.b", "public.c"))
    managed.up(acknowledge=["snapshot of public.c"])
    assert needed(managed) == managed.up() == []
    managed.up(publish=["insert"])
    assert needed(managed) == managed.up() == []


def test_another_owner_or_comment_counts_for_nothing(shop: Shop, managed: Managed) -> None:
    shop.run(f"GRANT CREATE ON DATABASE {shop.name} TO team")
    alter(shop, "OWNER TO team")
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS 'ask Ada'")
    assert managed.up() == needed(managed) == []


def test_state_that_was_lost_hides_nothing(shop: Shop, managed: Managed) -> None:
    alter(shop, "DROP TABLE public.a", "ADD TABLE public.a")
    again = publication(shop, managed.program["capture"], ownTables=[SIGNAL])
    again.up()
    assert needed(again) == ["public.a"]
    assert again.up() == []


def test_one_that_an_earlier_version_has_made_is_watched_from_the_slot_on(
    shop: Shop, managed: Managed
) -> None:
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS NULL")
    slot = replication_slot(shop, f"slot_{shop.name}")
    slot.up()
    assert managed.up() == needed(managed) == []
    alter(shop, "DROP TABLE public.a", "ADD TABLE public.a")
    slot.up()  # what it records hides nothing
    managed.up()
    assert needed(managed) == ["public.a"]
    assert managed.up() == slot.up() == []


def test_one_that_was_made_anew_or_never_marked_is_not_judged(shop: Shop, managed: Managed) -> None:
    """By pg_upgrade or from a dump, with its comment."""

    def made_anew() -> Any:
        shop.run(
            "DROP PUBLICATION streamkap_pub",
            f"CREATE PUBLICATION streamkap_pub FOR TABLE public.a, public.b, {SIGNAL}"
            " WITH (publish_via_partition_root = true)",
        )

    comment = shop.value("SELECT obj_description(oid, 'pg_publication') FROM pg_publication")
    made_anew()
    shop.run(f"COMMENT ON PUBLICATION streamkap_pub IS '{comment}'")
    assert managed.up() == []
    made_anew()
    assert managed.up() == needed(managed) == []
