"""What the pipelines call: every command line is one that the tool takes, and the scripts run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pipeline_support import PIPELINES, Tool
from tests.unit.pipeline_lines import command_lines, fault
from tests.unit.test_pipelines import SCHEMAS, scripts

from azure_postgres_cdc.operations.markdown import MOST_BYTES

SHELL = sorted(PIPELINES.glob("*.sh"))
EVERY = {
    **{file.name: scripts(file) for file in SCHEMAS},
    **{file.name: [file.read_text()] for file in SHELL},
}
CALLED = {
    name: [line for text in texts for line in command_lines(text)] for name, texts in EVERY.items()
}


@pytest.mark.parametrize("name", [name for name, lines in CALLED.items() if lines])
def test_every_command_line_is_one_that_the_tool_takes(name: str) -> None:
    assert {shown(line): fault(line) for line in CALLED[name]} == {
        shown(line): None for line in CALLED[name]
    }


def test_the_command_lines_are_found() -> None:
    found = {shown(line) for lines in CALLED.values() for line in lines}
    assert {
        "make lint",
        "make setup",
        "azure-postgres-cdc config check --all",
        "azure-postgres-cdc rehearse --stack $stack --policies --markdown $work/one.md "
        "--base $work/deployed.yaml",
        "pulumi preview --stack $stack --refresh --expect-no-changes --non-interactive "
        "--color never --suppress-outputs",
        "azure-postgres-cdc doctor --stack $stack --fail-on new-tables --markdown $work/doctor.md",
        "pulumi up --stack $stack --yes --non-interactive --color never --suppress-outputs "
        "--policy-pack policies --policy-pack-config policies/config/$stack.json",
    } == found


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("make lnt", "no target lnt"),
        ("if pulumi preview --expect-nothing >log 2>&1; then", "no option --expect-nothing"),
        ("A=b pulumi upp --yes", "no command upp"),
        (".venv/bin/azure-postgres-cdc doctor --stack x --fail-onn y", "no option --fail-onn"),
        ("azure-postgres-cdc doctor --json || true", "--stack is missing"),
        ("azure-postgres-cdc rehearse --stack x --policy", "no option --policy"),
        (
            'options=(--stakc x)\nazure-postgres-cdc snapshot --stack y "${options[@]}"',
            "no option --stakc",
        ),
        ("azure-postgres-cdc upgrade rum --stack x", "no command rum"),
    ],
)
def test_one_that_it_does_not_take_is_found(script: str, said: str) -> None:
    (line,) = command_lines(script)
    assert fault(line) == said


def shown(line: list[str]) -> str:
    return " ".join(line)


# The scripts, with stand-ins for all that they call


def run(
    script: str, *arguments: str, folder: Path, tools: list[Tool], **environment: str
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([*(str(tool.bin) for tool in tools), os.environ["PATH"]])
    return subprocess.run(
        [str(PIPELINES / script), *arguments],
        cwd=folder,
        env=os.environ | environment | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("configured", [False, True])
def test_a_deployment_asks_for_its_tokens_first(tmp_path: Path, configured: bool) -> None:
    az, pulumi = Tool(tmp_path, "az"), Tool(tmp_path, "pulumi")
    config = tmp_path / "policies" / "config" / "prod.json"
    config.parent.mkdir(parents=True)
    if configured:
        config.touch()
    result = run("deploy.sh", "prod", folder=tmp_path, tools=[az, pulumi])
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    asked = [arguments for arguments, _ in az.calls()]
    # Nothing of a token is printed.
    assert all(call[:3] == ["account", "get-access-token", "--scope"] for call in asked)
    assert all(call[4:] == ["--output", "none"] for call in asked)
    assert "https://ossrdbms-aad.database.windows.net/.default" in [call[3] for call in asked]
    ((up, _),) = pulumi.calls()
    assert up[:5] == ["up", "--stack", "prod", "--yes", "--non-interactive"]
    assert ("policies/config/prod.json" in up) == configured


def test_a_deployment_ends_where_a_token_is_refused(tmp_path: Path) -> None:
    az, pulumi = Tool(tmp_path, "az"), Tool(tmp_path, "pulumi")
    (az.bin / "az").write_text("#!/bin/sh\nexit 1\n")
    assert run("deploy.sh", "prod", folder=tmp_path, tools=[az, pulumi]).returncode == 1
    assert pulumi.calls() == []


def stub(folder: Path, name: str, status: int, says: str) -> Tool:
    """A tool that prints this, gives doctor's report where it did look, and ends so."""
    tool = Tool(folder, name)
    (tool.folder / "says").write_text(says)
    looked = name != "pulumi" and status != 2
    markdown = f'echo "### doctor: {status}" >"$7"' if looked else ":"
    (tool.bin / name).write_text(
        f'#!/bin/sh\ncat "{tool.folder}/says"\n{markdown}\nexit {status}\n'
    )
    return tool


@pytest.mark.parametrize(
    ("preview", "doctor", "finding"),
    [
        (0, 0, None),
        (
            255,
            0,
            "### ❌ `pulumi preview --refresh --expect-no-changes`, stack prod\n\n"
            "    error: drift\n\n### doctor: 0\n",
        ),
        (0, 1, "### doctor: 1\n"),
        (0, 2, "### ❌ doctor could not look at stack prod\n\n    no such stack\n"),
    ],
)
def test_a_night_tells_what_was_found_and_nothing_else(
    tmp_path: Path, preview: int, doctor: int, finding: str | None
) -> None:
    says = " ~  a:b:C name refreshing \n    a:b:C name  \n@ previewing update....\nerror: drift\n"
    tools = [
        stub(tmp_path, "pulumi", preview, says),
        stub(tmp_path, "azure-postgres-cdc", doctor, "no such stack\n"),
    ]
    result = run("nightly.sh", "prod", "finding-prod.md", folder=tmp_path, tools=tools)
    assert (result.returncode, result.stderr) == (0 if finding is None else 1, "")
    # All of it is in the log.
    assert result.stdout == f"{says}no such stack\n"
    file = tmp_path / "finding-prod.md"
    assert (file.read_text() if file.exists() else None) == finding


def test_a_long_finding_fits_an_issue(tmp_path: Path) -> None:
    tools = [
        stub(tmp_path, "pulumi", 255, "é" * 40_000 + "\n" + "x\n" * 50_000 + "the end\n"),
        stub(tmp_path, "azure-postgres-cdc", 1, ""),
    ]
    run("nightly.sh", "prod", "finding-prod.md", folder=tmp_path, tools=tools)
    finding = (tmp_path / "finding-prod.md").read_text()
    assert "    the end\n" in finding
    # With as much of doctor's.
    assert len(finding.encode()) + MOST_BYTES < 65_000


BOARDS = {"SYSTEM_COLLECTIONURI": "https://dev.azure.com/o/", "SYSTEM_TEAMPROJECT": "Data's"}


@pytest.fixture
def findings(tmp_path: Path) -> Path:
    """As the artifacts are downloaded."""
    folder = tmp_path / "downloaded"
    (folder / "finding-prod").mkdir(parents=True)
    (folder / "finding-prod" / "finding-prod.md").write_text("it <b>drifts</b> & drifts\n")
    return folder


def test_azure_boards_gets_one_work_item(tmp_path: Path, findings: Path) -> None:
    az = Tool(tmp_path, "az")
    az.answers("boards query", [])
    call = ("open_issue.py", "azure-devops", str(findings), "https://run")
    first = run(*call, folder=tmp_path, tools=[az], **BOARDS)
    assert (first.returncode, first.stderr) == (0, "")
    (query, _), (create, _) = az.calls()
    assert query[:3] == ["boards", "query", "--wiql"]
    assert "[System.TeamProject] = 'Data''s'" in query[3]
    assert "[System.Title] = 'Nightly check: stack prod'" in query[3]
    assert create[:4] == ["boards", "work-item", "create", "--type"]
    assert create[create.index("--title") + 1] == "Nightly check: stack prod"
    body = "<pre>it &lt;b&gt;drifts&lt;/b&gt; &amp; drifts\n\n[The run](https://run)\n</pre>"
    assert create[create.index("--description") + 1] == body
    # The next night.
    az.answers("boards query", [{"id": 12}])
    assert run(*call, folder=tmp_path, tools=[az], **BOARDS).returncode == 0
    _, (update, _) = az.calls()
    assert update[:5] == ["boards", "work-item", "update", "--id", "12"]
    assert update[update.index("--discussion") + 1] == body


def test_a_tool_that_fails_ends_it_in_one_line(tmp_path: Path, findings: Path) -> None:
    gh = Tool(tmp_path, "gh")
    (gh.bin / "gh").write_text("#!/bin/sh\necho 'no token' >&2; exit 4\n")
    result = run("open_issue.py", "github", str(findings), "r", folder=tmp_path, tools=[gh])
    assert result.returncode == 1
    assert result.stderr == "no token\ngh issue list ended with 4\n"
    wrong = run("open_issue.py", "gitlab", str(findings), "r", folder=tmp_path, tools=[gh])
    assert wrong.stderr == "usage: open_issue.py github|azure-devops FOLDER RUN\n"


# Shell


@pytest.mark.parametrize("name", [name for name, texts in EVERY.items() if texts])
def test_every_script_is_shell(name: str) -> None:
    for text in EVERY[name]:
        assert bash("-n", text) == ""


@pytest.mark.parametrize("name", [name for name, texts in EVERY.items() if texts])
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck: apt-get install shellcheck")
    for text in EVERY[name]:
        # SC2154: some of the variables are the service's own.
        result = subprocess.run(
            ["shellcheck", "--shell=bash", "--exclude=SC2154", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stdout == ""


def test_a_script_that_is_none_is_found() -> None:
    assert "syntax error" in bash("-n", "if true; then")


def bash(option: str, script: str) -> str:
    result = subprocess.run(
        ["bash", option], input=script, capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr
