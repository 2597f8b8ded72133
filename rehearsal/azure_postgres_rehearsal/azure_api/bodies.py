"""The bodies of requests about an existing server: what is asked for, and what is refused of it."""

from __future__ import annotations

from typing import Any

from azure_postgres_rehearsal.azure_api.checks import (
    as_object,
    choice,
    only,
    part,
    tags,
    text,
)
from azure_postgres_rehearsal.azure_api.errors import invalid_content, invalid_value, not_supported
from azure_postgres_rehearsal.azure_api.operations import Json

_FAILOVER_MODES = ("PlannedFailover", "ForcedFailover", "PlannedSwitchover", "ForcedSwitchover")


def value_and_source(body: Json) -> tuple[str, str]:
    """What a PUT or PATCH of a configuration asks for; Azure wants both, always."""
    properties = part(body, "properties")
    for name in ("value", "source"):
        if properties.get(name) is None:
            raise invalid_value(f"'value' and 'source' must both be sent, and '{name}' is missing.")
        if not isinstance(properties[name], str):
            raise invalid_content(f"'{name}' must be a string")
    value: str = properties["value"]
    source: str = properties["source"]
    return value, source


def restart_request(body: Json, *, has_standby: bool) -> str:
    """Check what a restart asks for; the failover's mode, or nothing where none is asked for."""
    only(body, ("restartWithFailover", "failoverMode"), "a restart")
    with_failover = body.get("restartWithFailover", False)
    if not isinstance(with_failover, bool):
        raise invalid_content("'restartWithFailover' must be true or false")
    mode: str = body.get("failoverMode", _FAILOVER_MODES[0])
    if mode not in _FAILOVER_MODES:
        raise invalid_content(f"'failoverMode' must be one of {', '.join(_FAILOVER_MODES)}")
    if with_failover and not has_standby:
        raise not_supported("A restart with failover needs high availability, and it is disabled.")
    return mode if with_failover else ""


def server_patch(body: Json) -> dict[str, Any]:
    """The changes a PATCH of the server asks for."""
    only(body, ("properties", "tags"), "a server's PATCH")
    change: dict[str, Any] = {}
    if "tags" in body:
        change["tags"] = tags(body)
    properties = part(body, "properties")
    only(properties, ("createMode", "storage", "version"), "a server's PATCH")
    choice(properties, "createMode", "Default", ("Default", "Update"))
    if "version" in properties:
        change["version"] = text(properties, "version")
    storage = as_object(properties.get("storage", {}), "storage")
    only(storage, ("autoGrow",), "the storage in a server's PATCH")
    if "autoGrow" in storage:
        if storage["autoGrow"] not in ("Enabled", "Disabled"):
            raise invalid_content("'autoGrow' must be Enabled or Disabled")
        change["auto_grow"] = storage["autoGrow"] == "Enabled"
    return change
