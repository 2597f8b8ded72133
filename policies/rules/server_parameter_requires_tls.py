"""TLS is not turned off on the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from view.azure import parameters_of
from view.declared import Declared
from view.kinds import CONFIGURATION, OUR_PARAMETERS
from view.links import AZURE_TLS
from view.remedy import Path
from view.rule import HIGH, REMEDIATE, Config, resource_rule
from view.values import truth

NAME = "server-parameter-requires-tls"


def validate(resource: Declared, _config: Config) -> Iterator[str]:
    """It is on by default."""
    value = dict(parameters_of(resource)).get("require_secure_transport")
    if truth(value) is False:
        yield f"require_secure_transport is {value!r}: connections may be in plain text"


def fix(resource: Declared) -> Mapping[Path, Any]:
    """Put it right in a raw resource."""
    wrong = resource.kind == CONFIGURATION and any(validate(resource, {}))
    return {("value",): "on"} if wrong else {}


POLICY = resource_rule(
    NAME,
    title="The server requires TLS",
    why="Without TLS, passwords and every captured row cross the network in plain text.",
    remedy="set the server parameter require_secure_transport to on",
    url=AZURE_TLS,
    level=REMEDIATE,
    severity=HIGH,
    kinds=(CONFIGURATION, OUR_PARAMETERS),
    validate=validate,
    fix=fix,
)
