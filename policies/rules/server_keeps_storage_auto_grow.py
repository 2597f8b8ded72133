"""Storage auto-grow is not turned off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from view.declared import Declared
from view.kinds import SERVER
from view.links import STORAGE
from view.remedy import Path
from view.rule import HIGH, REMEDIATE, Config, resource_rule
from view.values import text

NAME = "server-keeps-storage-auto-grow"


def validate(server: Declared, _config: Config) -> Iterator[str]:
    """Said to be off, in so many words, where there is such a thing: on Premium SSD."""
    kind = (text(server.get("storage", "type")) or "Premium_LRS").lower()
    grows = (text(server.get("storage", "autoGrow")) or "").lower()
    if kind == "premium_lrs" and grows == "disabled":
        yield "storage auto-grow is turned off"


def fix(server: Declared) -> Mapping[Path, Any]:
    """Turn it on."""
    return {("storage", "autoGrow"): "Enabled"} if any(validate(server, {})) else {}


POLICY = resource_rule(
    NAME,
    title="Storage auto-grow is not turned off",
    why="A server whose storage is full goes read-only, and Azure may drop an unused slot.",
    remedy="set storage.autoGrow to Enabled",
    url=STORAGE,
    level=REMEDIATE,
    severity=HIGH,
    kinds=(SERVER,),
    validate=validate,
    fix=fix,
)
