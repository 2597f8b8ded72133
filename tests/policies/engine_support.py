"""Whole stacks with policies, through the real engine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_postgres_rehearsal.engine import Engine, Outcome

ENGINE_BIN = Path(__file__).resolve().parents[2] / ".engine" / "bin"
HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
PACK = PROJECT / "policies"
CONFIGS = PACK / "config"
RECORDING = HERE / "recording"

_NOWHERE = {
    "AZURE_RESOURCE_MANAGER_ENDPOINT": "http://127.0.0.1:9",
    "ARM_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
}


@dataclass(frozen=True)
class Verdict:
    """What the policies said of one run."""

    outcome: Outcome
    violations: dict[str, list[tuple[str, str]]]
    """Level and message of each, by the rule's name."""
    remediations: list[str]
    """The rules that have put something right, once for each resource."""

    @property
    def passed(self) -> bool:
        """Whether the run may go on."""
        return self.outcome.returncode == 0


def program(name: str, folder: Path) -> Engine:
    """One of `programs/`, ready to be previewed. Its Azure and its database are nowhere."""
    engine = Engine(
        HERE / "programs" / name, "test", folder, {}, {"password": "S3cret-of-the-team"}, _NOWHERE
    )
    plugins = (folder / "home" / "plugins").glob("*/pulumi-resource-postgresql")
    (script,) = plugins
    script.unlink()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {HERE / "preview_plugin.py"} "$@"\n')
    script.chmod(0o755)
    return engine


def judged(engine: Engine, command: str = "preview", config: str = "") -> Verdict:
    """Run with the policy pack; `config` is a file, or the name of one in policies/config."""
    arguments = ["--policy-pack", str(PACK)]
    if config:
        arguments += [
            "--policy-pack-config",
            config if "/" in config else str(CONFIGS / f"{config}.json"),
        ]
    outcome = getattr(engine, command)(*arguments, capture=True, check=False)
    violations: dict[str, list[tuple[str, str]]] = {}
    remediations = []
    for event in _events(engine):
        if "policyEvent" in event:
            found = event["policyEvent"]
            said = found["enforcementLevel"], found["message"]
            violations.setdefault(found["policyName"], []).append(said)
        if "policyRemediationEvent" in event:
            remediations.append(event["policyRemediationEvent"]["policyName"])
    return Verdict(outcome, violations, remediations)


def recorded(engine: Engine, file: Path) -> list[dict[str, Any]]:
    """What a policy pack is shown of a preview."""
    engine.environment["RECORDED"] = str(file)
    engine.preview("--policy-pack", str(RECORDING), capture=True)
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def _events(engine: Engine) -> list[dict[str, Any]]:
    file = engine.folder / "events.json"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
