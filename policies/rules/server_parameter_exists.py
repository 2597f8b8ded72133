"""Every parameter that is set is one."""

from __future__ import annotations

from collections.abc import Iterator

from view.azure import parameters_of
from view.declared import Declared
from view.kinds import CONFIGURATION, OUR_PARAMETERS
from view.links import PARAMETERS
from view.parameters import is_known
from view.rule import MANDATORY, MEDIUM, Config, resource_rule

NAME = "server-parameter-exists"


def validate(resource: Declared, config: Config) -> Iterator[str]:
    """A name with a dot belongs to an extension or to Azure, and is theirs to know."""
    for name, _ in parameters_of(resource):
        if isinstance(name, str) and not is_known(name) and name not in config["known"]:
            yield f"{name} is no server parameter"


POLICY = resource_rule(
    NAME,
    title="Only server parameters that exist are set",
    why="Azure refuses a parameter that it does not know, and the update stops half-way.",
    remedy="correct the parameter's name, or add it to this rule's configuration `known`",
    url=PARAMETERS,
    level=MANDATORY,
    severity=MEDIUM,
    kinds=(CONFIGURATION, OUR_PARAMETERS),
    validate=validate,
    config={
        "known": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Parameters, in lower case, that there are besides those of 11 to 18.",
        }
    },
)
