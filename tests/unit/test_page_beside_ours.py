"""docs/page.md: the keys and checks that it sends a reader to are there, under these names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from configuration_page import every_key, secrets
from tests.unit.program import run

from azure_postgres_cdc.connector import connector_settings
from azure_postgres_cdc.operations.checks import CHECKS, name_of
from azure_postgres_cdc.operations.doctor import CONNECTION_CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "page.md").read_text(encoding="utf-8")
KEYS = {path.removeprefix("databases[].") for path in every_key()}
KEYS |= {key.path for key in secrets()}
CHECKED = {*CONNECTION_CHECKS, *(name_of(check) for checks in CHECKS.values() for check in checks)}


def column(title: str) -> Iterator[str]:
    """The words in code of every cell below a title."""
    place = -1
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            place = -1
        elif title in cells:
            place = cells.index(title)
        elif place >= 0:
            yield from re.findall(r"`([^`]+)`", cells[place])


@pytest.mark.parametrize("check", sorted(set(column("check"))))
def test_every_check_is_one_of_doctor_s(check: str) -> None:
    assert check in CHECKED


@pytest.mark.parametrize("key", sorted(set(column("where"))))
def test_every_key_is_one_of_the_settings(key: str) -> None:
    assert key.partition(":")[0] in KEYS or key.startswith("azure-postgres-cdc "), key


def test_every_field_of_the_form_has_its_row() -> None:
    fields: set[str] = set()

    def program() -> None:
        form = connector_settings(
            hostname="", port=0, database="", username="", password="", read_only=False,
            signal_schema="", heartbeat_schema="", slot="", publication="", schemas=[], tables="",
            columns={}, row_filters={}, form={"ssh": {"host": ""}},
        )  # fmt: skip
        fields.update(form)

    run(program)  # a secret is an Output, and has to be waited for
    assert set(column("the output's key")) == fields
