"""`tablesFile`: a list of tables that is too long for a stack's settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.stack_settings import SHOP, faults, valid

from azure_postgres_cdc.settings import read_tables


def with_file(root: Path, content: bytes | None) -> list[str]:
    if content is not None:
        (root / "tables.csv").write_bytes(content)
    return faults({SHOP + "capture": {"tablesFile": "tables.csv"}}, root)


@pytest.mark.parametrize(
    "content",
    [
        b"public.orders\npublic.lines\n",
        b"public.orders\r\npublic.lines\r\n",
        b"\xef\xbb\xbfpublic.orders\npublic.lines",
        b"\n  public.orders  \n\n\tpublic.lines\n\n",
    ],
    ids=["lf", "crlf", "bom", "blanks"],
)
def test_file_of_tables_is_read_whoever_wrote_it(tmp_path: Path, content: bytes) -> None:
    assert with_file(tmp_path, content) == []
    assert read_tables(tmp_path / "tables.csv") == ["public.orders", "public.lines"]
    settings = valid({SHOP + "capture": {"tablesFile": "tables.csv"}}, tmp_path)
    (connector,) = settings.connectors_by_database(tmp_path)["shop"]
    assert connector["capture"] == {"tables": ["public.orders", "public.lines"]}


def test_file_of_tables_takes_names_as_in_sql(tmp_path: Path) -> None:
    assert with_file(tmp_path, 'Public.Orders\n"Odd, ""Schema"""."表"\n'.encode()) == []
    assert read_tables(tmp_path / "tables.csv") == ["public.orders", '"Odd, ""Schema"""."表"']


FILE = "databases[0].capture.tablesFile: "


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (
            None,
            [
                f"{FILE}tables.csv cannot be read: No such file or directory; the path is relative "
                "to the project"
            ],
        ),
        (b"", [f"{FILE}tables.csv names no table"]),
        (b"\xef\xbb\xbf\r\n  \r\n", [f"{FILE}tables.csv names no table"]),
        (b"public.\xff", [f"{FILE}tables.csv is not UTF-8 text"]),
        (
            b"schema,table\r\npublic.orders\r\n\r\npublic.a.b\r\n",
            [
                f"{FILE}tables.csv:1: 'schema,table' is no name of a table: ',table' is unexpected",
                f"{FILE}tables.csv:4: 'public.a.b' is not of the form schema.table",
            ],
        ),
    ],
    ids=["missing", "empty", "blank", "not text", "bad rows"],
)
def test_faults_of_a_file_name_its_lines(
    tmp_path: Path, content: bytes | None, found: list[str]
) -> None:
    assert with_file(tmp_path, content) == found


def test_many_faults_of_a_file_do_not_fill_the_screen(tmp_path: Path) -> None:
    found = with_file(tmp_path, b"bad\n" * 25)
    assert len(found) == 21
    assert found[19].startswith(f"{FILE}tables.csv:20: ")
    assert found[20] == f"{FILE}and 5 more"


def test_folder_is_no_file_of_tables(tmp_path: Path) -> None:
    (tmp_path / "tables.csv").mkdir()
    assert with_file(tmp_path, None) == [
        f"{FILE}tables.csv cannot be read: Is a directory; the path is relative to the project"
    ]
