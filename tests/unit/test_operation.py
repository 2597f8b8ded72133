"""One operation on a busy server, over a connection that breaks: patience, and one line."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import tenacity
from azure.core.exceptions import ServiceRequestError
from tests.unit.fake_azure import CUT, HALF, PATH, Answer, FakeAzure, error

from azure_postgres_cdc import progress
from azure_postgres_cdc.azure import operation
from azure_postgres_cdc.azure.client import FlexibleServer
from azure_postgres_cdc.azure.operation import (
    BUSY_CODES,
    BUSY_SECONDS,
    OPERATION_SECONDS,
    until,
)
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.progress import FIRST_SECONDS, SLOWEST_SECONDS

RESTART = "POST cdc-1/restart"
BUSY = error(409, "ServerIsBusy", "Another operation is under way.\nDetails.")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(operation, "time", found)
    monkeypatch.setattr(progress, "time", found)
    monkeypatch.setattr(tenacity, "time", found)
    monkeypatch.setattr("tenacity.nap.time", found)
    return found


def restart() -> None:
    FlexibleServer.at(PATH).restart()


def refused() -> str:
    with pytest.raises(CdcError) as caught:
        restart()
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Busy


@pytest.mark.parametrize("code", sorted(BUSY_CODES))
def test_busy_server_is_asked_again(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    azure.plan(RESTART, error(409, code))
    restart()
    assert azure.changes == [RESTART] * 2
    assert capsys.readouterr().err == (
        "restart server cdc-1: another operation is under way on the server; waiting, "
        "0 s so far, 15 min at most\n"
    )


def test_busy_codes_are_those_that_azure_has() -> None:
    seen = {"ServerBusy", "ServerIsBusy", "ServerIsNotReady"}
    of_others = {"AnotherOperationInProgress", "ConflictingServerOperation", "OperationInProgress"}
    assert seen | of_others == BUSY_CODES


@pytest.mark.usefixtures("clock")
def test_operation_that_ends_with_busy_is_begun_again(azure: FakeAzure) -> None:
    """It was accepted, and lost against another one afterwards."""
    failed = {"status": "Failed", "error": {"code": "ServerIsBusy", "message": "later"}}
    azure.plan("GET operation", (200, failed))
    restart()
    assert azure.changes == [RESTART] * 2


def test_server_that_stays_busy_is_given_up_with_a_remedy(
    azure: FakeAzure, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.plan(RESTART, *[BUSY] * 1000)
    assert refused() == (
        "cannot restart server cdc-1 in resource group rg-cdc: ServerIsBusy: Another operation is "
        "under way. Remedy: another operation went on for more than 15 min; look at the server's "
        "activity log for whose it is, wait for it, then run pulumi up again"
    )
    waited = clock.now - 1000
    assert BUSY_SECONDS <= waited <= BUSY_SECONDS + max(clock.naps)
    assert max(clock.naps) <= 30
    lines = capsys.readouterr().err.splitlines()
    told = [int(found[1]) for line in lines if (found := re.search(r"waiting, (\d+) s", line))]
    assert len(told) == len(lines)
    assert told[0] == 0
    assert all(later - earlier >= FIRST_SECONDS for earlier, later in pairwise(told))
    assert told[-1] > BUSY_SECONDS - 2 * 60


def test_busy_server_is_left_more_and_more_time(azure: FakeAzure, clock: Clock) -> None:
    azure.plan(RESTART, *[BUSY] * 1000)
    refused()
    assert len(azure.changes) < 120
    assert clock.naps[0] <= 1
    assert sum(clock.naps[:4]) <= 1 + 2 + 4 + 8


# The connection breaks


@pytest.mark.parametrize("answer", [CUT, HALF], ids=["cut", "half"])
def test_what_may_have_happened_is_not_begun_twice(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str], answer: Answer
) -> None:
    """Whether the restart has begun, nobody knows: once more, and the server is down twice."""
    azure.plan(RESTART, answer)
    restart()
    assert azure.changes == [RESTART]
    assert azure.asked[-1] == "GET cdc-1"
    line = capsys.readouterr().err
    assert line.startswith("restart server cdc-1: the connection to Azure broke (")
    assert line.endswith("); looking what became of it\n")
    assert line.count("\n") == 1


def test_cut_while_polling_waits_until_the_server_is_ready(azure: FakeAzure, clock: Clock) -> None:
    states = iter(["Updating", "Updating", "Ready"])

    def next_state() -> None:
        azure.server.properties["state"] = next(states)

    azure.plan("GET operation", *[CUT] * 4)  # the SDK asks three times more by itself
    azure.plan("GET cdc-1", *[next_state] * 3)
    restart()
    assert azure.changes == [RESTART]
    assert azure.asked[-3:] == ["GET cdc-1"] * 3
    assert len(clock.naps) == 2


def test_operation_that_azure_has_forgotten_is_looked_into(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status is kept for a while only; that says nothing about the server."""
    azure.plan("GET operation", error(404, "ResourceNotFound", "No such operation."))
    restart()
    assert azure.asked == [RESTART, "GET operation", "GET cdc-1"]
    assert capsys.readouterr().err == (
        "restart server cdc-1: the connection to Azure broke (ResourceNotFound: No such "
        "operation); looking what became of it\n"
    )


def test_short_cut_while_polling_is_not_even_noticed(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.plan("GET operation", CUT)
    restart()
    assert azure.asked == [RESTART, "GET operation", "GET operation"]
    assert capsys.readouterr().err == ""


def test_server_that_never_comes_back_is_given_up(
    azure: FakeAzure, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.plan(RESTART, CUT)
    azure.server.properties["state"] = "Updating"
    text = refused()
    assert text.startswith("cannot restart server cdc-1: the connection to Azure broke and the op")
    assert text.endswith(
        "Remedy: look at the server's activity log in the portal, then run pulumi up again"
    )
    assert OPERATION_SECONDS < clock.now - 1000 <= OPERATION_SECONDS + 5
    lines = capsys.readouterr().err.splitlines()[1:]
    assert 100 < len(lines) <= OPERATION_SECONDS / SLOWEST_SECONDS + 20
    assert all(line.startswith("still waiting: server cdc-1 is busy; ") for line in lines)


def test_refusal_while_looking_is_told(azure: FakeAzure) -> None:
    azure.plan(RESTART, CUT)
    azure.plan("GET cdc-1", error(403, "AuthorizationFailed"))
    assert refused() == (
        "cannot restart server cdc-1 in resource group rg-cdc: AuthorizationFailed: it is so. "
        "Remedy: ask for the role Contributor on the server"
    )


# Waiting


def test_until_asks_at_once_and_then_less_and_less_often(clock: Clock) -> None:
    answers = iter([False, None, False, True])

    def condition() -> bool:
        found = next(answers)
        if found is None:
            raise ServiceRequestError("no connection")
        return found

    assert until(condition, "it takes time") is True
    assert clock.naps == sorted(clock.naps)
    assert len(clock.naps) == 3


def test_until_gives_up_and_says_meanwhile_that_it_waits(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert until(lambda: False, "it takes time") is False
    assert max(clock.naps) == 5
    first = capsys.readouterr().err.splitlines()[0]
    assert re.fullmatch(r"still waiting: it takes time; [23] s so far", first)


class Poller:
    """An operation that is done after some looks at it."""

    def __init__(self, clock: Clock, looks: int) -> None:
        self.clock, self.looks = clock, looks
        self.asked_for_result = False

    def done(self) -> bool:
        return self.looks <= 0

    def wait(self, seconds: float) -> None:
        self.looks -= 1
        self.clock.sleep(seconds)

    def result(self) -> None:
        self.asked_for_result = True


def test_long_operation_says_now_and_then_that_it_goes_on(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    poller = Poller(clock, looks=4)
    operation.run(lambda: poller, what="grow")
    assert capsys.readouterr().err == "grow: 2 s so far\ngrow: 4 s so far\ngrow: 6 s so far\n"
    assert poller.asked_for_result


def test_operation_without_an_end_is_given_up(clock: Clock) -> None:
    with pytest.raises(CdcError) as caught:
        operation.run(lambda: Poller(clock, looks=10_000), what="grow")
    assert str(caught.value) == (
        "grow: Azure has not finished after 60 min. Remedy: look at the server's activity log in "
        "the portal, then run pulumi up again"
    )


def test_nothing_to_do_is_nothing_to_wait_for(clock: Clock) -> None:
    asked: list[tuple[str, ...]] = []
    operation.run(lambda *given: asked.append(given), "a", "b", what="nothing")
    assert (asked, clock.naps) == ([("a", "b")], [])
