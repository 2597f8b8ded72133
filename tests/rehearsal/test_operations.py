"""`azure-postgres-cdc` on a whole stack: doctor before and after something breaks, and snapshot."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import PROJECT, watched_process_list

from azure_postgres_rehearsal.rehearsal import Rehearsal

DATABASES = [
    {"name": "shop", "capture": {"schemas": ["public"]}, "heartbeat": True},
    {
        "name": "crm",
        "capture": {"tables": ["public.people"]},
        "slot": "crm_slot",
        "snapshots": "read-only",
    },
]


@pytest.fixture(scope="module")
def stack() -> Iterator[Rehearsal]:
    with Rehearsal(PROJECT, "local", settings={"databases": DATABASES}) as rehearsal:
        with rehearsal.postgres.connect("shop") as connection:
            connection.execute("CREATE TABLE public.orders (id int PRIMARY KEY)")
        rehearsal.invent_tables()
        rehearsal.engine.up("--skip-preview", capture=True)
        yield rehearsal


def run(rehearsal: Rehearsal, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The tool, in the place where `pulumi up` ran."""
    here = {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
    result = subprocess.run(
        [sys.executable, "-m", "azure_postgres_cdc.operations", *arguments, "--stack", "local"],
        cwd=rehearsal.engine.folder,
        env=rehearsal.engine.environment | here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr
    return result


def findings(rehearsal: Rehearsal, *arguments: str) -> tuple[int, dict[tuple[str, str], Any]]:
    """Doctor's exit status, and what it found, by database and check."""
    result = run(rehearsal, "doctor", "--json", *arguments)
    answer = json.loads(result.stdout)
    assert answer["stack"] == "local"
    return result.returncode, {
        (item["database"], item["check"]): item for item in answer["findings"]
    }


def test_a_stack_that_is_up_is_well(stack: Rehearsal) -> None:
    with watched_process_list() as processes:
        status, found = findings(stack)
    assert status == 0
    states = {where: item["state"] for where, item in found.items()}
    assert "failed" not in states.values()
    # Nobody reads the slots yet, and the server's default timeout is short.
    assert {check for (_, check), state in states.items() if state == "warning"} == {
        "slot-active",
        "wal-sender-timeout",
    }
    assert states["shop", "signal-writable"] == states["shop", "heartbeat-writable"] == "ok"
    assert ("crm", "signal-table") not in states
    # Asked of the emulated Azure.
    assert found["shop", "storage"]["state"] == "ok"
    assert " used: databases " in found["shop", "storage"]["evidence"]
    secrets = [stack.postgres.admin_password]
    secrets += [form["password"] for form in stack.engine.outputs()["connectors"]]
    assert not [line for line in processes if any(secret in line for secret in secrets)]


def test_report_for_people_fits_a_narrow_terminal(stack: Rehearsal) -> None:
    result = run(stack, "doctor", "--database", "shop", "--strict")
    assert result.returncode == 1  # warnings count
    lines = result.stdout.splitlines()
    assert lines[0] == "database shop, slot streamkap_pgoutput_slot"
    assert lines[-1].startswith("stack local: warning (2 warning, ")
    assert max(map(len, lines)) <= 80
    assert "crm" not in result.stdout


def test_snapshot_is_signalled(stack: Rehearsal) -> None:
    dry = run(stack, "snapshot", "--database", "shop", "--all", "--dry-run")
    assert dry.stdout.startswith("would write 1 signal to streamkap.streamkap_signal")
    done = run(stack, "snapshot", "--database", "shop", "--tables", "public.orders")
    assert (done.returncode, done.stderr) == (0, "")
    with stack.postgres.superuser("shop") as connection:
        assert connection.execute(
            "SELECT type, data FROM streamkap.streamkap_signal"
        ).fetchall() == [
            ("execute-snapshot", '{"type":"incremental","data-collections":["public.orders"]}')
        ]
    refused = run(stack, "snapshot", "--database", "crm", "--all")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("azure-postgres-cdc: the connector on crm takes its snapshots")


def test_watch_looks_once_and_knows_what_azure_says(stack: Rehearsal) -> None:
    result = run(stack, "watch", "--once", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    seen = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(item["database"], item["slot"]) for item in seen] == [
        ("shop", "streamkap_pgoutput_slot"),
        ("crm", "crm_slot"),
    ]
    assert {item["state"] for item in seen} == {"unread"}
    assert all(0 < item["freeBytes"] < item["storageBytes"] for item in seen)
    unknown = run(stack, "watch", "--once", "--database", "no")
    assert (unknown.returncode, unknown.stdout) == (2, "")


@pytest.mark.parametrize(
    "terminal",
    [True, pytest.param(False, marks=pytest.mark.full)],
    ids=["terminal", "log"],
)
def test_watch_ends_with_an_interrupt(stack: Rehearsal, terminal: bool, tmp_path: Path) -> None:
    page = tmp_path / "slots.html"
    master, slave = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "azure_postgres_cdc.operations", "watch", "--stack", "local"]
    environment = stack.engine.environment | {"TERM": "xterm", "COLUMNS": "70", "LINES": "30"}
    process = subprocess.Popen(
        [*command, "--interval", "0.2", "--html", str(page)],
        cwd=stack.engine.folder,
        env={key: value for key, value in environment.items() if key != "NO_COLOR"},
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    deadline = time.monotonic() + 60
    while not page.is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert 'http-equiv="refresh"' in page.read_text(encoding="utf-8")
    process.send_signal(signal.SIGINT)
    shown = _all_of(master)
    assert process.wait(20) == 0
    last = re.sub(r"\x1b\[[\d;?]*\w", "", shown.splitlines()[-1])
    assert re.fullmatch(r"watched from [\d:]+ to [\d:]+, \d+ samples?", last)
    assert "Traceback" not in shown
    assert ("retained WAL" in shown, "\x1b[?1049h" in shown) == (True, terminal)
    if terminal:
        assert shown.rindex("\x1b[?1049l") < shown.rindex("slot crm_slot")
    written = page.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in written
    assert not [secret for secret in stack.secrets() if secret in written + shown]


def _all_of(master: int) -> str:
    chunks = []
    with contextlib.suppress(OSError):  # how Linux says that a terminal has no other end any more
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    os.close(master)
    return b"".join(chunks).decode()


def test_wrong_passphrase_is_one_line(stack: Rehearsal) -> None:
    passphrase = stack.engine.environment["PULUMI_CONFIG_PASSPHRASE"]
    stack.engine.environment["PULUMI_CONFIG_PASSPHRASE"] = "wrong"
    try:
        result = run(stack, "doctor")
    finally:
        stack.engine.environment["PULUMI_CONFIG_PASSPHRASE"] = passphrase
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("azure-postgres-cdc: stack local cannot be read: ")
    assert result.stderr.count("\n") == 1


def test_what_breaks_is_found(stack: Rehearsal) -> None:
    with stack.postgres.superuser("shop") as connection:
        connection.execute("REVOKE SELECT ON public.orders FROM streamkap_role")
        connection.execute("CREATE TABLE public.invoices (id int PRIMARY KEY)")
        connection.execute("SELECT pg_drop_replication_slot('streamkap_pgoutput_slot')")
        connection.execute("REVOKE INSERT ON streamkap.streamkap_signal FROM streamkap_role")
    status, found = findings(stack)
    assert status == 1
    assert {where for where, item in found.items() if item["state"] == "failed"} == {
        ("shop", "slot"),
        ("shop", "continuity"),
        ("shop", "tables-readable"),
        ("shop", "signal-writable"),
    }
    assert (
        found["shop", "tables-readable"]["evidence"]
        == "no SELECT on public.invoices, public.orders"
    )
    assert found["shop", "new-tables"]["state"] == "warning"
    assert "public.invoices" in found["shop", "new-tables"]["evidence"]
    assert all(item["remedy"] for item in found.values() if item["state"] == "failed")
