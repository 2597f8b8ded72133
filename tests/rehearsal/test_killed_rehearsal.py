"""A rehearsal that is ended from outside, in the middle of `pulumi up`: nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.rehearsal.support import PROJECT

COMMAND = (sys.executable, "-m", "azure_postgres_rehearsal", "rehearse", "--stack", "local")
PATIENCE_SECONDS = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the rehearsal makes its folders; its short path has room for PostgreSQL's socket."""
    with tempfile.TemporaryDirectory(prefix="killed-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for process in of(folder):
            process.kill()


def of(folder: Path) -> list[psutil.Process]:
    """Every process that the rehearsal has started, and itself."""
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("TMPDIR") == str(folder)
    ]


def command_lines(folder: Path) -> list[str]:
    """Theirs, but for the keeper, which waits a while."""
    found = []
    for process in of(folder):
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return [line for line in found if "rehearsal.keeper" not in line]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGKILL,),
        pytest.param((signal.SIGHUP,), marks=pytest.mark.full),
        # As the end of a session in Linux sends them.
        pytest.param((signal.SIGTERM, signal.SIGHUP), marks=pytest.mark.full),
    ],
)
def test_nothing_is_left(folder: Path, signals: tuple[signal.Signals, ...]) -> None:
    """The engine ends its plugins, of which one would stay for ever; then the folders go."""
    maker = subprocess.Popen(
        COMMAND,
        cwd=PROJECT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: any("pulumi.dynamic" in line for line in command_lines(folder)))
    for number in signals:
        maker.send_signal(number)
        time.sleep(0.1)
    maker.wait()
    wait_until(lambda: not command_lines(folder) and not list(folder.iterdir()))
