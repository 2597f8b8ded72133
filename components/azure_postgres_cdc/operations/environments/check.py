"""`config check`: everything that is wrong with a stack's file, with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from azure_postgres_cdc.operations.environments.engine_yaml import (
    Unreadable,
    below,
    child,
    compose,
    construct,
    line_of,
    pairs,
    repeated_keys,
)
from azure_postgres_cdc.operations.environments.faults import Fault, fault_at
from azure_postgres_cdc.operations.environments.project import Project, shown
from azure_postgres_cdc.secret_settings import (
    OBJECTS,
    SECRETS,
    decoded,
    lacks_password,
    secret_faults,
)
from azure_postgres_cdc.settings import Settings, parse

_OF_PULUMI = ("config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment")
_QUOTED = re.compile(r"'[^']{5,}'")


@dataclass
class Checked:
    """A stack's file, and how it stands."""

    stack: str
    file: str
    """Its path, as it is shown."""
    settings: Settings | None = None
    """None where there are faults."""
    secret: set[str] = field(default_factory=set)
    """The keys that are encrypted, other namespaces' included."""
    others: dict[str, Any] = field(default_factory=dict)
    """What other namespaces have in plain text, such as azure-native:location."""
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What `up` needs, and what may well come from somewhere else."""


def check(project: Project, stack: str) -> Checked:
    """Look at a stack's file; nothing else is read but its `tablesFile`s. Raises a CdcError."""
    path = project.existing(stack)
    found = Checked(stack, shown(path))
    root = None
    try:
        root = compose(path.read_text(encoding="utf-8"))
        config = _config(found, project, root)
        repeated = {key[0]: key for key in (*repeated_keys(root), *repeated_keys(config))}
        found.faults += [_repeated(found.file, *key) for key in repeated.values()]
        if config is not None:
            _examine(found, project, config)
    except Unreadable as error:
        found.faults.append(_unreadable(found.file, error))
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        found.faults.append(_unreadable(found.file, Unreadable(line, "it is not UTF-8")))
    found.faults = sorted(set(found.faults))
    if found.faults:
        found.settings = None
    if child(root, "environment") is not None:
        found.notes.append("environment: what comes from Pulumi ESC is not looked at here")
    return found


def _config(found: Checked, project: Project, root: Node | None) -> MappingNode | None:
    """The project's own settings, keys without the namespace; the rest goes into `found`."""
    for name, key, _ in pairs(root):
        if name not in _OF_PULUMI:
            found.faults.append(_stray(found.file, project, key, name))
    whole = child(root, "config")
    if not isinstance(whole, MappingNode):
        line, rule = (line_of(whole), "is no mapping") if whole else (1, "is missing")
        remedy = "write the settings below config:, or start with azure-postgres-cdc new-stack"
        if not any(fault.key in OBJECTS for fault in found.faults):
            found.faults.append(Fault(found.file, line, "config", rule, remedy))
        return None
    own: list[tuple[Node, Node]] = []
    for name, key, value in pairs(whole):
        space, _, short = name.rpartition(":")
        if space in ("", project.name):
            own.append((ScalarNode(key.tag, short, key.start_mark, key.end_mark), value))
        elif short in (*OBJECTS, *SECRETS):
            found.faults.append(_elsewhere(found.file, project, key, name))
        elif _is_secret(value):
            found.secret.add(name)
        else:
            found.others[name] = construct(value)
    begin = next((key for name, key, _ in pairs(root) if name == "config"), whole)
    return MappingNode(whole.tag, own, begin.start_mark, whole.end_mark)


def _examine(found: Checked, project: Project, config: MappingNode) -> None:
    values: dict[str, Any] = {}
    for name, _, value in pairs(config):
        if _is_secret(value):
            found.secret.add(name)
        values[name] = decoded(construct(value))
    texts = [*secret_faults(values, found.secret), *_hidden(config)]
    given = {key: value for key, value in values.items() if key not in SECRETS}
    found.settings, faults = parse(given, project.root)
    found.faults += [fault_at(found.file, config, text) for text in (*texts, *faults)]
    if lacks_password(values):
        found.notes.append(
            f"adminPassword: is not set yet; pulumi config set --stack {found.stack} "
            "--secret adminPassword"
        )


def _hidden(config: MappingNode) -> Iterator[str]:
    """Secrets inside of settings."""
    for path, _, _, value in below(config):
        if _is_secret(value) and path not in (*SECRETS, *OBJECTS):
            yield (
                f"{path}: holds a secret, which would come back in plain text; the only secrets "
                f"are {' and '.join(SECRETS)}, top-level"
            )


def _is_secret(value: Node) -> bool:
    return [name for name, _, _ in pairs(value)] == ["secure"]


def _repeated(file: str, line: int, path: str, first: int) -> Fault:
    rule = f"is there twice, first on line {first}"
    return Fault(file, line, path, rule, "take one of them out")


def _stray(file: str, project: Project, key: Node, name: str) -> Fault:
    if name.rpartition(":")[2] in (*OBJECTS, *SECRETS):
        rule = "stands beside config:, where Pulumi passes it over"
        remedy = "put it below config:, indented"
    else:
        rule, remedy = "is no key of a stack's file", f"one of {', '.join(_OF_PULUMI)}"
    return Fault(file, line_of(key), name.removeprefix(f"{project.name}:"), rule, remedy)


def _elsewhere(file: str, project: Project, key: Node, name: str) -> Fault:
    space, _, short = name.rpartition(":")
    return Fault(
        file,
        line_of(key),
        name,
        f"is in the namespace {space}, and this project is {project.name}: it would not be read",
        f"write {project.name}:{short}",
    )


def _unreadable(file: str, error: Unreadable) -> Fault:
    # A text in quotes is out of the file, and may be a part of a password.
    reason = _QUOTED.sub("...", error.reason)
    tab = "\\t" in reason
    remedy = "indent with spaces" if tab else "mend the line, or the one before it"
    return Fault(file, error.line, "YAML", reason, remedy)
