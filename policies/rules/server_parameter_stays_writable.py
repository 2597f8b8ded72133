"""No parameter is set that Azure has fixed."""

from __future__ import annotations

from collections.abc import Iterator

from view.azure import parameters_of
from view.declared import Declared
from view.kinds import CONFIGURATION, OUR_PARAMETERS
from view.links import PARAMETERS
from view.parameters import is_read_only
from view.rule import MANDATORY, MEDIUM, Config, resource_rule

NAME = "server-parameter-stays-writable"


def validate(resource: Declared, config: Config) -> Iterator[str]:
    """Whatever the value."""
    for name, _ in parameters_of(resource):
        if is_read_only(name) and name not in config["writable"]:
            hint = ": the WAL that a slot keeps has no cap" if "wal_keep" in name else ""
            yield f"{name} is read-only on Azure{hint}"


POLICY = resource_rule(
    NAME,
    title="No read-only server parameter is set",
    why="Azure refuses to change a read-only parameter, and the update stops half-way.",
    remedy="take the parameter out; against WAL that piles up, declare alerts",
    url=PARAMETERS,
    level=MANDATORY,
    severity=MEDIUM,
    kinds=(CONFIGURATION, OUR_PARAMETERS),
    validate=validate,
    config={
        "writable": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Parameters, in lower case, that can be set all the same.",
        }
    },
)
