"""The major version is one that Azure offers."""

from __future__ import annotations

from collections.abc import Iterator

from view.declared import Declared
from view.kinds import SERVER
from view.links import AZURE_VERSIONS
from view.rule import MANDATORY, MEDIUM, Config, resource_rule
from view.values import number

NAME = "server-runs-supported-version"


def validate(server: Declared, config: Config) -> Iterator[str]:
    """Within the configured bounds."""
    version = number(server.get("version"))
    oldest, newest = config["oldest"], config["newest"]
    if version is not None and not oldest <= version <= newest:
        yield f"PostgreSQL {version:g} is none of {oldest:g} to {newest:g}"


POLICY = resource_rule(
    NAME,
    title="The version of PostgreSQL is supported",
    why="Azure offers PostgreSQL 11 to 18 on flexible servers, and no other version.",
    remedy="choose a version that Azure offers",
    url=AZURE_VERSIONS,
    level=MANDATORY,
    severity=MEDIUM,
    kinds=(SERVER,),
    validate=validate,
    config={
        "oldest": {"type": "number", "default": 11, "description": "The oldest major version."},
        "newest": {"type": "number", "default": 18, "description": "The newest major version."},
    },
)
