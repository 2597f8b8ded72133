"""Values that stand for one that is still to be filled in: `<the resource group>`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"<[^<>]+>")


def is_placeholder(value: object) -> bool:
    """Whether a value is one: a text in angle brackets that says what is wanted."""
    return isinstance(value, str) and _PLACEHOLDER.fullmatch(value) is not None


def placeholders(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every placeholder below a value, with its path, such as `databases[0].name`."""
    if is_placeholder(value):
        yield path, str(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from placeholders(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from placeholders(item, f"{path}[{index}]")


def with_placeholders(values: Mapping[str, Any], faults: list[str]) -> list[str]:
    """The faults of settings, with one for each placeholder instead of what else it breaks."""
    found = list(placeholders(values))
    others = [
        fault
        for fault in faults
        if not any(text in fault or fault.startswith(f"{path}:") for path, text in found)
    ]
    return [*(f"{path}: {text} is still to be filled in" for path, text in found), *others]
