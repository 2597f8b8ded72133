"""Whole stacks through the real engine: this project's, the examples, and a team's own programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from capture import CAPTURED, OURS, RAW, capture_ours, capture_raw, examples_project
from engine_support import CONFIGS, ENGINE_BIN, PROJECT, judged, program
from mutations import captured

from azure_postgres_rehearsal.rehearsal import CREATE, Rehearsal

PASSWORDS = "resource-keeps-password-secret"

# Each stack of the project and each example, with the configuration of the rules for its kind of
# environment. The everyday run takes one of each kind of program; `make test-full` all of them.
STACKS = {
    "local": "dev",
    "dev": "dev",
    "staging": "staging",
    "prod": "prod",
}
EXAMPLES = {
    "create": "prod",
    "entra": "prod",
    "existing": "prod",
    "ha": "prod",
    "none": "prod",
    "private-endpoint": "prod",
    "prod": "prod",
}
EVERYDAY = {"examples-prod"}


@pytest.fixture(autouse=True)
def engine_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(ENGINE_BIN), prepend=os.pathsep)


def furnish(rehearsal: Rehearsal) -> None:
    """The tables that a stack captures; `local` names one of pgbench's."""
    rehearsal.invent_tables()
    for database in rehearsal.databases:
        with rehearsal.administrator(database) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS public.pgbench_history (tid int)")


def table() -> Iterator[object]:
    for folder, stacks in {"stacks": STACKS, "examples": EXAMPLES}.items():
        for name, config in stacks.items():
            mark = () if f"{folder}-{name}" in EVERYDAY else pytest.mark.full
            yield pytest.param(folder, name, config, id=f"{folder}-{name}", marks=mark)


def test_the_table_has_every_stack_and_every_environment() -> None:
    for folder, stacks in {"stacks": STACKS, "examples/stacks": EXAMPLES}.items():
        files = (PROJECT / folder).glob("Pulumi.*.yaml")
        assert {file.name.split(".")[1] for file in files} == set(stacks)
    used = {*STACKS.values(), *EXAMPLES.values()}
    assert {file.stem for file in CONFIGS.iterdir()} == used


@pytest.mark.parametrize(("folder", "name", "config"), [*table()])
def test_a_stack_gets_no_violation_in_its_first_preview(
    tmp_path: Path, folder: str, name: str, config: str
) -> None:
    project = PROJECT if folder == "stacks" else examples_project(tmp_path / "project")
    with Rehearsal(project, name) as rehearsal:
        if rehearsal.management == CREATE:
            # As it is for a team: nobody knows the host of a server that is still to be made.
            given = rehearsal.settings["connection"]
            rehearsal.engine.set_config(
                "connection", {k: v for k, v in given.items() if k != "host"}
            )
        else:
            furnish(rehearsal)
        verdict = judged(rehearsal.engine, config=config)
    assert verdict.passed, verdict.outcome.text
    assert verdict.outcome.operations["create"] > 10
    assert verdict.violations == {}
    assert verdict.remediations == []


@pytest.mark.full
def test_a_stack_gets_no_violation_while_it_comes_up_and_later() -> None:
    with Rehearsal(PROJECT, "local") as rehearsal:
        furnish(rehearsal)
        for command in ("up", "preview", "up"):
            verdict = judged(rehearsal.engine, command, "dev")
            assert verdict.violations == {}, command
            assert verdict.passed, command


@pytest.mark.full
def test_what_is_missing_is_found_in_a_first_preview_and_in_prod_it_is_mandatory() -> None:
    """`dev` has no alerts: dev may go without, prod may not."""
    alerts = {"server-alerts-on-storage", "server-alerts-on-wal"}
    alerts.add("server-alerts-on-replication-delay")
    with Rehearsal(PROJECT, "dev") as rehearsal:
        furnish(rehearsal)
        dev = judged(rehearsal.engine, config="dev")
        without = judged(rehearsal.engine)
        prod = judged(rehearsal.engine, config="prod")
    assert dev.passed
    assert dev.violations == {}
    assert without.passed
    assert set(without.violations) == alerts
    assert {level for found in without.violations.values() for level, _ in found} == {"advisory"}
    assert not prod.passed
    assert set(prod.violations) == alerts
    assert {level for found in prod.violations.values() for level, _ in found} == {"mandatory"}


@pytest.mark.parametrize("name", ["good", "unrelated"])
def test_a_team_s_own_program_that_is_right_gets_no_violation(tmp_path: Path, name: str) -> None:
    verdict = judged(program(name, tmp_path / "engine"), config="prod")
    assert verdict.passed, verdict.outcome.text
    assert verdict.violations == {}
    assert verdict.remediations == []


def test_a_team_s_own_program_that_is_wrong_is_stopped_with_every_reason(tmp_path: Path) -> None:
    verdict = judged(program("bad", tmp_path / "engine"))
    assert not verdict.passed
    assert sorted(verdict.violations) == [
        "connector-names-declared-publication",
        "connector-names-declared-slot",
        "connector-requires-tls",
        "database-grants-connect",
        "firewall-rule-names-addresses",
        "grant-avoids-overlap",
        "publication-holds-signal-table",
        "publication-is-protected",
        "role-belongs-to-group",
        "schema-grants-future-tables",
        "schema-grants-select",
        "schema-grants-usage",
        "server-alerts-on-replication-delay",
        "server-alerts-on-storage",
        "server-alerts-on-wal",
        "server-allows-pglogical",
        "server-parameter-exists",
        "server-parameter-restarts-server",
        "server-preloads-pglogical",
        "server-sizes-worker-processes",
        "server-with-standby-syncs-slots",
        "signal-table-keeps-name",
        "slot-avoids-plain-resource",
        "slot-is-protected",
        "slot-survives-failover",
        "slot-uses-pgoutput",
    ]
    assert sorted(verdict.remediations) == [
        "provider-requires-tls",
        "publication-publishes-via-root",
        PASSWORDS,
        "role-avoids-administration",
        "server-keeps-storage-auto-grow",
        "server-parameter-sets-wal-level",
    ]
    assert "Plain-text-1" not in verdict.outcome.text


def test_a_configuration_gives_other_levels_and_numbers(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    engine = program("bad", tmp_path / "engine")
    level, workers = "server-parameter-sets-wal-level", "server-sizes-worker-processes"
    file.write_text(json.dumps({level: "mandatory", workers: {"minimum": 8}}))
    verdict = judged(engine, config=str(file))
    assert verdict.violations[level][0][0] == "mandatory"
    assert "wal_level is 'replica'" in verdict.violations[level][0][1]
    assert level not in verdict.remediations
    assert workers not in verdict.violations
    file.write_text(json.dumps({workers: {"minimum": "many"}}))
    verdict = judged(engine, config=str(file))
    assert not verdict.passed
    assert workers in verdict.outcome.text
    assert "minimum" in verdict.outcome.text


@pytest.mark.full
@pytest.mark.parametrize(("name", "capture"), [(OURS, capture_ours), (RAW, capture_raw)])
def test_what_is_captured_is_what_the_engine_shows(
    tmp_path: Path, name: str, capture: object
) -> None:
    """Otherwise make it anew: capture.py says how."""
    now = capture(tmp_path / name)  # type: ignore[operator]
    assert (CAPTURED / f"{name}.json").is_file()
    found = {(item["type"], item["name"]): {*(item["inputs"] or ())} for item in now}
    kept = {(item.type, item.name): {*item.inputs} for item in captured(name)}
    assert found == kept
