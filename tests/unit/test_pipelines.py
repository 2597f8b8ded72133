"""`examples/pipelines/`: what each service takes, and no token for what it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PIPELINES = Path(__file__).resolve().parents[2] / "examples" / "pipelines"
SCRIPT = PIPELINES / "rehearse-changed.sh"
GITHUB = sorted(PIPELINES.glob("github-*.yaml"))
AZURE_DEVOPS = sorted(PIPELINES.glob("azure-devops-*.yaml"))
SCHEMAS = {
    **{file: ["vendor.github-workflows"] for file in GITHUB},
    # The options with which check-jsonschema's own hook reads it.
    **{
        file: [
            "vendor.azure-pipelines",
            "--data-transform=azure-pipelines",
            "--regex-variant=nonunicode",
        ]
        for file in AZURE_DEVOPS
    },
}
READ, SIGN_IN = {"contents": "read"}, {"contents": "read", "id-token": "write"}
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")
_PINNED = re.compile(r"@(v?\d[\d.]*|[0-9a-f]{40})$")


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def pipeline(name: str) -> dict[str, Any]:
    return load(PIPELINES / f"{name}.yaml")


def lint(file: Path, schema: list[str]) -> subprocess.CompletedProcess[str]:
    """Against the service's schema, which comes with the package: nothing is downloaded."""
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )


def mappings(content: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a file, at any depth."""
    if isinstance(content, dict):
        yield content
    children = content.values() if isinstance(content, dict) else content
    if not isinstance(content, str) and isinstance(children, Iterable):
        for child in children:
            yield from mappings(child)


def scripts(file: Path) -> list[str]:
    """Every script in a file; what the service fills in is a word."""
    keys = ("run", "bash", "script", "inlineScript")
    return [
        _EXPRESSION.sub("filled-in", part[key])
        for part in mappings(load(file))
        for key in keys
        if isinstance(part.get(key), str)
    ]


def test_every_pipeline_is_linted_and_told_of() -> None:
    assert sorted(PIPELINES.glob("*.yaml")) == sorted(SCHEMAS)
    readme = (PIPELINES / "README.md").read_text()
    files = [file for file in PIPELINES.iterdir() if file.is_file() and file.suffix != ".md"]
    assert [file.name for file in files if f"`{file.name}`" not in readme] == []


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_it_is_what_the_service_takes(file: Path, tmp_path: Path) -> None:
    result = lint(file, SCHEMAS[file])
    assert result.returncode == 0, result.stdout
    spoilt = tmp_path / file.name
    text = file.read_text()
    spoilt.write_text(text.replace("steps:", "stepps:").replace("uses: ./", "uuses: ./"))
    assert lint(spoilt, SCHEMAS[file]).returncode == 1


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_everything_it_takes_from_others_is_pinned(file: Path) -> None:
    taken = [part[key] for part in mappings(load(file)) for key in ("uses", "task") if key in part]
    own = [name for name in taken if name.startswith("./.github/workflows/")]
    assert [name for name in taken if name not in own and not _PINNED.search(name)] == []


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_no_secret_is_stored(file: Path) -> None:
    text = file.read_text().lower()
    for words in (r"secrets\.\w", "password", "passphrase", "client-secret", "access_key"):
        assert re.search(words, text) is None
    # On a command line, a list of processes shows it.
    assert "set -x" not in text


@pytest.mark.parametrize("file", GITHUB, ids=lambda file: file.stem)
def test_github_fills_in_no_script(file: Path) -> None:
    """What others may name, such as a branch, comes as a variable and never as code."""
    for part in mappings(load(file)):
        assert "${{" not in str(part.get("run", ""))
        if "checkout" in str(part.get("uses", "")):
            assert part["with"]["persist-credentials"] is False


def test_github_gives_a_pull_request_no_right_to_write() -> None:
    content = pipeline("github-pull-request")
    assert content["permissions"] == READ
    # Of the pull request, on an event without secrets; `on` is a boolean in YAML 1.1.
    assert list(content[True]) == ["pull_request"]
    writing = {name: job for name, job in content["jobs"].items() if "permissions" in job}
    assert list(writing) == ["comment"]
    assert writing["comment"]["permissions"] == {"pull-requests": "write"}
    for name, job in content["jobs"].items():
        checks_out = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
        assert bool(checks_out) == (name != "comment")


def test_github_deploys_main_only_to_one_stack_after_the_other() -> None:
    merge, deploy = pipeline("github-merge"), pipeline("github-deploy")
    assert merge[True]["push"]["branches"] == ["main"]
    assert set(merge[True]) == {"push", "workflow_dispatch"}
    assert merge["concurrency"] == {"group": "deploy", "cancel-in-progress": False}
    jobs = merge["jobs"]
    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("dev", None),
        ("staging", "dev"),
        ("prod", "staging"),
    ]
    assert all(job["with"] == {"stack": name} for name, job in jobs.items())
    (job,) = deploy["jobs"].values()
    assert job["environment"] == "${{ inputs.stack }}"
    assert merge["permissions"] == deploy["permissions"] == {}
    assert [given["permissions"] for given in (*jobs.values(), job)] == [SIGN_IN] * 4
    # What was signed in with is good for minutes only.
    assert job["steps"][-2]["uses"].startswith("azure/login@")
    assert "deploy.sh" in job["steps"][-1]["run"]


def test_github_signs_in_where_no_issue_is_written() -> None:
    nightly = pipeline("github-nightly")
    assert set(nightly[True]) == {"schedule", "workflow_dispatch"}
    check, issue = nightly["jobs"]["check"], nightly["jobs"]["issue"]
    assert nightly["permissions"] == {}
    assert check["permissions"] == SIGN_IN
    assert issue["permissions"] == READ | {"issues": "write"}
    assert (issue["needs"], issue["if"]) == ("check", "failure()")
    assert check["strategy"]["matrix"]["stack"] == list(pipeline("github-merge")["jobs"])


def test_azure_devops_gives_its_token_to_what_runs_nothing() -> None:
    content = pipeline("azure-devops-pull-request")
    jobs = {job["job"]: job for job in content["jobs"]}
    with_token = [name for name, job in jobs.items() if "System.AccessToken" in str(job)]
    assert with_token == ["comment"]
    assert {"checkout": "none"} in jobs["comment"]["steps"]
    assert "azureSubscription" not in str(content)
    (posting,) = [step["bash"] for step in jobs["comment"]["steps"] if "bash" in step]
    # Not on the command line, where a list of processes would show it.
    assert posting.count("SYSTEM_ACCESSTOKEN") == 1
    assert '<<<"oauth2-bearer' in posting


def test_azure_devops_deploys_main_only_to_one_stack_after_the_other() -> None:
    merge = pipeline("azure-devops-merge")
    assert (merge["pr"], merge["trigger"]["branches"]) == ("none", {"include": ["main"]})
    assert (merge["trigger"]["batch"], merge["lockBehavior"]) == ("true", "sequential")
    stages = [stage["stage"] for stage in merge["stages"]]
    assert stages == list(pipeline("github-merge")["jobs"])
    for stack, stage in zip(stages, merge["stages"], strict=True):
        assert "dependsOn" not in stage  # so it comes after the one above it
        (job,) = stage["jobs"]
        assert job["environment"] == stack
        (step,) = job["strategy"]["runOnce"]["deploy"]["steps"]
        assert step["template"] == "azure-devops-stack.yaml"
        assert step["parameters"] == {"stack": stack, "script": f"deploy.sh {stack}"}


def test_azure_devops_signs_in_where_no_work_item_is_written() -> None:
    check, issue = pipeline("azure-devops-nightly")["stages"]
    assert "System.AccessToken" not in str(check)
    assert "template" not in str(issue)
    stacks = [stage["stage"] for stage in pipeline("azure-devops-merge")["stages"]]
    assert [job["job"] for job in check["jobs"]] == stacks
    for stack, job in zip(stacks, check["jobs"], strict=True):
        step, *_ = job["steps"]
        script = f"nightly.sh {stack} finding-{stack}.md"
        assert step["parameters"] == {"stack": stack, "script": script}


# The script that both run, in a repository of its own and with a rehearsal that only says its name


STAND_IN = """#!/bin/sh
echo "$@" >> {folder}/calls
while [ $# -gt 0 ]; do
  case $1 in --stack) stack=$2;; --markdown) comment=$2;; --base) cat "$2" >> {folder}/bases;; esac
  shift
done
[ "$stack" = lost ] && exit 2
echo "comment of $stack" > "$comment"
[ "$stack" != bad ]
"""
Repository = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Commits files on a branch and runs the script there."""
    folder = tmp_path / "repository"
    folder.mkdir()
    tool = tmp_path / "bin" / "azure-postgres-cdc"
    tool.parent.mkdir()
    tool.write_text(STAND_IN.format(folder=tmp_path))
    tool.chmod(0o755)
    who = {
        f"GIT_{role}_{key}": "test" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    environment = os.environ | who | {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}"}

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)

    def run(changed: dict[str, str | None]) -> subprocess.CompletedProcess[str]:
        git("init", "--quiet", "--initial-branch=main")
        (folder / "stacks").mkdir(exist_ok=True)
        (folder / "policies").mkdir()
        for stack in ("bad", "dev", "lost", "prod"):
            (folder / "stacks" / f"Pulumi.{stack}.yaml").write_text(f"deployed {stack}\n")
        git("add", ".")
        git("commit", "--quiet", "--message=base")
        git("checkout", "--quiet", "-b", "change")
        for name, content in changed.items():
            if content is None:
                (folder / name).unlink()
            else:
                (folder / name).write_text(content)
        git("add", ".")
        git("commit", "--quiet", "--message=change")
        return subprocess.run(
            [str(SCRIPT), "main", "comment.md"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def called(tmp_path: Path) -> list[str]:
    """The stacks that were rehearsed."""
    file = tmp_path / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line.split()[2] for line in lines]


def test_changed_stacks_are_rehearsed_from_where_they_are(
    repository: Repository, tmp_path: Path
) -> None:
    result = repository(
        {
            "stacks/Pulumi.dev.yaml": "changed\n",
            "stacks/Pulumi.new.yaml": "new\n",
            "stacks/record.prod.json": "{}\n",
            "stacks/Pulumi.bad.yaml": None,
            "README.md": "of no stack\n",
        }
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert called(tmp_path) == ["dev", "new", "prod"]
    dev, new, _ = (tmp_path / "calls").read_text().splitlines()
    assert "--policies" in dev
    assert "--base" in dev
    assert "--base" not in new
    assert (tmp_path / "bases").read_text() == "deployed dev\ndeployed prod\n"
    comment = (tmp_path / "repository" / "comment.md").read_text()
    assert comment.splitlines() == [f"comment of {stack}" for stack in ("dev", "new", "prod")]


def test_a_changed_list_of_tables_changes_its_stack(repository: Repository, tmp_path: Path) -> None:
    """`tablesFile`. The file as it was deployed cannot be had beside the new one: no --base."""
    result = repository(
        {
            "stacks/Pulumi.new.yaml": "capture: {tablesFile: './stacks/tables.txt'}\n",
            "stacks/Pulumi.dev.yaml": "      capture:\n        tablesFile: orders.txt  # x\n",
            "stacks/Pulumi.prod.yaml": "capture: {tablesFile: other.txt}\n",
            "orders.txt": "public.orders\n",
            "stacks/tables.txt": "public.orders\n",
        }
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert called(tmp_path) == ["dev", "new", "prod"]
    dev, new, prod = (tmp_path / "calls").read_text().splitlines()
    assert ["--base" in call for call in (dev, new, prod)] == [False, False, True]


def test_only_a_list_of_tables_is_changed(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "repository" / "stacks").mkdir()
    for stack, lists in (("one", "lists/a.txt"), ("other", "a.txt"), ("odd", '"lists/b c.txt"')):
        file = tmp_path / "repository" / "stacks" / f"Pulumi.{stack}.yaml"
        file.write_text(f"capture:\n  tablesFile: {lists}\n")
    (tmp_path / "repository" / "lists").mkdir()
    changed: dict[str, str | None] = {"lists/a.txt": "public.a\n", "lists/b c.txt": "public.b\n"}
    result = repository(changed)
    assert (result.returncode, result.stderr) == (0, "")
    assert called(tmp_path) == ["odd", "one"]


def test_a_changed_program_changes_every_stack(repository: Repository, tmp_path: Path) -> None:
    result = repository({"stacks/__main__.py": "program\n"})
    assert called(tmp_path) == ["bad", "dev", "lost", "prod"]
    # The worst of them; and each has its comment.
    assert result.returncode == 2
    comment = (tmp_path / "repository" / "comment.md").read_text()
    assert "stack `lost` could not be rehearsed" in comment
    assert "comment of bad" in comment
    assert "comment of prod" in comment


def test_what_is_of_no_stack_is_not_rehearsed(repository: Repository, tmp_path: Path) -> None:
    result = repository({"README.md": "other\n"})
    assert result.returncode == 0
    assert called(tmp_path) == []
    assert (tmp_path / "repository" / "comment.md").read_text() == "No stack is changed.\n"
