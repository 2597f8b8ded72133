"""What a watch shows: in a terminal of any width, as lines, as JSON and as a page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from tests.unit.watch_support import (
    LOST,
    MIB,
    NOON,
    away,
    form,
    history,
    lost,
    reading,
    sample,
    silent,
    unread,
)

from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.watch import lines, page
from azure_postgres_cdc.operations.watch.history import History
from azure_postgres_cdc.operations.watch.sample import Sample, State
from azure_postgres_cdc.operations.watch.screen import Screen

GOLDEN = Path(__file__).parent / "golden"
LONG = form("customer_relationship_management", "customer_relationship_management_slot")
VOID = {"meta", "br", "hr", "img", "link"}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def drawn(
    histories: Mapping[Form, History], width: int, height: int = 100, encoding: str = "utf-8"
) -> str:
    file = StringIO()
    console = Console(
        file=file, width=width, height=height, force_terminal=True, color_system=None,
        legacy_windows=False,
    )  # fmt: skip
    if encoding != "utf-8":
        console = _Ascii(file=file, width=width, height=height, color_system=None)
    console.print(Screen("prod", 2, histories, now=lambda: NOON + 120))
    return file.getvalue()


class _Ascii(Console):
    """On a terminal that can show nothing else."""

    encoding = "ascii"  # type: ignore[assignment]


@pytest.mark.parametrize("width", [48, 80, 160])
def test_layout(width: int) -> None:
    histories = {form(): reading(), LONG: unread(), form("crm"): away(), form("hr"): lost()}
    shown = drawn(histories, width)
    assert shown == (GOLDEN / f"watch-{width}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", range(36, 200, 3))
def test_no_line_is_longer_than_the_terminal_and_none_is_broken(width: int) -> None:
    shown = drawn({form(): reading(), LONG: unread()}, width)
    rows = shown.splitlines()
    assert max(map(len, rows)) <= width
    blocks = 1 if width >= 130 else 2
    # Every block has a frame, a state, five values and a forecast.
    assert len(rows) == 1 + 9 * blocks
    assert shown.count("retained WAL") == 2


def test_ascii_terminal_gets_ascii() -> None:
    shown = drawn({form(): reading(), LONG: unread(), form("hr"): lost()}, 60, encoding="ascii")
    assert shown.isascii()
    assert ">= 118 s" in shown
    assert "* LOST" in shown


def test_more_slots_than_lines_are_a_line_each_and_what_is_lost_comes_first() -> None:
    histories = {form(f"database_{number}"): reading() for number in range(10)}
    histories[form("last")] = lost()
    shown = drawn(histories, 80, height=24).splitlines()
    assert len(shown) <= 24
    assert shown[1].split() == ["lag", "held", "WAL", "forecast"]
    assert shown[2].split() == ["●", "last,", "slot", "slot_shop", "LOST"]
    assert " ".join(" ".join(shown[3:6]).split()).startswith(LOST[:60])
    assert "held WAL does not grow" in shown[-1]


def test_what_is_dangerous_is_said() -> None:
    risky = replace(reading().last, wal_status="unreserved", safe_bytes=0)
    shown = drawn({form(): history(risky)}, 80)
    assert "the slot holds less WAL than it needs soon (wal_status: unreserved)" in shown
    limited = replace(reading().last, safe_bytes=int(5 * MIB))
    assert "5.0 MiB more WAL can be written (safe_wal_size)" in drawn(
        {form(): history(limited)}, 80
    )


def test_picture_says_how_old_it_is() -> None:
    file = StringIO()
    screen = Screen("prod", 2, {form(): reading()}, now=lambda: NOON + 150)
    Console(file=file, width=80).print(screen)
    assert file.getvalue().startswith("stack prod  12:01:58, 32 s ago  every 2 s, Ctrl-C ends it")


# Lines and JSON


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (
            reading(),
            "12:01:58 shop, slot slot_shop: read by pid 4711; wal_status: reserved; lag 3.5 MiB, "
            "0.4 s; retained WAL 11.5 MiB; the WAL that is held does not grow, over the last 118 "
            "seconds",
        ),
        (
            unread(),
            "12:01:58 shop, slot slot_shop: nobody has read it for 118 seconds or more; "
            "wal_status: reserved; lag 118.0 MiB, >= 118 s; retained WAL 118.0 MiB; storage full "
            "in about 27 hours: 96.0 GiB free, and the WAL that is held grows by 1.0 MiB/s, over "
            "the last 118 seconds",
        ),
        (lost(), f"12:02:00 shop, slot slot_shop: LOST; {LOST}"),
        (
            history(silent(0)),
            "12:00:00 shop, slot slot_shop: no answer since 12:00:00; trying on; cannot connect to "
            "database shop on cdc-1:5432: no",
        ),
        (
            history(Sample(NOON, State.NOT_YET)),
            "12:00:00 shop, slot slot_shop: not there yet: the connector makes it (createSlot: "
            "false)",
        ),
    ],
    ids=["read", "unread", "lost", "silent", "not yet"],
)
def test_line(seen: History, text: str) -> None:
    assert lines.line(form(), seen) == text


def test_json() -> None:
    found = json.loads(json.dumps(lines.as_json(form(), unread())))
    assert found == {
        "time": "2026-01-02T12:01:58.000Z",
        "database": "shop",
        "slot": "slot_shop",
        "state": "unread",
        "trouble": "",
        "pid": None,
        "lagBytes": 118 * MIB + 4096,
        "lagSeconds": 118.0,
        "lagSecondsIsLowerBound": True,
        "retainedBytes": 118 * MIB + 4096,
        "walStatus": "reserved",
        "safeWalBytes": None,
        "walBytesPerSecond": MIB,
        "storageBytes": 128 * 2**30,
        "freeBytes": 96 * 2**30,
        "growthBytesPerSecond": MIB,
        "secondsToFull": 98304.0,
    }


# The page


class _Page(HTMLParser):
    """Its elements, every one closed, and its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def everything(refresh: float | None) -> str:
    one = history(sample(0))
    odd = form('<b>"shop"</b>', "slot_&")
    return page.page(
        "prod", {odd: reading(), LONG: unread(), form("crm"): away(), form("hr"): lost(),
                 form("one"): one, form("none"): history(silent(0)), form("new"): History()},
        refresh,
    )  # fmt: skip


def test_page_is_well_formed_and_asks_for_nothing_else() -> None:
    text = everything(2)
    parsed = _Page(text)
    assert parsed.open == []
    for tag, attributes in parsed.seen:
        assert tag not in ("script", "link", "img", "iframe", "object", "use", "image")
        assert not {"src", "href", "xlink:href", "srcset"} & set(attributes)
    assert not re.search(r"url\(|@import|https?:", text)
    assert "a-secret-of-the-form" not in text
    assert "&lt;b&gt;&quot;shop&quot;&lt;/b&gt;, slot slot_&amp;" in text


def test_plots_have_titles_units_and_descriptions() -> None:
    text = everything(None)
    figures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(figures) == 5 * 3
    identities = set()
    for figure in figures:
        drawing = ElementTree.fromstring(figure)  # noqa: S314 - our own
        title, described = drawing.find("title"), drawing.find("desc")
        assert title is not None
        assert described is not None
        assert drawing.get("role") == "img"
        assert drawing.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
        identities.update([title.get("id"), described.get("id")])
        assert re.match(
            r"(lag|lag in time|retained WAL) in \w+, from 12:0\d:\d\d to ", str(described.text)
        )
        for path in drawing.iter("path"):
            points = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
            assert points
            assert all(0 <= float(x) <= 1000 and 0 <= float(y) <= 200 for x, y in points)
    assert len(identities) == 2 * len(figures)
    assert "<figcaption>retained WAL, MiB <b>118.0 MiB</b></figcaption>" in text
    assert "<figcaption>lag in time, seconds <b>≥ 118 s</b></figcaption>" in text
    assert "Storage full in about 27 hours: 96.0 GiB free" in text
    assert text.count('class="line dashed"') == 3  # a forecast where there is one


def test_no_answer_is_a_gap() -> None:
    made = away()
    made.add(sample(140))
    made.add(sample(142))
    text = page.page("prod", {form(): made}, None)
    for figure in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert figure.count('class="line"') == 2


def test_page_asks_again_while_the_watch_goes_on() -> None:
    assert '<meta http-equiv="refresh" content="2">' in everything(2)
    assert '<meta http-equiv="refresh" content="1">' in everything(0.2)
    assert 'http-equiv="refresh"' not in everything(None)
    assert "Watched from 2026-01-02 12:00:00 +0000 to 2026-01-02 12:02:18 +0000." in everything(
        None
    )


def test_page_is_replaced_in_one_go(tmp_path: Path) -> None:
    file = tmp_path / "slots.html"
    page.write(file, "old")
    with file.open(encoding="utf-8") as opened:
        page.write(file, "new")
        assert opened.read() == "old"
    assert file.read_text(encoding="utf-8") == "new"
    assert file.stat().st_mode & 0o777 == 0o644
    with pytest.raises(UnicodeEncodeError):
        page.write(file, "\ud800")
    assert [item.name for item in tmp_path.iterdir()] == ["slots.html"]


def _brightness(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_can_be_read_on_its_ground() -> None:
    """WCAG AA: 4.5 to 1, in both color schemes."""
    light, dark = re.findall(r":root \{(.*?)\}", page._STYLE, re.DOTALL)
    for scheme in (light, dark):
        colors = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        colors["card"] = colors["card"].replace("#fff", "#ffffff")[:7]
        for name in ("ink", "soft", "read", "unread", "lost"):
            pair = sorted((_brightness(colors[name]), _brightness(colors["card"])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, name
