"""Every parameter's value is one that Azure allows."""

from __future__ import annotations

from collections.abc import Iterator

from view.azure import parameters_of
from view.declared import Declared
from view.kinds import CONFIGURATION, OUR_PARAMETERS
from view.links import PARAMETERS
from view.parameters import fault
from view.rule import MANDATORY, MEDIUM, Config, resource_rule

NAME = "server-parameter-fits-range"


def validate(resource: Declared, _config: Config) -> Iterator[str]:
    """Numbers within their range, words among the allowed ones."""
    for name, value in parameters_of(resource):
        if isinstance(name, str) and isinstance(value, str):
            found = fault(name, value)
            if found:
                yield f"{name} is {value!r}: {found}"


POLICY = resource_rule(
    NAME,
    title="Server parameters are within their range",
    why="Azure refuses a value that it does not allow, and the update stops half-way.",
    remedy="choose an allowed value",
    url=PARAMETERS,
    level=MANDATORY,
    severity=MEDIUM,
    kinds=(CONFIGURATION, OUR_PARAMETERS),
    validate=validate,
)
