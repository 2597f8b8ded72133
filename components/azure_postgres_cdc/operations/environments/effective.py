"""A stack's settings with every default applied, key by key, so that two can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from azure_postgres_cdc.azure.alerts import DEFAULT_PERCENT
from azure_postgres_cdc.azure.new_server import DEFAULT_STORAGE_GIB, DEFAULT_VERSION
from azure_postgres_cdc.azure.parameters import as_text
from azure_postgres_cdc.database.logins import NO_LIMIT
from azure_postgres_cdc.names import DEFAULT_SCHEMA
from azure_postgres_cdc.server_args import NONE, restart_rules
from azure_postgres_cdc.server_settings import Restart
from azure_postgres_cdc.setting_types import SettingsModel
from azure_postgres_cdc.settings import Settings

# What a component does where its argument is left out: the settings' models do not say it.
_OF_SERVER = {
    "create.version": DEFAULT_VERSION,
    "create.storageGiB": DEFAULT_STORAGE_GIB,
    "create.highAvailability": "Disabled",
    "create.backupRetentionDays": 7,
    "create.geoRedundantBackup": False,
    "alerts.storagePercent": DEFAULT_PERCENT,
    "alerts.collector": False,
    "alerts.longestTransactionMinutes": 60,
    "login.bypassRls": False,
    "login.connectionLimit": NO_LIMIT,
}


class Value(NamedTuple):
    """What holds for a key, and whether it is what holds where nothing is said."""

    value: Any
    is_default: bool


Values = dict[str, Value]


def of_server(settings: Settings) -> Values:
    """`server` and `connection`."""
    server = settings.server
    defaults = dict(_OF_SERVER)
    if server.create is not None:
        defaults["create.administrator"] = settings.connection.user
    found = dict(_flat(server.model_copy(update={"restart": None}), "", defaults))
    if server.management != NONE:
        given = server.restart
        rules = given if isinstance(given, Restart) else Restart(mode=given)
        assumed = restart_rules({"management": server.management, "connection": {}})  # type: ignore[typeddict-item]
        found |= dict(_flat(rules, "restart", {"restart.mode": assumed["mode"]}))
    named = {f"server.{key}": value for key, value in found.items()}
    return named | dict(_flat(settings.connection, "connection", {}))


def of_connectors(settings: Settings, root: Path) -> dict[str, dict[str, Values]]:
    """The connectors by database and slot. `root`: what `tablesFile` is relative to."""
    found: dict[str, dict[str, Values]] = {}
    for item in settings.databases:
        signal = None if item.snapshots == "read-only" else DEFAULT_SCHEMA
        defaults = {
            "user": settings.server.user,
            "role": settings.server.role,
            "connector.name": item.name,
            "connector.signalSchema": signal,
            "connector.heartbeatSchema": item.connector.signalSchema or signal,
        }
        values = dict(_flat(item.model_copy(update={"capture": None}), "", defaults))
        for key, names in item.capture.arguments(root).items():
            values[f"capture.{key}"] = Value(_plain(names), is_default=False)
        found.setdefault(item.name, {})[item.slot] = values
    return found


def _flat(
    model: SettingsModel, path: str, defaults: Mapping[str, Any]
) -> Iterator[tuple[str, Value]]:
    """Every key of a model, with what holds for it."""
    for name, field in type(model).model_fields.items():
        here = f"{path}.{name}" if path else name
        value = getattr(model, name)
        default = field.get_default(call_default_factory=True)
        default = defaults.get(here) if default is None else default
        value = default if value is None else value
        if isinstance(value, SettingsModel):
            yield from _flat(value, here, defaults)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                text = as_text(item) if here == "parameters" and _is_plain(item) else _plain(item)
                yield f"{here}.{key}", Value(text, is_default=False)
        else:
            yield here, Value(_plain(value), _plain(value) == _plain(default))


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float))


def _plain(value: Any) -> Any:
    """As in JSON; lists of names sorted, because their order has no meaning."""
    if isinstance(value, SettingsModel):
        return {key: _plain(item) for key, item in value if item is not None}
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value]
        return sorted(items) if all(isinstance(item, str) for item in items) else items
    return value
