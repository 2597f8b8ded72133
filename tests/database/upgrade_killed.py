"""Runs an upgrade in a process of its own, which kills itself at one moment.

It is started as a program, with the settings of the run on its input. A moment is named after what
comes next or has just been done: a look at a step, a connection, a record that was saved, a slot
that was made, a ledger that was written, each with how often that has happened in this step; or
`#7` for the seventh of all.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azure_postgres_cdc.database import ledger, slot_creation
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.operations.upgrade import commands, release, run
from azure_postgres_cdc.operations.upgrade.commands import Options
from azure_postgres_cdc.operations.upgrade.context import Step, Upgrade
from azure_postgres_cdc.settings import parse


class Moments:
    """Counts them, prints each, and ends the process at the wanted one."""

    def __init__(self, last: str) -> None:
        self._last = last
        self._step = "begin"
        self._counts: Counter[str] = Counter()
        self._total = 0

    def enter(self, step: str) -> None:
        self._step = step
        self._counts.clear()
        self("enter")

    def __call__(self, what: str) -> None:
        self._counts[what] += 1
        self._total += 1
        name = f"{self._step}/{what}/{self._counts[what]}"
        print(f"moment {name}", flush=True)
        if self._last in (name, f"#{self._total}"):
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, module: Any, name: str) -> None:
        """A moment before and after each call of a function."""
        original: Callable[..., Any] = getattr(module, name)

        def called(*arguments: Any, **options: Any) -> Any:
            self(f"before {name}")
            result = original(*arguments, **options)
            self(f"after {name}")
            return result

        setattr(module, name, called)


def watch(moments: Moments) -> None:
    """Have everything that matters counted."""
    take, connect = run.take, Upgrade.connect

    def watched_take(upgrade: Upgrade, step: Step) -> None:
        moments.enter(step.name)
        take(upgrade, step)
        moments("leave")

    @contextmanager
    def watched_connect(upgrade: Upgrade, database: str) -> Iterator[Connection]:
        with connect(upgrade, database) as connection:
            yield connection
            moments("in connection")

    run.take = watched_take
    Upgrade.connect = watched_connect  # type: ignore[method-assign]
    moments.around(Upgrade, "save")
    moments.around(slot_creation, "create")
    moments.around(ledger, "write")
    moments.around(run, "clean_up")
    assert release.clean_up is not run.clean_up


def stack_from(given: dict[str, Any]) -> Stack:
    """The stack, without an engine."""
    settings, faults = parse(given["settings"], Path())
    assert settings is not None, faults
    forms = (Form(**{**given["form"], "tables": tuple(given["form"]["tables"])}),)
    return Stack("test", Path(), forms, settings, given["admin_password"], "")


def main() -> int:
    given = json.load(sys.stdin)
    watch(Moments(given["moment"]))
    options = Options(read_only_database=True, terminate=True, patience=60, pause=0.02)

    def say(line: str) -> None:
        print(line, flush=True)

    return 0 if commands.run(stack_from(given), 18, Path(given["file"]), options, say) else 1


if __name__ == "__main__":
    sys.exit(main())
