"""What `pulumi up` costs on Azure: management operations, restarts, and the time they take.

The emulated Azure takes as long as the real one does (30 s a write, 90 s a restart). Beside each
figure stands a model of the Terraform peer (azurerm), which restarts the server after every static
parameter, and the floor: one write for each parameter that differs, and one restart.

    .venv/bin/python benchmarks/azure_operations.py [--write 30] [--restart 90]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from azure_postgres_rehearsal.rehearsal import Rehearsal

PROJECT = Path(__file__).resolve().parents[1]
STATIC = frozenset(
    {"wal_level", "shared_preload_libraries", "max_worker_processes", "max_replication_slots"}
)


@dataclass(frozen=True)
class Pace:
    """How long Azure takes, seconds."""

    write: float
    restart: float

    def of(self, writes: int, restarts: int) -> float:
        """The time of so many operations, one after the other."""
        return writes * self.write + restarts * self.restart


@dataclass(frozen=True)
class Run:
    """One `up`, as Azure saw it."""

    name: str
    parameters: tuple[str, ...]
    others: int
    restarts: int
    seconds: float


def runs(rehearsal: Rehearsal) -> Iterator[Run]:
    """A fresh server, nothing to do, and one static parameter more."""
    yield _run(rehearsal, "fresh")
    yield _run(rehearsal, "no-op")
    server = rehearsal.settings["server"]
    rehearsal.engine.set_config("server", server | {"parameters": {"max_replication_slots": 40}})
    yield _run(rehearsal, "one parameter")


def _run(rehearsal: Rehearsal, name: str) -> Run:
    journal = rehearsal.azure.journal
    seen = len(journal.accepted)
    started = time.monotonic()
    rehearsal.engine.up("--skip-preview", capture=True)
    seconds = time.monotonic() - started
    asked = journal.accepted[seen:]
    parameters = tuple(
        item.detail.partition("=")[0] for item in asked if item.kind == "configuration-write"
    )
    restarts = sum(item.kind == "restart" for item in asked)
    return Run(name, parameters, len(asked) - len(parameters) - restarts, restarts, seconds)


def row(run: Run, pace: Pace, idle: float) -> list[str]:
    """Ours, the floor and the peer, in one line; `idle`: what `up` takes with nothing to do."""
    differing = len(run.parameters)
    static = len(STATIC.intersection(run.parameters))
    floor = pace.of(differing + run.others, min(static, 1)) + idle
    peer = pace.of(differing + run.others, static) + idle
    return [
        run.name,
        f"{differing} + {run.others}",
        str(run.restarts),
        f"{run.seconds:.0f}",
        f"{floor:.0f}",
        f"{run.seconds / floor:.2f}",
        str(static),
        f"{peer:.0f}",
        f"{peer / run.seconds:.2f}",
    ]


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--write", type=float, default=30, help="seconds a write takes")
    arguments.add_argument("--restart", type=float, default=90, help="seconds a restart takes")
    given = arguments.parse_args()
    pace = Pace(given.write, given.restart)
    with Rehearsal(PROJECT, "local", settings=_SETTINGS) as rehearsal:
        rehearsal.invent_tables()
        rehearsal.azure.behaviour.write_seconds = pace.write
        rehearsal.azure.behaviour.restart_seconds = pace.restart
        found = list(runs(rehearsal))
    idle = next(run.seconds for run in found if run.name == "no-op")
    report = Table(
        "up",
        "writes: parameters + others",
        "restarts",
        "seconds",
        "floor",
        "÷ floor",
        "peer: restarts",
        "peer: seconds",
        "peer ÷ ours",
    )
    for run in found:
        report.add_row(*row(run, pace, idle))
    Console().print(report)


_SETTINGS = {"databases": [{"name": "shop", "capture": {"tables": ["public.orders"]}}]}


if __name__ == "__main__":
    main()
