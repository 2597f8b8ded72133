"""Whoever waits for more than two seconds is told what for, and how long it has been.

`Pace` says when a line is due: in Pulumi's plugin, where a line is all there is. `working` is for
commands: a moving line on a terminal, and a line now and then in a log.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST_SECONDS = 2.0
"""A wait is silent for so long."""
SLOWEST_SECONDS = 30.0
"""A long wait says so often that it still goes on."""
LOG_SECONDS = 10.0
"""Nobody sits before a log: a command's first line comes later there."""
_SHARE = 5
"""The next line follows after a fifth of the time so far."""

Say = Callable[[str], None]
"""Takes what is being done now."""


class Pace:
    """When the next line is due: after two seconds, and then at ever longer distances.

    To be asked as often as one likes, for it costs a look at the clock.
    """

    def __init__(self, first: float = FIRST_SECONDS) -> None:
        self._first = first
        self._began = time.monotonic()
        self._next = self._began + first

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self._began

    @property
    def pause(self) -> float:
        """The seconds until a line is due."""
        return max(0.0, self._next - time.monotonic())

    def is_due(self) -> bool:
        """Whether to say something now; after yes, not again for a while."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + max(self._first, min(SLOWEST_SECONDS, (now - self._began) / _SHARE))
        return True


def silent(_text: str) -> None:
    """For whoever does not want to know."""


@contextmanager
def working(at: str) -> Iterator[Say]:
    """Show, on standard error, what a command is at; what it yields takes what comes next."""
    # Imported where it is used: Pulumi's plugins, which need the pace, do without.
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with _moving(console, at) if console.is_terminal else _in_a_log(at) as say:
        yield say


@contextmanager
def _moving(console: object, at: str) -> Iterator[Say]:
    """A spinner, the words and the time so far, gone at the end. What is printed goes above it."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    words = TextColumn(
        "{task.description}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="ellipsis"),
    )
    with Progress(
        SpinnerColumn("line"),
        words,
        TimeElapsedColumn(),
        console=console,  # type: ignore[arg-type]
        transient=True,
        # Standard output that goes into a file is nobody's business here.
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        task = progress.add_task(at, total=None)
        yield lambda text: progress.reset(task, description=text)


@contextmanager
def _in_a_log(at: str) -> Iterator[Say]:
    """A line where something takes long, by a thread of its own: what takes long cannot speak."""
    now = [(at, Pace(LOG_SECONDS))]
    over = threading.Event()

    def speak() -> None:
        while not over.wait(min(1.0, now[0][1].pause)):
            text, pace = now[0]
            if pace.is_due():
                print(f"{text}: {pace.seconds:.0f} s so far", file=sys.stderr, flush=True)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield lambda text: now.__setitem__(0, (text, Pace(LOG_SECONDS)))
    finally:
        over.set()
        speaker.join()
