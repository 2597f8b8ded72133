"""`examples/pipelines/`: what each service takes, and no token for what it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PIPELINES = Path(__file__).resolve().parents[2] / "examples" / "pipelines"
GITHUB = PIPELINES / "github-pull-request.yaml"
AZURE_DEVOPS = PIPELINES / "azure-devops-pull-request.yaml"
SCRIPT = PIPELINES / "rehearse-changed.sh"
SCHEMAS = {
    GITHUB: ["vendor.github-workflows"],
    # The options with which check-jsonschema's own hook reads it.
    AZURE_DEVOPS: [
        "vendor.azure-pipelines",
        "--data-transform=azure-pipelines",
        "--regex-variant=nonunicode",
    ],
}


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def lint(file: Path, schema: list[str]) -> subprocess.CompletedProcess[str]:
    """Against the service's schema, which comes with the package: nothing is downloaded."""
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )


def scripts(file: Path) -> list[str]:
    jobs = load(file)["jobs"]
    listed = jobs if isinstance(jobs, list) else list(jobs.values())
    keys = ("run", "bash", "script")
    return [step[key] for job in listed for step in job["steps"] for key in keys if key in step]


def test_every_pipeline_is_linted_and_told_of() -> None:
    assert sorted(PIPELINES.glob("*.yaml")) == sorted(SCHEMAS)
    readme = (PIPELINES / "README.md").read_text()
    assert all(f"`{file.name}`" in readme for file in (*SCHEMAS, SCRIPT))


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_it_is_what_the_service_takes(file: Path, tmp_path: Path) -> None:
    result = lint(file, SCHEMAS[file])
    assert result.returncode == 0, result.stdout
    spoilt = tmp_path / file.name
    spoilt.write_text(file.read_text().replace("steps:", "stepps:"))
    assert lint(spoilt, SCHEMAS[file]).returncode == 1


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_its_scripts_are_shell(file: Path) -> None:
    found = scripts(file)
    assert any("rehearse-changed.sh" in script for script in found)
    assert "make lint" in found
    for script in found:
        check = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
        assert check.returncode == 0


def test_github_gives_what_it_runs_no_right_to_write() -> None:
    content = load(GITHUB)
    assert content["permissions"] == {"contents": "read"}
    # Of the pull request, on an event without secrets; `on` is a boolean in YAML 1.1.
    assert list(content[True]) == ["pull_request"]
    writing = {name: job for name, job in content["jobs"].items() if "permissions" in job}
    assert list(writing) == ["comment"]
    assert writing["comment"]["permissions"] == {"pull-requests": "write"}
    for name, job in content["jobs"].items():
        checks_out = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
        assert bool(checks_out) == (name != "comment")
        assert not any(step["with"]["persist-credentials"] for step in checks_out)
        # What others may name, such as a branch, comes as a variable and never as code.
        assert not any("${{" in step.get("run", "") for step in job["steps"])
    assert "secrets." not in GITHUB.read_text()


def test_azure_devops_gives_its_token_to_what_runs_nothing() -> None:
    jobs = {job["job"]: job for job in load(AZURE_DEVOPS)["jobs"]}
    with_token = [name for name, job in jobs.items() if "System.AccessToken" in str(job)]
    assert with_token == ["comment"]
    assert {"checkout": "none"} in jobs["comment"]["steps"]
    assert "serviceConnection" not in AZURE_DEVOPS.read_text()
    (posting,) = [step["bash"] for step in jobs["comment"]["steps"] if "bash" in step]
    # Not on the command line, where a list of processes would show it.
    assert posting.count("SYSTEM_ACCESSTOKEN") == 1
    assert '<<<"oauth2-bearer' in posting


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
        (folder / "stacks").mkdir()
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
