"""Shows what `pulumi up` of a stack would do, to people who have no access to anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_postgres_rehearsal.azure_api.operations import Operation
from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.project_files import RehearsalFailed, settings_in, stack_file
from azure_postgres_rehearsal.record import Record, read
from azure_postgres_rehearsal.rehearsal import NONE, Rehearsal
from azure_postgres_rehearsal.statements import LOGGING, StatementLog, redacted
from azure_postgres_rehearsal.story import (
    AzureOperation,
    Change,
    Story,
    changes_of,
    merged,
    said,
    violations_of,
)

POLICIES = "policies"


@dataclass(frozen=True)
class Wishes:
    """What is to be rehearsed, and how."""

    project: Path
    stack: str
    policies: bool = False
    policy_config: Path | None = None
    """The policies' configuration: by default the stack's own, where there is one."""
    base: Path | None = None
    """The stack's file as it is deployed: what `up` changes, it changes from there. Passed over
    where the record says that the stack has never been up."""

    @property
    def record_file(self) -> Path:
        """Where the record is, if there is one: beside the stack's file."""
        return stack_file(self.project, self.stack).with_name(f"record.{self.stack}.json")

    def pack(self) -> list[str]:
        """The engine's options for the policies. Raises RehearsalFailed where they are no use."""
        if not self.policies:
            return []
        pack = (self.project / POLICIES).resolve()
        if not pack.is_dir():
            raise RehearsalFailed(f"{self.project} has no folder {POLICIES}: no policies to ask")
        config = self.policy_config or pack / "config" / f"{self.stack}.json"
        options = ["--policy-pack", str(pack)]
        if config.is_file():
            _check_json(config)
            options += ["--policy-pack-config", str(config.resolve())]
        return options


def rehearse(wishes: Wishes, say: Callable[[str], None]) -> Story:
    """Rehearse a stack from beginning to end. `say` is told where it stands."""
    record = read(wishes.record_file) if wishes.record_file.is_file() else None
    with Rehearsal(
        wishes.project,
        wishes.stack,
        postgres_settings=LOGGING,
        record=record,
    ) as rehearsal:
        return _Run(wishes, rehearsal, record, say).story()


def _check_json(file: Path) -> None:
    """The engine would say neither which file it is, nor the line."""
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError is one
        raise RehearsalFailed(
            f"{file} is no JSON: {error}. Remedy: mend it; docs/policies.md has the form"
        ) from None


class _Run:
    """One rehearsal at work."""

    def __init__(
        self,
        wishes: Wishes,
        rehearsal: Rehearsal,
        record: Record | None,
        say: Callable[[str], None],
    ) -> None:
        self._wishes = wishes
        self._rehearsal = rehearsal
        self._say = say
        self._by_hand: list[Operation] = []
        self._runs: list[dict[str, Change]] = []
        major = rehearsal.postgres.major
        tables = "the record's tables" if record else "made-up tables: there is no record of it"
        self._story = Story(wishes.stack, f"PostgreSQL {major}, with {tables}")
        self._story.policies_asked = wishes.policies
        # What has never been up begins with nothing, whatever is on the target branch.
        self._deployed: Mapping[str, Any] | None = None
        if wishes.base is not None and (record is None or record.was_up):
            self._deployed = settings_in(wishes.project, wishes.base)
        elif record and record.was_up:
            self._story.notes.append(
                "the stack was up when it was recorded; here it begins with nothing, so that all "
                "of it is created. With --base FILE, the stack's file as it is deployed, only what "
                "changes is shown"
            )

    def story(self) -> Story:
        rehearsal, story = self._rehearsal, self._story
        log = StatementLog(rehearsal.postgres, rehearsal.settings["connection"]["user"])
        rehearsal.azure.journal.accepted.clear()  # what made the server what it is
        made = rehearsal.make_server(
            "--skip-preview", settings=self._deployed, capture=True, check=False
        )
        if made is not None:
            self._keep(made)
        if made is not None and made.returncode:
            self._fail(made)
        else:
            self._say("building the database")
            rehearsal.furnish_databases()
            if self._deployed is not None:
                self._bring_to(self._deployed)
            log.begin()
            self._judge_and_up()
        story.changes = merged(self._runs)
        story.azure = [
            AzureOperation(operation.kind, _detail(operation), operation in self._by_hand)
            for operation in rehearsal.azure.journal.accepted
        ]
        secrets = rehearsal.secrets()
        if log.has_begun:
            story.statements = log.statements(secrets)
        story.notes += [*rehearsal.notes, *rehearsal.azure.journal.notices]
        for texts in (story.warnings, story.errors, story.notes):
            texts[:] = [redacted(text, secrets) for text in dict.fromkeys(texts)]
        return story

    def _judge_and_up(self) -> None:
        pack = self._wishes.pack()
        if pack:
            self._say("pulumi preview, with the policies")
            preview = self._rehearsal.engine.preview(*pack, capture=True, check=False)
            self._story.violations += violations_of(preview.events)
            self._story.policies_judged = not preview.returncode
            if self._story.broken:
                pack = []  # or nothing of what follows would be seen
        self._say("pulumi up")
        outcome = self._up(*pack)
        self._story.policies_judged |= bool(pack) and not outcome.returncode
        self._story.violations = list(
            dict.fromkeys([*self._story.violations, *violations_of(outcome.events)])
        )
        if outcome.returncode and not self._story.broken:
            self._fail(outcome)
        self._story.warnings += said(outcome.events, "warning")

    def _up(self, *options: str) -> Outcome:
        """`up`; where it stops for a restart that it may not do, somebody does that."""
        engine = self._rehearsal.engine
        outcome = engine.up("--skip-preview", *options, capture=True, check=False)
        self._keep(outcome)
        waiting = self._waiting_for_a_restart()
        if outcome.returncode and waiting:
            self._story.notes.append(
                f"pulumi up stops here, and says so: {', '.join(waiting)} wait for a restart that "
                "it may not do. Somebody restarts the server, and pulumi up goes on"
            )
            restart = self._rehearsal.server.restart({})
            restart.done.wait()
            self._by_hand.append(restart)
            outcome = engine.up("--skip-preview", *options, capture=True, check=False)
            self._keep(outcome)
        return outcome

    def _bring_to(self, deployed: Mapping[str, Any]) -> None:
        """Have the stack as it is deployed."""
        self._say(f"pulumi up of {self._wishes.base}")
        self._rehearsal.invent_tables(deployed)
        self._rehearsal.configure(deployed)
        outcome = self._up()
        self._rehearsal.configure(self._rehearsal.settings)
        # All of it is past.
        self._runs.clear()
        self._by_hand.clear()
        self._story.notes.clear()
        self._rehearsal.azure.journal.accepted.clear()
        if outcome.returncode:
            self._story.notes.append(
                f"pulumi up of {self._wishes.base} fails here, so that what is shown begins "
                f"half-way: {'; '.join(said(outcome.events, 'error'))}"
            )

    def _waiting_for_a_restart(self) -> list[str]:
        if self._rehearsal.management == NONE or not self._rehearsal.azure.servers:
            return []
        return [
            item["name"]
            for item in self._rehearsal.server.parameters.as_list()
            if item["properties"]["isConfigPendingRestart"]
        ]

    def _keep(self, outcome: Outcome) -> None:
        self._runs.append(changes_of(outcome.events))

    def _fail(self, outcome: Outcome) -> None:
        errors = list(said(outcome.events, "error"))
        lines = outcome.text.strip().splitlines()
        self._story.errors += errors or lines[-1:] or ["pulumi up failed, and does not say why"]


def _detail(operation: Operation) -> str:
    failed = f" (failed: {operation.error})" if operation.error else ""
    return f"{operation.detail}{failed}"
