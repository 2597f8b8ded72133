"""When a wait is worth a line, and what a command shows of itself."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from azure_postgres_cdc import progress
from azure_postgres_cdc.progress import FIRST_SECONDS, LOG_SECONDS, SLOWEST_SECONDS, Pace, working

COMMAND = """
import time
from azure_postgres_cdc.progress import working
with working("reading [stack]") as say:
    time.sleep(0.3)
    print("first: ok", flush=True)
    say("the drain")
    time.sleep(0.3)
print("end")
"""


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def test_lines_come_after_two_seconds_and_ever_more_seldom(clock: Clock) -> None:
    pace, due = Pace(), []
    for _ in range(36_000):
        clock.now += 0.1
        if pace.is_due():
            due.append(pace.seconds)
    gaps = [later - earlier for earlier, later in zip([0.0, *due], due, strict=False)]
    assert due[0] == pytest.approx(FIRST_SECONDS, abs=0.11)
    assert gaps[1] < 2.2
    assert all(later >= earlier - 0.11 for earlier, later in pairwise(gaps))
    assert max(gaps) <= SLOWEST_SECONDS + 0.11
    assert len(due) < 150  # of an hour


def test_pause_is_the_time_until_a_line_is_due(clock: Clock) -> None:
    pace = Pace()
    assert pace.pause == FIRST_SECONDS
    assert not pace.is_due()
    clock.now += 5
    assert pace.pause == 0
    assert pace.is_due()
    assert not pace.is_due()
    assert pace.pause == FIRST_SECONDS


def test_asking_costs_nothing() -> None:
    pace = Pace()
    began = time.process_time()
    for _ in range(10_000):
        pace.is_due()
    assert time.process_time() - began < 0.1


def test_in_a_log_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.2)
    with working("reading stack [a]"):
        time.sleep(0.5)
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == "reading stack [a]: 0 s so far"
    assert 1 <= len(lines) <= 2


def test_in_a_log_nothing_is_said_of_what_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    assert LOG_SECONDS > FIRST_SECONDS
    with working("reading") as say:
        say("more")
    assert capsys.readouterr().err == ""


def test_on_a_terminal_what_is_printed_stands_above_the_line_that_moves() -> None:
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "60"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND], stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        shown = _read(master)
    assert process.returncode == 0
    assert "reading [stack]" in shown
    assert "the drain" in shown
    # At the beginning of a line of its own, and not behind the one that moves.
    assert "\x1b[2Kfirst: ok" in shown
    assert shown.rstrip().endswith("end")


def test_standard_output_in_a_file_has_nothing_of_it() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        env=os.environ | {"TERM": "xterm"},
    ) as process:
        os.close(slave)
        shown = _read(master)
        assert process.stdout is not None
        assert process.stdout.read() == "first: ok\nend\n"
    assert "first: ok" not in shown


def _read(master: int) -> str:
    """All that a terminal is sent until its other end is closed."""
    chunks = []
    try:
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    except OSError:
        pass  # how Linux says that nobody is there any more
    os.close(master)
    return b"".join(chunks).decode()
