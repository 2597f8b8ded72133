"""Remediation: a resource's properties with single values put right, secrets kept secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pulumi_policy import Secret
from pulumi_policy.secret import secrets_preserving_proxy

if TYPE_CHECKING:
    from view.declared import Declared

Path = tuple[str, ...]
Fix = Callable[["Declared"], Mapping[Path, Any]]
"""The values that a resource should have instead, by their paths; empty where it is right."""


def remedied(props: Mapping[str, Any], changes: Mapping[Path, Any]) -> Mapping[str, Any] | None:
    """The properties with the changes; None where there are none, which leaves all as it is."""
    if not changes:
        return None
    found = _raw(props)
    for path, value in changes.items():
        _put(found, path, value)
    proxy: Mapping[str, Any] = secrets_preserving_proxy(found)
    return proxy


def plain_text_at(props: Mapping[str, Any], paths: tuple[Path, ...]) -> Iterator[Path]:
    """Those of the paths that hold a text which is no secret. Only a remediation can tell: what
    a validation sees has its secrets unwrapped."""
    found = _raw(props)
    for path in paths:
        value: Any = found
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            yield path


def _raw(value: Any) -> Any:
    """Out of the proxies, with secrets as Secret and unknowns as they travel. A copy."""
    if isinstance(value, Secret):
        return Secret(_raw(value.value))
    if isinstance(value, Mapping):
        target = value if isinstance(value, dict) else value["__target"]
        return {key: _raw(item) for key, item in target.items()}
    if hasattr(value, "__getitem__") and not isinstance(value, str):
        target = value if isinstance(value, list) else value["__target"]
        return [_raw(item) for item in target]
    return value


def _put(found: dict[str, Any], path: Path, value: Any) -> None:
    *outer, last = path
    for key in outer:
        inner = found.get(key)
        inner = inner.value if isinstance(inner, Secret) else inner
        if not isinstance(inner, dict):
            inner = found[key] = {}
        found = inner
    keep = isinstance(found.get(last), Secret) and not isinstance(value, Secret)
    found[last] = Secret(value) if keep else value
