"""The maintenance window: open, closed, over midnight, across a change to summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_postgres_cdc.azure.restart import restart_fault
from azure_postgres_cdc.azure.window import DAYS, Window, WindowArgs

SUNDAY_NIGHT: WindowArgs = {"days": ["sunday"], "start": "02:00", "end": "04:00"}
OVER_MIDNIGHT: WindowArgs = {"days": ["Friday", "saturday"], "start": "22:30", "end": "01:15"}
BERLIN: WindowArgs = {**SUNDAY_NIGHT, "timeZone": "Europe/Berlin"}


def window(args: WindowArgs, **changes: Any) -> Window:
    return Window.of({**args, **changes})  # type: ignore[typeddict-item]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Open and closed. 2026-03-01 is a Sunday.


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-03-01T01:59:59", False),
        ("2026-03-01T02:00:00", True),
        ("2026-03-01T03:59:59", True),
        ("2026-03-01T04:00:00", False),
        ("2026-02-28T03:00:00", False),
        ("2026-03-02T03:00:00", False),
    ],
)
def test_it_is_open_from_its_start_until_just_before_its_end(now: str, is_open: bool) -> None:
    assert window(SUNDAY_NIGHT).is_open(utc(now)) is is_open


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        # Friday, 2026-02-27
        ("2026-02-27T00:30:00", False),
        ("2026-02-27T22:29:59", False),
        ("2026-02-27T22:30:00", True),
        # Its end is the next day's
        ("2026-02-28T00:00:00", True),
        ("2026-02-28T01:14:59", True),
        ("2026-02-28T01:15:00", False),
        ("2026-02-28T23:00:00", True),
        # On Sunday, Saturday's window ends; it does not open on Sunday
        ("2026-03-01T01:00:00", True),
        ("2026-03-01T23:00:00", False),
        ("2026-03-02T01:00:00", False),
    ],
)
def test_over_midnight_it_belongs_to_the_day_on_which_it_opens(now: str, is_open: bool) -> None:
    assert window(OVER_MIDNIGHT).is_open(utc(now)) is is_open


def test_midnight_is_a_time_like_others() -> None:
    until_midnight = window(SUNDAY_NIGHT, start="23:00", end="00:00")
    assert until_midnight.is_open(utc("2026-03-01T23:59:59"))
    assert not until_midnight.is_open(utc("2026-03-02T00:00:00"))
    from_midnight = window(SUNDAY_NIGHT, start="00:00", end="00:01")
    assert from_midnight.is_open(utc("2026-03-01T00:00:59"))
    assert not from_midnight.is_open(utc("2026-02-28T23:59:59"))


@pytest.mark.parametrize(
    ("args", "now", "opens"),
    [
        (SUNDAY_NIGHT, "2026-02-26T12:00:00", "2026-03-01T02:00:00"),
        (SUNDAY_NIGHT, "2026-03-01T01:59:59", "2026-03-01T02:00:00"),
        # While it is open, the next opening is the one after
        (SUNDAY_NIGHT, "2026-03-01T02:00:00", "2026-03-08T02:00:00"),
        (SUNDAY_NIGHT, "2026-03-01T05:00:00", "2026-03-08T02:00:00"),
        (OVER_MIDNIGHT, "2026-02-28T01:15:00", "2026-02-28T22:30:00"),
        (OVER_MIDNIGHT, "2026-03-01T01:15:00", "2026-03-06T22:30:00"),
        # On 2026-03-29 Berlin has no 02:00 to 03:00: it would open and close at once
        (BERLIN | {"end": "03:00"}, "2026-03-28T12:00:00", "2026-04-05T00:00:00"),
    ],
)
def test_next_opening(args: WindowArgs, now: str, opens: str) -> None:
    assert window(args).next_opening(utc(now)) == utc(opens)


# Time zones


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        # Winter: one hour ahead of UTC
        ("2026-03-01T00:59:59", False),
        ("2026-03-01T01:00:00", True),
        ("2026-03-01T03:00:00", False),
        # Summer: two hours
        ("2026-07-04T23:59:59", False),
        ("2026-07-05T00:00:00", True),
        ("2026-07-05T02:00:00", False),
    ],
)
def test_it_opens_by_the_clocks_of_its_time_zone(now: str, is_open: bool) -> None:
    assert window(BERLIN).is_open(utc(now)) is is_open


def test_a_day_begins_with_the_time_zone_s_midnight() -> None:
    auckland = window(SUNDAY_NIGHT, timeZone="Pacific/Auckland")
    assert auckland.is_open(utc("2026-02-28T13:30:00"))  # Sunday, 02:30 there
    assert not auckland.is_open(utc("2026-03-01T02:30:00"))
    assert f"{auckland.next_opening(utc('2026-02-26T00:00:00')):%A %H:%M %Z}" == (
        "Sunday 02:00 NZDT"
    )


def test_next_opening_is_told_by_the_clocks_that_will_be_in_force() -> None:
    """From winter to summer: the clocks go forward on 2026-03-29 at 01:00 UTC."""
    later = window(BERLIN, days=["monday"])
    found = later.next_opening(utc("2026-03-28T12:00:00"))
    assert found == utc("2026-03-30T00:00:00")
    assert f"{found:%A %Y-%m-%d %H:%M %Z}" == "Monday 2026-03-30 02:00 CEST"


def test_it_is_shorter_in_the_night_in_which_the_clocks_go_forward() -> None:
    """From 02:00 to 03:00 there is no time; the rest is open."""
    found = window(BERLIN)
    assert not found.is_open(utc("2026-03-29T00:59:59"))  # 01:59:59
    assert found.is_open(utc("2026-03-29T01:00:00"))  # 03:00:00
    assert found.is_open(utc("2026-03-29T01:59:59"))  # 03:59:59
    assert not found.is_open(utc("2026-03-29T02:00:00"))  # 04:00:00


def test_it_is_longer_in_the_night_in_which_the_clocks_go_back() -> None:
    """On 2026-10-25 the clocks show 02:00 to 03:00 twice: open, both times."""
    found = window(BERLIN)
    opened = [
        minutes
        for minutes in range(6 * 60)
        if found.is_open(utc("2026-10-24T23:00:00") + timedelta(minutes=minutes))
    ]
    assert opened == list(range(60, 4 * 60))


@given(
    days=st.lists(st.sampled_from(DAYS), min_size=1),
    start=st.integers(0, 24 * 60 - 1),
    length=st.integers(1, 24 * 60 - 1),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Auckland"]),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001
)
def test_it_opens_within_eight_days_on_one_of_its_days(
    days: list[str], start: int, length: int, zone: str, now: datetime
) -> None:
    def clock(minutes: int) -> str:
        return f"{minutes // 60 % 24:02}:{minutes % 60:02}"

    found = Window.of(
        {"days": days, "start": clock(start), "end": clock(start + length), "timeZone": zone}
    )
    here = now.replace(tzinfo=UTC)
    opens = found.next_opening(here)
    assert timedelta(0) <= opens - here.astimezone(found.zone) <= timedelta(days=8)
    assert DAYS[opens.weekday()] in days
    assert f"{opens:%H:%M}" == clock(start)
    instant = opens.astimezone(UTC)
    is_skipped = f"{instant.astimezone(found.zone):%H:%M}" != f"{opens:%H:%M}"
    assert is_skipped or found.is_open(instant)


# Words


def test_it_is_told_in_one_line() -> None:
    assert str(window(SUNDAY_NIGHT)) == "Sunday 02:00-04:00 UTC"
    assert str(window({**OVER_MIDNIGHT, "timeZone": "Europe/Berlin"})) == (
        "Friday, Saturday 22:30-01:15 Europe/Berlin"
    )
    assert str(window(SUNDAY_NIGHT, days=["sunday", "monday", "sunday"])).startswith(
        "Monday, Sunday 02:00"
    )


NO_DAYS = "window.days are monday to sunday"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"days": []}, NO_DAYS),
        ({"days": ["sunday", "someday"]}, NO_DAYS),
        ({"days": ["sun"]}, NO_DAYS),
        ({"timeZone": "Europe/Atlantis"}, "window.timeZone 'Europe/Atlantis' is no time zone"),
        ({"timeZone": ""}, "window.timeZone '' is no time zone"),
        ({"timeZone": "Europe"}, "window.timeZone 'Europe' is no time zone"),
        ({"timeZone": "../../etc/passwd"}, "window.timeZone '../../etc/passwd' is no time zone"),
        ({"start": "2:00"}, "window.start '2:00' is no time of day: HH:MM"),
        ({"start": "02:00:00"}, "window.start '02:00:00' is no time of day: HH:MM"),
        ({"end": "25:00"}, "window.end '25:00' is no time of day: HH:MM"),
        ({"end": "24:01"}, "window.end '24:01' is no time of day: HH:MM"),
        ({"end": "noon"}, "window.end 'noon' is no time of day: HH:MM"),
        ({"end": ""}, "window.end '' is no time of day: HH:MM"),
        ({"end": "02:00"}, "window.start and window.end are the same: it would never be open"),
    ],
)
def test_what_is_no_window(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its whole text is looked at
        window(SUNDAY_NIGHT, **changes)
    assert str(caught.value) == fault
    wrong: Any = {**SUNDAY_NIGHT, **changes}
    assert restart_fault({"window": wrong}) == f"restart.{fault}"


def test_rules_of_a_restart_that_are_right() -> None:
    assert restart_fault({}) == ""
    assert restart_fault({"mode": "never"}) == ""
    assert restart_fault({"mode": "when-needed", "failover": "planned"}) == ""
    assert restart_fault({"window": BERLIN, "failover": "forced", "allowPending": ["x"]}) == ""


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"mode": "always"}, "restart is 'always': use when-needed, never or a window"),
        ({"failover": "soon"}, "restart.failover is 'soon': use planned or forced"),
    ],
)
def test_rules_of_a_restart_that_are_wrong(rules: Any, fault: str) -> None:
    assert restart_fault(rules) == fault
