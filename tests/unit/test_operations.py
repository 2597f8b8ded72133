"""The command line: how it gets at a stack, what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations import cli, command_line, doctor
from azure_postgres_cdc.operations import record as records
from azure_postgres_cdc.operations.checks import CHECKS, name_of, server
from azure_postgres_cdc.operations.findings import Finding, Report, State, worst
from azure_postgres_cdc.operations.report import show
from azure_postgres_cdc.operations.stack import Stack, load
from azure_postgres_cdc.operations.subject import Subject

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("doctor.golden.json")
PASSWORD = "the-connector-s-password"
FORM = {
    "name": "shop",
    "hostname": "127.0.0.1",
    "port": 1,
    "connectViaSshTunnel": False,
    "username": "streamkap_user",
    "password": PASSWORD,
    "database": "shop",
    "readOnly": "No",
    "heartbeats": True,
    "heartbeatTableSchema": None,
    "signalTableSchema": "streamkap",
    "replicationSlotName": "streamkap_pgoutput_slot",
    "publicationName": "streamkap_pub",
    "sslMode": "require",
    "tables": "public.orders\n",
}
CONFIG = {
    "server": {"management": "none"},
    "connection": {"host": "127.0.0.1", "port": 1, "user": "cdc_admin"},
    "databases": [{"name": "shop", "capture": {"tables": ["public.orders"]}}],
}
Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose engine gives these answers, as the real one prints them."""

    def make(outputs: Any = None, config: Any = None, error: str = "") -> Path:
        (tmp_path / "Pulumi.yaml").write_text("name: azure-postgres-cdc\nmain: stacks\n")
        values = CONFIG if config is None else config
        answers = {
            "stack": {"connectors": [FORM]} if outputs is None else outputs,
            "config": {
                **{
                    f"azure-postgres-cdc:{key}": {"value": json.dumps(value), "objectValue": value}
                    for key, value in values.items()
                },
                "azure-postgres-cdc:adminPassword": {"value": '{"odd', "secret": True},
            },
        }
        for name, answer in answers.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(answer))
        engine = tmp_path / "bin" / "pulumi"
        engine.parent.mkdir()
        failing = f"echo 'error: {error}' >&2; exit 255\n" if error else ""
        engine.write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{failing}cat {tmp_path}/$1.json\n'
        )
        engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{engine.parent}{os.pathsep}{os.environ['PATH']}")
        return tmp_path

    return make


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def one_line(result: Result) -> str:
    """What a command that could not run says."""
    assert result.exit_code == command_line.COULD_NOT_RUN
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert PASSWORD not in result.stderr
    return result.stderr.removeprefix("azure-postgres-cdc: ").strip()


# How it gets at a stack


def test_stack_is_what_was_put_out_and_what_is_configured(project: Project) -> None:
    folder = project()
    stack = load("prod", folder)
    assert stack.name == "prod"
    assert stack.root == folder
    assert stack.admin_password == '{"odd'  # a password is never read as JSON
    (form,) = stack.forms
    assert (form.slot, form.signal_table is not None) == ("streamkap_pgoutput_slot", True)
    assert form.heartbeat_table is None
    assert list(stack.plans()) == [("shop", "streamkap_pgoutput_slot")]
    assert stack.administrator(form)["user"] == "cdc_admin"
    assert (folder / "calls").read_text().splitlines() == [
        "stack output --json --show-secrets --stack prod --non-interactive",
        "config --json --show-secrets --stack prod --non-interactive",
    ]


def test_nearest_project_upwards_is_meant(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = project() / "stacks" / "deeper"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert load("prod", None).root == below.parents[1]


def test_engine_that_the_project_has_built(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    (folder / ".engine").mkdir()
    (folder / "bin").rename(folder / ".engine" / "bin")
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    assert load("prod", folder).name == "prod"
    monkeypatch.setenv("PATH", "")
    (folder / ".engine").rename(folder / "nothing")
    with pytest.raises(CdcError, match=r"pulumi is not on PATH\. Remedy: "):
        load("prod", folder)


def test_a_stack_need_not_have_been_up_to_be_recorded(project: Project) -> None:
    folder = project(outputs={})
    with pytest.raises(CdcError, match="it was not up yet"):
        load("prod", folder)
    stack = load("prod", folder, was_up=False)
    assert stack.forms == ()
    assert records.default_file(stack) == folder / "record.prod.json"
    assert stack.administrator_at("elsewhere")["host"] == "127.0.0.1"  # the settings' own


def test_a_record_needs_the_server_s_place_in_azure(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARM_SUBSCRIPTION_ID", raising=False)
    server = {"management": "existing", "resourceGroup": "rg", "name": "psql"}
    folder = project(outputs={}, config=CONFIG | {"server": server})
    assert "no subscription is set" in one_line(
        run("record", "-s", "prod", "--project", str(folder))
    )
    assert not list(folder.glob("record*"))


def test_upgrade_that_was_never_begun(project: Project) -> None:
    folder = project()
    for command in ("status", "abort"):
        said = one_line(run("upgrade", command, "-s", "prod", "--project", str(folder)))
        assert said == (
            f"no upgrade of stack prod was begun: {folder}/upgrade.prod.json is not there. Remedy: "
            "--state, where it is kept elsewhere"
        )


def test_upgrade_of_a_server_that_does_not_answer(project: Project) -> None:
    folder = project()
    for command in ("plan", "run"):
        arguments = ("upgrade", command, "-s", "prod", "--project", str(folder), "--to", "18")
        assert one_line(run(*arguments)).startswith("cannot connect to database shop")
    assert not (folder / "upgrade.prod.json").exists()


def test_entra_s_administrator_has_no_password(project: Project) -> None:
    connection = {"host": "h", "user": "deployer", "auth": "entra", "tenantId": "t"}
    stack = load("prod", project(config=CONFIG | {"connection": connection}))
    login = stack.administrator(stack.forms[0])
    assert login["auth"] == "entra"
    assert "password" not in login


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "management: none leaves Azure alone"),
        (
            {"server": {"management": "existing", "resourceGroup": "rg", "name": "cdc-1"}},
            "no subscription is set (server.subscription, azure-native:subscriptionId or, in the ",
        ),
    ],
)
def test_size_of_the_storage_is_azure_s_to_say(
    project: Project, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], reason: str
) -> None:
    monkeypatch.delenv("ARM_SUBSCRIPTION_ID", raising=False)
    stack = load("prod", project(config=CONFIG | changes))
    with pytest.raises(CdcError, match=re.escape(reason)):
        _ = stack.storage_bytes


# What goes wrong before anything is looked at


def test_no_project(tmp_path: Path) -> None:
    said = one_line(run("doctor", "--stack", "prod", "--project", str(tmp_path)))
    assert said == (
        f"{tmp_path} has no Pulumi.yaml. Remedy: give the project's folder with --project"
    )


def test_stack_that_the_engine_does_not_have(project: Project) -> None:
    folder = project(error="no stack named prod found")
    said = one_line(run("doctor", "--stack", "prod", "--project", str(folder)))
    assert said.startswith("stack prod cannot be read: no stack named prod found. Remedy: check")


def test_stack_that_was_never_up(project: Project) -> None:
    said = one_line(run("doctor", "--stack", "prod", "--project", str(project(outputs={}))))
    assert said == (
        "stack prod has no output `connectors`: it was not up yet, or not to its end. Remedy: run "
        "pulumi up"
    )


def test_settings_with_faults_are_one_line_too(project: Project) -> None:
    folder = project(config=CONFIG | {"colour": "blue", "server": {"management": "nobody"}})
    said = one_line(run("snapshot", "--stack", "prod", "--project", str(folder), "--all"))
    assert said.startswith("Pulumi.prod.yaml has ")
    assert "colour: is no known key" in said
    assert "server.management" in said
    assert said.endswith(
        ". Remedy: azure-postgres-cdc config check says the line of each, and what helps"
    )


@pytest.mark.parametrize("command", ["doctor", "connector", "watch --once", "upgrade plan --to 18"])
def test_stack_without_a_connector(project: Project, command: str) -> None:
    folder = project(outputs={"connectors": []})
    said = one_line(run(*command.split(), "--stack", "prod", "--project", str(folder)))
    assert said == (
        "stack prod was up with no database, and so has no connector. Remedy: list what is "
        "captured in databases, and run pulumi up"
    )


def test_database_that_the_stack_does_not_have(project: Project) -> None:
    call = ("doctor", "--stack", "prod", "--project", str(project()), "--database", "crm")
    assert one_line(run(*call)).startswith("stack prod has no connector for --database crm; it has")


def test_snapshot_on_a_server_out_of_reach(project: Project) -> None:
    said = one_line(run("snapshot", "--stack", "prod", "--project", str(project()), "--all"))
    assert said.startswith("cannot connect to database shop on 127.0.0.1:1 as streamkap_user: ")


@pytest.mark.parametrize(
    "call",
    [
        ("doctor",),
        ("doctor", "--stack"),
        ("snapshot", "--stack", "s", "--type", "odd"),
        ("record", "--stack", "s", "--output", "/"),
        ("watch", "--stack", "s", "--interval", "inf"),
        ("upgrade", "run", "--stack", "s", "--to", "18", "--state", "/"),
        ("upgrade", "status", "--stack", "s", "--state", "/"),
    ],
)
def test_wrong_call(call: tuple[str, ...]) -> None:
    result = run(*call)
    assert result.exit_code == command_line.COULD_NOT_RUN
    assert "Traceback" not in result.output


def test_bug_is_one_line_that_shows_no_password(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> Report:
        raise KeyError(PASSWORD)

    monkeypatch.setattr(doctor, "examine", broken)
    said = one_line(run("doctor", "--stack", "prod", "--project", str(project())))
    assert said.startswith("unexpected KeyError. Remedy: ")


# How it ends


@pytest.mark.parametrize(
    ("states", "plain", "strict"),
    [
        ([State.OK, State.OK], 0, 0),
        ([State.OK, State.UNKNOWN], 0, 0),
        ([State.WARNING, State.UNKNOWN], 0, 1),
        ([State.OK, State.WARNING, State.FAILED], 1, 1),
    ],
)
def test_exit_status(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    states: list[State],
    plain: int,
    strict: int,
) -> None:
    def found(stack: Stack, *_options: object) -> Report:
        return report(*states, stack=stack.name)

    monkeypatch.setattr(doctor, "examine", found)
    call = ("doctor", "--stack", "prod", "--project", str(project()))
    assert run(*call).exit_code == plain
    assert run(*call, "--strict").exit_code == strict


def test_json_is_all_that_is_on_standard_output(project: Project) -> None:
    """The server is out of reach, which is a finding: doctor itself could run."""
    result = run("doctor", "--stack", "prod", "--project", str(project()), "--json")
    assert result.exit_code == command_line.FAILED
    answer = json.loads(result.stdout)
    reason = answer["findings"][0]["evidence"]
    assert reason.startswith("cannot connect to database shop on 127.0.0.1:1 as streamkap_user: ")
    answer["findings"][0]["evidence"] = "…"
    assert answer == json.loads(GOLDEN.read_text())


def test_worst_comes_first() -> None:
    assert worst([]) == State.OK
    assert worst([State.OK, State.UNKNOWN, State.WARNING]) == State.WARNING
    assert report(State.OK, State.FAILED).state == State.FAILED


@pytest.mark.parametrize(
    ("number", "read_only", "state", "evidence"),
    [
        (120_019, False, State.OK, "PostgreSQL 12.19"),
        (120_019, True, State.FAILED, "read-only snapshots needs PostgreSQL 13 or later; this"),
        (90_600, False, State.FAILED, "logical replication with publications needs PostgreSQL 10"),
        (990_000, True, State.WARNING, "PostgreSQL 99, newer than this package knows"),
    ],
)
def test_version_is_enough(number: int, read_only: bool, state: State, evidence: str) -> None:
    info = SimpleNamespace(server_version=number, parameter_status=lambda _: "12.19")
    subject = SimpleNamespace(
        form=SimpleNamespace(read_only=read_only),
        version=number,
        connection=SimpleNamespace(info=info),
    )
    found = server.version(cast(Subject, subject))
    assert (found.state, found.evidence[: len(evidence)]) == (state, evidence)


# What people see


def report(*states: State, stack: str = "prod", evidence: str = "what was seen") -> Report:
    findings = [
        Finding(
            database="shop",
            slot="streamkap_pgoutput_slot",
            topic="slot",
            check=f"check-{number}",
            state=state,
            evidence=evidence,
            remedy="" if state is State.OK else "what to do",
        )
        for number, state in enumerate(states)
    ]
    return Report(stack, findings)


def shown(what: Report, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width, highlight=False)
    show(what, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    return str(text)


def test_report_has_the_worst_first_and_the_remedy_below() -> None:
    text = shown(report(State.OK, State.WARNING, State.FAILED))
    assert "database shop, slot streamkap_pgoutput_slot" in text
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert ["failed", "check-2", "what", "was", "seen"] in lines
    order = [line[0] for line in lines if line[0] in set(State)]
    assert order == ["failed", "warning", "ok"]
    assert lines[lines.index(["failed", "check-2", "what", "was", "seen"]) + 1][0] == "->"
    assert text.splitlines()[-1] == "stack prod: failed (1 failed, 1 warning, 1 ok)"


def test_report_is_readable_in_80_columns_and_takes_no_name_for_markup() -> None:
    text = shown(report(State.OK, evidence="[bold]" + "a_very_long_name" * 20))
    assert "[bold]" in text
    assert text.replace("\n", "").replace(" ", "").count("a_very_long_name") == 20


def test_every_check_has_its_row_in_the_documentation() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text().partition("## The checks")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \|", page.partition("\n## ")[0], re.MULTILINE)
    checks = [name_of(check) for checks in CHECKS.values() for check in checks]
    assert rows == [*doctor.CONNECTION_CHECKS, *checks]
