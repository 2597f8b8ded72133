"""A stack's settings, as the YAML has them: the least, and changes to that."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from azure_postgres_cdc.settings import Settings, parse

SHOP = "databases.0."
ANYWHERE = Path("nowhere")
MADE: dict[str, Any] = {
    "management": "create",
    "resourceGroup": "rg",
    "name": "cdc-1",
    "create": {"sku": "Standard_D2ds_v5"},
}
"""A server that the stack makes."""
WINDOW = {"days": ["sunday"], "start": "02:00", "end": "04:00"}


def minimal() -> dict[str, Any]:
    return {
        "server": {"management": "existing", "resourceGroup": "rg", "name": "cdc-1"},
        "connection": {"user": "cdc_admin"},
        "databases": [{"name": "shop", "capture": {"tables": ["public.orders"]}}],
    }


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The minimal settings with changes, by dotted path; `...` takes a key out."""
    settings = copy.deepcopy(minimal())
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = settings
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)
    return settings


def faults(changes: dict[str, Any], root: Path = ANYWHERE) -> list[str]:
    settings, found = parse(changed(changes), root)
    assert (settings is None) == bool(found)
    return found


def valid(changes: dict[str, Any] | None = None, root: Path = ANYWHERE) -> Settings:
    settings, found = parse(changed(changes or {}), root)
    assert found == []
    assert settings is not None
    return settings
