"""The command lines in a pipeline's scripts, held against the tools that they call."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from azure_postgres_cdc.operations import cli
from azure_postgres_rehearsal.cli import app as rehearsal

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("azure-postgres-cdc", "make", "pulumi")
_KEYWORDS = frozenset({"if", "then", "else", "while", "do", "!", "{", "exec"})
_ARRAY = re.compile(r"\boptions\+?=\(([^)]*)\)")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
_FLAG = re.compile(r"^ +(?:(-\w), )?(--[a-z-]+)", re.MULTILINE)


def command_lines(script: str) -> Iterator[list[str]]:
    """Each call of one of TOOLS, as words; the array `options` is taken for all that is put in."""
    options = " ".join(_ARRAY.findall(script))
    text = _ARRAY.sub("", script).replace('"${options[@]}"', options).replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        command: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set("();<>|&"):
                if command and Path(command[0]).name in TOOLS:
                    yield [Path(command[0]).name, *command[1:]]
                command = []
            elif command or not (word in _KEYWORDS or re.match(r"\w+=", word)):
                command.append(word)


def fault(line: list[str]) -> str | None:
    """What the tool would say against a command line; None where it takes it."""
    tool, *words = line
    if tool == "make":
        targets = _TARGET.findall((ROOT / "Makefile").read_text())
        return next((f"no target {word}" for word in words if word not in targets), None)
    return _engine_s(words) if tool == "pulumi" else _ours(words)


def _ours(words: list[str]) -> str | None:
    # `rehearse` hands everything on to the rehearsal's own command line.
    app = rehearsal if words[:1] == ["rehearse"] else cli.app
    command: Any = typer.main.get_command(app)
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    options = [param for param in command.params if param.param_type_name == "option"]
    given = _given(words)
    for option in options:
        if option.required and not given.intersection(option.opts):
            return f"{option.opts[0]} is missing"
    return _unknown(given, {name for option in options for name in option.opts})


def _engine_s(words: list[str]) -> str | None:
    command = next((word for word in words if not word.startswith("-")), "")
    flags = _flags(command)
    return _unknown(_given(words), flags) if flags else f"no command {command}"


@cache
def _flags(command: str) -> frozenset[str]:
    """The flags of a command of the engine's, as its help has them; none where it has no such."""
    built = ROOT / ".engine" / "bin" / "pulumi"
    engine = str(built) if built.is_file() else shutil.which("pulumi")
    if engine is None:
        pytest.skip("no pulumi, on PATH or built: make setup")
    said = subprocess.run(
        [engine, command, "--help"],
        env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    if f"pulumi {command} " not in said:
        return frozenset()
    return frozenset(name for names in _FLAG.findall(said) for name in names if name)


def _given(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("-")}


def _unknown(given: set[str], known: set[str] | frozenset[str]) -> str | None:
    return next((f"no option {name}" for name in sorted(given - known)), None)
