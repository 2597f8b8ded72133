"""A row of small bars: the last values at a glance."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇"
"""Without the full block: rows that stand above each other would run together."""
ASCII_BARS = "_.:-=+*#"
_FULL, _EMPTY = "█", "░"
_ASCII_FULL, _ASCII_EMPTY = "#", "."


def sparkline(values: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """The last `width` values, from nothing to the highest of them; a blank where one is missing.

    Always `width` characters long: the newest value is at the right.
    """
    shown = values[-width:] if width > 0 else []
    bars = ASCII_BARS if ascii_only else BARS
    top = max((value for value in shown if value is not None), default=0)
    return "".join(_bar(value, top, bars) for value in shown).rjust(max(0, width))


def condensed(
    values: Sequence[float | None], width: int, most: int, taken: int
) -> list[float | None]:
    """The last `most` values, squeezed into `width`: the highest of each few.

    `taken` is how many there have ever been, so that the same ones always stay together.
    """
    if not values or width <= 0:
        return []
    together = max(1, -(-min(len(values), most) // width))
    newest = taken % together or together
    ends = range(len(values) - newest, -1, -together)
    groups = [values[max(0, end - together) : end] for end in ends if end > 0]
    return [_highest(group) for group in [*reversed(groups), values[-newest:]]][-width:]


def gauge(share: float, width: int, *, ascii_only: bool = False) -> str:
    """How much of something is taken, from 0 to 1."""
    full, empty = (_ASCII_FULL, _ASCII_EMPTY) if ascii_only else (_FULL, _EMPTY)
    taken = round(min(1.0, max(0.0, share)) * width)
    return full * taken + empty * (width - taken)


def _highest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _bar(value: float | None, top: float, bars: str) -> str:
    if value is None:
        return " "
    if top <= 0 or value <= 0:
        return bars[0]
    return bars[min(len(bars) - 1, int(value / top * len(bars)))]
