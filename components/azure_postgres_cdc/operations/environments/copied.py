"""A new stack's file out of another one's: without its secrets, and not for its server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from yaml.nodes import CollectionNode, Node, ScalarNode

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.environments.engine_yaml import (
    below,
    child,
    compose,
    line_of,
    pairs,
)
from azure_postgres_cdc.placeholders import is_placeholder
from azure_postgres_cdc.secret_settings import SECRETS, may_be_secret

_OF_ONE_STACK = ("encryptionsalt", "encryptedkey", "secretsprovider")
_OF_ONE_SERVER = ("server.resourceGroup", "server.name", "connection.host")
_ACKNOWLEDGED = ("acknowledge", "acknowledgeLostSlot")
_HEAD = """\
# Stack {stack}, written from {source}: what stands in <angle brackets> is still to be filled in.
"""


@dataclass
class Copy:
    """The text of a new stack's file, and what it does without."""

    text: str
    secrets: list[str] = field(default_factory=list)
    """The keys that were encrypted and have to be set again."""
    left_out: list[str] = field(default_factory=list)
    alike: list[tuple[int, str, str]] = field(default_factory=list)
    """What has the other stack's name in it: line, key, value."""


def copied(text: str, project: str, source: str, stack: str) -> Copy:
    """Write a stack's file from another one's, which has no fault."""
    root = compose(text)
    copy = Copy("")
    lines: list[str | None] = list(text.splitlines())
    values: list[tuple[Node, str]] = []
    # What stands above everything is about the other stack.
    for index in range(line_of(root) - 1 if root else 0):
        lines[index] = None
    for path, _, key, value in below(root):
        short = _short(path, project)
        name = short.rpartition(".")[2]
        if path in _OF_ONE_STACK or name in _ACKNOWLEDGED:
            copy.left_out.append(short)
            _cut(lines, key, value)
        elif short in SECRETS or [name for name, _, _ in pairs(value)] == ["secure"]:
            copy.secrets.append(short)
            _cut(lines, key, value)
        elif short in _OF_ONE_SERVER and isinstance(value, ScalarNode):
            values.append((value, _quoted(f"<{name}; {source} has {value.value}>")))
    for _, key, _ in pairs(child(root, "config")):
        if ":" not in str(key.value):
            # `pulumi config set` does so too, and loses the comments below the key.
            values.append((key, f"{project}:{key.value}"))
    values.sort(key=lambda item: item[0].start_mark.index)
    # From the end: two may stand on one line.
    for node, written in reversed(values):
        _replace(lines, node, written)
    kept = "\n".join(line for line in lines if line is not None)
    copy.text = _HEAD.format(stack=stack, source=source) + kept.strip("\n") + "\n"
    copy.alike = list(_alike(copy.text, project, source))
    return copy


def _short(path: str, project: str) -> str:
    return path.removeprefix("config.").removeprefix(f"{project}:")


def _cut(lines: list[str | None], key: Node, value: Node) -> None:
    """Take out whole lines. Raises a CdcError where a key does not begin one."""
    begin, end = key.start_mark, _last(value).end_mark
    line = lines[begin.line]
    if line is None or line[: begin.column].strip():
        raise CdcError(
            f"line {begin.line + 1}: {key.value} cannot be left out, where it begins no line. "
            "Remedy: give it a line of its own"
        )
    # A text over several lines ends where the next line begins.
    for index in range(begin.line, end.line + (1 if end.column else 0)):
        lines[index] = None


def _last(node: Node) -> Node:
    """A block's own end is where the next thing begins: what ends it is its last value."""
    while isinstance(node, CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


def _replace(lines: list[str | None], node: Node, text: str) -> None:
    begin, end = node.start_mark, node.end_mark
    line = lines[begin.line]
    if line is not None and begin.line == end.line:
        lines[begin.line] = line[: begin.column] + text + line[end.column :]


def _quoted(text: str) -> str:
    """As a text of YAML."""
    return json.dumps(text, ensure_ascii=False)


def _alike(text: str, project: str, source: str) -> list[tuple[int, str, str]]:
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(source)}(?![A-Za-z0-9])")
    return [
        (line_of(value), _short(path, project), value.value)
        for path, _, _, value in below(compose(text))
        if isinstance(value, ScalarNode)
        and word.search(value.value)
        and not (is_placeholder(value.value) or may_be_secret(path))
    ]
