"""What is said of a slot beside its name: every fault in words, and what it means."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.stack_settings import ANYWHERE, SHOP, faults, valid

from azure_postgres_cdc import acknowledge
from azure_postgres_cdc.plan import ConnectorArgs, Plan, faults_of
from azure_postgres_cdc.slot_options import SlotOptions, lsn_like

ORDERS: ConnectorArgs = {"capture": {"tables": ["public.orders"]}}
OPTIONS: dict[str, Any] = {
    "createSlot": False,
    "slotFailover": True,
    "onDestroy": "retain",
    "acknowledgeLostSlot": "16/B374D848",
}


def test_slot_is_made_and_kept_unless_something_else_is_said() -> None:
    assert Plan.of(ORDERS, "cdc_admin").slot_options == SlotOptions(
        create=True, failover=None, on_destroy="refuse", acknowledge_lost=None
    )


@pytest.mark.parametrize("failover", [True, False])
def test_settings_become_options(failover: bool) -> None:
    given = OPTIONS | {"slotFailover": failover}
    settings = valid({SHOP + key: value for key, value in given.items()})
    (arguments,) = settings.connectors_by_database(ANYWHERE)["shop"]
    assert Plan.of(arguments, "cdc_admin").slot_options == SlotOptions(
        create=False, failover=failover, on_destroy="retain", acknowledge_lost="16/B374D848"
    )


@pytest.mark.parametrize("word", ["yes", "", "16", "16/", "G/1", "0/123456789", "0/1\n", " 0/1"])
def test_word_that_is_no_position_is_a_fault(word: str) -> None:
    fault = f"acknowledgeLostSlot: {word!r} is no LSN; copy it from the refusal"
    assert list(faults_of("shop", [{**ORDERS, "acknowledgeLostSlot": word}])) == [
        f"connectors[0]: {fault}"
    ]
    (found,) = faults({SHOP + "acknowledgeLostSlot": word})
    assert found.startswith("databases[0].acknowledgeLostSlot: ")
    assert "is no LSN" in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("createSlot", "no"),
        ("slotFailover", 1),
        ("onDestroy", "keep"),
        ("acknowledgeLostSlot", True),
    ],
)
def test_value_of_another_kind_is_a_fault(key: str, value: object) -> None:
    (found,) = faults({SHOP + key: value})
    assert found.startswith(f"databases[0].{key}: ")


def test_component_knows_three_ways_to_destroy() -> None:
    args: Any = {**ORDERS, "onDestroy": "keep"}
    assert list(faults_of("shop", [args])) == [
        "connectors[0]: onDestroy: 'keep' is none of refuse, drop, retain"
    ]


def test_position_is_two_hexadecimal_numbers() -> None:
    assert lsn_like("0/0")
    assert lsn_like("ffffffff/FFFFFFFF")
    assert not lsn_like(16.0)


def test_word_of_a_rename_is_one_that_up_asks_for() -> None:
    word = acknowledge.rename("publication", "streamkap_pub", 'odd "pub"')
    assert word == 'publication streamkap_pub renamed to "odd ""pub"""'
    assert list(acknowledge.word_faults([word])) == []


@pytest.mark.parametrize("old", ["shop", 'odd "db" renamed to store', "Größe"])
@pytest.mark.parametrize("new", ["store", 'a "b"', "{}"])
def test_former_name_of_a_database_is_read_out_of_its_word(old: str, new: str) -> None:
    words = [acknowledge.rename("slot", old, new), acknowledge.rename("database", old, new)]
    assert list(acknowledge.word_faults(words)) == []
    assert acknowledge.former_database(words, new) == old
    assert acknowledge.former_database(words, "other") is None
    assert acknowledge.former_database(words[:1], new) is None


def test_settings_know_the_former_names_of_databases() -> None:
    words = ["database shop renamed to store", "database crm renamed to other"]
    store = {"databases.0.name": "store", "databases.0.acknowledge": words}
    assert valid(store).former_names() == {"store": "shop"}
    # A database that is captured still was not renamed.
    crm = {"name": "crm", "capture": {"schemas": ["public"]}, "slot": "crm_slot"}
    other = crm | {"name": "other", "slot": "other_slot", "acknowledge": words}
    assert valid({"databases": [crm, other]}).former_names() == {}
