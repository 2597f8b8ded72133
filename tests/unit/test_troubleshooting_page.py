"""docs/troubleshooting.md has an entry for every message, and none that no longer exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from azure_postgres_cdc import errors
from azure_postgres_cdc.database import connection

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "components" / "azure_postgres_cdc"
PAGE = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = [found[1] for found in re.findall(r"^#### (`+)(.+)\1$", PAGE, re.MULTILINE)]
RAISED = {"CdcError", "Unreachable", "Passing", "kind"}
REMEDY = re.compile(r"[.,]? ?Remedy.*", re.DOTALL)
LEAST = 9
"""Letters without which a text says nothing by itself: it only puts others together."""


FAULTS = re.findall(r"^\| `(.+?)`[ ,].*\|$", PAGE, re.MULTILINE)
SETTINGS = (
    "acknowledge.py", "argument_shapes.py", "azure/alerts.py", "azure/key_vault.py",
    "azure/network.py", "azure/new_server.py", "azure/restart.py", "azure/window.py",
    "consistency.py",
    "database/capture.py", "database/grants.py", "database/logins.py", "names.py", "plan.py",
    "publication_options.py", "row_filter.py", "server_args.py", "setting_types.py", "settings.py",
    "slot_options.py", "source.py",
)  # fmt: skip
"""Where faults of the settings are found."""
NO_FAULTS = ("acknowledge: ['*']", "(now: * sessions, * of replication)")


class Message(NamedTuple):
    """A message as the code has it, up to its remedy; `*` stands for what differs."""

    where: str
    text: str

    def fits(self, entry: str) -> bool:
        """Whether an entry is this message with something in each place."""
        first, *others = self.text.split("*")
        if not entry.startswith(first):
            return False
        if not others:
            return entry == first
        position = len(first)
        *between, last = others
        for part in between:
            position = entry.find(part, position)
            if position < 0:
                return False
            position += len(part)
        return entry.endswith(last) and len(entry) - len(last) >= position

    @property
    def says_something(self) -> bool:
        return sum(character.isalpha() for character in self.text) >= LEAST


def constants() -> dict[str, str]:
    """The package's own constants, where one name has one value."""
    found: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            name = (
                node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            )
            value = getattr(node, "value", None)
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                found.setdefault(name.id, set()).add(str(value.value))
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


CONSTANTS = constants()


def text_of(node: ast.AST) -> str:
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        return CONSTANTS.get(node.value.id, "*")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("*", "\N{ASTERISK OPERATOR}")
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return "*"


def messages_in(file: Path) -> Iterator[Message]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inner = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.BinOp)
        for part in ast.walk(node)
        if part is not node
    }
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        where = f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            text = " ".join(text_of(node.args[0]).split())
            if node.func.id in RAISED | {"note"}:
                yield Message(where, REMEDY.sub("", text))
            elif node.func.id == "warn" and isinstance(node.args[0], ast.List):
                for item in node.args[0].elts:
                    yield Message(where, REMEDY.sub("", " ".join(text_of(item).split())))
            elif node.func.id == "explained" and len(node.args) < 3:
                yield Message(where, f"{text}: *")
        elif isinstance(node, ast.JoinedStr | ast.Constant) and node not in inner | docstrings:
            text = " ".join(text_of(node).split())
            if "Remedy: " in text:
                yield Message(where, REMEDY.sub("", text))


def faults_in(file: Path) -> Iterator[Message]:
    """What functions yield, return, gather or raise as a ValueError: faults of the settings."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        value = node.value if isinstance(node, ast.Yield | ast.Return) else None
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            value = node.args[0] if name in ("append", "ValueError") else None
        text = " ".join(text_of(value).split()) if value is not None else ""
        if " " in text and text not in NO_FAULTS:
            yield Message(str(file.relative_to(PACKAGE)), REMEDY.sub("", text))


def texts_in(file: Path) -> Iterator[Message]:
    """Everything that the code may say, whoever puts it together."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp):
            yield Message(str(file), REMEDY.sub("", " ".join(text_of(node).split())))


TEXTS = [text for file in PACKAGE.rglob("*.py") for text in texts_in(file) if text.says_something]
MESSAGES = sorted(
    {
        message
        for file in PACKAGE.rglob("*.py")
        for message in messages_in(file)
        if message.says_something
    }
)


def test_the_walk_finds_what_is_known() -> None:
    found = {message.text for message in MESSAGES}
    assert len(found) > 100
    assert "pulumi is not on PATH" in found
    assert "cannot drop publication *: *" in found


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.where)
def test_every_message_has_its_entry(message: Message) -> None:
    # By itself, or as the last sentence of another.
    last_sentence = message._replace(text=f"*. {message.text}")
    found = [entry for entry in ENTRIES if message.fits(entry) or last_sentence.fits(entry)]
    assert found, f"{message.where}: no entry for: {message.text}"


def test_every_entry_is_a_message_that_there_is() -> None:
    """Or ends in the reason that another part of the code gives."""
    stale = [
        entry
        for entry in ENTRIES
        if not any(text.fits(entry) or text.fits(entry.rpartition(": ")[0]) for text in TEXTS)
    ]
    assert not stale


@pytest.mark.parametrize("file", SETTINGS)
def test_every_fault_of_the_settings_has_its_row(file: str) -> None:
    missing = [
        fault.text
        for fault in faults_in(PACKAGE / file)
        if fault.says_something
        and not any(
            fault.fits(row) or fault._replace(text=f"*{fault.text}").fits(row)
            for row in [*FAULTS, *ENTRIES]
        )
    ]
    assert not missing


def test_what_errors_py_says_by_itself_is_explained() -> None:
    for state, remedy in errors._REMEDIES.items():
        assert f"`{state}`" in PAGE
        assert remedy in PAGE
    assert errors._AGAIN in PAGE
    for state in errors._PASSING:
        assert f"`{state}`" in PAGE, state
    settings = str(errors.InvalidSettings("<file>", ["a", "b"])).splitlines()[0]
    assert settings.replace("2 faults", "<n> faults") in ENTRIES


def test_every_reason_that_a_connection_fails_for_is_explained() -> None:
    for words, _ in connection._REMEDIES:
        assert f"`{words}`" in PAGE, words


def test_no_entry_is_there_twice_and_each_is_explained() -> None:
    assert len(ENTRIES) == len(set(ENTRIES))
    sections = re.split(r"^#{2,4} .+$", PAGE, flags=re.MULTILINE)
    assert sections[-1].strip()
