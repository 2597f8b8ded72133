"""Ctrl-C, SIGTERM, and nobody who reads any more: one line or none, and the status of a shell."""

from __future__ import annotations

import os
import pty
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.unit.environments_support import GOOD, project_in

MODULE = "azure_postgres_cdc.operations"
SAID = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}
ENDINGS = pytest.mark.parametrize("number", list(SAID), ids=lambda number: number.name)
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose engine takes for ever, once it has left the file `asked`."""
    project_in(tmp_path).write("dev", GOOD)
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    engine.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/asked\nexec sleep 300\n")
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{engine.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield tmp_path
    with suppress(OSError, ValueError):
        os.kill(int((tmp_path / "asked").read_text()), signal.SIGKILL)


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.is_file() or not file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@ENDINGS
@pytest.mark.parametrize("imported", ["typer", "psycopg", "yaml"])
@pytest.mark.parametrize("module", [MODULE, "azure_postgres_rehearsal"])
def test_while_it_imports_what_it_needs(
    project: Path, number: signal.Signals, imported: str, module: str
) -> None:
    """-X importtime tells on standard error what has been imported."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", module, "rehearse", "--stack", "no"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.rpartition("|")[2].strip() == imported:
            process.send_signal(number)
            break
    told, rest = process.communicate(timeout=60)
    status, word = SAID[number]
    said = [line for line in (*seen, *rest.splitlines()) if not line.startswith("import time:")]
    assert (process.returncode, told) == (status, "")
    assert said == [f"azure-postgres-cdc: {word}"]


@ENDINGS
@pytest.mark.parametrize("command", ["doctor", "snapshot --all", "watch", "upgrade run --to 18"])
def test_a_terminal_is_left_in_order(project: Path, number: signal.Signals, command: str) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, *command.split(), "--stack", "dev"],
        cwd=project,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        wait_for(project / "asked")
        time.sleep(0.3)
        process.send_signal(number)
        shown = all_of(master)
    status, word = SAID[number]
    assert process.returncode == status
    assert shown.count(HIDE) == shown.count(SHOW) > 0
    assert shown.rindex(SHOW) > shown.rindex(HIDE)
    last = re.sub(r"\x1b\[[\d;?]*\w", "", shown).splitlines()[-1]
    assert last == f"azure-postgres-cdc: {word}"
    assert "Traceback" not in shown
    assert not is_there(int((project / "asked").read_text()))


def all_of(master: int) -> str:
    chunks = []
    with suppress(OSError):  # how Linux says that nobody is there any more
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    os.close(master)
    return b"".join(chunks).decode()


def test_ctrl_c_is_not_for_a_job_in_the_background(project: Path) -> None:
    """A shell that runs a script has such a job ignore it."""
    call = f"trap '' INT; exec {sys.executable} -m {MODULE} doctor --stack dev"
    with subprocess.Popen(["sh", "-c", call], cwd=project, stderr=subprocess.PIPE) as process:
        wait_for(project / "asked")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (143, b"azure-postgres-cdc: terminated\n")


@pytest.mark.parametrize("both", [True, False], ids=["both streams", "standard output"])
@pytest.mark.parametrize("call", ["config diff dev other", "config check"])
def test_a_closed_pipe_ends_it_in_silence(project: Path, call: str, both: bool) -> None:
    (project / "stacks" / "Pulumi.other.yaml").write_text(GOOD.replace("psql-1", "psql-2"))
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, *call.split()],
        cwd=project,
        stdout=writer,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
    ) as process:
        os.close(writer)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said or b"") == (141, b"")


SHOWN = """
from azure_postgres_cdc.operations.cli import app
from azure_postgres_cdc.operations.command_line import Output, lasting_line

@app.command()
def table() -> None:
    Output().print("a table of rich's")

@app.command()
def steps() -> None:
    for number in range(3):
        lasting_line(f"step {number}")
        open("steps", "a").write("done\\n")

app()
"""


def test_what_rich_prints_ends_in_silence_too() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    call = [sys.executable, "-c", SHOWN, "table"]
    result = subprocess.run(call, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


def test_what_must_not_stop_half_way_goes_on_without_a_reader(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    call = [sys.executable, "-c", SHOWN, "steps"]
    result = subprocess.run(call, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, b"")
    assert (tmp_path / "steps").read_text() == "done\n" * 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_what_must_not_stop_half_way_goes_on_without_a_log(tmp_path: Path) -> None:
    call = [sys.executable, "-c", SHOWN, "steps"]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            call, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (tmp_path / "steps").read_text() == "done\n" * 3
    assert (result.returncode, result.stderr) == (
        0,
        b"azure-postgres-cdc: the output cannot be written (No space left on device); going on\n",
    )
