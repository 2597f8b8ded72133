"""What the tests of whole stacks share."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from azure_postgres_rehearsal.rehearsal import Rehearsal

PROJECT = Path(__file__).resolve().parents[2]


def output(*command: str | Path, cwd: Path, environment: Mapping[str, str]) -> str:
    """What a command prints that has to succeed."""
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def pgbench(rehearsal: Rehearsal, *arguments: str) -> None:
    """Run pgbench as the administrator on the stack's first database."""
    subprocess.run(
        [rehearsal.postgres.tool("pgbench"), *arguments],
        env=rehearsal.postgres.client_environment(rehearsal.databases[0]),
        check=True,
        capture_output=True,
    )


@contextmanager
def watched_process_list() -> Iterator[set[str]]:
    """Gather the command lines of every process on this machine, until it is left."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            for process in psutil.process_iter(["cmdline"]):
                seen.add(" ".join(process.info["cmdline"] or ()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()
