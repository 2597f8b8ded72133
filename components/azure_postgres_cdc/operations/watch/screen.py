"""What is seen, live in a terminal of any size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.watch import words
from azure_postgres_cdc.operations.watch.history import History, peak
from azure_postgres_cdc.operations.watch.sample import State
from azure_postgres_cdc.operations.watch.sparkline import condensed, gauge, sparkline

_COLORS = {
    State.READ: "green",
    State.UNREAD: "yellow",
    State.LOST: "bold red",
    State.NOT_YET: "cyan",
    State.SILENT: "yellow",
}
_LABEL, _VALUE, _PEAK = 13, 12, 20
_SHORTEST_TREND = 6
_WITH_PEAKS = 72
"""Columns within a block from which there is room for the highest values."""
_SIDE_BY_SIDE = 130
"""Columns of the terminal from which two blocks stand side by side."""
_BLOCK_LINES = 9
_FRAME = 4
_LATE_SECONDS = 10
"""After so long without a new sample, the picture says how old it is."""


@dataclass
class Screen:
    """The whole picture, drawn anew for the width that there is."""

    stack: str
    interval: float
    histories: Mapping[Form, History]
    note: str = ""
    """What there is to say of all of them."""
    lock: AbstractContextManager[object] = field(default_factory=Lock)
    """Held while it is drawn."""
    now: Callable[[], float] = time.time
    is_over: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, ascii_only = options.max_width, options.ascii_only
        with self.lock:
            seen = {form: history for form, history in self.histories.items() if history.samples}
            yield self._head(seen, width, ascii_only=ascii_only)
            columns = 2 if width >= _SIDE_BY_SIDE and len(seen) > 1 else 1
            room = console.height - 3
            if console.is_terminal and -(-len(seen) // columns) * _BLOCK_LINES > room:
                yield from _rows(seen, width, ascii_only=ascii_only)
            else:
                yield from _blocks(seen, width, columns, ascii_only=ascii_only)

    def _head(self, seen: Mapping[Form, History], width: int, *, ascii_only: bool) -> Text:
        newest = max((history.last.at for history in seen.values()), default=self.now())
        when = words.clock(newest)
        every = "" if self.is_over else f"every {self.interval:g} s, Ctrl-C ends it"
        age = self.now() - newest
        if not self.is_over and age > max(_LATE_SECONDS, 3 * self.interval):
            when = f"{when}, {words.span(age)} ago"
        name = f"stack {self.stack}"
        ways = tuple(
            "  ".join(filter(None, parts))
            for parts in ((name, when, every, self.note), (name, when, every), (name, when))
        )
        text = words.fitting(ways, width)
        return Text(words.shortened(text, width, ascii_only=ascii_only), "bold", no_wrap=True)


def _blocks(
    seen: Mapping[Form, History], width: int, columns: int, *, ascii_only: bool
) -> Iterator[RenderableType]:
    wide = (width - (columns - 1)) // columns
    blocks = [_block(form, seen[form], wide, ascii_only=ascii_only) for form in seen]
    if columns == 1:
        yield from blocks
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    for _ in range(columns):
        grid.add_column(width=wide)
    for first in range(0, len(blocks), columns):
        grid.add_row(*blocks[first : first + columns])
    yield grid


def _block(form: Form, history: History, width: int, *, ascii_only: bool) -> Panel:
    inner, state = width - _FRAME, history.last.state
    name = words.shortened(_name(form), inner - 2, ascii_only=ascii_only)
    lines: list[Text] = [_state(history, inner, ascii_only=ascii_only)]
    if state == State.LOST:
        lines.append(Text(history.last.trouble, "red", overflow="fold"))
    else:
        if state == State.SILENT:
            lines.append(_cut(history.last.trouble, inner, ascii_only=ascii_only))
        lines += _values(history, inner, ascii_only=ascii_only)
        lines += _outlook(history, inner)
    return Panel(
        Group(*lines),
        title=Text(name, "bold"),
        title_align="left",
        border_style=_COLORS[state],
        box=box.HEAVY if state == State.LOST else box.ROUNDED,
        width=width,
    )


def _state(history: History, width: int, *, ascii_only: bool) -> Text:
    dot = "* " if ascii_only else "● "
    text = words.fitting(words.state(history), width - len(dot))
    style = _COLORS[history.last.state]
    return Text.assemble((dot, style), (text, style), no_wrap=True)


@dataclass(frozen=True)
class _Row:
    """A number, and how it came about."""

    label: str
    value: str
    series: Sequence[float | None]
    shown: Callable[[float | None], str]

    def text(self, history: History, width: int, *, ascii_only: bool) -> Text:
        """In one line. The bars are those of the last minutes, with the highest of each few."""
        text = _labelled(self.label, self.value)
        highest = f"  peak {self.shown(peak(self.series))}".ljust(_PEAK)
        highest = highest if width >= _WITH_PEAKS else ""
        room = width - text.cell_len - 2 - len(highest)
        if room >= _SHORTEST_TREND:
            values = condensed(self.series, room, history.recent, history.taken)
            text.append("  ").append(sparkline(values, room, ascii_only=ascii_only), "cyan")
            text.append(highest, "dim")
        return text


def _values(history: History, width: int, *, ascii_only: bool) -> Iterator[Text]:
    last, samples = history.answered, history.samples
    if last is None:
        return
    lags = [item.lag_bytes for item in samples]
    times = [item.behind.seconds if item.behind else None for item in samples]
    held = [item.retained_bytes for item in samples]
    rates = history.written_rates()
    behind = words.behind(last.behind, ascii_only=ascii_only)
    for row in (
        _Row("lag", words.amount(last.lag_bytes), lags, words.amount),
        _Row("lag in time", behind, times, words.seconds),
        _Row("retained WAL", words.amount(last.retained_bytes), held, words.amount),
        _Row("WAL written", words.rate(rates[-1]), rates, words.rate),
    ):
        yield row.text(history, width, ascii_only=ascii_only)
    if last.free_bytes is not None and last.total_bytes:
        yield _storage(last.free_bytes, last.total_bytes, width, ascii_only=ascii_only)


def _labelled(label: str, value: str) -> Text:
    return Text.assemble((label.ljust(_LABEL), "dim"), (value.rjust(_VALUE), "bold"), no_wrap=True)


def _storage(free: int, total: int, width: int, *, ascii_only: bool) -> Text:
    text = _labelled("storage free", words.amount(free))
    share = 1 - free / total
    taken = f"{share:.0%}" if share >= 0.01 else "<1%"
    told = f"  {taken} of {words.amount(total)}" if width >= _WITH_PEAKS else f"{taken:>5}"
    told = told.ljust(_PEAK) if width >= _WITH_PEAKS else told
    room = width - text.cell_len - 2 - len(told)
    if room >= _SHORTEST_TREND:
        text.append("  ").append(gauge(share, room, ascii_only=ascii_only), _fullness(share))
        text.append(told, "dim")
    return text


def _fullness(share: float) -> str:
    return "red" if share >= 0.9 else "yellow" if share >= 0.8 else "cyan"


def _outlook(history: History, width: int) -> Iterator[Text]:
    if history.last.state == State.NOT_YET:
        return
    for ways in (words.danger(history), words.outlook(history)):
        if ways:
            yield Text(words.fitting(ways, width), no_wrap=True)


def _rows(
    seen: Mapping[Form, History], width: int, *, ascii_only: bool
) -> Iterator[RenderableType]:
    """A line for each, where there are too many for blocks. What is lost comes first."""
    room = max(12, min(40, width // 3))
    head = " " * (room + 2) + "lag".rjust(_VALUE)
    for more in ("held WAL".rjust(_VALUE), "  forecast"):
        head += more if len(head) + len(more) <= width else ""
    yield Text(head, "dim", no_wrap=True)
    for form in sorted(seen, key=lambda form: seen[form].last.state != State.LOST):
        history, state = seen[form], seen[form].last.state
        style = _COLORS[state]
        mark = "* " if ascii_only else "● "
        name = words.shortened(_name(form), room, ascii_only=ascii_only).ljust(room)
        line = Text.assemble((mark, style), (name, "bold"), no_wrap=True)
        last = history.answered
        if state in (State.READ, State.UNREAD) and last is not None:
            held = words.amount(last.retained_bytes).rjust(_VALUE)
            line.append(words.amount(last.lag_bytes).rjust(_VALUE))
            for more in (held, f"  {words.outlook(history)[-1]}"):
                if line.cell_len + len(more) <= width:
                    line.append(more)
        else:
            line.append(f"  {words.fitting(words.state(history), width - room - 4)}", style)
        yield line
        if state == State.LOST:
            yield Text(history.last.trouble, "red", overflow="fold")


def _cut(text: str, width: int, *, ascii_only: bool) -> Text:
    shown = words.shortened(text.partition(". Remedy:")[0], width, ascii_only=ascii_only)
    return Text(shown, no_wrap=True)


def _name(form: Form) -> str:
    return f"{form.database}, slot {form.slot}"
