"""Two sightings of a slot: the same one, another one, or not to be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from azure_postgres_cdc.database import ledger
from azure_postgres_cdc.database.continuity import Continuity, Sighting, judge, lsn
from azure_postgres_cdc.database.ledger import Doubt, Ledger

LAST = Sighting(
    slot="slot",
    position="0/100",
    seen_at="2026-01-01T00:00:00Z",
    system="7",
    timeline=1,
    counters={"total_txns": 5, "spill_txns": 1},
    counters_since="",
    statistics_since="2025-01-01T00:00:00.000001Z",
    wal="0/100",
    idle_since="",
)
ZERO = {"total_txns": 0, "spill_txns": 0}
ON = {"position": "0/200", "counters": {"total_txns": 9, "spill_txns": 1}}


@pytest.mark.parametrize(
    ("last", "now"),
    [
        pytest.param({}, {}, id="nothing happened"),
        pytest.param({}, ON, id="its connector went on"),
        pytest.param(
            {"position": "0/FFFFFFFF"},
            {"position": "1/0", "counters": ON["counters"]},
            id="over a boundary",
        ),
        pytest.param(
            {"wal": "0/200"}, {"position": "0/200"}, id="what was there has no change in it"
        ),
        pytest.param({}, ON | {"system": ""}, id="the system may not be read now"),
        pytest.param({"system": ""}, ON, id="the system could not be read then"),
        pytest.param({"counters": {}}, ON | {"counters": {}}, id="before PostgreSQL 14"),
        pytest.param(
            {"counters": {"total_txns": 5}}, ON, id="a newer version counts more than it did"
        ),
        pytest.param({"counters": ZERO}, {"counters": ZERO}, id="it never decoded anything"),
        pytest.param({}, ON | {"idle_since": "2026-02-01T00:00:00Z"}, id="nobody reads it now"),
    ],
)
def test_slot_that_lost_nothing(last: dict[str, Any], now: dict[str, Any]) -> None:
    assert verdict(last, now) == (Continuity.PROVEN, "")


@pytest.mark.parametrize(
    ("last", "now", "reason"),
    [
        ({}, {"system": "8"}, "the server is another one (system identifier 8, it was 7)"),
        (
            {},
            {"system": "8", "timeline": 2, "statistics_since": "x"},
            "the server is another one (system identifier 8, it was 7)",
        ),
        ({}, {"position": "0/FF"}, "it stands at LSN 0/FF, which is before that"),
        (
            {},
            ON | {"counters": {"total_txns": 4, "spill_txns": 1}},
            "its total_txns went from 5 back to 4, and nobody has reset it",
        ),
        (
            {},
            ON | {"counters": {"total_txns": 99, "spill_txns": 0}},
            "its spill_txns went from 1 back to 0, and nobody has reset it",
        ),
        ({}, {"counters": {}}, "its total_txns went from 5 back to 0, and nobody has reset it"),
        (
            {"counters": ZERO},
            {"position": "0/200", "counters": ZERO},
            "it stands at LSN 0/200 and has decoded nothing on the way there",
        ),
        (
            {"counters_since": "yesterday"},
            ON | {"counters": {"total_txns": 99, "spill_txns": 9}},
            "its statistics, which were reset at yesterday, have never been reset now",
        ),
    ],
)
def test_slot_that_is_another_one(last: dict[str, Any], now: dict[str, Any], reason: str) -> None:
    assert verdict(last, now) == (Continuity.BROKEN, reason)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (
            {"timeline": 2, "counters": ZERO},
            "the server is on timeline 2, it was on 1: there has been a failover, a restore or a "
            "promotion",
        ),
        (
            {"statistics_since": "today", "counters": ZERO},
            "the server's statistics begin anew at today: it has crashed, or somebody has reset "
            "them",
        ),
        (
            {"statistics_since": "today", "position": "0/FF"},
            "the server's statistics begin anew at today and the slot went back to LSN 0/FF: it "
            "has crashed, or somebody has reset them",
        ),
        ({"counters_since": "today"}, "the slot's statistics were reset at today"),
        (
            {"position": "0/101"},
            "it was moved on to LSN 0/101 and has decoded nothing on the way there, as with "
            "pg_replication_slot_advance: what was changed in between was passed over",
        ),
    ],
)
def test_slot_of_which_it_cannot_be_told(now: dict[str, Any], reason: str) -> None:
    assert verdict({}, now) == (Continuity.UNPROVEN, reason)


def verdict(last: dict[str, Any], now: dict[str, Any]) -> tuple[Continuity, str]:
    found = judge(replace(LAST, **last), replace(LAST, seen_at="2026-02-01T00:00:00Z", **now))
    return found.continuity, found.reason


def test_positions_are_numbers() -> None:
    assert lsn("0/0") == 0
    assert lsn("16/B374D848") == 0x16B374D848
    assert lsn("A/0") > lsn("9/FFFFFFFF")


# The text that it is kept in

FULL = Ledger(
    LAST,
    Doubt("0/80", "2026-01-01T00:00:00Z", 'a "reason"\nof two lines'),
    {"a.b": 7},
    acknowledged="0/7",
)


@pytest.mark.parametrize("kept", [FULL, Ledger(), Ledger(LAST), Ledger(needs_snapshot={"a": 1})])
@pytest.mark.parametrize("theirs", ["", "somebody's words\nin two lines"])
def test_record_is_read_as_it_was_written(kept: Ledger, theirs: str) -> None:
    text = ledger.text_of(kept, theirs)
    assert ledger.parsed(text) == kept
    assert ledger.text_of(Ledger(), text) == theirs
    assert text.count("azure-postgres-cdc: ") == (kept != Ledger())


def test_record_takes_one_line() -> None:
    assert len(ledger.text_of(FULL, "").splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "words",
        "azure-postgres-cdc: ",
        'azure-postgres-cdc: {"last":{"slot":"x"}}',
        "azure-postgres-cdc: []",
        'azure-postgres-cdc: {"needsSnapshot":7}',
        'azure-postgres-cdc: {"last":7}',
        'azure-postgres-cdc: {"needsSnapshot":{"a.b":"never"}}',
        'azure-postgres-cdc: {"doubt":{"position":"here","seen_at":"","reason":""}}',
    ],
)
def test_record_that_somebody_has_spoilt_is_none(text: str) -> None:
    assert ledger.parsed(text) == Ledger()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position", "here"),
        ("position", 7),
        ("wal", "0-1"),
        ("seen_at", "yesterday"),
        ("idle_since", "yesterday"),
        ("counters", {"total_txns": "many"}),
        ("counters", [1]),
    ],
)
def test_sighting_that_somebody_has_spoilt_is_none(name: str, value: Any) -> None:
    """And no traceback at the next comparison."""
    text = ledger.text_of(Ledger(replace(LAST, **{name: value})), "")
    assert ledger.parsed(text) == Ledger()
