#!/usr/bin/env python3
"""Write docs/components.md from the classes' own docstrings; `--check`: is it current?

The text around them is tools/components_template.md, where `{{resources}}` stands for every dynamic
resource, and `{{args CdcServerArgs}}` and `{{outputs CdcServer}}` for a table.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from attribute_docs import attribute_docs, cell, class_body, without_default, write_or_check
from pulumi.dynamic import Resource

import azure_postgres_cdc
from azure_postgres_cdc import server, server_args, source
from azure_postgres_cdc.dynamic import CdcProvider

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "components.md"
TEMPLATE = ROOT / "tools" / "components_template.md"

_PLACE = re.compile(r"\{\{(?P<what>\w+)(?: (?P<name>\w+))?\}\}")
_CLASSES = {
    "CdcServer": server.CdcServer,
    "CdcServerArgs": server_args.CdcServerArgs,
    "CdcSource": source.CdcSource,
    "CdcSourceArgs": source.CdcSourceArgs,
}
# The order in which `up` comes to them.
_ORDER = (
    "ExistingServer", "StorageAutoGrow", "ReplicaParameters", "ServerParameters", "ServerRestart",
    "FirewallRule", "EffectiveParameters", "Database", "ConnectorLogins", "GeneratedPassword",
    "ReadAllData", "GroupRoles", "WalSenderTimeout", "SchemaAccess", "SignalTable",
    "HeartbeatTable", "ReplicaIdentity", "Publication", "ReplicationSlot",
)  # fmt: skip


def resources() -> list[type[Resource]]:
    """Every dynamic resource of the package, in the order in which `up` comes to them."""
    for module in pkgutil.walk_packages(azure_postgres_cdc.__path__, "azure_postgres_cdc."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {item.__name__: item for item in _subclasses(Resource) if _token(item)}
    return [found[name] for name in sorted(found, key=_ORDER.index)]


def page() -> str:
    """The whole page."""

    def filled(match: re.Match[str]) -> str:
        if match["what"] == "resources":
            return "\n\n".join(_section(item) for item in resources())
        owner = _CLASSES[match["name"]]
        if match["what"] == "doc":
            return inspect.cleandoc(owner.__doc__ or "")
        if match["what"] == "args":
            return _arguments(owner)
        return _outputs(owner)

    return _PLACE.sub(filled, TEMPLATE.read_text(encoding="utf-8"))


def _subclasses(owner: type[Resource]) -> Iterator[type[Resource]]:
    for item in owner.__subclasses__():
        yield item
        yield from _subclasses(item)


def _token(resource: type) -> str:
    """Its type in Pulumi; empty for a class that is only there to be inherited from."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(resource))).body
    keywords = tree.keywords if isinstance(tree, ast.ClassDef) else []
    named = {item.arg: ast.literal_eval(item.value) for item in keywords}
    if named.get("module") != "azure-postgres-cdc":
        return ""
    return f"pulumi-python:dynamic/azure-postgres-cdc:{named['name']}"


def _section(resource: type[Resource]) -> str:
    """One dynamic resource."""
    inputs, looked_up = _properties(resource)
    outputs = attribute_docs(resource)
    lines = [
        f"### {resource.__name__}",
        "",
        f"`{_token(resource)}`",
        "",
        inspect.cleandoc(resource.__doc__ or ""),
        "",
        f"- Inputs: {_names(inputs)}.",
    ]
    if looked_up:
        lines.append(f"- Filled in by looking at the server: {_names(looked_up)}.")
    lines += [f"- Output `{name}`: {text}" for name, text in outputs.items()]
    lines.append(f"- Deleting it: {_removal(resource)}")
    return "\n".join(lines)


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _properties(resource: type[Resource]) -> tuple[list[str], list[str]]:
    """The properties that it is declared with, and those that are left for its provider."""
    given: list[str] = []
    left: list[str] = []
    for owner in resource.__mro__[: resource.__mro__.index(Resource)]:
        for node in ast.walk(ast.Module(body=class_body(owner), type_ignores=[])):
            if not isinstance(node, ast.Dict):
                continue
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    empty = isinstance(value, ast.Constant) and value.value is None
                    (left if empty else given).append(str(key.value))
    return given, left


def _removal(resource: type[Resource]) -> str:
    """What its provider does when it is deleted, as the provider's `remove` says."""
    module = sys.modules[resource.__module__]
    provider = getattr(module, f"{resource.__name__}Provider")
    if provider.remove is CdcProvider.remove:
        return "nothing changes on the server."
    text = " ".join(inspect.cleandoc(provider.remove.__doc__ or "").split())
    return text[:1].lower() + text[1:]


def _arguments(owner: type) -> str:
    lines = ["| argument | default | meaning |", "| --- | --- | --- |"]
    for name, text in attribute_docs(owner).items():
        meaning, default = without_default(text)
        optional = "NotRequired[" in str(owner.__annotations__[name])
        shown = (default or "none") if optional else "needed"
        lines.append(f"| `{name}` | {cell(shown)} | {cell(meaning)} |")
    return "\n".join(lines)


def _outputs(owner: type) -> str:
    lines = ["| output | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {cell(text)} |" for name, text in attribute_docs(owner).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
