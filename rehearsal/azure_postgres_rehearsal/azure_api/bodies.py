"""The bodies of requests: what is asked for, and what is refused of it."""

from __future__ import annotations

from typing import Any

from azure_postgres_rehearsal.azure_api.errors import invalid_content, invalid_value, not_supported
from azure_postgres_rehearsal.azure_api.operations import Json

_FAILOVER_MODES = ("PlannedFailover", "ForcedFailover", "PlannedSwitchover", "ForcedSwitchover")


def value_and_source(body: Json) -> tuple[str, str]:
    """What a PUT or PATCH of a configuration asks for; Azure wants both, always."""
    properties = _object(body.get("properties", {}), "properties")
    for name in ("value", "source"):
        if properties.get(name) is None:
            raise invalid_value(f"'value' and 'source' must both be sent, and '{name}' is missing.")
        if not isinstance(properties[name], str):
            raise invalid_content(f"'{name}' must be a string")
    value: str = properties["value"]
    source: str = properties["source"]
    return value, source


def restart_request(body: Json) -> None:
    """Check what a restart asks for; there is no standby to fail over to."""
    _only(body, ("restartWithFailover", "failoverMode"), "a restart")
    with_failover = body.get("restartWithFailover", False)
    if not isinstance(with_failover, bool):
        raise invalid_content("'restartWithFailover' must be true or false")
    if body.get("failoverMode", _FAILOVER_MODES[0]) not in _FAILOVER_MODES:
        raise invalid_content(f"'failoverMode' must be one of {', '.join(_FAILOVER_MODES)}")
    if with_failover:
        raise not_supported("A restart with failover needs high availability, and it is disabled.")


def server_patch(body: Json) -> dict[str, Any]:
    """The changes a PATCH of the server asks for."""
    _only(body, ("properties", "tags"), "a server's PATCH")
    change: dict[str, Any] = {}
    if "tags" in body:
        tags = body["tags"]
        if not isinstance(tags, dict) or not all(isinstance(v, str) for v in tags.values()):
            raise invalid_content("'tags' must be an object of strings")
        change["tags"] = tags
    properties = _object(body.get("properties", {}), "properties")
    _only(properties, ("storage",), "a server's PATCH")
    storage = _object(properties.get("storage", {}), "storage")
    _only(storage, ("autoGrow",), "the storage in a server's PATCH")
    if "autoGrow" in storage:
        if storage["autoGrow"] not in ("Enabled", "Disabled"):
            raise invalid_content("'autoGrow' must be Enabled or Disabled")
        change["auto_grow"] = storage["autoGrow"] == "Enabled"
    return change


def _object(value: Any, name: str) -> Json:
    if not isinstance(value, dict):
        raise invalid_content(f"'{name}' must be an object")
    return value


def _only(given: Json, known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise not_supported(
            f"The rehearsal knows {', '.join(known)} in {where}, not {', '.join(unknown)}."
        )
