"""YAML as Pulumi's engine reads it (YAML 1.2 in the main), with the line of everything.

PyYAML reads YAML 1.1, where `22:00` is the number 1320 and `yes` is true. A stack that is right for
one of them must not be wrong for the other. ruamel.yaml has a 1.2 of its own,
in which `017` is 17, for the engine 15, and a date is no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_KINDS = ("bool", "int", "float", "timestamp", "value")
_REPLACED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)
_DIGITS = list("-+.0123456789")
_ENDLESS = "something is in itself, or in too many other things"


class _Loader(yaml.SafeLoader):
    """Safe, and with the engine's idea of booleans and numbers."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        first: [(tag, pattern) for tag, pattern in known if tag not in _REPLACED]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*|0o?[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)", _DIGITS),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", _DIGITS),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), _first
    )


class Unreadable(Exception):  # noqa: N818 - reads better where it is raised
    """A text that is no YAML: the line, from 1, and why."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(f"{line}: {reason}")


def compose(text: str) -> Node | None:
    """The text's nodes; None where there is nothing but comments. Raises Unreadable.

    What comes of it has an end: no part of it holds itself.
    """
    try:
        found: Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = str(error.problem)
        # Such as: expected a single document in the stream but found another document.
        reason = f"{error.context} {reason}" if reason.startswith("but ") else reason
        raise Unreadable(mark.line + 1 if mark else 1, reason) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable(line, "a character that YAML does not allow") from None
    except RecursionError:
        raise Unreadable(1, _ENDLESS) from None
    try:
        for _ in below(found):
            pass
    except RecursionError:
        raise Unreadable(1, _ENDLESS) from None
    return found


def construct(node: Node) -> Any:
    """A node's value. Raises Unreadable."""
    try:
        return _Loader("").construct_document(node)
    except (yaml.MarkedYAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None) or node.start_mark
        raise Unreadable(mark.line + 1, str(getattr(error, "problem", error))) from None


def line_of(node: Node) -> int:
    """The line on which a node begins, from 1."""
    return int(node.start_mark.line) + 1


def pairs(node: Node | None) -> list[tuple[str, Node, Node]]:
    """A mapping's keys as texts, with the nodes of key and value; none of anything else."""
    if not isinstance(node, MappingNode):
        return []
    return [
        (str(key.value), key, value) for key, value in node.value if isinstance(key, ScalarNode)
    ]


def child(node: Node | None, name: str) -> Node | None:
    """A mapping's value, if it has the key."""
    return next((value for key, _, value in pairs(node) if key == name), None)


def below(node: Node | None, path: str = "") -> Iterator[tuple[str, Node, Node, Node]]:
    """Everything in mappings and lists: path, the node that it is in, its first node, its value."""
    if isinstance(node, MappingNode):
        for name, key, value in pairs(node):
            here = f"{path}.{name}" if path else name
            yield here, node, key, value
            yield from below(value, here)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            here = f"{path}[{index}]"
            yield here, node, item, item
            yield from below(item, here)


def repeated_keys(node: Node | None) -> Iterator[tuple[int, str, int]]:
    """Keys that a mapping has twice: the line, the path, the line of the first."""
    seen: dict[tuple[int, str], int] = {}
    for path, parent, key, _ in below(node):
        if isinstance(parent, MappingNode):
            mine = (id(parent), str(key.value))
            if mine in seen:
                yield line_of(key), path, seen[mine]
            seen.setdefault(mine, line_of(key))
