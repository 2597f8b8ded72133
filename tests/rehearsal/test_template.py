"""The project as a template: what `pulumi new` makes of it works, under a name of its own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from support import PROJECT, output

from azure_postgres_rehearsal.rehearsal import Rehearsal

NAME = "orders-capture"
NOT_IN_AN_EXPORT = (
    ".git", ".venv", ".engine", "build", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis",
)  # fmt: skip
PATH = os.pathsep.join(
    [str(Path(sys.prefix) / "bin"), str(PROJECT / ".engine" / "bin"), os.environ["PATH"]]
)


def run(*command: str, cwd: Path, **environment: str) -> str:
    return output(*command, cwd=cwd, environment=os.environ | {"PATH": PATH, **environment})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that `pulumi new` has made of an export of this one."""
    folder = tmp_path_factory.mktemp("template")
    template = shutil.copytree(
        PROJECT, folder / "template", ignore=shutil.ignore_patterns(*NOT_IN_AN_EXPORT)
    )
    found = folder / "made"
    found.mkdir()
    said = run(
        "pulumi", "new", str(template), "--name", NAME, "--generate-only", "--yes",
        "--non-interactive", "--stack", "dev",
        cwd=found,
        PULUMI_HOME=str(folder / "home"),
        PULUMI_BACKEND_URL=f"file://{folder}",
        PULUMI_SKIP_UPDATE_CHECK="1",
    )  # fmt: skip
    assert "Your new project is ready to go!" in said
    assert files(template) == files(found)
    (found / ".engine").symlink_to(PROJECT / ".engine")
    return found


def files(folder: Path) -> set[tuple[Path, bool]]:
    """Every file, and whether it can be run."""
    return {
        (file.relative_to(folder), os.access(file, os.X_OK))
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_it_has_another_name_and_is_no_template(made: Path) -> None:
    description = yaml.safe_load((made / "Pulumi.yaml").read_text())
    assert description["name"] == NAME
    assert "template" not in description
    assert description["stackConfigDir"] == "stacks"


def test_its_stacks_have_no_fault_and_a_new_one_begins_with_its_name(made: Path) -> None:
    said = run("azure-postgres-cdc", "config", "check", "--all", cwd=made)
    assert said.count(": nothing is wrong") == 4
    run("azure-postgres-cdc", "new-stack", "qa", cwd=made)
    file = made / "stacks" / "Pulumi.qa.yaml"
    assert f"\n  {NAME}:server:\n" in file.read_text()
    run("azure-postgres-cdc", "new-stack", "eu", "--from", "dev", cwd=made)
    assert f"\n  {NAME}:server:\n" in file.with_name("Pulumi.eu.yaml").read_text()


def test_its_commands_are_there(made: Path) -> None:
    assert "pip install" in run("make", "--dry-run", "setup", cwd=made)


@pytest.mark.full
def test_it_comes_up_and_stays(made: Path) -> None:
    with Rehearsal(made, "dev") as rehearsal:
        first = rehearsal.up(capture=True)
        assert first.operations["create"] > 5
        with rehearsal.postgres.superuser("shop") as connection:
            assert connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == [
                ("streamkap_pgoutput_slot",)
            ]
            assert connection.execute(
                "SELECT tablename FROM pg_publication_tables ORDER BY 1"
            ).fetchall() == [
                ("customers",),
                ("orders",),
                ("streamkap_heartbeat",),
                ("streamkap_signal",),
            ]
        again = rehearsal.up(capture=True)
        assert again.changed == 0, again.text
