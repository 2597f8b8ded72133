"""What a publication no longer passes on is told loudly, and what it missed needs a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.database.publication_support import listed, make_tables, publication

from azure_postgres_cdc.dynamic import unpack
from azure_postgres_cdc.publication_options import CHANGES

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

CAPTURE = listed("public.wide")
WITHOUT_DELETE = [kind for kind in CHANGES if kind != "delete"]


@pytest.fixture
def managed(shop: Shop) -> Managed:
    make_tables(shop)
    shop.run("CREATE TABLE public.wide (id int PRIMARY KEY, x int, y int)")
    found = publication(shop, CAPTURE)
    found.up()
    return found


@pytest.fixture(name="said")
def fixture_said(managed: Managed, capsys: pytest.CaptureFixture[str]) -> Any:
    """What both the preview and the `up` of a change say, but for what is the same every time."""

    def said(**changes: Any) -> list[str]:
        managed.program |= changes
        told = []
        for step in (managed.preview, managed.up):
            capsys.readouterr()
            step()
            lines = capsys.readouterr().err.splitlines()
            told.append([line for line in lines if not line.startswith("not in publication")])
        assert told[0] == told[1]
        capsys.readouterr()
        assert managed.up() == []
        assert "publishes" not in capsys.readouterr().err  # once is enough
        return told[0]

    return said


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


def decoded(shop: Shop, slot: str) -> str:
    """The kinds of changes that a connector gets now: I, U, D, T."""
    kinds = shop.column(
        "SELECT chr(get_byte(data, 0)) FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL,"
        " 'proto_version', '1', 'publication_names', 'streamkap_pub')",
        slot,
    )
    return "".join(kind for kind in kinds if kind in "IUDT")


def test_change_that_is_not_published_for_a_while_is_lost(
    shop: Shop, managed: Managed, said: Any
) -> None:
    slot = f"slot_{shop.name}"
    shop.run(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    assert said(publish=WITHOUT_DELETE) == [
        "warning: publication streamkap_pub no longer publishes DELETE: from now on they are lost "
        "to the connector, of every table"
    ]
    assert needed(managed) == []
    shop.run("INSERT INTO public.wide VALUES (1)", "DELETE FROM public.wide")
    first, again = said(publish=[*CHANGES])
    assert again.startswith("warning: publication streamkap_pub needs snapshot: public.wide: ")
    assert first == (
        "warning: publication streamkap_pub publishes DELETE again: rows that went meanwhile are "
        "still in the destination, and no snapshot takes them away. Remedy: empty the "
        "destination's tables before their snapshot"
    )
    assert needed(managed) == ["public.wide"]
    shop.run("INSERT INTO public.wide VALUES (2)", "DELETE FROM public.wide")
    assert decoded(shop, slot) == "IID"


def test_inserts_that_come_back_are_settled_by_a_snapshot(managed: Managed, said: Any) -> None:
    (line,) = said(publish=["update", "delete"])
    assert "no longer publishes INSERT, TRUNCATE" in line
    line, *_ = said(publish=["insert", "update", "delete"])
    assert "needs snapshot: public.wide" in line
    assert needed(managed) == ["public.wide"]


def test_row_filter(managed: Managed, said: Any) -> None:
    told = "publication streamkap_pub has another row filter for public.wide: what it leaves out"
    (line,) = said(rowFilters={"public.wide": "id > 5"})
    assert told in line
    assert needed(managed) == []
    line, *_ = said(rowFilters={"public.wide": "id > 9"})
    assert told in line
    # Whether it passes on rows that the first did not, nobody can tell.
    assert needed(managed) == ["public.wide"]
    lines = said(rowFilters={})
    assert "row filter" not in "".join(lines)
    assert needed(managed) == ["public.wide"]


def test_column_list(managed: Managed, said: Any) -> None:
    told = "warning: publication streamkap_pub no longer publishes columns of public.wide ({}): "
    (line,) = said(columns={"public.wide": ["id", "x"]})
    assert line.startswith(told.format("all but id, x"))
    (line,) = said(columns={"public.wide": ["id"]})
    assert line.startswith(told.format("x"))
    assert needed(managed) == []
    lines = said(columns={"public.wide": ["id", "y"]})
    assert "no longer" not in "".join(lines)
    assert needed(managed) == ["public.wide"]


def test_generated_columns(shop: Shop, managed: Managed, said: Any) -> None:
    if shop.server.major < 18:
        pytest.skip("PostgreSQL 18 publishes generated columns")
    shop.run("ALTER TABLE public.wide ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED")
    managed.up(generatedColumns="stored", acknowledge=["snapshot of public.wide"])
    lines = said(generatedColumns="none")
    assert "publication streamkap_pub no longer publishes generated columns" in "".join(lines)
