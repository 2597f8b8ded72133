"""Server parameters are merged with what the server has, and nothing is ever taken away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_postgres_cdc.azure.parameters import Requirement, requirements

WAL_LEVEL = Requirement("wal_level", "logical", "exact")
LIBRARIES = Requirement("shared_preload_libraries", "pglogical", "member")
WORKERS = Requirement("max_worker_processes", "16", "minimum")


def test_the_page_s_parameters_in_their_order() -> None:
    assert requirements() == [
        WAL_LEVEL,
        LIBRARIES,
        Requirement("azure.extensions", "pglogical", "member"),
        WORKERS,
    ]
    assert requirements(pglogical=False) == [WAL_LEVEL, WORKERS]


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
        (
            LIBRARIES,
            "pg_cron,pg_stat_statements",
            "pg_cron,pg_stat_statements,pglogical",
        ),
        (LIBRARIES, "PG_CRON, Pg_Stat_Statements", "pg_cron,pg_stat_statements,pglogical"),
        (LIBRARIES, "pg_cron,,pg_cron,", "pg_cron,pglogical"),
        # Enough as it stands: nothing is written
        (LIBRARIES, "PGLOGICAL, pg_cron", "PGLOGICAL, pg_cron"),
        (LIBRARIES, "pglogical", "pglogical"),
        # A name that only looks alike
        (LIBRARIES, "pglogical_origin", "pglogical,pglogical_origin"),
    ],
)
def test_merging(requirement: Requirement, current: str, merged: str) -> None:
    assert requirement.merged(current) == merged
    assert requirement.is_met_by(merged)
    assert requirement.is_met_by(current) == (merged == current)


libraries = st.lists(
    st.sampled_from(["pg_cron", "pg_stat_statements", "PG_CRON", "pgaudit", "PGLOGICAL", " x "])
)


@given(libraries)
def test_merging_never_loses_a_member_and_settles_at_once(present: list[str]) -> None:
    merged = LIBRARIES.merged(",".join(present))
    members = {item.strip().lower() for item in merged.split(",")}
    assert {item.strip().lower() for item in present} | {"pglogical"} == members
    assert LIBRARIES.merged(merged) == merged


@given(st.integers(min_value=0, max_value=262143))
def test_numbers_are_minimums(current: int) -> None:
    assert int(WORKERS.merged(str(current))) == max(current, 16)
