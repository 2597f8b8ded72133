"""`config diff`: what two stacks do differently, defaults applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.environments.check import Checked, check
from azure_postgres_cdc.operations.environments.effective import (
    Value,
    Values,
    of_connectors,
    of_server,
)
from azure_postgres_cdc.operations.environments.project import Project
from azure_postgres_cdc.secret_settings import may_be_secret
from azure_postgres_cdc.settings import Settings

_NOTHING = Value(None, is_default=True)
_FEW = 6


@dataclass(frozen=True)
class Difference:
    """One key, and what holds for it in each of the two stacks; None where it is not set."""

    key: str
    left: Value
    right: Value

    def line(self, left: str, right: str) -> str:
        """One line, the stacks by their names."""
        return (
            f"{self.key}: {left}: {_shown(self.left, self.right)} | "
            f"{right}: {_shown(self.right, self.left)}"
        )

    def as_json(self, left: str, right: str) -> dict[str, Any]:
        """For machines."""
        sides = {left: self.left, right: self.right}
        return {"key": self.key} | {
            stack: {"value": side.value, "default": side.is_default}
            for stack, side in sides.items()
        }


def differences(project: Project, left: str, right: str) -> list[Difference]:
    """What differs in meaning. Raises a CdcError where one of the two has a fault."""
    found, settings = zip(*(_sound(project, stack) for stack in (left, right)), strict=True)
    return [
        *_compared(of_server(settings[0]), of_server(settings[1]), ""),
        *_connectors(*(of_connectors(item, project.root) for item in settings)),
        *_compared(_others(found[0]), _others(found[1]), ""),
    ]


def _sound(project: Project, stack: str) -> tuple[Checked, Settings]:
    found = check(project, stack)
    if found.settings is None:
        count = len(found.faults)
        raise CdcError(
            f"{found.faults[0]}"
            if count == 1
            else f"{found.file} has {count} faults, the first "
            f"one {found.faults[0]}; azure-postgres-cdc config check --stack {stack} has them all"
        )
    return found, found.settings


def _others(found: Checked) -> Values:
    """Other namespaces' configuration, and which secrets are set."""
    secret = found.secret | set(filter(may_be_secret, found.others))
    plain = {key: Value(value, is_default=False) for key, value in found.others.items()}
    return plain | {key: Value("set", is_default=False) for key in secret}


def _compared(left: Values, right: Values, path: str) -> Iterator[Difference]:
    for key in sorted(left.keys() | right.keys()):
        mine, other = left.get(key), right.get(key)
        if mine is None or other is None:
            # One of them has nothing of which this could be a part, such as `alerts`.
            if (mine or other or _NOTHING).is_default:
                continue
        elif mine.value == other.value:
            continue
        yield Difference(f"{path}{key}", mine or _NOTHING, other or _NOTHING)


def _connectors(
    left: Mapping[str, dict[str, Values]], right: Mapping[str, dict[str, Values]]
) -> Iterator[Difference]:
    """Databases are matched by name, their connectors by slot, or where there is one each."""
    for name in sorted(left.keys() | right.keys()):
        mine, others = dict(left.get(name, {})), dict(right.get(name, {}))
        several = max(len(mine), len(others)) > 1
        only_mine, only_others = sorted(mine.keys() - others), sorted(others.keys() - mine)
        pairs = [(slot, slot) for slot in sorted(mine.keys() & others.keys())]
        if len(only_mine) == len(only_others) == 1:
            pairs.append((only_mine.pop(), only_others.pop()))
        for slot, other in pairs:
            path = f"databases[{name}/{slot}]." if several else f"databases[{name}]."
            yield from _compared(mine[slot], others[other], path)
        for slot in sorted({*only_mine, *only_others}):
            sides = [
                Value("captured", is_default=False) if slot in there else _NOTHING
                for there in (mine, others)
            ]
            yield Difference(f"databases[{name}/{slot}]", *sides)


def _shown(value: Value, other: Value) -> str:
    if value.value is None:
        return "not set"
    if isinstance(value.value, list) and len(value.value) > _FEW:
        there = other.value if isinstance(other.value, list) else []
        only = [str(item) for item in value.value if item not in there]
        more = f" and {len(only) - _FEW} more" if len(only) > _FEW else ""
        text = f"{len(value.value)}, only here: {', '.join(only[:_FEW]) or 'none'}{more}"
    elif isinstance(value.value, list):
        text = ", ".join(map(str, value.value)) or "none"
    elif isinstance(value.value, bool):
        text = str(value.value).lower()
    else:
        text = str(value.value)
    return f"{text} (default)" if value.is_default else text
