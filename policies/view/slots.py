"""Replication slots: this project's resource, the plain one, or made with SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from view import kinds
from view.declared import Declared
from view.statements import statements_of
from view.values import UNKNOWN, text, truth

_CALL = re.compile(r"pg_create_logical_replication_slot\s*\(([^)]*)\)", re.IGNORECASE)
_NAMED = re.compile(r"failover\s*(?:=>|:=)\s*'?(\w+)", re.IGNORECASE)
_DROP = "pg_drop_replication_slot"
_FAILOVER = 4  # the fifth argument


@dataclass(frozen=True)
class Slot:
    """A replication slot. Any text may be UNKNOWN."""

    resource: Declared
    name: Any
    database: Any
    """UNKNOWN where it is made with SQL, which does not say where."""
    plugin: Any
    survives_failover: bool | None
    """None where that is not known yet."""
    is_kept: bool
    """Whether it stays when its resource is deleted by accident."""


def slots_of(resources: Sequence[Declared]) -> Iterator[Slot]:
    """Every slot of the stack."""
    for item in resources:
        if item.kind in (kinds.OUR_SLOT, kinds.PLAIN_SLOT):
            name, failover = item.get("name"), item.get("failover")
            yield Slot(
                item,
                item.name if name is None else name,
                item.database,
                item.get("plugin"),
                None if failover is UNKNOWN else bool(truth(failover)),
                item.protected or item.get("onDestroy") == "retain",
            )
    for item, statements in statements_of(resources, "pg_create_logical_replication_slot"):
        for call in _CALL.finditer(statements):
            yield _made(item, call[1])


def _made(resource: Declared, arguments: str) -> Slot:
    given = [argument.strip().strip("'") for argument in arguments.split(",")]
    named = _NAMED.search(arguments)
    fifth = given[_FAILOVER] if len(given) > _FAILOVER else ""
    dropping = (text(value) or "" for value in resource.properties.values())
    return Slot(
        resource,
        given[0],
        resource.get("database") or UNKNOWN,
        given[1] if len(given) > 1 else "",
        bool(truth(named[1] if named else fifth)),
        resource.protected or not any(_DROP in value.lower() for value in dropping),
    )
