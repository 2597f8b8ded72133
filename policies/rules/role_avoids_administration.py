"""A replication user is no administrator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from view.declared import Declared
from view.kinds import ROLE
from view.links import ROLE_ATTRIBUTES
from view.remedy import Path
from view.rule import HIGH, REMEDIATE, Config, resource_rule
from view.values import truth

NAME = "role-avoids-administration"

_RIGHTS = {"superuser": "SUPERUSER", "createDatabase": "CREATEDB", "createRole": "CREATEROLE"}


def validate(role: Declared, _config: Config) -> Iterator[str]:
    """Only of roles that replicate: others are not the rule's business."""
    if truth(role.get("replication")):
        for key, right in _RIGHTS.items():
            if truth(role.get(key)):
                yield f"the replication user has {right}"


def fix(role: Declared) -> Mapping[Path, Any]:
    """Take away what it does not need."""
    if not truth(role.get("replication")):
        return {}
    return {(key,): False for key in _RIGHTS if truth(role.get(key))}


POLICY = resource_rule(
    NAME,
    title="The connector's user is no administrator",
    why="A connector needs LOGIN and REPLICATION; whoever has its password has all the rest too.",
    remedy="take superuser, createDatabase and createRole away from the replication user",
    url=ROLE_ATTRIBUTES,
    level=REMEDIATE,
    severity=HIGH,
    kinds=(ROLE,),
    validate=validate,
    fix=fix,
)
