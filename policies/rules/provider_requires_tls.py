"""No postgresql provider turns TLS off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from view.declared import Declared
from view.kinds import PROVIDER
from view.links import TLS
from view.remedy import Path
from view.rule import HIGH, REMEDIATE, Config, resource_rule
from view.values import text

NAME = "provider-requires-tls"

_SETTINGS = ("sslmode", "sslMode")
_WEAK = ("disable", "allow", "prefer")


def validate(provider: Declared, _config: Config) -> Iterator[str]:
    """`prefer`, the provider's fallback, and `allow` give way to plain text too."""
    for key in _SETTINGS:
        value = text(provider.get(key))
        if value is not None and value.strip('"').lower() in _WEAK:
            yield f"{key} is {value!r}"


def fix(provider: Declared) -> Mapping[Path, Any]:
    """`require` at the least."""
    return {
        (key,): "require"
        for key in _SETTINGS
        if (text(provider.get(key)) or "").strip('"').lower() in _WEAK
    }


POLICY = resource_rule(
    NAME,
    title="Every postgresql provider uses TLS",
    why="Without TLS, the administrator's password crosses the network in plain text.",
    remedy="set the provider's sslmode to require, or better to verify-full",
    url=TLS,
    level=REMEDIATE,
    severity=HIGH,
    kinds=(PROVIDER,),
    validate=validate,
    fix=fix,
)
