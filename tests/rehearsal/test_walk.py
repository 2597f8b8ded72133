"""A new user's walk: docs/start.md from a clean copy to a rehearsed stack of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_blocks import Step, clean_copy, difference, run, steps_of
from support import PROJECT

PAGE = PROJECT / "docs" / "start.md"
WALK, FOR_REAL = "## A stack of your own, rehearsed", "## Now for real"
MOST_COMMANDS = 6


def walk(tmp_path: Path) -> list[Step]:
    """The steps between the two headings."""
    text = PAGE.read_text(encoding="utf-8")
    part = tmp_path / "walk.md"
    part.write_text(text[text.index(WALK) : text.index(FOR_REAL)], encoding="utf-8")
    return steps_of(part)


def test_the_walk_prints_what_is_written(tmp_path: Path) -> None:
    steps = walk(tmp_path)
    assert len([step for step in steps if step.command]) <= MOST_COMMANDS
    copy = clean_copy(tmp_path)
    assert steps[0].command.startswith("git clone ")  # the copy stands for it
    for step in steps[1:]:
        if step.file:
            (copy / step.file).write_text(step.output, encoding="utf-8")
            continue
        result = run(step.command, copy)
        assert result.returncode == 0, f"{step.command}\n{result.stdout}"
        if step.command == "make setup":
            continue  # what is set up once is set up already
        wrong = difference(step.output, result.stdout)
        assert not wrong, f"$ {step.command}\n{wrong}\n\n{result.stdout}"


@pytest.mark.parametrize(
    ("written", "printed", "wrong"),
    [
        ("a\nb", "a\nb\n", ""),
        ("a\n…\nc", "a\nb\nb\nc", ""),
        ("…", "a\nb", ""),
        ("a", "a\nb", "printed and not written: b"),
        ("a\nc", "a\nb\nc", "printed before 'c': b"),
        ("a\nd", "a\nb", "not printed: d"),
        ("2026-01-02T03:04:05Z 7 s 0/16B3748", "2027-01-02 03:04:05.6 1.5 s 1/A000000", ""),
        ("", "a", "printed and not written: a"),
    ],
)  # fmt: skip
def test_a_difference_is_seen(written: str, printed: str, wrong: str) -> None:
    assert difference(written, printed) == wrong
