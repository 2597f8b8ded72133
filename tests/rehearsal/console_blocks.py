"""Commands in the documentation, run as they stand, their output held against what is written.

A block ```console has commands after `$ ` and the output of each below it. `…` on a line of its own
stands for any lines. A block ```yaml title="FILE" is written into that file first. What differs
from run to run (times, LSNs, ports, identifiers) is made the same on both sides.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support import PROJECT

ANY_LINES = "…"
_FENCE = re.compile(
    r"^```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME"),
    (re.compile(r"\b[0-9A-F]+/[0-9A-F]{6,8}\b"), "LSN"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s)\b"), "DURATION"),
    (re.compile(r"\b\d{19}\b"), "IDENTIFIER"),
)
_NOT_OURS = (
    ".git",
    ".venv",
    ".engine",
    ".rehearsal",
    "site",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
)


@dataclass(frozen=True)
class Step:
    """A command with its output, or a file that a reader writes before going on."""

    command: str
    output: str
    file: str = ""


def steps_of(page: Path) -> list[Step]:
    """What a page has its reader do, in order."""
    found: list[Step] = []
    for fence in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if fence["kind"] == "console":
            found += _commands(fence["text"])
        elif fence["title"]:
            found.append(Step("", fence["text"], fence["title"]))
    return found


def _commands(text: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Step(command.strip(), output.strip("\n"))


def clean_copy(folder: Path) -> Path:
    """The project as a clone has it, with the environment and the engine that are here already."""
    copy = folder / "azure-postgres-cdc"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(*_NOT_OURS))
    for name in (".venv", ".engine"):
        if (PROJECT / name).exists():
            (copy / name).symlink_to(PROJECT / name)
    for file in (copy / "pyproject.toml", copy / "requirements" / "dev.txt"):
        os.utime(file, (0, 0))  # make takes what is newer than these for set up
    return copy


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As a reader's shell does, in an environment with no credential in it."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    plain = {key: os.environ[key] for key in kept if key in os.environ}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**plain, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def difference(written: str, printed: str) -> str:
    """The first line that is written and was not printed in its place; empty where all were."""
    wanted, found = _same(written), _same(printed)
    position, anywhere = 0, False
    for line in wanted:
        if line == ANY_LINES:
            anywhere = True
            continue
        try:
            place = found.index(line, position)
        except ValueError:
            return f"not printed: {line}"
        if place > position and not anywhere:
            return f"printed before {line!r}: {found[position]}"
        position, anywhere = place + 1, False
    if position < len(found) and not anywhere:
        return f"printed and not written: {found[position]}"
    return ""


def _same(text: str) -> list[str]:
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]
