"""The record's format: the documented one is read, and what is none is told in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_postgres_rehearsal.rebuilt_server import nearest
from azure_postgres_rehearsal.record import Record, RecordUnreadable, read

DOCS = Path(__file__).resolve().parents[2] / "docs" / "rehearsal.md"


def documented() -> dict[str, Any]:
    """The example in the documentation."""
    (example,) = re.findall(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL)
    found: dict[str, Any] = json.loads(example)
    return found


def test_the_documented_record_is_one() -> None:
    record = Record.model_validate(documented())
    assert (record.major, record.was_up) == (17, True)
    assert record.databases["shop"].schemas["public"].tables["orders"].kind == "partitioned table"


@pytest.mark.parametrize(("recorded", "rehearsed"), [(16, 16), (17, 17), (18, 18), (19, 18)])
def test_the_nearest_version_is_taken(recorded: int, rehearsed: int) -> None:
    assert nearest(recorded) == rehearsed
    assert nearest(11) in (15, 16)  # 15 where the system has it


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda _: "no JSON", "is no record: Expecting value"),
        (lambda _: [], "is no record: "),
        (lambda record: record | {"format": 2}, "has the format 2, and this reads 1"),
        (lambda record: record | {"roles": {"a": {"attributes": ["GOD"]}}}, "roles.a.attributes.0"),
        (lambda record: record | {"password": "x"}, "password: Extra inputs are not permitted"),
        (lambda record: record | {"databases": None}, "databases: Input should be a valid dict"),
    ],
)
def test_a_spoilt_record_is_one_line(
    tmp_path: Path, spoil: Callable[[Any], Any], says: str
) -> None:
    file = tmp_path / "record.test.json"
    spoilt = spoil(documented())
    file.write_text(spoilt if isinstance(spoilt, str) else json.dumps(spoilt))
    with pytest.raises(RecordUnreadable) as caught:
        read(file)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Remedy: azure-postgres-cdc record" in str(caught.value)
