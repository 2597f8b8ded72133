"""What was seen of one slot, sample by sample, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import takewhile
from statistics import linear_regression

from azure_postgres_cdc.database.retention import seconds_to_full
from azure_postgres_cdc.operations.watch.sample import Before, Behind, Sample, State

MOST_SAMPLES = 2000
"""The older half is thinned out beyond: a watch of days keeps its shape, and its size."""
WINDOW_SECONDS = 300
"""The growth of WAL is that of the last so many seconds."""
SHORTEST_UNREAD, SHORTEST_READ = 10, 60
"""Seconds that it takes to tell. What is held for a slot that is read goes up and down: PostgreSQL
lets go of a piece every 15 seconds or so."""
_TREND_SHARE = 0.5
"""Of what lies between the lowest and the highest value: less is no trend."""

_SEEN = (State.READ, State.UNREAD)


@dataclass(frozen=True)
class Outlook:
    """How fast the WAL that is held grows, and when the storage will be full of it."""

    rate: float | None = None
    """Bytes a second; None where it is too early to tell."""
    span: float = 0
    """The seconds that this was measured over."""
    seconds: float | None = None
    """Until the storage is full. None where it does not fill, or is not known."""


@dataclass(frozen=True)
class _Mark:
    at: float
    wal: int


class History:
    """The samples of one slot."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._marks: list[_Mark] = []
        """When the server had written how far: from the last one that is confirmed on."""
        self._before: Before | None = None
        self.taken = 0
        """How many samples there have been, with those that were thinned out."""

    @property
    def last(self) -> Sample:
        """The newest."""
        return self.samples[-1]

    @property
    def answered(self) -> Sample | None:
        """The newest that tells something of the slot; None where there is none yet."""
        return next((item for item in reversed(self.samples) if item.state in _SEEN), None)

    @property
    def recent(self) -> int:
        """How many samples there are of the last minutes."""
        return sum(self.last.at - item.at <= WINDOW_SECONDS for item in self.samples)

    @property
    def silent_since(self) -> float:
        """When the server last answered, or was first asked."""
        answers = (item.at for item in reversed(self.samples) if item.state != State.SILENT)
        return next(answers, self.samples[0].at)

    @property
    def unread_seconds(self) -> float:
        """For how long nobody has read it, as far as that is known."""
        unread = list(takewhile(lambda item: item.state != State.READ, reversed(self.samples)))
        seen = [item for item in unread if item.state == State.UNREAD]
        if not seen:
            return 0
        return max(seen[0].at - seen[-1].at, seen[0].idle_seconds or 0)

    def add(self, sample: Sample) -> None:
        """Keep a sample, with the time that its connector is behind."""
        self.taken += 1
        if sample.wal is not None and sample.confirmed is not None:
            if not self._marks and sample.before is not None:
                self._before = sample.before
                self._marks.append(_Mark(sample.before.at, sample.before.wal))
            self._mark(sample.at, sample.wal, sample.confirmed)
            sample = replace(sample, behind=self._behind(sample))
        self.samples.append(sample)
        if len(self.samples) > MOST_SAMPLES:
            half = len(self.samples) // 2
            self.samples[:half] = self.samples[:half:2]

    def written_rates(self) -> list[float | None]:
        """Bytes of WAL a second from one sample to the next; as many as there are samples."""
        pairs = zip([None, *self.samples], self.samples, strict=False)
        return [_written(earlier, later) for earlier, later in pairs]

    def outlook(self) -> Outlook:
        """Going by how what is held has grown lately, or since it was last recorded."""
        last = self.answered
        if last is None:
            return Outlook()
        recent = list(
            takewhile(
                lambda item: item.state == last.state and last.at - item.at <= WINDOW_SECONDS,
                reversed([item for item in self.samples if item.retained_bytes is not None]),
            )
        )
        rate, span = _growth(recent), recent[0].at - recent[-1].at if recent else 0
        if span < (SHORTEST_READ if last.state == State.READ else SHORTEST_UNREAD):
            if last.state == State.READ or self._before is None:
                return Outlook()
            rate, span = self._before.rate, last.at - self._before.at
        if rate is None:
            return Outlook()
        known = last.free_bytes is not None
        return Outlook(rate, span, seconds_to_full(last.free_bytes or 0, rate) if known else None)

    def _mark(self, at: float, wal: int, confirmed: int) -> None:
        marks = self._marks
        if marks and wal < marks[-1].wal:  # another timeline
            marks.clear()
        marks.append(_Mark(at, wal))
        while len(marks) > 1 and marks[1].wal <= confirmed:
            del marks[0]
        if len(marks) > MOST_SAMPLES:
            del marks[1 : len(marks) // 2 : 2]

    def _behind(self, sample: Sample) -> Behind | None:
        """What lies behind the confirmed position was there when the first mark beyond was made.

        The WAL sender's own word is finer, but stands still where the connector does.
        """
        confirmed = sample.confirmed or 0
        late = [mark for mark in self._marks if mark.wal > confirmed]
        seen = sample.at - late[0].at if late else 0.0
        if sample.sender_seconds is not None and sample.sender_seconds >= seen:
            return Behind(sample.sender_seconds)
        if not late:
            return Behind(0.0)
        confirmed_marks = [mark for mark in self._marks if mark.wal <= confirmed]
        at_most = sample.at - confirmed_marks[-1].at if confirmed_marks else None
        return Behind(seen, is_bound=True, at_most=at_most)


def peak(values: Iterable[float | None]) -> float | None:
    """The highest that is known."""
    return max((value for value in values if value is not None), default=None)


def _written(earlier: Sample | None, later: Sample) -> float | None:
    if earlier is None or earlier.wal is None or later.wal is None or later.at <= earlier.at:
        return None
    return max(0, later.wal - earlier.wal) / (later.at - earlier.at)


def _growth(newest_first: list[Sample]) -> float | None:
    """Bytes a second, by least squares; 0 where it goes up and down more than it goes on."""
    if len(newest_first) < 2 or newest_first[0].at == newest_first[-1].at:
        return None
    zero = newest_first[-1].at
    times = [item.at - zero for item in newest_first]
    held = [item.retained_bytes or 0 for item in newest_first]
    slope = linear_regression(times, held).slope
    is_trend = abs(slope) * times[0] >= _TREND_SHARE * (max(held) - min(held))
    return slope if is_trend else 0.0
