"""wal_level is logical: without it no change can be captured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from view.azure import parameters_of
from view.declared import Declared
from view.kinds import CONFIGURATION, OUR_PARAMETERS
from view.links import LOGICAL_REPLICATION
from view.remedy import Path
from view.rule import CRITICAL, REMEDIATE, Config, resource_rule

NAME = "server-parameter-sets-wal-level"


def validate(resource: Declared, _config: Config) -> Iterator[str]:
    """In any case; a value that is not known yet is looked at in the update."""
    value = dict(parameters_of(resource)).get("wal_level")
    if isinstance(value, str) and value.strip().lower() != "logical":
        yield f"wal_level is {value!r}: no change can be captured"


def fix(resource: Declared) -> Mapping[Path, Any]:
    """Put it right in a raw resource."""
    wrong = resource.kind == CONFIGURATION and any(validate(resource, {}))
    return {("value",): "logical"} if wrong else {}


POLICY = resource_rule(
    NAME,
    title="The server parameter wal_level is logical",
    why="Logical replication, and with it change data capture, needs wal_level = logical.",
    remedy="set the server parameter wal_level to logical and restart the server",
    url=LOGICAL_REPLICATION,
    level=REMEDIATE,
    severity=CRITICAL,
    kinds=(CONFIGURATION, OUR_PARAMETERS),
    validate=validate,
    fix=fix,
)
