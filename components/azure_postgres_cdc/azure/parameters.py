"""Server parameters: what each has to be, and what of it is still missing on a server.

Nothing is ever taken away: sets grow, numbers are minimums, and what is enough stays as it is.
What a parameter is (its type, its allowed values, whether it needs a restart) is Azure's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from azure_postgres_cdc import capabilities

PGLOGICAL = "pglogical"
PG_FAILOVER_SLOTS = "pg_failover_slots"
MAX_WORKER_PROCESSES = 16
"""The page: with fewer, `out of background worker slots` may follow."""
SPARE_WITH_STANDBY = 4
"""Azure's rule for high availability: slots and senders for 4 + replicas + logical slots."""
SPARE = 2
"""Without a standby: one for a second connector during a hand-over, one for a tool."""

ORDER = (
    "wal_level",
    "shared_preload_libraries",
    "azure.extensions",
    "max_worker_processes",
    "max_replication_slots",
    "max_wal_senders",
)
"""The order of writing; what is not listed comes after, by name."""
NOT_LOWER_ON_REPLICAS = (
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
)
"""A standby with less than its primary pauses or stops replay (PostgreSQL's manual, 26.4.3)."""

OURS_TO_SIZE = frozenset({"wal_level", *ORDER[3:]})
"""Parameters that a slot, or the server's start with it, hangs on: never set lower."""
SETS = frozenset({"shared_preload_libraries", "azure.extensions"})
"""Sets of names. The API's dataType says so; should it ever not, they are sets all the same."""
NEVER_EXACTLY = OURS_TO_SIZE | SETS
"""Parameters that several stacks share a server by: they grow, and nobody sets them to less."""

_FOR_SLOTS = ("max_replication_slots", "max_wal_senders")
_NUMBER_TYPES = ("integer", "numeric")
_TOLD_AT_MOST = 200
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_RANGE = re.compile(f"({_NUMBER})-({_NUMBER})")
_WHOLE = re.compile(r"-?\d+", re.ASCII)
# 0 turns the time limit off, which is more than any number.
_ZERO_IS_ENDLESS = frozenset({"wal_sender_timeout"})


class ExactlyArgs(TypedDict):
    """A parameter that is to have this very value, even where the server has more."""

    exactly: str | int | float | bool
    """The value."""


@dataclass(frozen=True)
class Parameter:
    """One server parameter as Azure describes it."""

    name: str
    value: str
    data_type: str = "String"
    """Boolean, Integer, Numeric, Enumeration, Set or String."""
    allowed: str = ""
    """`0-262143`, `replica,logical` or a pattern."""
    unit: str = ""
    is_static: bool = False
    """It takes effect with the next restart only."""
    is_read_only: bool = False
    is_pending: bool = False
    """It was changed, and waits for a restart."""

    @property
    def is_set(self) -> bool:
        """Whether its value is a set of names, separated by commas."""
        return self.data_type.lower() == "set" or self.name in SETS

    @property
    def is_told_by_postgresql(self) -> bool:
        """Whether PostgreSQL's own `SHOW` tells, word for word, that a restart has happened."""
        return self.is_static and not self.is_set and self.data_type.lower() != "string"

    @property
    def is_number(self) -> bool:
        """Whether its value is a number."""
        return self.data_type.lower() in _NUMBER_TYPES

    @property
    def is_whole(self) -> bool:
        """Whether its value is a number without fractions."""
        return self.data_type.lower() == "integer"


@dataclass(frozen=True)
class Requirement:
    """What one parameter has to be, or to hold, or to be at least."""

    name: str
    value: str
    exactly: bool = False
    """This very value, where otherwise a set would be merged and a larger number stay."""

    def is_met_by(self, parameter: Parameter) -> bool:
        """Whether a value that the server has is enough."""
        found = parameter.value
        if parameter.is_set:
            wanted, present = members(self.value), members(found)
            return wanted == present if self.exactly else wanted <= present
        if parameter.is_number and _number(self.value) is not None:
            have, want = self._amount(found), self._amount(self.value)
            return have == want or (not self.exactly and have > want)
        return found.strip().lower() == self.value.strip().lower()

    def merged(self, parameter: Parameter) -> str:
        """The value to write: the server's own where that is enough, as it stands."""
        if self.is_met_by(parameter):
            return parameter.value
        if not parameter.is_set:
            return self.value
        wanted = _listed(self.value)
        kept = [] if self.exactly else _listed(parameter.value)
        return ",".join(dict.fromkeys([*kept, *wanted]))

    def fault(self, parameter: Parameter | None) -> str:
        """Why the server would not take it; empty where it would."""
        if parameter is None:
            return (
                f"{self.name} is no parameter of this server. Remedy: check its spelling, and "
                "whether this version of PostgreSQL has it"
            )
        if self.is_met_by(parameter):
            return ""
        if parameter.is_read_only:
            return f"{self.name} is fixed at {parameter.value!r} by Azure. {self._read_only()}"
        refused = [item for item in self._items(parameter) if not _is_allowed(parameter, item)]
        if refused:
            unit = f", in {parameter.unit}" if parameter.unit else ""
            if parameter.is_whole and any("." in item for item in refused):
                unit += ", whole numbers"
            return (
                f"{self.name} cannot be {', '.join(refused)}: Azure allows "
                f"{_told(parameter.allowed)}{unit}. Remedy: choose one of them"
                + (", or have fewer connectors on the server" if self.name in _FOR_SLOTS else "")
            )
        return ""

    def _items(self, parameter: Parameter) -> list[str]:
        return _listed(self.value) if parameter.is_set else [self.value]

    def _read_only(self) -> str:
        if self.name == "max_slot_wal_keep_size":
            return (
                "The WAL that a slot retains cannot be capped there. Remedy: take it out, and "
                "declare alerts"
            )
        return "Remedy: take it out"

    def _amount(self, text: str) -> float:
        number = _number(text)
        if number is None:
            return float("-inf")
        return float("inf") if number == 0 and self.name in _ZERO_IS_ENDLESS else number


@dataclass(frozen=True)
class Change:
    """One parameter that is to be written."""

    parameter: Parameter
    requirement: Requirement

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.parameter.name

    @property
    def value(self) -> str:
        """What it is to be."""
        return self.requirement.merged(self.parameter)

    def __str__(self) -> str:
        after = " (after a restart)" if self.parameter.is_static else ""
        return f"{self.parameter.value or 'empty'} -> {self.value}{after}"


def requirements(
    *,
    connectors: int,
    pglogical: bool = True,
    version: int = 0,
    high_availability: bool = False,
    replicas: int = 0,
    others: Iterable[Requirement] = (),
) -> list[Requirement]:
    """What a server has to have, in the order in which it is written.

    `connectors`: how many have a slot on it. `pglogical`: preload and allow it, as the page asks;
    pgoutput works without. `version`: PostgreSQL's major one. `others`: what the user asks for
    besides; one that names the same parameter comes first.
    """
    asked = {item.name: item for item in others}
    spare = SPARE_WITH_STANDBY if high_availability else SPARE
    senders = connectors + replicas + spare
    failover = high_availability and capabilities.has_in(PG_FAILOVER_SLOTS, version)
    needed = [
        Requirement("wal_level", "logical"),
        Requirement("max_worker_processes", str(MAX_WORKER_PROCESSES)),
        Requirement("max_replication_slots", str(senders)),
        Requirement("max_wal_senders", str(senders)),
        *_members(pglogical=pglogical, failover=failover, asked=asked),
        *(_slots_survive_failover(version) if high_availability else ()),
    ]
    found = {item.name: item for item in needed}
    for name, item in asked.items():
        if name in OURS_TO_SIZE:
            found[name] = _larger(found.get(name, item), item)
        elif name not in SETS:
            found[name] = item
    return sorted(found.values(), key=_place)


def plan(needed: Iterable[Requirement], found: Mapping[str, Parameter]) -> list[Change]:
    """What is to be written, in order. Parameters that the server has not are passed over."""
    return [
        Change(found[item.name], item)
        for item in needed
        if item.name in found and not item.is_met_by(found[item.name])
    ]


def faults(needed: Iterable[Requirement], found: Mapping[str, Parameter]) -> list[str]:
    """Every requirement that the server would not take, and why."""
    texts = (item.fault(found.get(item.name)) for item in needed)
    return [text for text in texts if text]


def members(value: str) -> set[str]:
    """The names in a set, in lower case."""
    return set(_listed(value))


def as_text(value: str | int | float | bool) -> str:
    """A value as Azure writes it: booleans are on and off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # what YAML, and Pulumi, make of a whole number now and then
    return str(value)


def _members(
    *, pglogical: bool, failover: bool, asked: Mapping[str, Requirement]
) -> Iterable[Requirement]:
    """The two sets: what the page asks for, what failover needs, what the user adds."""
    preload = [PGLOGICAL] * pglogical + [PG_FAILOVER_SLOTS] * failover
    allow = [PGLOGICAL] * pglogical
    for name, needed in (("shared_preload_libraries", preload), ("azure.extensions", allow)):
        given = _listed(asked[name].value) if name in asked else []
        if needed or given:
            yield Requirement(name, ",".join(dict.fromkeys([*needed, *given])))


def _slots_survive_failover(version: int) -> Iterable[Requirement]:
    yield Requirement("hot_standby_feedback", "on")
    if capabilities.has_in("sync_replication_slots", version):
        yield Requirement("sync_replication_slots", "on")


def _larger(one: Requirement, other: Requirement) -> Requirement:
    return max(one, other, key=lambda item: _number(item.value) or 0)


def _place(item: Requirement) -> tuple[int, str]:
    return (ORDER.index(item.name) if item.name in ORDER else len(ORDER), item.name)


def _is_allowed(parameter: Parameter, value: str) -> bool:
    allowed = parameter.allowed.strip()
    if not allowed:
        return True
    limits = _RANGE.fullmatch(allowed)
    if limits:
        if parameter.is_whole and not _WHOLE.fullmatch(value):
            return False
        number = _number(value)
        return number is not None and float(limits[1]) <= number <= float(limits[2])
    if parameter.is_set or parameter.data_type.lower() != "string":
        return value.strip().lower() in members(allowed)
    try:
        return re.fullmatch(allowed, value) is not None
    except re.error:
        return True  # no pattern that we know: Azure will say


def _told(allowed: str) -> str:
    """The allowed values, as many as a line holds; Azure's list of extensions has a hundred."""
    names = allowed.strip(",")
    if len(names) <= _TOLD_AT_MOST:
        return names
    return f"{names[:_TOLD_AT_MOST].rpartition(',')[0]} and others"


def _listed(value: str) -> list[str]:
    return [item.strip().lower() for item in value.split(",") if item.strip()]


def _number(text: str) -> float | None:
    # Python reads more as a number than Azure does: 1_000, and digits of every script.
    return float(text) if re.fullmatch(_NUMBER, text, re.ASCII) else None
