"""What a rehearsed `pulumi up` came to: the facts, without a word on how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from azure_postgres_rehearsal.statements import Statement

MANDATORY = "mandatory"
_UNCHANGED = frozenset({"same", "read", "read-replacement", "discard", "refresh"})
_FAILED = "failed"


@dataclass(frozen=True)
class Change:
    """What `up` did to one resource, or would have."""

    operation: str
    """create, update, replace, delete; or failed."""
    type: str
    name: str
    properties: tuple[str, ...] = ()
    """Those that differ, of an update."""


@dataclass(frozen=True)
class AzureOperation:
    """One management operation of the server, in order."""

    kind: str
    detail: str
    by_hand: bool = False
    """Not `up`'s: somebody has to do it in between."""


@dataclass(frozen=True)
class Violation:
    """What a policy says of a resource or a stack."""

    policy: str
    level: str
    resource: str
    message: str


@dataclass
class Story:
    """Everything that a rehearsal found."""

    stack: str
    server: str
    """What PostgreSQL it ran on, and where its tables came from."""
    changes: list[Change] = field(default_factory=list)
    azure: list[AzureOperation] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    policies_asked: bool = False
    policies_judged: bool = False
    """They have seen everything: the engine went through with them to the end."""
    violations: list[Violation] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Where the rehearsal falls short of the real thing."""

    @property
    def broken(self) -> list[Violation]:
        """The violations that a policy does not let pass."""
        return [found for found in self.violations if found.level == MANDATORY]

    @property
    def is_fine(self) -> bool:
        """Whether `up` would go through, and every policy lets it."""
        return not self.errors and not self.broken

    @property
    def restarts(self) -> int:
        """How often PostgreSQL is restarted."""
        return sum(operation.kind == "restart" for operation in self.azure)

    @property
    def verdict(self) -> str:
        """All of it, in a line."""
        if self.errors:
            return f"pulumi up of {self.stack} would fail"
        if self.broken:
            return f"{_count(len(self.broken), 'mandatory policy')} violated by {self.stack}"
        counted = ", ".join(f"{count} to {name}" for name, count in self.by_operation().items())
        return (
            f"pulumi up of {self.stack} would go through: {counted or 'nothing to change'}; "
            f"{_count(len(self.azure), 'Azure operation')}, {_count(self.restarts, 'restart')}, "
            f"{_count(len(self.statements), 'statement')}"
        )

    def by_operation(self) -> dict[str, int]:
        """How many resources are created, updated and so on."""
        found: dict[str, int] = {}
        for change in self.changes:
            found[change.operation] = found.get(change.operation, 0) + 1
        return found


def changes_of(events: Iterable[Mapping[str, Any]]) -> dict[str, Change]:
    """What a run did to each resource, by its URN."""
    found: dict[str, Change] = {}
    for event in events:
        done, failed = event.get("resOutputsEvent"), event.get("resOpFailedEvent")
        metadata = (failed or done or {}).get("metadata")
        if not metadata:
            continue
        operation = _FAILED if failed else metadata["op"]
        if operation in _UNCHANGED:
            continue
        urn = str(metadata["urn"])
        found[urn] = Change(
            _OPERATIONS.get(operation, operation),
            str(metadata["type"]),
            urn.rsplit("::", 1)[-1],
            _differing(metadata) if operation == "update" else (),
        )
    return found


def _differing(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The inputs that an update changes. A dynamic resource does not name them itself."""
    old, new = ((metadata.get(state) or {}).get("inputs") or {} for state in ("old", "new"))
    names = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return tuple(sorted(name for name in names if not name.startswith("__")))


# A replacement is told in three steps.
_OPERATIONS = {
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "import",
}


def violations_of(events: Iterable[Mapping[str, Any]]) -> list[Violation]:
    """What the policies found, each once."""
    found = (event["policyEvent"] for event in events if "policyEvent" in event)
    violations = (
        Violation(
            str(item["policyName"]),
            str(item["enforcementLevel"]),
            str(item.get("resourceUrn", "")).rsplit("::", 1)[-1],
            _message(item["message"]),
        )
        for item in found
    )
    return list(dict.fromkeys(violations))


def said(events: Iterable[Mapping[str, Any]], severity: str) -> Iterator[str]:
    """What Pulumi says at a severity, each once, in one line."""
    found = (event["diagnosticEvent"] for event in events if "diagnosticEvent" in event)
    texts = (" ".join(item["message"].split()) for item in found if item["severity"] == severity)
    return iter(dict.fromkeys(text for text in texts if text))


def _message(text: str) -> str:
    return " ".join(text.split())


def _count(number: int, what: str) -> str:
    if number == 1:
        return f"1 {what}"
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{number:,} {plural}"


def merged(runs: Sequence[Mapping[str, Change]]) -> list[Change]:
    """Of several runs, what became of each resource: made, if any of them made it."""
    found: dict[str, Change] = {}
    for run in runs:
        for urn, change in run.items():
            if urn not in found or found[urn].operation == _FAILED:
                found[urn] = change
    return list(found.values())
