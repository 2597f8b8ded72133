"""A server's parameters and restart over its life: what is written, when, and what never is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure_support import in_effect
from server_fault_support import check_up, one_server
from server_support import GROUP, NAME, Stack, Up

from azure_postgres_cdc.azure.window import DAYS
from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

ALLOWED = {"restart": "when-needed"}


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture
def stack(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> Stack:
    return Stack(azure, postgres, dict(ALLOWED))


def by_hand(azure: EmulatedAzure, name: str, value: str) -> None:
    """Somebody sets a parameter in the portal."""
    body = {"properties": {"value": value, "source": "user-override"}}
    azure.servers[0].write_configuration(name, body).done.wait()


def restart_by_hand(azure: EmulatedAzure) -> None:
    azure.servers[0].restart({}).done.wait()


# What is written


def test_only_what_differs_is_written_and_nothing_is_taken_away(stack: Stack) -> None:
    by_hand(stack.azure, "wal_level", "logical")
    by_hand(stack.azure, "max_worker_processes", "32")
    by_hand(stack.azure, "shared_preload_libraries", "pg_cron,pg_stat_statements")
    restart_by_hand(stack.azure)
    assert stack.up().done == [
        "auto_grow=True",
        "shared_preload_libraries=pg_cron,pg_stat_statements,pglogical",
        "azure.extensions=pglogical",
        "restart",
    ]
    assert in_effect(stack.postgres, "max_worker_processes") == "32"


def test_parameters_on_request_are_written_after_the_page_s(stack: Stack) -> None:
    asked = {
        "wal_sender_timeout": 300000,
        "max_replication_slots": 24,
        "track_commit_timestamp": True,
        "azure.extensions": "HSTORE,vector",
        "random_page_cost": {"exactly": 1.5},
    }
    found = stack.up(parameters=asked)
    assert found.error == ""
    assert found.done[1:] == [
        "wal_level=logical",
        "shared_preload_libraries=pg_stat_statements,pglogical",
        "azure.extensions=pglogical,hstore,vector",
        "max_worker_processes=16",
        "max_replication_slots=24",
        "random_page_cost=1.5",
        "track_commit_timestamp=on",
        "wal_sender_timeout=300000",
        "restart",
    ]
    check_up(stack)


def test_a_dynamic_parameter_needs_no_restart(stack: Stack) -> None:
    stack.up()
    assert stack.up(parameters={"wal_sender_timeout": 0}).done == ["wal_sender_timeout=0"]
    assert stack.up(parameters={"wal_sender_timeout": 300000}).done == []


def test_what_somebody_lowered_is_raised_and_what_somebody_raised_stays(stack: Stack) -> None:
    stack.up()
    by_hand(stack.azure, "max_wal_senders", "40")
    restart_by_hand(stack.azure)
    assert stack.up().changed == []
    by_hand(stack.azure, "max_worker_processes", "9")
    restart_by_hand(stack.azure)
    again = stack.up()
    assert (
        again.lines[0]
        == "writing 1 of 1: max_worker_processes of server cdc-1: 9 -> 16 (after a restart)"
    )
    assert again.done == ["max_worker_processes=16", "restart"]
    check_up(stack)


def test_a_stack_with_many_connectors_gets_slots_and_senders(stack: Stack) -> None:
    done = stack.up(connectors=14).done
    assert "max_replication_slots=16" in done
    assert "max_wal_senders=16" in done
    assert done.count("restart") == 1


# High availability and read replicas


@pytest.mark.parametrize(
    ("major", "kept_by"),
    [
        (17, ["hot_standby_feedback=on", "sync_replication_slots=on"]),
        pytest.param(16, ["hot_standby_feedback=on"], marks=pytest.mark.full),
    ],
)
def test_with_a_standby_slots_are_kept_through_a_failover(major: int, kept_by: list[str]) -> None:
    with EmbeddedPostgres(major) as postgres, one_server(postgres) as azure:
        azure.servers.clear()
        azure.add_server(GROUP, NAME, postgres, high_availability="ZoneRedundant")
        stack = Stack(azure, postgres, {"restart": {"mode": "when-needed", "failover": "planned"}})
        done = stack.up(connectors=8).done
        assert [item for item in done if item.endswith("=on")] == kept_by
        assert "max_replication_slots=12" in done  # 4 + 8 connectors
        libraries = next(item for item in done if item.startswith("shared_preload"))
        assert ("pg_failover_slots" in libraries) == (major <= 16)
        (restart,) = azure.journal.of_kind("restart")
        assert restart.detail == "PlannedFailover"


def test_read_replicas_are_raised_and_restarted_before_the_primary() -> None:
    with (
        EmbeddedPostgres() as postgres,
        EmbeddedPostgres() as standby,
        one_server(postgres) as azure,
    ):
        replica = azure.add_server(GROUP, "cdc-1-ro", standby, replica_of=azure.servers[0])
        assert Stack(azure, postgres, dict(ALLOWED)).up(connectors=12).error == ""
        done = [(item.server, item.kind, item.detail) for item in azure.journal.accepted]
        of_replica = [item for item in done if item[0] == replica.name]
        assert of_replica == [
            ("cdc-1-ro", "configuration-write", "max_wal_senders=15"),  # 12 + 1 replica + 2
            ("cdc-1-ro", "configuration-write", "max_worker_processes=16"),
            ("cdc-1-ro", "restart", ""),
        ]
        first_of_primary = done.index(("cdc-1", "configuration-write", "wal_level=logical"))
        assert done.index(of_replica[-1]) < first_of_primary
        assert in_effect(standby, "max_worker_processes") == "16"
        assert azure.journal.restarts == 2


# The restart


def test_never_stops_says_what_it_would_interrupt_and_goes_on_after_a_restart(
    stack: Stack,
) -> None:
    stack.args.clear()  # never is the default of a server that is there
    with stack.postgres.connect("postgres"):
        stopped = stack.up()
    assert stopped.error == (
        "server cdc-1 must be restarted before max_worker_processes, shared_preload_libraries, "
        "wal_level can be in effect, and server.restart is never. A restart ends every connection "
        "to the server for about a minute (now: 1 sessions, 0 of replication). Remedy: restart it "
        "yourself and run pulumi up again, or allow it: server.restart: when-needed"
    )
    assert stopped.restarts == 0
    restart_by_hand(stack.azure)
    assert stack.up().done == []
    check_up(stack)


def test_what_somebody_else_changed_blocks_the_restart_until_it_is_allowed(stack: Stack) -> None:
    by_hand(stack.azure, "max_connections", "120")
    stopped = stack.up()
    assert stopped.error == (
        "server cdc-1 must be restarted before max_worker_processes, shared_preload_libraries, "
        "wal_level can be in effect, and a restart would also bring into effect what somebody else "
        "has changed: max_connections. Remedy: ask who changed them, then allow it: "
        "server.restart.allowPending: [max_connections]"
    )
    assert stopped.restarts == 0
    rules = {"mode": "when-needed", "allowPending": ["max_connections"]}
    assert stack.up(restart=rules).done == ["restart"]
    check_up(stack)


def test_nobody_else_s_pending_parameter_is_our_business(stack: Stack) -> None:
    stack.up()
    by_hand(stack.azure, "max_connections", "120")
    assert stack.up().changed == []


def window(begins: timedelta) -> dict[str, Any]:
    """An hour of every day, which begins so long from now."""
    start = datetime.now(UTC) + begins
    end = start + timedelta(hours=1)
    return {"window": {"days": list(DAYS), "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}}


def test_outside_of_the_window_it_stops_and_inside_the_next_up_finishes(stack: Stack) -> None:
    stopped = stack.up(restart=window(timedelta(hours=2)))
    assert stopped.error.startswith(
        "server cdc-1 must be restarted before max_worker_processes, shared_preload_libraries, "
        "wal_level can be in effect, and the maintenance window (Monday, Tuesday"
    )
    assert (
        "is closed. The parameters are written. Remedy: run pulumi up again when" in stopped.error
    )
    assert "\n" not in stopped.error
    assert stopped.restarts == 0
    assert stack.up(restart=window(timedelta(minutes=-30))).done == ["restart"]
    check_up(stack)


# Several stacks on one server


def test_two_stacks_at_once_wait_for_each_other_and_keep_both_sets(
    azure: EmulatedAzure, postgres: EmbeddedPostgres
) -> None:
    azure.behaviour.write_seconds = 0.3
    asked = [{"shared_preload_libraries": "pg_cron"}, {"shared_preload_libraries": "pgaudit"}]
    stacks = [Stack(azure, postgres, ALLOWED | {"parameters": item}) for item in asked]
    ended: dict[int, Up] = {}

    def run(number: int) -> None:
        ended[number] = stacks[number].up()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ended[number].error for number in range(2)] == ["", ""]
    waited = [line for up in ended.values() for line in up.lines if "another operation" in line]
    assert waited
    value = azure.servers[0].configuration("shared_preload_libraries")["properties"]["value"]
    assert set(value.split(",")) == {"pg_cron", "pg_stat_statements", "pgaudit", "pglogical"}
    for stack in stacks:
        assert stack.up().done == []
