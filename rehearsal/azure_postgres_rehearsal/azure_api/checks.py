"""Checks of JSON that bodies have in common: the form, the known names, the allowed values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from azure_postgres_rehearsal.azure_api.errors import (
    invalid_content,
    invalid_parameter,
    not_supported,
)
from azure_postgres_rehearsal.azure_api.operations import Json


def as_object(value: Any, name: str) -> Json:
    """The value, where it is a JSON object."""
    if not isinstance(value, dict):
        raise invalid_content(f"'{name}' must be an object")
    return value


def part(body: Json, name: str) -> Json:
    """The object of that name; an empty one where there is none."""
    return as_object(body.get(name, {}), name)


def list_of_objects(body: Json, name: str) -> list[Json]:
    """The list of that name; an empty one where there is none."""
    items = body.get(name, [])
    if not isinstance(items, list):
        raise invalid_content(f"'{name}' must be a list")
    return [as_object(item, name) for item in items]


def only(given: Json, known: Collection[str], where: str) -> None:
    """Refuse what the rehearsal does not know, rather than ignore it."""
    if unknown := sorted(set(given) - set(known)):
        raise not_supported(
            f"The rehearsal knows {', '.join(known)} in {where}, not {', '.join(unknown)}."
        )


def text(given: Json, name: str) -> str:
    """A string that must be there and not be empty."""
    value = given.get(name)
    if value is None or value == "":
        raise invalid_parameter(name, f"'{name}' is required.")
    if not isinstance(value, str):
        raise invalid_content(f"'{name}' must be a string")
    return value


def flag(given: Json, name: str, default: bool | None = None) -> bool:
    """True or false; required unless there is a default."""
    value = given.get(name, default)
    if value is None:
        raise invalid_parameter(name, f"'{name}' is required.")
    if not isinstance(value, bool):
        raise invalid_content(f"'{name}' must be true or false")
    return value


def whole_number(given: Json, name: str, default: int, allowed: Collection[int]) -> int:
    """A whole number among the allowed ones."""
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid_content(f"'{name}' must be a whole number")
    if value not in allowed:
        raise invalid_parameter(name, f"Allowed: {_shown(allowed)}; found {value}.")
    return value


def choice(given: Json, name: str, default: str | None, allowed: Collection[str]) -> str:
    """One of the allowed strings, in their very spelling; required unless there is a default."""
    if name not in given and default is not None:
        return default
    value = text(given, name)
    if value not in allowed:
        raise invalid_parameter(name, f"Allowed: {_shown(allowed)}; found '{value}'.")
    return value


def tags(body: Json) -> dict[str, str]:
    """The tags of a resource: strings by name."""
    found = body.get("tags", {})
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise invalid_content("'tags' must be an object of strings")
    return found


def _shown(allowed: Collection[object]) -> str:
    if isinstance(allowed, range):
        return f"{allowed.start} to {allowed.stop - 1}"
    return ", ".join(map(str, allowed))
