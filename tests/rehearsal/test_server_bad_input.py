"""Bad input that only the server can tell: one line each, and the next `up` goes on.

The table below is part of docs/faults.md. What a setting alone gets wrong is in tests/unit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from server_fault_support import (
    RIGHT,
    WHOLE_UP,
    Fault,
    check_documented,
    check_one_line_and_the_next_up,
    check_up,
)
from server_support import Stack

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

AT = "server cdc-1 in resource group rg-cdc"


def asked(**parameters: Any) -> dict[str, Any]:
    """Server parameters of the user's own."""
    return {"parameters": parameters}


BAD_INPUT = [
    # Bad input; auto-grow comes before the parameters are looked at
    Fault(
        "unknown parameter",
        asked(max_slots=4),
        "server cdc-1: max_slots is no parameter of this server",
        "check its spelling, and whether this version of PostgreSQL has it",
        "wal_level",
    ),
    Fault(
        "read-only parameter",
        asked(max_slot_wal_keep_size=1024),
        "server cdc-1: max_slot_wal_keep_size is fixed at '-1' by Azure. The WAL that a slot "
        "retains cannot be capped there",
        "take it out, and declare alerts",
        "wal_level",
    ),
    Fault(
        "another read-only parameter",
        asked(hot_standby="off"),
        "server cdc-1: hot_standby is fixed at 'on' by Azure",
        "take it out",
        "wal_level",
    ),
    Fault(
        "number out of range",
        asked(max_wal_senders=500),
        "server cdc-1: max_wal_senders cannot be 500: Azure allows 5-100",
        "choose one of them, or have fewer connectors on the server",
        "wal_level",
    ),
    Fault(
        "number with a unit",
        asked(wal_sender_timeout="10min"),
        "server cdc-1: wal_sender_timeout cannot be 10min: Azure allows 0-2147483647, in ms",
        "choose one of them",
        "wal_level",
    ),
    Fault(
        "word that is not allowed",
        asked(track_commit_timestamp="yes"),
        "server cdc-1: track_commit_timestamp cannot be yes: Azure allows on,off",
        "choose one of them",
        "wal_level",
    ),
    Fault(
        "member that a set cannot have",
        asked(shared_preload_libraries="pgoutput"),
        "server cdc-1: shared_preload_libraries cannot be pgoutput: Azure allows anon,auto_explain,"
        "azure_storage,credcheck,pg_cron,pg_duckdb,pg_hint_plan,pg_partman_bgw,pg_prewarm,"
        "pg_squeeze,pg_stat_statements,pgaudit,pglogical,timescaledb,wal2json",
        "choose one of them",
        "wal_level",
    ),
    Fault(
        "wrong server",
        {"serverName": "cdc-2"},
        "cannot look at server cdc-2 in resource group rg-cdc: ResourceNotFound: The Resource "
        "'Microsoft.DBforPostgreSQL/flexibleServers/cdc-2' under resource group 'rg-cdc' was not "
        "found",
        "check server.name and server.resourceGroup, and the subscription",
        "auto_grow",
    ),
    Fault(
        "wrong resource group",
        {"resourceGroup": "rg-cdd"},
        "cannot look at server cdc-1 in resource group rg-cdd: ResourceGroupNotFound: Resource "
        "group 'rg-cdd' could not be found",
        "check server.resourceGroup and the subscription",
        "auto_grow",
    ),
    Fault(
        "wrong subscription",
        {"subscription": "11111111-1111-1111-1111-111111111111"},
        f"cannot look at {AT}: SubscriptionNotFound: The subscription "
        "'11111111-1111-1111-1111-111111111111' could not be found",
        "check the subscription (azure-native:subscriptionId)",
        "auto_grow",
    ),
    Fault(
        "upper-case name",
        {"serverName": "CDC-1"},
        "server.name is 'CDC-1', and the names of servers have no upper-case letters (Azure's "
        "rule)",
        "write cdc-1",
        "auto_grow",
    ),
]


# The SDK leaves the socket of an answer that is cut off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.mark.parametrize("fault", BAD_INPUT, ids=lambda fault: fault.name)
def test_one_line_and_the_next_up_goes_on(
    fault: Fault, azure: EmulatedAzure, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    check_one_line_and_the_next_up(fault, azure, postgres, tmp_path / "faults.yaml")


@pytest.mark.parametrize("fault", BAD_INPUT, ids=lambda fault: fault.name)
def test_it_is_documented(fault: Fault) -> None:
    check_documented(fault.name, f"`{fault.see}`", fault.do)


def test_every_fault_of_a_setting_is_in_the_same_line(
    azure: EmulatedAzure, postgres: EmbeddedPostgres
) -> None:
    first = Stack(azure, postgres, dict(RIGHT)).up(**asked(max_slots=4, max_wal_senders=500))
    assert first.error == (
        "server cdc-1: max_wal_senders cannot be 500: Azure allows 5-100. Remedy: choose one of "
        "them, or have fewer connectors on the server; max_slots is no parameter of this server. "
        "Remedy: check its spelling, and whether this version of PostgreSQL has it"
    )


def test_a_long_list_of_allowed_values_is_cut(
    azure: EmulatedAzure, postgres: EmbeddedPostgres
) -> None:
    first = Stack(azure, postgres, dict(RIGHT)).up(**asked(**{"azure.extensions": "pglogicl"}))
    assert first.error.startswith(
        "server cdc-1: azure.extensions cannot be pglogicl: Azure allows address_standardizer,"
    )
    assert first.error.endswith(" and others. Remedy: choose one of them")
    assert len(first.error) < 400


@pytest.mark.parametrize(
    "wrong",
    [asked(max_slot_wal_keep_size=1024), asked(max_wal_senders=500)],
    ids=lambda wrong: next(iter(wrong["parameters"])),
)
def test_a_stack_that_is_up_stays_as_it_is(
    wrong: dict[str, Any], azure: EmulatedAzure, postgres: EmbeddedPostgres
) -> None:
    stack = Stack(azure, postgres, dict(RIGHT))
    assert stack.up().done == WHOLE_UP
    assert stack.preview(**wrong).startswith("server cdc-1: max_")
    refused = stack.up()
    assert refused.error.startswith("server cdc-1: max_")
    assert refused.done == []
    assert stack.up(**RIGHT).done == []
    check_up(stack)
