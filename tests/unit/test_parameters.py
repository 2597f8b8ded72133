"""One server parameter: when what it is is enough, what is written, and what is refused.

Nothing is ever taken away: sets grow, numbers are minimums, and what is enough stays as it is.
"""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_postgres_cdc.azure.parameters import (
    NEVER_EXACTLY,
    Change,
    Parameter,
    Requirement,
    as_text,
    faults,
    members,
    plan,
)

WAL_LEVEL = Requirement("wal_level", "logical")
LIBRARIES = Requirement("shared_preload_libraries", "pglogical")
WORKERS = Requirement("max_worker_processes", "16")
TIMEOUT = Requirement("wal_sender_timeout", "300000")
ENDLESS = Requirement("wal_sender_timeout", "0")


def there(
    requirement: Requirement, value: str, allowed: str = "", *, is_static: bool = False
) -> Parameter:
    """The parameter that a requirement is about, as the server has it."""
    kinds = {WAL_LEVEL: "Enumeration", LIBRARIES: "Set"}
    kind = kinds.get(requirement, "Integer")
    return Parameter(requirement.name, value, kind, allowed, is_static=is_static)


# What is enough, and what is written


@pytest.mark.parametrize(
    ("requirement", "current", "merged"),
    [
        (WAL_LEVEL, "replica", "logical"),
        (WAL_LEVEL, "", "logical"),
        (WAL_LEVEL, "logical", "logical"),
        # As the portal and the seed's page write it
        (WAL_LEVEL, "LOGICAL", "LOGICAL"),
        (WAL_LEVEL, " Logical ", " Logical "),
        (WORKERS, "8", "16"),
        (WORKERS, "16", "16"),
        (WORKERS, "32", "32"),
        (WORKERS, "100", "100"),
        (WORKERS, "", "16"),
        (WORKERS, "many", "16"),
        (LIBRARIES, "", "pglogical"),
        (LIBRARIES, "pg_stat_statements", "pg_stat_statements,pglogical"),
        (LIBRARIES, "pg_cron,pg_stat_statements", "pg_cron,pg_stat_statements,pglogical"),
        (LIBRARIES, "PG_CRON, Pg_Stat_Statements", "pg_cron,pg_stat_statements,pglogical"),
        (LIBRARIES, "pg_cron,,pg_cron,", "pg_cron,pglogical"),
        # Enough as it stands: nothing is written
        (LIBRARIES, "PGLOGICAL, pg_cron", "PGLOGICAL, pg_cron"),
        (LIBRARIES, "pglogical", "pglogical"),
        # A name that only looks alike
        (LIBRARIES, "pglogical_origin", "pglogical_origin,pglogical"),
        # No time limit is more than any
        (TIMEOUT, "60000", "300000"),
        (TIMEOUT, "600000", "600000"),
        (TIMEOUT, "0", "0"),
        (ENDLESS, "60000", "0"),
        (ENDLESS, "0", "0"),
        # 0 is a number like others elsewhere
        (WORKERS, "0", "16"),
        (Requirement("max_logical_replication_workers", "0"), "4", "4"),
        # What counts is the number, not how it is written
        (Requirement("checkpoint_completion_target", "0.9"), "0.90", "0.90"),
        (Requirement("checkpoint_completion_target", "0.9"), "0.5", "0.9"),
        (Requirement("autovacuum_vacuum_cost_limit", "-1"), "-1", "-1"),
    ],
)
def test_merging(requirement: Requirement, current: str, merged: str) -> None:
    found = there(requirement, current)
    assert requirement.merged(found) == merged
    assert requirement.is_met_by(there(requirement, merged))
    assert requirement.is_met_by(found) == (merged == current)


@pytest.mark.parametrize(
    ("name", "kind", "value", "current", "merged"),
    [
        ("work_mem", "Integer", "4096", "8192", "4096"),
        ("work_mem", "Integer", "4096", "4096", "4096"),
        ("wal_sender_timeout", "Integer", "60000", "0", "60000"),
        ("wal_sender_timeout", "Integer", "0", "60000", "0"),
        ("random_page_cost", "Numeric", "1.1", "4", "1.1"),
        ("azure.accepted", "Set", "a,B", "b, A", "b, A"),
        ("azure.accepted", "Set", "a", "a,b", "a"),
        ("log_statement", "Enumeration", "ddl", "DDL", "DDL"),
        ("log_statement", "Enumeration", "none", "ddl", "none"),
    ],
)
def test_exactly_takes_away_too(
    name: str, kind: str, value: str, current: str, merged: str
) -> None:
    requirement = Requirement(name, value, exactly=True)
    found = Parameter(name, current, kind)
    assert requirement.merged(found) == merged
    assert requirement.is_met_by(found) == (merged == current)
    assert requirement.is_met_by(Parameter(name, merged, kind))


@pytest.mark.parametrize("name", ["shared_preload_libraries", "azure.extensions"])
def test_sets_are_sets_whatever_azure_calls_them(name: str) -> None:
    found = Parameter(name, "pg_cron", "String")
    assert found.is_set
    assert Requirement(name, "pglogical").merged(found) == "pg_cron,pglogical"


def test_other_sets_are_told_by_their_type() -> None:
    assert Parameter("some.set", "a", "Set").is_set
    assert Parameter("some.set", "a", "set").is_set
    assert not Parameter("some.list", "a", "String").is_set


def test_what_no_number_can_be_compared_with_is_compared_as_text() -> None:
    word = Requirement("max_worker_processes", "many")
    assert word.is_met_by(there(word, "MANY"))
    assert not word.is_met_by(there(word, "100"))


def test_what_postgresql_itself_tells_word_for_word() -> None:
    """Only that says that a restart has happened."""
    told = {
        (static, kind): Parameter("p", "v", kind, is_static=static).is_told_by_postgresql
        for static in (True, False)
        for kind in ("Integer", "Numeric", "Enumeration", "Boolean", "Set", "String")
    }
    assert {key for key, is_told in told.items() if is_told} == {
        (True, "Integer"),
        (True, "Numeric"),
        (True, "Enumeration"),
        (True, "Boolean"),
    }


# Whatever is there


names = st.sampled_from(
    ["pg_cron", "pg_stat_statements", "PG_CRON", "pgaudit", "PGLOGICAL", " x ", ""]
)
sets = st.lists(names).map(",".join)


@given(current=sets, wanted=sets)
def test_merging_never_loses_a_member_and_settles_at_once(current: str, wanted: str) -> None:
    requirement = Requirement("shared_preload_libraries", wanted)
    merged = requirement.merged(there(LIBRARIES, current))
    assert members(merged) == members(current) | members(wanted)
    assert requirement.merged(there(LIBRARIES, merged)) == merged
    assert requirement.is_met_by(there(LIBRARIES, merged))


@given(sets, st.lists(st.lists(names, min_size=1), min_size=1))
def test_stacks_that_add_to_one_set_settle_in_any_order(
    current: str, stacks: list[list[str]]
) -> None:
    for order in (stacks, stacks[::-1]):
        value = current
        for added in order * 2:
            value = Requirement("azure.extensions", ",".join(added)).merged(
                Parameter("azure.extensions", value, "Set")
            )
        assert members(value) == members(current) | members(",".join(chain(*stacks)))


@given(st.integers(min_value=0, max_value=262143), st.integers(min_value=0, max_value=262143))
def test_numbers_are_minimums(current: int, wanted: int) -> None:
    requirement = Requirement("max_worker_processes", str(wanted))
    assert int(requirement.merged(there(WORKERS, str(current)))) == max(current, wanted)


@given(st.integers(min_value=0, max_value=2**31 - 1), st.integers(min_value=0, max_value=2**31 - 1))
def test_time_limits_are_minimums_and_0_is_endless(current: int, wanted: int) -> None:
    requirement = Requirement("wal_sender_timeout", str(wanted))
    merged = int(requirement.merged(there(TIMEOUT, str(current))))
    assert merged == (0 if 0 in (current, wanted) else max(current, wanted))


# What is refused


@pytest.mark.parametrize(
    ("value", "kind", "allowed"),
    [
        ("0", "Integer", "0-262143"),
        ("262143", "Integer", "0-262143"),
        ("-1", "Integer", "-1-2147483647"),
        ("0", "Integer", "-1-2147483647"),
        ("-5", "Integer", "-10--1"),
        ("0.5", "Numeric", "0-1"),
        ("0.25", "Numeric", "0.1-0.9"),
        ("1", "Numeric", "-1-1.5"),
        ("100000", "Numeric", "0-1.79769e+308"),
        ("0.5", "Numeric", "1E-3-1e0"),
        ("LOGICAL", "Enumeration", "replica,logical"),
        ("replica", "Enumeration", "Replica, Logical"),
        ("on", "Boolean", "on,off"),
        ("PgLogical, pg_cron", "Set", "pg_cron,PGLOGICAL,pgaudit"),
        ("", "Set", "pg_cron"),
        ("utc", "String", "[a-z]+"),
        ("10MB", "String", r"\d+(kB|MB)?"),
        # Nothing is said, or nothing that is understood: Azure will say
        ("anything", "String", ""),
        ("7", "Integer", ""),
        ("anything", "String", "[a-z"),
    ],
)
def test_allowed_values(value: str, kind: str, allowed: str) -> None:
    found = Parameter("p", "another", kind, allowed)
    assert Requirement("p", value).fault(found) == ""


@pytest.mark.parametrize(
    ("value", "kind", "allowed", "refused"),
    [
        ("262144", "Integer", "0-262143", "262144"),
        ("-1", "Integer", "0-262143", "-1"),
        ("-2", "Integer", "-1-2147483647", "-2"),
        ("0", "Integer", "-10--1", "0"),
        ("1.6", "Numeric", "-1-1.5", "1.6"),
        ("-1", "Numeric", "0-1.79769e+308", "-1"),
        ("many", "Integer", "0-262143", "many"),
        ("on", "Integer", "0-262143", "on"),
        ("1_000", "Integer", "0-262143", "1_000"),
        ("1e3", "Integer", "0-262143", "1e3"),
        ("١٦", "Integer", "0-262143", "١٦"),
        ("1_0", "Numeric", "0-262143", "1_0"),
        ("nan", "Numeric", "0-1", "nan"),
        ("minimal", "Enumeration", "replica,logical", "minimal"),
        ("true", "Boolean", "on,off", "true"),
        ("pg_cron,wal2json,decoderbufs", "Set", "pg_cron,pgaudit", "wal2json, decoderbufs"),
        ("UTC", "String", "[a-z]+", "UTC"),
        ("utc2", "String", "[a-z]+", "utc2"),
    ],
)
def test_other_values_are_refused(value: str, kind: str, allowed: str, refused: str) -> None:
    found = Parameter("p", "another", kind, allowed)
    assert Requirement("p", value).fault(found) == (
        f"p cannot be {refused}: Azure allows {allowed}. Remedy: choose one of them"
    )


def test_fraction_of_a_whole_number_is_refused() -> None:
    """It is between the limits, and Azure would refuse it in the middle of an up."""
    found = Parameter("max_worker_processes", "8", "Integer", "0-262143")
    assert Requirement("max_worker_processes", "8.5").fault(found) == (
        "max_worker_processes cannot be 8.5: Azure allows 0-262143, whole numbers. "
        "Remedy: choose one of them"
    )
    assert Requirement("p", "0.5").fault(Parameter("p", "0", "Numeric", "0-1")) == ""


def test_refusal_names_the_unit() -> None:
    found = Parameter("wal_sender_timeout", "60000", "Integer", "0-2147483647", unit="ms")
    assert Requirement("wal_sender_timeout", "5min").fault(found) == (
        "wal_sender_timeout cannot be 5min: Azure allows 0-2147483647, in ms. "
        "Remedy: choose one of them"
    )


def test_what_the_server_has_already_is_allowed() -> None:
    found = Parameter("shared_preload_libraries", "old_one", "Set", "pg_cron")
    assert Requirement("shared_preload_libraries", "OLD_ONE").fault(found) == ""


def test_read_only_parameter_says_why() -> None:
    found = Parameter("data_checksums", "on", "Boolean", "on,off", is_read_only=True)
    assert Requirement("data_checksums", "on").fault(found) == ""
    assert Requirement("data_checksums", "off").fault(found) == (
        "data_checksums is fixed at 'on' by Azure. Remedy: take it out"
    )


def test_retained_wal_cannot_be_capped_and_the_remedy_is_alerts() -> None:
    found = Parameter("max_slot_wal_keep_size", "-1", "Integer", "-1", "MB", is_read_only=True)
    assert Requirement("max_slot_wal_keep_size", "10240", exactly=True).fault(found) == (
        "max_slot_wal_keep_size is fixed at '-1' by Azure. The WAL that a slot retains cannot be "
        "capped there. Remedy: take it out, and declare alerts"
    )
    assert Requirement("max_slot_wal_keep_size", "-1").fault(found) == ""


def test_unknown_parameter_is_refused() -> None:
    assert Requirement("wal_levle", "logical").fault(None) == (
        "wal_levle is no parameter of this server. Remedy: check its spelling, and whether this "
        "version of PostgreSQL has it"
    )


# The plan


def test_plan_holds_what_differs_in_the_order_of_writing() -> None:
    found = {
        "wal_level": there(WAL_LEVEL, "replica", is_static=True),
        "max_worker_processes": there(WORKERS, "32", is_static=True),
        "wal_sender_timeout": there(TIMEOUT, "60000"),
        "shared_preload_libraries": there(LIBRARIES, "", is_static=True),
    }
    changes = plan([WAL_LEVEL, LIBRARIES, WORKERS, TIMEOUT, Requirement("absent", "1")], found)
    assert [(item.name, item.value, str(item)) for item in changes] == [
        ("wal_level", "logical", "replica -> logical (after a restart)"),
        ("shared_preload_libraries", "pglogical", "empty -> pglogical (after a restart)"),
        ("wal_sender_timeout", "300000", "60000 -> 300000"),
    ]
    assert changes[0] == Change(found["wal_level"], WAL_LEVEL)


def test_every_fault_comes_at_once() -> None:
    found = {"wal_level": there(WAL_LEVEL, "replica", allowed="replica")}
    assert faults([WAL_LEVEL, WORKERS], found) == [
        "wal_level cannot be logical: Azure allows replica. Remedy: choose one of them",
        "max_worker_processes is no parameter of this server. Remedy: check its spelling, and "
        "whether this version of PostgreSQL has it",
    ]
    assert faults([WAL_LEVEL], {"wal_level": there(WAL_LEVEL, "logical", allowed="replica")}) == []


def test_what_stacks_share_a_server_by_is_never_set_to_less() -> None:
    assert {
        "wal_level",
        "shared_preload_libraries",
        "azure.extensions",
        "max_worker_processes",
        "max_replication_slots",
        "max_wal_senders",
    } == NEVER_EXACTLY


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "on"), (False, "off"), (16, "16"), (0.9, "0.9"), ("Logical", "Logical"), (0, "0")],
)
def test_values_are_written_as_azure_does(value: str | float | bool, text: str) -> None:
    assert as_text(value) == text


def test_members_of_a_set() -> None:
    assert members(" PgLogical,, pg_cron ,pglogical") == {"pglogical", "pg_cron"}
    assert members("") == set()


def test_refusal_shows_as_many_allowed_values_as_a_line_holds() -> None:
    names = [f"extension_{number}" for number in range(100)]
    found = Parameter("azure.extensions", "", "Set", f",{','.join(names)}")
    text = Requirement("azure.extensions", "wal2json").fault(found)
    assert text.startswith("azure.extensions cannot be wal2json: Azure allows extension_0,ext")
    assert text.endswith("and others. Remedy: choose one of them")
    assert len(text) < 320
