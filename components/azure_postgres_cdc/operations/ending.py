"""Ctrl-C (SIGINT) and SIGTERM: one line, no traceback, and the exit status that shells know.

It imports nothing but Python's own, so that it is there before everything else.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Interrupted(KeyboardInterrupt):
    """The command is to end. Not an Exception: whatever is on the way cleans up, and lets it by."""

    def __init__(self, number: int) -> None:
        super().__init__(f"azure-postgres-cdc: {_WORDS[signal.Signals(number)]}")
        self.status = 128 + number
        """130 after Ctrl-C, 143 after SIGTERM."""


def at_once() -> None:
    """From now on a signal ends the process where it is: nothing is begun yet."""
    for number in _heeded():
        signal.signal(number, _leave)


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Within, a signal raises `Interrupted`, which leaves the terminal and Pulumi in order."""
    before = {number: signal.signal(number, _raise) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded() -> list[signal.Signals]:
    """What is ignored stays so, such as Ctrl-C in a job that a script runs in the background."""
    return [number for number in _WORDS if signal.getsignal(number) is not signal.SIG_IGN]


def _leave(number: int, _frame: object) -> NoReturn:
    ending = Interrupted(number)
    with suppress(OSError):
        os.write(2, f"{ending}\n".encode())
    os._exit(ending.status)


def _raise(number: int, _frame: object) -> NoReturn:
    raise Interrupted(number)
