"""What a check has found, and what all of them come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How it stands with one thing, the worst first."""

    FAILED = "failed"
    """Changes are lost or do not arrive, or will not."""
    WARNING = "warning"
    """It works, and deserves a look."""
    UNKNOWN = "unknown"
    """It could not be looked at."""
    OK = "ok"


_WORST_FIRST = tuple(State)


@dataclass(frozen=True)
class Result:
    """What one check says."""

    state: State
    evidence: str
    """What was seen, in a line."""
    remedy: str = ""
    """What to do about it; empty where nothing is to be done."""


def ok(evidence: str) -> Result:
    """It is as it should be."""
    return Result(State.OK, evidence)


def warning(evidence: str, remedy: str) -> Result:
    """It works, and deserves a look."""
    return Result(State.WARNING, evidence, remedy)


def failed(evidence: str, remedy: str) -> Result:
    """Changes are lost or do not arrive, or will not."""
    return Result(State.FAILED, evidence, remedy)


def unknown(evidence: str, remedy: str = "") -> Result:
    """It could not be looked at; the evidence says why."""
    return Result(State.UNKNOWN, evidence, remedy)


def from_error(error: Exception) -> Result:
    """A failure, out of an error that ends in its remedy as the errors of this package do."""
    evidence, _, remedy = str(error).partition(". Remedy: ")
    return failed(evidence, remedy)


@dataclass(frozen=True)
class Finding:
    """A check's result, and what it is about. Its fields are those of `--json`."""

    database: str
    slot: str
    """The replication slot, which tells a database's connectors apart."""
    topic: str
    check: str
    state: State
    evidence: str
    remedy: str

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _WORST_FIRST.index(self.state)


@dataclass(frozen=True)
class Report:
    """Everything that was found on a stack."""

    stack: str
    findings: Sequence[Finding]

    @property
    def state(self) -> State:
        """The worst of all."""
        return worst(finding.state for finding in self.findings)

    def count(self, state: State) -> int:
        """How many findings are of one state."""
        return sum(finding.state == state for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        findings = [asdict(finding) for finding in self.findings]
        return {"stack": self.stack, "state": self.state, "findings": findings}


def worst(states: Iterable[State]) -> State:
    """The worst of some states; ok where there is none."""
    return min(states, key=_WORST_FIRST.index, default=State.OK)
