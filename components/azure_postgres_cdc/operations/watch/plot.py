"""A plot over time as HTML: the curve is SVG that stretches, the numbers are text that does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from azure_postgres_cdc.operations.watch import words

Point = tuple[float, float | None]
"""A time, and the value then; None where there was no answer."""

_KIB = 1024.0
_WIDTH, _HEIGHT = 1000.0, 200.0
_BINARY = (("bytes", 1.0), ("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30), ("TiB", 2.0**40))
_TIMES = (("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0), ("days", 86400.0))
_STEPS = (1.0, 2.0, 5.0, 10.0)
_TIME_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
_FORECAST_SHARE = 0.2
"""How much of the plot's width is the future, where one is shown."""


@dataclass(frozen=True)
class Plot:
    """One curve."""

    title: str
    points: Sequence[Point]
    now: str
    """The newest value, for a person."""
    is_time: bool = False
    """Whether the values are seconds; otherwise they are bytes."""
    growth: float | None = None
    """What the value grows by in a second, to be drawn into the future."""


def html(plot: Plot, identity: str) -> str:
    """The figure. `identity` is unique in its page."""
    first, last, end = _range(plot)
    future = _future(plot, last, end)
    values = [value for _, value in (*plot.points, *future) if value is not None]
    unit, ticks = _ticks(max(values, default=0), is_time=plot.is_time)
    scale = _Scale(first, end, ticks[-1])
    marks = "".join(
        f'<span style="bottom:{_number(100 * tick / ticks[-1])}%">{_label(tick / unit[1])}</span>'
        for tick in ticks
    )
    times = "".join(
        f'<span style="left:{_number(100 * share)}%">{words.clock(at)}</span>'
        for at, share in _times(first, end)
    )
    described = (
        f"{plot.title} in {unit[0]}, from {words.clock(first)} to {words.clock(last)}. "
        f"Now {plot.now}; highest {_label(max(values, default=0) / unit[1])} {unit[0]}."
    )
    return f"""<figure>
<figcaption>{escape(plot.title)}, {unit[0]} <b>{escape(plot.now)}</b></figcaption>
<div class="plot"><div class="y">{marks}</div>
<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img"
 aria-labelledby="{identity}-t {identity}-d"><title id="{identity}-t">{escape(plot.title)}</title>
<desc id="{identity}-d">{escape(described)}</desc>
{"".join(_drawn(plot, scale, ticks, future, last))}</svg>
<div class="x">{times}</div></div>
<p class="axis">{"time; dashed: the forecast" if future else "time"}</p>
</figure>"""


@dataclass(frozen=True)
class _Scale:
    first: float
    end: float
    top: float

    def __call__(self, at: float, value: float) -> str:
        x = _WIDTH * (at - self.first) / (self.end - self.first)
        y = _HEIGHT * (1 - value / self.top)
        return f"{_number(x)} {_number(y)}"


def _drawn(
    plot: Plot, scale: _Scale, ticks: Sequence[float], future: Sequence[Point], last: float
) -> Iterator[str]:
    for tick in ticks:
        yield f'<path class="grid" d="M{scale(scale.first, tick)}L{scale(scale.end, tick)}"/>'
    for run in _runs(plot.points):
        corners = [scale(at, value) for at, value in run]
        if len(run) > 1:
            start, stop = scale(run[0][0], 0), scale(run[-1][0], 0)
            yield f'<path class="area" d="M{start}L{"L".join(corners)}L{stop}Z"/>'
        # A single value is a dot: a line of no length, with round ends.
        yield f'<path class="line" d="M{"L".join(corners)}{"h0" if len(run) == 1 else ""}"/>'
    if future:
        corners = [scale(at, value or 0) for at, value in future]
        yield f'<path class="grid" d="M{scale(last, 0)}L{scale(last, scale.top)}"/>'
        yield f'<path class="line dashed" d="M{"L".join(corners)}"/>'


def _range(plot: Plot) -> tuple[float, float, float]:
    """The first and the last time, and where the plot ends."""
    first, last = plot.points[0][0], plot.points[-1][0]
    last = max(last, first + 1)
    if plot.growth is None:
        return first, last, last
    return first, last, last + (last - first) * _FORECAST_SHARE / (1 - _FORECAST_SHARE)


def _future(plot: Plot, last: float, end: float) -> list[Point]:
    known = next((value for _, value in reversed(plot.points) if value is not None), None)
    if plot.growth is None or known is None:
        return []
    return [(last, known), (end, max(0.0, known + plot.growth * (end - last)))]


def _runs(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    """The pieces between which there was no answer."""
    run: list[tuple[float, float]] = []
    for at, value in points:
        if value is not None:
            run.append((at, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _ticks(highest: float, *, is_time: bool) -> tuple[tuple[str, float], list[float]]:
    """A unit in which the numbers are short, and round values up to the highest one or beyond; at
    least up to a second or a KiB, or nothing at all would look like much."""
    units, least, many = (_TIMES, 1.0, 2) if is_time else (_BINARY, _KIB, 1)
    highest = max(highest, least)
    unit = next((item for item in reversed(units) if highest >= many * item[1]), units[0])
    most = highest / unit[1]
    power = 0.1
    while most / power > 30:
        power *= 10
    step = next(step * power for step in _STEPS if most / (step * power) <= 4)
    count = max(1, -(-most // step))
    return unit, [unit[1] * step * number for number in range(int(count) + 1)]


def _times(first: float, end: float) -> list[tuple[float, float]]:
    """At most three round times, and where they are in the plot, from 0 to 1; always one."""
    length = end - first
    step = next((step for step in _TIME_STEPS if length / step <= 3), 86400 * -(-length // 259200))
    start = -(-first // step) * step
    found = [start + number * step for number in range(int((end - start) // step) + 1)]
    # Not so near to an edge that the text would be cut off.
    inside = [(at, (at - first) / length) for at in found]
    return [item for item in inside if 0.1 <= item[1] <= 0.9] or [(first + length / 2, 0.5)]


def _label(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
