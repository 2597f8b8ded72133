"""Look, show, wait: until it is told to stop, or every slot is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from rich.console import Console
from rich.live import Live
from rich.text import Text

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.command_line import COULD_NOT_RUN, FAILED
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.operations.watch import lines, page, words
from azure_postgres_cdc.operations.watch.history import History
from azure_postgres_cdc.operations.watch.sample import Look, Room, State
from azure_postgres_cdc.operations.watch.screen import Screen


@dataclass(frozen=True)
class Options:
    """How it is done."""

    interval: float = 2
    """Seconds from one sample to the next."""
    count: int | None = None
    """How many samples; None for no end."""
    as_json: bool = False
    html: Path | None = None
    storage_gib: float | None = None
    """The storage's size, where Azure cannot be asked."""


class Watch:
    """One run of the command."""

    def __init__(self, stack: Stack, forms: Sequence[Form], options: Options) -> None:
        self._stack = stack
        self._options = options
        room = Room(stack, options.storage_gib)
        self._looks = {form: Look(stack, form, room) for form in forms}
        self._histories = {form: History() for form in forms}
        self._note = room.reason
        self._lock = Lock()
        self._taken = 0
        # Also one that is there again: nobody else may have seen that it was not.
        self._lost: dict[str, None] = {}

    def run(self, console: Console) -> int:
        """The exit status."""
        can_draw = console.is_terminal and not console.is_dumb_terminal
        show = self._drawn if can_draw and not self._options.as_json else self._told
        with suppress(KeyboardInterrupt), show(console) as shown:  # how a watch ends
            self._go_on(shown)
        return self._end(console)

    def _go_on(self, shown: Callable[[Form], None]) -> None:
        due = time.monotonic()
        while True:
            for form, look in self._looks.items():
                found = look()
                if found.state == State.LOST:
                    self._lost[form.slot] = None
                with self._lock:
                    self._histories[form].add(found)
                shown(form)
            self._write(is_over=False)
            self._taken += 1
            if self._taken == self._options.count or self._is_all_lost():
                return
            due = max(due + self._options.interval, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    @contextmanager
    def _drawn(self, console: Console) -> Iterator[Callable[[Form], None]]:
        """On a screen of its own, so that a terminal that changes its size leaves no debris."""
        screen = Screen(
            self._stack.name, self._options.interval, self._histories, self._note, self._lock
        )
        try:
            with Live(screen, console=console, screen=True, refresh_per_second=4) as live:
                yield lambda _form: live.refresh()
        finally:
            screen.is_over = True
            console.print(screen)

    @contextmanager
    def _told(self, console: Console) -> Iterator[Callable[[Form], None]]:
        """A line for each slot and sample."""
        if self._note and not self._options.as_json:
            console.print(self._note, markup=False, soft_wrap=True)

        def tell(form: Form) -> None:
            history = self._histories[form]
            if self._options.as_json:
                text = json.dumps(lines.as_json(form, history), ensure_ascii=False)
            else:
                text = lines.line(form, history)
            print(text, file=console.file, flush=True)

        yield tell

    def _end(self, console: Console) -> int:
        seen = [history for history in self._histories.values() if history.samples]
        if seen:
            self._write(is_over=True)
        if not self._options.as_json:
            style = "bold red" if self._lost else ""
            console.print(Text(self._summary(seen), style), soft_wrap=True)
        if self._lost:
            return FAILED
        answers = any(item.state != State.SILENT for history in seen for item in history.samples)
        return 0 if answers or not seen else COULD_NOT_RUN

    def _summary(self, seen: Sequence[History]) -> str:
        if not seen:
            return "nothing was looked at"
        first = min(history.samples[0].at for history in seen)
        last = max(history.last.at for history in seen)
        count = "1 sample" if self._taken == 1 else f"{self._taken} samples"
        text = f"watched from {words.clock(first)} to {words.clock(last)}, {count}"
        return f"{text}; LOST: {', '.join(self._lost)}" if self._lost else text

    def _write(self, *, is_over: bool) -> None:
        if self._options.html is None:
            return
        refresh = None if is_over else self._options.interval
        try:
            page.write(self._options.html, page.page(self._stack.name, self._histories, refresh))
        except OSError as error:
            raise CdcError(
                f"cannot write {self._options.html}: {error.strerror}. Remedy: another --html"
            ) from None

    def _is_all_lost(self) -> bool:
        return all(history.last.state == State.LOST for history in self._histories.values())
