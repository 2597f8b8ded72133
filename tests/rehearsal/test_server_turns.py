"""One server, several who change it: each waits for its turn, and nothing is done twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from azure_support import call, until
from server_fault_support import (
    RIGHT,
    WHOLE_UP,
    check_up,
    check_usable,
    in_effect,
    one_server,
)
from server_support import Stack, Up

from azure_postgres_cdc.azure.client import FlexibleServer
from azure_postgres_cdc.azure.parameters import members
from azure_postgres_cdc.azure.window import Window
from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

RESTART = {"method": "POST", "path": "/restart$"}
WAITING = "another operation is under way on the server; waiting, "


@pytest.fixture
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with one_server(postgres) as emulated:
        yield emulated
        emulated.operations.wait()


@pytest.fixture
def stack(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> Stack:
    return Stack(azure, postgres, dict(RIGHT))


def by_somebody_else(azure: EmulatedAzure, method: str, path: str, body: Any = None) -> None:
    """An operation that the stack knows nothing of; it has begun."""
    status, _, _ = call(azure, method, f"{azure.servers[0].id}{path}", body)
    assert status == 202


def value(azure: EmulatedAzure, name: str) -> str:
    return str(azure.servers[0].configuration(name)["properties"]["value"])


def pending(azure: EmulatedAzure) -> list[str]:
    return [
        item["name"]
        for item in azure.servers[0].parameters.as_list()
        if item["properties"]["isConfigPendingRestart"]
    ]


def at_once(*actions: Callable[[], Up]) -> list[Up]:
    """Begin all of them in the same moment."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Up]) -> Up:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


@pytest.mark.parametrize("code", ["ServerIsBusy", "ServerBusy"])
def test_two_ups_at_once_merge_what_they_add(
    azure: EmulatedAzure, postgres: EmbeddedPostgres, code: str
) -> None:
    azure.behaviour.busy_code = code
    azure.behaviour.write_seconds = azure.behaviour.restart_seconds = 0.3
    adds = {"one": ("hstore", "pgaudit"), "two": ("citext", "pg_squeeze")}
    stacks = [
        Stack(
            azure,
            postgres,
            RIGHT
            | {"firewallRules": {name: "203.0.113.7"}}
            | {"parameters": {"azure.extensions": extension, "shared_preload_libraries": library}},
        )
        for name, (extension, library) in adds.items()
    ]
    ups = at_once(*(stack.up for stack in stacks))
    assert [up.error for up in ups] == ["", ""]
    assert members(value(azure, "azure.extensions")) == {"pglogical", "hstore", "citext"}
    assert members(value(azure, "shared_preload_libraries")) == {
        "pg_stat_statements",
        "pglogical",
        "pgaudit",
        "pg_squeeze",
    }
    assert any(WAITING in line for up in ups for line in up.lines)
    assert {it.code for it in azure.journal.refused} <= {code, "ServerIsNotReady"}
    # A stack that adds a library after the other one's restart needs one of its own.
    assert 1 <= azure.journal.restarts <= 2
    assert pending(azure) == []
    for stack in stacks:
        check_up(stack)


def test_two_ups_at_once_restart_once_for_the_same_parameters(
    azure: EmulatedAzure, postgres: EmbeddedPostgres
) -> None:
    azure.behaviour.write_seconds = azure.behaviour.restart_seconds = 0.3
    stacks = [
        Stack(azure, postgres, RIGHT | {"parameters": {"azure.extensions": extension}})
        for extension in ("hstore", "citext")
    ]
    for stack in stacks:
        stack.up(restart="never")  # both have written, and stopped before the restart
    before = azure.journal.restarts
    ups = at_once(*(lambda stack=stack: stack.up(restart="when-needed") for stack in stacks))  # type: ignore[misc]
    assert [up.error for up in ups] == ["", ""]
    assert (before, azure.journal.restarts) == (0, 1)
    assert members(value(azure, "azure.extensions")) == {"pglogical", "hstore", "citext"}
    for stack in stacks:
        check_up(stack)


def test_a_restart_by_somebody_else_is_waited_for_and_not_repeated(
    azure: EmulatedAzure, stack: Stack
) -> None:
    assert "and server.restart is never" in stack.up(restart="never").error
    azure.behaviour.restart_seconds = 1.5
    by_somebody_else(azure, "POST", "/restart")
    up = stack.up(restart="when-needed")
    assert up.error == ""
    assert f"restart server cdc-1: {WAITING}0 s so far, 15 min at most" in up.lines
    assert up.done == WHOLE_UP[WHOLE_UP.index("restart") + 1 :]
    assert azure.journal.restarts == 1
    check_up(stack)


def test_a_connection_that_is_ended_while_they_are_counted_is_a_warning(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: Any) -> None:
        raise psycopg.errors.AdminShutdown("terminating connection\nserver closed it")

    monkeypatch.setattr("azure_postgres_cdc.azure.restart.rows", ended)
    first = stack.up(restart="never")
    assert "A restart ends every connection to the server for about a minute. Rem" in first.error
    warning = first.lines[-1]
    assert warning.startswith("warning: cannot count the connections that a restart would end: ")
    assert "terminating connection" in warning


def test_an_up_waits_for_an_operation_of_somebody_else(azure: EmulatedAzure, stack: Stack) -> None:
    azure.behaviour.write_seconds = 1.5
    body = {"properties": {"value": "pgaudit", "source": "user-override"}}
    by_somebody_else(azure, "PUT", "/configurations/shared_preload_libraries", body)
    azure.behaviour.write_seconds = 0
    up = stack.up()
    assert up.error == ""
    assert any(WAITING in line for line in up.lines)
    assert members(value(azure, "shared_preload_libraries")) == {"pgaudit", "pglogical"}
    check_up(stack)


def test_a_restart_that_is_accepted_and_refused_late_is_asked_for_again(
    azure: EmulatedAzure, stack: Stack
) -> None:
    azure.behaviour.refuse_restart_late = True
    azure.faults = Faults([{"kind": "server-state", "state": "Updating", "times": 2} | RESTART])
    up = stack.up()
    assert up.error == ""
    assert up.refused == ["ServerIsNotReady"] * 2
    assert f"restart server cdc-1: {WAITING}0 s so far, 15 min at most" in up.lines
    assert up.done == WHOLE_UP
    assert azure.journal.restarts == 1
    check_up(stack)


def test_a_server_that_is_stopped_before_its_restart_is_not_waited_for(
    azure: EmulatedAzure, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, restart = azure.servers[0].turn, FlexibleServer.restart

    def stopped_first(*arguments: Any) -> None:
        turn.stopped = True
        restart(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(FlexibleServer, "restart", stopped_first)
        started = time.monotonic()
        first = stack.up()
    assert time.monotonic() - started < 60
    assert first.refused == ["ServerIsNotReady"]
    assert first.error == (
        "server cdc-1 is Stopped, and takes no change. Remedy: start it (az postgres "
        "flexible-server start -g rg-cdc -n cdc-1), then run pulumi up again"
    )
    turn.stopped = False
    check_usable(azure, stack.postgres)
    assert stack.up().done == WHOLE_UP[WHOLE_UP.index("restart") :]
    check_up(stack)


def test_a_window_that_closes_while_up_waits_is_closed(
    azure: EmulatedAzure, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = {"status": 409, "code": "ServerIsBusy", "message": "Busy."}
    azure.faults = Faults([busy | RESTART])
    answers = iter([True, False])
    monkeypatch.setattr(Window, "is_open", lambda *_: next(answers))
    window = {"days": ["sunday"], "start": "02:00", "end": "04:00"}
    first = stack.up(restart={"window": window})
    assert "the maintenance window (Sunday 02:00-04:00 UTC) is closed" in first.error
    assert azure.journal.restarts == 0
    assert stack.up(**RIGHT).done == WHOLE_UP[WHOLE_UP.index("restart") :]
    check_up(stack)


def test_an_up_that_is_ended_half_way_is_gone_on_with(azure: EmulatedAzure, stack: Stack) -> None:
    """Ctrl-C, or a pipeline that is cancelled, in the middle of the restart."""

    class Ended(BaseException):
        pass

    def interrupted(*_: Any) -> None:
        by_somebody_else(azure, "POST", "/restart")
        raise Ended

    azure.behaviour.restart_seconds = 1.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FlexibleServer, "restart", interrupted)
        with pytest.raises(Ended):
            stack.up()
    assert azure.servers[0].state == "Restarting"
    up = stack.up()
    assert up.error == ""
    assert azure.journal.restarts == 1
    until(lambda: azure.servers[0].state == "Ready")
    assert in_effect(stack.postgres, "wal_level") == ["logical"]
    check_up(stack)
