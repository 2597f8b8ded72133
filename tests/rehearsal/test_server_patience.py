"""What `up` sits out by itself: a busy server, a slow one, a connection that breaks for a moment.

The table below is part of docs/faults.md. What stops `up` is in test_server_faults.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from server_fault_support import (
    CUT_OFF,
    RIGHT,
    WHOLE_UP,
    FastForward,
    check_documented,
    check_up,
)
from server_support import Stack

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

BUSY = {"status": 409, "code": "ServerIsBusy", "message": "Busy.", "times": 2}
UPDATING = {"kind": "server-state", "state": "Updating"}
FAILS = {"kind": "fail-operation", "code": "InternalServerError", "message": "Unexpected error."}
CUT = {"kind": "cut"}
CUT_POLLER = {"kind": "cut-poller"}
SLOW = {"kind": "slow", "seconds": 3}
LAST_WRITE = {"method": "PATCH", "path": "/configurations/max_worker_processes$"}
RESTART = {"method": "POST", "path": "/restart$"}
RULE = {"method": "PUT", "path": "/firewallRules/connector$"}
AUTO_GROW = {"method": "PATCH", "path": "/cdc-1$"}
ALWAYS = {"times": "always"}

WAITING = "another operation is under way on the server; waiting, N s so far, 15 min at most"
BROKE = f"the connection to Azure broke ({CUT_OFF}); looking what became of it"


@dataclass(frozen=True)
class Patience:
    """What happens, and what `up` says and does about it."""

    name: str
    rules: list[dict[str, Any]]
    """Of the emulator's faults file."""
    say: list[str]
    """With `N` for numbers of seconds."""
    do: str


SAT_OUT = [
    Patience(
        "server busy: ServerIsBusy",
        [BUSY | LAST_WRITE],
        [f"set max_worker_processes of server cdc-1: {WAITING}"],
        "waits",
    ),
    Patience(
        "server busy: ServerBusy",
        [BUSY | LAST_WRITE | {"code": "ServerBusy"}],
        [f"set max_worker_processes of server cdc-1: {WAITING}"],
        "waits",
    ),
    Patience(
        "server updating",
        [UPDATING | AUTO_GROW | {"times": 2}],
        [f"turn on storage auto-grow of server cdc-1: {WAITING}"],
        "waits",
    ),
    Patience(
        "server updating when it is to restart: ServerIsNotReady",
        [UPDATING | RESTART | {"times": 2}],
        [f"restart server cdc-1: {WAITING}"],
        "waits",
    ),
    Patience(
        "firewall rule refused: ServerIsBusy",
        [BUSY | RULE],
        [f"set the firewall rule connector of server cdc-1: {WAITING}"],
        "waits",
    ),
    Patience(
        "too many requests (429)",
        [{"status": 429, "code": "TooManyRequests", "message": "Slow down.", "retry_after": 1}],
        [],
        "waits as long as Azure says",
    ),
    Patience(
        "an answer now and then that Azure is out of order (500)",
        [{"status": 500, "code": "InternalServerError", "message": "Oops.", "times": 2} | RESTART],
        [],
        "asks again",
    ),
    Patience(
        "poller cut off now and then",
        [CUT_POLLER | LAST_WRITE | {"times": 2}],
        [],
        "asks again",
    ),
    Patience(
        "poller cut off for good (parameter)",
        [CUT_POLLER | LAST_WRITE | ALWAYS],
        [f"set max_worker_processes of server cdc-1: {BROKE}"],
        "waits until the server is ready, and reads back",
    ),
    Patience(
        "poller cut off for good (restart)",
        [CUT_POLLER | RESTART | ALWAYS, SLOW | RESTART],
        [f"restart server cdc-1: {BROKE}"],
        "waits until the server is ready; restarts it no second time",
    ),
    Patience(
        "answer cut off (parameter)",
        [CUT | LAST_WRITE],
        [f"set max_worker_processes of server cdc-1: {BROKE}"],
        "reads back",
    ),
    Patience(
        "answer cut off, nothing done (parameter)",
        [CUT | LAST_WRITE, FAILS | LAST_WRITE],
        [f"set max_worker_processes of server cdc-1: {BROKE}"],
        "reads back, and writes once more",
    ),
    Patience(
        "answer cut off (auto-grow)",
        [CUT | AUTO_GROW],
        [f"turn on storage auto-grow of server cdc-1: {BROKE}"],
        "reads back",
    ),
    Patience(
        "answer cut off (restart)",
        [CUT | RESTART, SLOW | RESTART],
        [
            f"restart server cdc-1: {BROKE}",
            "still waiting: server cdc-1 is busy; N s so far",
        ],
        "waits until the server is ready; restarts it no second time",
    ),
    Patience(
        "answer cut off (quick restart)",
        [CUT | RESTART],
        [f"restart server cdc-1: {BROKE}"],
        "looks whether it was restarted; restarts it no second time",
    ),
    Patience(
        "answer cut off (firewall rule)",
        [CUT | RULE],
        [f"set the firewall rule connector of server cdc-1: {BROKE}"],
        "reads back",
    ),
    Patience(
        "a restart of 10 minutes",
        [SLOW | RESTART],
        ["restart server cdc-1: N s so far"],
        "waits, 60 min at most",
    ),
]

# The SDK leaves the socket of an answer that is cut off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.mark.parametrize("patience", SAT_OUT, ids=lambda patience: patience.name)
def test_up_goes_through(
    patience: Patience,
    azure: EmulatedAzure,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(yaml.safe_dump(patience.rules))
    azure.faults = Faults(file)
    stack = Stack(azure, postgres, dict(RIGHT))
    up = stack.up()
    assert up.error == ""
    assert azure.faults.left == []
    azure.faults = Faults()
    assert up.done == WHOLE_UP
    assert up.restarts == azure.journal.restarts == 1
    assert up.failed == (
        ["max_worker_processes=16"] if FAILS | LAST_WRITE in patience.rules else []
    )
    check_said(up.lines, patience.say)
    check_up(stack)


def check_said(lines: list[str], expected: list[str]) -> None:
    """Beside what every `up` says there are these lines, and perhaps that it goes on."""
    usual = re.compile(
        r"writing \d of \d: \S+ of server cdc-1: .* -> |restarting server cdc-1 for "
    )
    others = [re.sub(r"\b\d+ s", "N s", line) for line in lines if not usual.match(line)]
    assert [line for line in expected if line not in others] == []
    goes_on = re.compile(r"(still waiting|restart server cdc-1): .*N s so far")
    assert [it for it in others if it not in expected and not goes_on.fullmatch(it)] == []


@pytest.mark.parametrize("patience", SAT_OUT, ids=lambda patience: patience.name)
def test_it_is_documented(patience: Patience) -> None:
    said = ", ".join(f"`{line}`" for line in patience.say) or "nothing"
    check_documented(patience.name, said, patience.do)


def test_a_long_restart_says_that_it_goes_on(
    azure: EmulatedAzure, postgres: EmbeddedPostgres
) -> None:
    azure.faults = Faults([SLOW | RESTART | {"seconds": 5}])
    up = Stack(azure, postgres, dict(RIGHT)).up()
    told = [line for line in up.lines if line.startswith("restart server cdc-1: ")]
    assert told[:2] == ["restart server cdc-1: 2 s so far", "restart server cdc-1: 4 s so far"]
    assert up.done == WHOLE_UP


def test_a_busy_server_is_told_at_once_and_then_now_and_then(
    azure: EmulatedAzure, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.faults = Faults([BUSY | LAST_WRITE | {"times": 12}])
    FastForward(monkeypatch)
    up = Stack(azure, postgres, dict(RIGHT)).up()
    assert up.done == WHOLE_UP
    told = [int(found[1]) for line in up.lines if (found := re.search(r"waiting, (\d+) s", line))]
    assert told[0] == 0
    assert 1 < len(told) < 12
    assert all(after - before >= 2 for before, after in pairwise(told))
