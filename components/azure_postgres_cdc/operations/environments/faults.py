"""A fault of a stack's file: file, line, key, rule, remedy."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import DEFAULT_PUBLICATION, DEFAULT_SLOT
from azure_postgres_cdc.operations.environments.engine_yaml import below, child, line_of, pairs
from azure_postgres_cdc.secret_settings import SECRETS
from azure_postgres_cdc.setting_types import SettingsModel

_PAGE = "docs/configuration.md has every key"
_MISSING_KEY = re.compile(r"\.([\w.\[\]]+)")
_INDEX = re.compile(r"\[(\d+)\]")
_NAMED = re.compile(r"(?P<kind>database|slot|publication) (?P<name>.+?)(?: is |: )")
_DEFAULTS = {"slot": DEFAULT_SLOT, "publication": DEFAULT_PUBLICATION}
_IN_QUOTES = re.compile(r"'([^']+)'")
_WHOSE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong. `line` counts from 1."""

    file: str
    line: int
    key: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        # A key or a value may hold line breaks, or play with the terminal.
        text = f"{self.file}:{self.line}: {self.key}: {self.rule}. Remedy: {self.remedy}"
        return str(CdcError(text))


def fault_at(file: str, config: MappingNode, text: str) -> Fault:
    """What `parse` says, such as `databases[0].slot: 'A b' is no slot name`, with its place.

    `config`: the project's settings, with their keys as `parse` knows them.
    """
    node, line, key, rest = _walked(config, text)
    missing = _MISSING_KEY.match(rest)
    if key and missing:
        key, rest = f"{key}.{missing[1]}", rest[missing.end() :]
    elif not key:
        line, key, rest = _named(config, text)
    elif not isinstance(node, ScalarNode):
        line, key = _quoted(node, key, rest) or (line, key)
    # Some say themselves what helps.
    rule, _, remedy = rest.removeprefix(":").strip().partition(". Remedy: ")
    return Fault(file, line, key, rule, remedy or _remedy(key, rule, node))


def _walked(config: Node, text: str) -> tuple[Node, int, str, str]:
    """As far as a text's beginning leads: the node, its line, the path, the rest of the text."""
    node, line, path, rest = config, line_of(config), "", text
    while True:
        step = _step(node, rest, first=not path)
        if step is None:
            return node, line, path, rest
        begin, node, taken = step
        path += rest[:taken].replace(": ", ".")
        line, rest = line_of(begin), rest[taken:]


def _step(node: Node, rest: str, *, first: bool) -> tuple[Node, Node, int] | None:
    """One key or index further: the node it begins with, its value, the characters it takes."""
    index = _INDEX.match(rest)
    if isinstance(node, SequenceNode) and index and int(index[1]) < len(node.value):
        item = node.value[int(index[1])]
        return item, item, index.end()
    separator = "" if first else next((s for s in (".", ": ") if rest.startswith(s)), None)
    if separator is None:
        return None
    after = rest[len(separator) :]
    # Names of tables may hold a dot: the longest key counts.
    for name, key, value in sorted(pairs(node), key=lambda pair: -len(pair[0])):
        if name and after.startswith(name) and after[len(name) :][:1] in ("", ".", "[", ":", " "):
            return key, value, len(separator) + len(name)
    return None


def _named(config: Node, text: str) -> tuple[int, str, str]:
    """Where a fault belongs that names things instead of keys."""
    found = _NAMED.match(text)
    databases = child(config, "databases")
    items = databases.value if isinstance(databases, SequenceNode) else []
    if found:
        key = "name" if found["kind"] == "database" else found["kind"]
        for index, item in reversed(list(enumerate(items))):
            node = child(item, key)
            value = node.value if isinstance(node, ScalarNode) else _DEFAULTS.get(key)
            if value == found["name"]:
                rule = text[found.end() :] if key == "name" else text
                return line_of(node or item), f"databases[{index}].{key}", rule
    quoted = _quoted(config, "", text)
    if quoted:
        return *quoted, text
    whole = re.match(r"\w+", text)
    if whole and text[whole.end() :].startswith(":"):
        return line_of(config), whole[0], text[whole.end() :]
    return line_of(config), "config", text


def _quoted(node: Node, path: str, text: str) -> tuple[int, str] | None:
    """The first key or value below a node that the text has in quotes: its line and path."""
    names = _IN_QUOTES.findall(text)
    for here, _, begin, value in below(node, path):
        found = {item.value for item in (begin, value) if isinstance(item, ScalarNode)}
        if found & set(names):
            return line_of(begin), here
    return None


def _remedy(key: str, rule: str, node: Node) -> str:
    name = key.rpartition(".")[2]
    if rule.startswith("is no known key"):
        return _spelling(name)
    if rule.endswith("is still to be filled in"):
        return "write the value in its place, without the angle brackets"
    if rule.startswith("pulumi config set") or "; pulumi config set" in rule:
        return f"run that; it keeps {name} encrypted"
    if "is missing" in rule:
        below = f" below line {line_of(node)}" if isinstance(node, MappingNode) else ""
        return f"add {name if rule.startswith('is missing') else 'it'}{below}; {_PAGE}"
    return f"correct it here; {_PAGE}"


def _spelling(name: str) -> str:
    """The known key that comes nearest, and whose it is."""
    owners: dict[str, list[str]] = {secret: ["the file"] for secret in SECRETS}
    for model in _models(SettingsModel):
        whose = _WHOSE.search(model.__doc__ or "")
        for field in model.model_fields:
            owners.setdefault(field, []).append(whose[1] if whose else "the file")
    near = difflib.get_close_matches(name, owners, 1, 0.6)
    if not near:
        return f"take it out; {_PAGE}"
    return f"{near[0]} is a key of {' and of '.join(sorted(owners[near[0]]))}; {_PAGE}"


def _models(kind: type[SettingsModel]) -> list[type[SettingsModel]]:
    return [found for model in kind.__subclasses__() for found in (model, *_models(model))]
