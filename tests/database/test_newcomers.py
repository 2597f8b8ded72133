"""Tables that a publication of whole schemas takes by itself, with rows that it never passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.publication_support import listed, publication

from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

pytestmark = pytest.mark.usefixtures("superuser")

CREATE = "CREATE TABLE public.n (id int PRIMARY KEY, note text)"
FILL = "INSERT INTO public.n VALUES (1)"


@pytest.fixture(params=["all tables", "tables in schema"])
def managed(shop: Shop, request: pytest.FixtureRequest) -> Managed:
    shop.run(
        *(f"CREATE TABLE public.{name} (id int PRIMARY KEY)" for name in ("a", "b")),
        "INSERT INTO public.a VALUES (1)",
        "CREATE SCHEMA staging",
        "CREATE TABLE staging.m (id int PRIMARY KEY)",
        "INSERT INTO staging.m VALUES (1)",
        "CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.root FOR VALUES FROM (0) TO (10)",
        "INSERT INTO public.root VALUES (1)",
        "CREATE UNLOGGED TABLE public.u (id int PRIMARY KEY)",
        "INSERT INTO public.u VALUES (1)",
    )
    everything = request.param == "all tables"
    capture = {"allTables": True} if everything else {"schemas": ["public"]}
    found = publication(shop, capture, tablesInSchema=not everything)
    found.up()
    assert found.up() == []
    return found


def needed(managed: Managed) -> list[str]:
    return sorted(unpack(managed.outputs["needsSnapshot"]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["ALTER TABLE public.a RENAME TO z"], "public.z"),
        (["ALTER TABLE staging.m SET SCHEMA public"], "public.m"),
        (["ALTER TABLE public.u SET LOGGED"], "public.u"),
        (["ALTER TABLE public.root DETACH PARTITION public.p1"], "public.p1"),
        (["DROP TABLE public.a", "CREATE TABLE public.a (id int PRIMARY KEY)"], "public.a"),
        ([CREATE, FILL, "ALTER TABLE public.n RENAME TO ready"], "public.ready"),
        ([CREATE.replace("TABLE", "UNLOGGED TABLE"), FILL, "ALTER TABLE public.n SET LOGGED"],
         "public.n"),
        (
            ["CREATE TABLE staging.x (id int)", "INSERT INTO staging.x VALUES (1)",
             "ALTER TABLE staging.x ADD PRIMARY KEY (id)",
             "ALTER TABLE staging.x SET SCHEMA public"],
            "public.x",
        ),
    ],
    ids=["renamed", "moved", "logged", "detached", "made again", "new, renamed", "new, logged",
         "new, moved"],
)  # fmt: skip
def test_table_with_rows_from_before(
    shop: Shop, managed: Managed, changes: list[str], expected: str
) -> None:
    shop.run(*changes)
    managed.up()
    assert [name for name in needed(managed) if not name.startswith("staging")] == [expected]
    assert managed.up() == managed.refresh() == []
    word = "snapshot of all tables of streamkap_pub"
    managed.up(acknowledge=[word])
    managed.up(acknowledge=[])
    assert needed(managed) == managed.up() == []


@pytest.mark.parametrize(
    "changes",
    [
        [CREATE, FILL, "GRANT SELECT ON public.n TO streamkap_role", "ANALYZE public.n"],
        [CREATE, "ALTER TABLE public.n OWNER TO team", FILL],
        [CREATE, "ALTER TABLE public.n RENAME TO ready", "INSERT INTO public.ready VALUES (1)"],
        [f"{CREATE}; {FILL}"],
        [CREATE, FILL, "ALTER TABLE public.n ADD more int DEFAULT 7"],
        ["CREATE UNLOGGED TABLE public.n (id int PRIMARY KEY)", "ALTER TABLE public.n SET LOGGED"],
        ["CREATE TABLE public.n AS SELECT 1 AS id, 2 AS x",
         "ALTER TABLE public.n ADD PRIMARY KEY (id)"],
        ["CREATE TABLE public.p2 PARTITION OF public.root FOR VALUES FROM (10) TO (20)"],
        ["VACUUM FULL public.a", "ALTER TABLE public.b OWNER TO team", "TRUNCATE public.a"],
    ],
    ids=["plain", "of an owner", "renamed first", "at once", "altered", "logged first",
         "from a query", "partition", "seen before"],
)  # fmt: skip
def test_table_that_was_published_from_its_first_row_on(
    shop: Shop, managed: Managed, changes: list[str]
) -> None:
    with shop.server.superuser(shop.name) as connection:
        for statement in changes:
            connection.execute(statement.encode())
    managed.up()
    assert needed(managed) == managed.up() == []


def test_names_that_are_exchanged(shop: Shop, managed: Managed) -> None:
    """As logs are rotated."""
    shop.run(
        "ALTER TABLE public.a RENAME TO c",
        "ALTER TABLE public.b RENAME TO a",
        "ALTER TABLE public.c RENAME TO b",
    )
    managed.up()
    assert needed(managed) == ["public.a", "public.b"]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE public.a",
        "ALTER TABLE public.a RENAME TO z",
        "ALTER TABLE public.a SET UNLOGGED",
    ],
)
def test_table_that_is_gone_is_told(
    shop: Shop, managed: Managed, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run(change)
    capsys.readouterr()
    managed.up()
    assert (
        "warning: public.a, published until the last up, is not any more: dropped, renamed, moved, "
        "made unlogged, or its schema is not captured any more\n" in capsys.readouterr().err
    )
    managed.up()
    assert "not any more" not in capsys.readouterr().err


def test_table_that_is_gone_from_a_captured_schema_is_told(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run(*(f"CREATE TABLE public.{name} (id int PRIMARY KEY)" for name in ("a", "b", "c")))
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    assert "tableOids" not in managed.outputs
    shop.run("DROP TABLE public.a", "ALTER TABLE public.b RENAME TO z")
    managed.up()
    assert "warning: public.a, public.b, published until the last up" in capsys.readouterr().err
    managed.up(capture=listed("public.z"))
    said = capsys.readouterr().err
    assert "public.c leaves publication streamkap_pub" in said
    assert "not any more" not in said
