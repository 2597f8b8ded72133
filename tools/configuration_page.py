#!/usr/bin/env python3
"""Write docs/configuration.md from the settings' own schema; `--check`: is it current?

The keys, their types and defaults are those of the pydantic models, the meaning is what stands
below the attribute, there or in the component's arguments. The text around the tables is
tools/configuration_template.md, where `{{server.create}}` stands for a table.
"""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from attribute_docs import attribute_docs, cell, without_default, write_or_check
from pydantic.fields import FieldInfo

from azure_postgres_cdc import connector, plan, server_args, server_settings, setting_types
from azure_postgres_cdc.azure import alerts, network, new_server, parameters, restart, window
from azure_postgres_cdc.database import capture, connection, grants, logins
from azure_postgres_cdc.setting_types import SettingsModel
from azure_postgres_cdc.settings import (
    Capture,
    Connector,
    Database,
    Grants,
    Settings,
    Ssh,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
TEMPLATE = ROOT / "tools" / "configuration_template.md"

# The component's arguments that a part of the settings becomes. A key that is there under another
# name, or that the settings alone have, is explained in the settings.
_ARGUMENTS: Mapping[type[SettingsModel], type] = {
    server_settings.Server: server_args.CdcServerArgs,
    server_settings.Create: new_server.CreateArgs,
    server_settings.Subnet: new_server.SubnetArgs,
    server_settings.PrivateEndpoint: network.PrivateEndpointArgs,
    server_settings.Entra: new_server.EntraArgs,
    server_settings.EntraAdministrator: new_server.EntraAdministratorArgs,
    server_settings.Restart: restart.RestartArgs,
    server_settings.Window: window.WindowArgs,
    server_settings.Alerts: alerts.AlertsArgs,
    server_settings.Login: logins.LoginArgs,
    server_settings.Range: network.AddressRange,
    server_settings.Exactly: parameters.ExactlyArgs,
    server_settings.Connection: connection.ConnectionArgs,
    Database: plan.ConnectorArgs,
    Capture: capture.CaptureArgs,
    Grants: grants.GrantsArgs,
    Connector: connector.FormArgs,
    Ssh: connector.SshArgs,
}
_KINDS: Sequence[tuple[Any, str]] = (
    (setting_types.Table, "table"),
    (setting_types.Lsn, "LSN"),
    (setting_types.Port, "1 to 65535"),
    (setting_types.SlotName, "name (a-z, 0-9, _)"),
    (setting_types.ServerName, "name (a-z, 0-9, -)"),
    (setting_types.PlainSchema, "name"),
    (setting_types.Identifier, "name"),
    (setting_types.RoleName, "name"),
)
_PLAIN = {str: "text", int: "whole number", float: "number"}
_PLURALS = {"text": "texts", "name": "names", "table": "tables", "number": "numbers"}
_TABLE = re.compile(r"\{\{(?P<path>[\w.\[\]]+)\}\}")


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of the settings."""

    path: str
    kind: str
    default: str
    meaning: str
    source: str
    """Where the meaning is written."""
    model: type[SettingsModel] | None = None
    """What is below it, where it is a mapping of known keys or holds such."""
    between: str = ""
    """What stands between it and a key below: `[]` of a list, `.NAME` of a mapping by name."""
    schema_default: str | None = None
    """What the schema has, where the text names a default too."""


def keys_of(model: type[SettingsModel]) -> Iterator[Key]:
    """The keys of a part of the settings, in their order."""
    arguments, own = _ARGUMENTS.get(model, model), attribute_docs(model)
    docs = attribute_docs(arguments) | own
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        meaning, said = without_default(docs.get(name, ""))
        hint = hints[name]
        between = {tuple: "[]", dict: ".NAME"}.get(get_origin(hint), "")
        default = _default(field)
        yield Key(
            path=name,
            kind=_kind(hint),
            default=said or default,
            meaning=meaning,
            source=_source(model if name in own else arguments),
            model=_model_in(hint),
            between=between,
            schema_default=default if said and default != "none" else None,
        )


def secrets() -> list[Key]:
    """The keys that are no objects: Pulumi.yaml declares them, and says what each is."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    return [
        Key(
            path=name.rpartition(":")[2],
            kind="secret",
            default="none",
            meaning=item["description"],
            source="`Pulumi.yaml`",
        )
        for name, item in declared.items()
        if item["type"] == "string"
    ]


def every_key() -> dict[str, Key]:
    """All keys by their dotted path, those of a list's items below the list's own."""
    found: dict[str, Key] = {}

    def walk(model: type[SettingsModel], above: str) -> None:
        for key in keys_of(model):
            found[above + key.path] = key
            if key.model is not None:
                walk(key.model, f"{above}{key.path}{key.between}.")

    walk(Settings, "")
    return found


def page() -> str:
    """The whole page."""
    template = TEMPLATE.read_text(encoding="utf-8")
    own_tables = {match["path"] for match in _TABLE.finditer(template)} - {"secrets"}
    keys = every_key()

    def table(match: re.Match[str]) -> str:
        path = match["path"]
        if path == "secrets":
            return _table([(key.path, key) for key in secrets()])
        return _table(list(_rows(keys, path, own_tables)))

    return _TABLE.sub(table, template)


def _rows(keys: Mapping[str, Key], path: str, own_tables: set[str]) -> Iterator[tuple[str, Key]]:
    """The keys below a path; what has a table of its own is only named."""
    for full, key in keys.items():
        above = full.rpartition(".")[0]
        inside = above == path or above.startswith(f"{path}.")
        elsewhere = any(
            above == other or above.startswith(f"{other}.")
            for other in own_tables
            if other.startswith(f"{path}.")
        )
        if inside and not elsewhere:
            yield full.removeprefix(f"{path}."), key


def _table(rows: Sequence[tuple[str, Key]]) -> str:
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{name}` | {cell(key.kind)} | {cell(key.default)} | {cell(key.meaning)} |"
        for name, key in rows
    ]
    sources = dict.fromkeys(key.source for _, key in rows)
    return "\n".join([*lines, "", f"Source: {', '.join(sources)}."])


def _source(owner: type) -> str:
    """A class, and its file in the library."""
    _, _, module = owner.__module__.partition(".")
    return f"`{owner.__name__}` in `{module.replace('.', '/')}.py`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ({}, ()) or isinstance(value, SettingsModel):
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kind(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is dict:
        return f"by name: {_kind(get_args(hint)[1])}"
    if origin is tuple:
        inner = _kind(get_args(hint)[0])
        return f"list of {_PLURALS.get(inner, inner)}"
    words = list(dict.fromkeys(_words(hint)))
    if "number" in words and "whole number" in words:
        words.remove("whole number")
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _words(hint: Any) -> Iterator[str]:
    """What a value may be, one way after the other."""
    known = next((words for kind, words in _KINDS if kind == hint), None)
    origin, parts = get_origin(hint), get_args(hint)
    if known:
        yield known
    elif origin is Annotated:
        yield from _words(parts[0])
    elif origin is Literal:
        yield from (f"`{json.dumps(part) if part is True else part}`" for part in parts)
    elif origin in (Union, types.UnionType):
        for part in parts:
            if part is not type(None):
                yield from _words(part)
    elif origin in (tuple, dict):
        yield _kind(hint)
    elif hint is bool:
        yield from ("`true`", "`false`")
    else:
        yield _PLAIN.get(hint, "keys")


def _model_in(hint: Any) -> type[SettingsModel] | None:
    if isinstance(hint, type):
        return hint if issubclass(hint, SettingsModel) else None
    found = [_model_in(part) for part in get_args(hint)]
    return next((model for model in found if model is not None), None)


def main() -> int:
    """Write the page, or look whether it is current."""
    return write_or_check(PAGE, page())


if __name__ == "__main__":
    sys.exit(main())
