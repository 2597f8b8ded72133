"""What follows from the samples of a slot: lag in time, growth, and the forecast."""

from __future__ import annotations

import pytest
from tests.unit.watch_support import GIB, KIB, MIB, NOON, away, history, reading, sample, unread
from tests.unit.watch_support import silent as no_answer

from azure_postgres_cdc.operations.watch import words
from azure_postgres_cdc.operations.watch.history import MOST_SAMPLES, History
from azure_postgres_cdc.operations.watch.sample import Before, Behind, State
from azure_postgres_cdc.operations.watch.sparkline import condensed, gauge, sparkline

# Lag in time


def test_what_the_wal_sender_measures_counts() -> None:
    assert history(sample(0), sample(2)).last.behind == Behind(0.4)


def test_lag_is_at_least_the_age_of_the_first_sample_beyond_the_confirmed_position() -> None:
    made = history(sample(0), sample(2))
    for second in (4, 6, 8):
        made.add(sample(second, confirmed=sample(2).wal, sender_seconds=None))
    # The WAL of second 4 was there in second 4 and is not confirmed in second 8.
    assert made.last.behind == Behind(4, is_bound=True, at_most=6)
    assert words.behind(made.last.behind) == "≥ 4.0 s"
    assert words.behind(made.last.behind, ascii_only=True) == ">= 4.0 s"


def test_a_wal_sender_that_stands_still_is_not_believed() -> None:
    made = history(sample(0))
    for second in range(2, 62, 2):
        made.add(sample(second, confirmed=sample(0).confirmed, sender_seconds=0.4))
    assert made.last.behind == Behind(60, is_bound=True)


def test_everything_confirmed_is_no_lag() -> None:
    made = history(sample(0), sample(2, confirmed=sample(2).wal, sender_seconds=None))
    assert made.last.behind == Behind(0.0)
    assert words.behind(made.last.behind) == "0.0 s"


def test_what_was_recorded_before_counts_as_a_sample() -> None:
    before = Before(NOON - 3600, GIB - 100, None)
    made = history(sample(0, confirmed=GIB - 200, sender_seconds=None, before=before))
    assert made.last.behind == Behind(3600, is_bound=True)


def test_another_timeline_begins_anew() -> None:
    made = history(sample(0, confirmed=0), sample(60, confirmed=0))
    made.add(sample(62, wal=1000, confirmed=500, sender_seconds=None))
    assert made.last.behind == Behind(0, is_bound=True)
    assert words.behind(made.last.behind) == "not known"


def test_what_only_this_sample_has_seen_is_younger_than_the_one_before() -> None:
    made = history(sample(0), sample(2, confirmed=sample(1).wal, sender_seconds=None))
    assert made.last.behind == Behind(0, is_bound=True, at_most=2)
    assert words.behind(made.last.behind) == "< 2.0 s"
    assert words.behind(None) == "-"


# The forecast


def test_wal_of_a_slot_that_nobody_reads_fills_the_storage() -> None:
    outlook = unread().outlook()
    assert outlook.rate == pytest.approx(MIB)
    assert outlook.span == 118
    assert outlook.seconds == pytest.approx(96 * 1024, rel=0.001)
    assert words.outlook(unread()) == (
        "storage full in about 27 hours: 96.0 GiB free, and the WAL that is held grows by "
        "1.0 MiB/s, over the last 118 seconds",
        "storage full in about 27 hours (held WAL grows by 1.0 MiB/s)",
        "storage full in about 27 hours",
    )


def test_what_goes_up_and_down_does_not_grow() -> None:
    assert reading().outlook().rate == 0
    assert words.outlook(reading())[1] == "held WAL does not grow"


@pytest.mark.parametrize(("seconds", "known"), [(8, False), (12, True)])
def test_a_forecast_takes_ten_seconds(seconds: int, known: bool) -> None:
    made = history(*(unread().samples[number] for number in range(seconds // 2 + 1)))
    assert (made.outlook().rate is not None) == known


def test_a_slot_that_is_read_takes_a_minute() -> None:
    growing = [sample(second, retained_bytes=int(second * MIB)) for second in range(0, 64, 2)]
    assert history(*growing[:30]).outlook().rate is None
    assert history(*growing).outlook().rate == pytest.approx(MIB)
    assert words.outlook(history(*growing[:30]))[1] == "too early to tell"


def test_the_first_sample_goes_by_what_was_recorded() -> None:
    before = Before(NOON - 7200, 0, MIB / 2)
    first = sample(0, state=State.UNREAD, sender_seconds=None, before=before)
    outlook = history(first).outlook()
    assert (outlook.rate, outlook.span) == (MIB / 2, 7200)
    assert outlook.seconds == pytest.approx(96 * 2048)


def test_growth_is_that_of_the_last_minutes_and_of_the_same_state() -> None:
    made = reading()
    for second in range(120, 180, 2):
        made.add(sample(second, state=State.UNREAD, retained_bytes=int((second - 120) * 2 * MIB)))
    assert made.outlook().rate == pytest.approx(2 * MIB)


def test_storage_of_unknown_size_has_no_forecast() -> None:
    made = history(*(sample(s, free_bytes=None, retained_bytes=int(s * MIB)) for s in range(70)))
    assert made.outlook().seconds is None
    assert words.outlook(made)[0].endswith("; the size of the storage is not known")


# What is kept


def test_no_answer_leaves_a_gap_and_what_was_seen() -> None:
    made = away()
    assert made.silent_since == NOON + 118
    assert made.answered is made.samples[59]
    assert made.written_rates()[59:61] == [pytest.approx(MIB), None]
    assert words.state(made) == (
        f"no answer since {words.clock(NOON + 118)}; trying on",
        f"no answer since {words.clock(NOON + 118)}",
    )


def test_no_answer_from_the_beginning() -> None:
    made = history(no_answer(0), no_answer(2))
    assert (made.answered, made.silent_since) == (None, NOON)
    assert made.outlook().rate is None


def test_nobody_reads_it_since_the_first_sample_or_earlier() -> None:
    assert unread().unread_seconds == 118
    made = unread()
    made.add(sample(120, state=State.UNREAD, idle_seconds=7200))
    assert made.unread_seconds == 7200
    made.add(sample(122))
    assert made.unread_seconds == 0


def test_a_watch_of_days_stays_small_and_keeps_its_beginning() -> None:
    made = History()
    for second in range(3 * MOST_SAMPLES):
        made.add(sample(second))
    assert len(made.samples) <= MOST_SAMPLES
    assert made.samples[0].at == NOON
    newest = [item.at - NOON for item in made.samples[-500:]]
    assert newest == list(range(3 * MOST_SAMPLES - 500, 3 * MOST_SAMPLES))


# Small pictures


@pytest.mark.parametrize(
    ("values", "width", "bars"),
    [
        ([], 4, "    "),
        ([0, 0], 4, "  ▁▁"),
        ([1, 2, 3, 4, 5, 6, 7], 7, "▂▃▄▅▆▇▇"),
        ([100, 1, None, 7], 3, "▂ ▇"),
        ([1.5], 1, "▇"),
        ([1, 2], 0, ""),
        ([-1, 1], 2, "▁▇"),
    ],
)
def test_sparkline(values: list[float | None], width: int, bars: str) -> None:
    assert sparkline(values, width) == bars


@pytest.mark.parametrize(
    ("count", "width", "bars"),
    [
        (3, 4, [0, 1, 2]),
        (4, 4, [0, 1, 2, 3]),
        (5, 4, [1, 3, 4]),
        (6, 4, [1, 3, 5]),
        (9, 4, [2, 5, 8]),
        (10, 4, [2, 5, 8, 9]),
        (0, 4, []),
        (3, 0, []),
    ],
)
def test_many_values_are_squeezed_and_the_same_ones_stay_together(
    count: int, width: int, bars: list[float]
) -> None:
    assert condensed(list(range(count)), width, 10, count) == bars
    # Some that came before were thinned out.
    assert condensed(list(range(count)), width, 10, count + 12) == bars


def test_peak_and_gap_survive_the_squeeze() -> None:
    values = [1.0, 9.0, 1.0, None, None, None, 2.0, None]
    assert condensed(values, 4, 100, 8) == [9, 1, None, 2]


def test_bars_are_those_of_the_last_minutes() -> None:
    assert condensed(list(range(1000)), 10, 20, 1000) == list(range(981, 1000, 2))


def test_sparkline_in_ascii() -> None:
    assert sparkline(range(8), 8, ascii_only=True) == "_.:-=+*#"
    assert sparkline([0, None, 8], 4, ascii_only=True).isascii()


@pytest.mark.parametrize(
    ("share", "bar"), [(0, "░░░░"), (0.5, "██░░"), (1, "████"), (1.7, "████"), (-1, "░░░░")]
)
def test_gauge(share: float, bar: str) -> None:
    assert gauge(share, 4) == bar


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.97, "10 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7200, "2 h"),
        (172800, "2 days"),
    ],
)
def test_time_spans(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


def test_rates_are_short() -> None:
    assert [words.rate(value) for value in (None, 12, 3 * KIB)] == ["-", "12 B/s", "3.0 KiB/s"]
