"""What a server has to have: the page's parameters, room for every slot, and what is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_postgres_cdc.azure.parameters import (
    NOT_LOWER_ON_REPLICAS,
    ORDER,
    OURS_TO_SIZE,
    Requirement,
    requirements,
)


def values(*others: Requirement, **how: int | bool) -> dict[str, str]:
    """Every parameter that is needed, in its order, and what it has to be."""
    given_: dict[str, int] = {"connectors": 1, **how}
    return {item.name: item.value for item in requirements(others=others, **given_)}  # type: ignore[arg-type]


# The page's


def test_the_page_s_parameters_in_the_order_of_writing() -> None:
    assert requirements(connectors=1) == [
        Requirement("wal_level", "logical"),
        Requirement("shared_preload_libraries", "pglogical"),
        Requirement("azure.extensions", "pglogical"),
        Requirement("max_worker_processes", "16"),
        Requirement("max_replication_slots", "3"),
        Requirement("max_wal_senders", "3"),
    ]


def test_without_pglogical_no_set_is_touched() -> None:
    assert list(values(pglogical=False)) == [
        "wal_level",
        "max_worker_processes",
        "max_replication_slots",
        "max_wal_senders",
    ]


# Room for every slot


@pytest.mark.parametrize(
    ("connectors", "replicas", "high_availability", "slots"),
    [
        (0, 0, False, 2),
        (1, 0, False, 3),
        (20, 0, False, 22),
        (1, 5, False, 8),
        # Azure's rule: 4 + replicas + logical slots
        (1, 0, True, 5),
        (3, 2, True, 9),
        (20, 5, True, 29),
    ],
)
def test_slots_and_senders_are_sized_for_connectors_replicas_and_a_standby(
    connectors: int, replicas: int, high_availability: bool, slots: int
) -> None:
    found = values(
        connectors=connectors, replicas=replicas, high_availability=high_availability, version=17
    )
    assert found["max_replication_slots"] == found["max_wal_senders"] == str(slots)


@pytest.mark.parametrize(
    ("version", "preload", "more"),
    [
        (11, "pglogical,pg_failover_slots", {"hot_standby_feedback": "on"}),
        (16, "pglogical,pg_failover_slots", {"hot_standby_feedback": "on"}),
        (17, "pglogical", {"hot_standby_feedback": "on", "sync_replication_slots": "on"}),
        (18, "pglogical", {"hot_standby_feedback": "on", "sync_replication_slots": "on"}),
    ],
)
def test_slots_survive_a_failover(version: int, preload: str, more: dict[str, str]) -> None:
    plain = values(version=version)
    found = values(version=version, high_availability=True)
    assert found["shared_preload_libraries"] == preload
    assert {name: value for name, value in found.items() if name not in plain} == more
    assert plain["shared_preload_libraries"] == "pglogical"


def test_failover_slots_are_preloaded_without_pglogical_too() -> None:
    found = values(version=16, high_availability=True, pglogical=False)
    assert found["shared_preload_libraries"] == "pg_failover_slots"
    assert "azure.extensions" not in found


# What the user asks for besides


def test_others_come_after_by_name() -> None:
    found = values(
        Requirement("work_mem", "8192"),
        Requirement("azure.extensions", "uuid-ossp"),
        Requirement("log_min_duration_statement", "100"),
        version=17,
        high_availability=True,
    )
    assert list(found) == [
        *ORDER,
        "hot_standby_feedback",
        "log_min_duration_statement",
        "sync_replication_slots",
        "work_mem",
    ]


def test_sets_of_the_user_s_are_added_to_ours() -> None:
    found = values(
        Requirement("shared_preload_libraries", "pgaudit,PGLOGICAL"),
        Requirement("azure.extensions", "uuid-ossp"),
    )
    assert found["shared_preload_libraries"] == "pglogical,pgaudit"
    assert found["azure.extensions"] == "pglogical,uuid-ossp"


def test_sets_of_the_user_s_are_all_there_is_without_pglogical() -> None:
    found = values(Requirement("shared_preload_libraries", "pgaudit"), pglogical=False)
    assert found["shared_preload_libraries"] == "pgaudit"
    assert "azure.extensions" not in found


@pytest.mark.parametrize(
    ("name", "asked", "value"),
    [
        ("max_worker_processes", "8", "16"),
        ("max_worker_processes", "64", "64"),
        ("max_wal_senders", "1", "3"),
        ("max_wal_senders", "50", "50"),
        ("max_replication_slots", "50", "50"),
        ("wal_level", "LOGICAL", "logical"),
        ("wal_level", "replica", "logical"),
    ],
)
def test_the_larger_of_ours_and_the_user_s_counts(name: str, asked: str, value: str) -> None:
    assert values(Requirement(name, asked))[name] == value


def test_exactly_is_kept_for_what_is_not_ours() -> None:
    asked = Requirement("wal_sender_timeout", "0", exactly=True)
    assert asked in requirements(connectors=1, others=[asked])


def test_user_may_turn_off_what_is_on_for_a_standby() -> None:
    """The one that is named by the user comes first."""
    asked = Requirement("hot_standby_feedback", "off", exactly=True)
    found = requirements(connectors=1, version=17, high_availability=True, others=[asked])
    assert [item for item in found if item.name == "hot_standby_feedback"] == [asked]


def test_replicas_are_raised_in_what_postgresql_compares() -> None:
    """Manual, 26.4.3. max_replication_slots is none of them."""
    assert set(NOT_LOWER_ON_REPLICAS) == {
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_wal_senders",
        "max_worker_processes",
    }


# Whatever is asked for


asked_for = st.lists(
    st.builds(
        Requirement,
        # wal_level is no number, and nothing but `logical` passes as one of the arguments.
        st.sampled_from([*ORDER[1:], "work_mem", "hot_standby_feedback", "zz"]),
        st.integers(min_value=0, max_value=999).map(str),
    ),
    unique_by=lambda item: item.name,
)


@given(
    others=asked_for,
    connectors=st.integers(min_value=0, max_value=99),
    pglogical=st.booleans(),
    version=st.integers(min_value=11, max_value=18),
    high_availability=st.booleans(),
    replicas=st.integers(min_value=0, max_value=5),
)
def test_nothing_that_is_asked_for_makes_less_of_what_is_needed(
    others: list[Requirement],
    connectors: int,
    pglogical: bool,
    version: int,
    high_availability: bool,
    replicas: int,
) -> None:
    def needed(asked: list[Requirement]) -> dict[str, Requirement]:
        found = requirements(
            connectors=connectors,
            pglogical=pglogical,
            version=version,
            high_availability=high_availability,
            replicas=replicas,
            others=asked,
        )
        names = [item.name for item in found]
        places = [ORDER.index(name) if name in ORDER else len(ORDER) for name in names]
        assert len(set(names)) == len(names)
        assert list(zip(places, names, strict=True)) == sorted(zip(places, names, strict=True))
        return {item.name: item for item in found}

    plain, found = needed([]), needed(others)
    assert set(found) == set(plain) | {item.name for item in others}
    assert found["wal_level"].value == "logical"
    for name in OURS_TO_SIZE - {"wal_level"}:
        wanted = [int(item.value) for item in others if item.name == name]
        assert int(found[name].value) == max([int(plain[name].value), *wanted])
    for name in {"shared_preload_libraries", "azure.extensions"} & set(plain):
        assert found[name].value.startswith(plain[name].value)
    for item in others:
        if item.name in ("work_mem", "zz"):
            assert found[item.name] == replace(item)
