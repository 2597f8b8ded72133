"""What a rehearsal reads of a project: as the engine reads it, and a fault is one line."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from azure_postgres_rehearsal.cli import app
from azure_postgres_rehearsal.ending import Interrupted, cleaning_up
from azure_postgres_rehearsal.project_files import (
    RehearsalFailed,
    project_folder,
    read,
    settings_in,
    stack_file,
    write,
)

GOOD = """\
config:
  server: {management: existing, resourceGroup: rg, name: psql-1}
  connection: {user: cdc_admin}
  databases:
    - name: shop
      capture: {tables: [public.orders]}
"""
NO_YAML = "is no YAML. Remedy: mend the line, or the one before it"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: azure-postgres-cdc\nmain: stacks\nstackConfigDir: stacks\n"
    )
    (tmp_path / "stacks").mkdir()
    return tmp_path


def changed(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).encode()


FAULTS = [
    (b"config:\n  server: {a: [}\n", f"Pulumi.dev.yaml:2 {NO_YAML}"),
    (b"config: [1, 2]\n", "config is no mapping of keys to values"),
    (b"just text\n", "is no mapping of keys to values"),
    (b"\xff\xfe", "is no YAML, or not in UTF-8"),
    (b"a: &a [*a]\nconfig: &b {c: *b}\n", "has no server, no connection"),
    (b"", "Pulumi.dev.yaml has no server, no connection: nothing to rehearse"),
    (
        changed("{management: existing, resourceGroup: rg, name: psql-1}", "text"),
        "server: is no mapping of keys",
    ),
    (changed("management: existing, ", ""), "server.management: Field required"),
    (changed("resourceGroup: rg, ", ""), "server: existing needs resourceGroup and name"),
    (changed("rg, ", "rg, keyVault: /x, "), "server.keyVault: is no resource id of Azure"),
    (changed("rg, ", "rg, create: {version: soon}, "), "server.create.version: Input should"),
    (changed("{user: cdc_admin}", "{user: 1}"), "connection.user: Input should be a valid string"),
    (changed("{user: cdc_admin}", "{}"), "has no connection"),
    (changed("name: shop", "name: 12"), "databases[0].name: Input should be a valid string"),
    (changed("name: shop", "slot: shop"), "databases[0].name: Field required"),
    (changed("      capture: {tables: [public.orders]}\n", ""), "databases[0].capture: Field"),
    (changed("[public.orders]", "public.orders"), "databases[0].capture.tables: Input should"),
    (
        changed("    - name: shop\n      capture: ", "    - 1\n    - "),
        "databases[0]: is no mapping",
    ),
]


def test_a_key_of_the_project_without_a_value_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    """As Pulumi has it."""
    (tmp_path / "Pulumi.yaml").write_text("name: azure-postgres-cdc\nstackConfigDir:\n")
    assert stack_file(tmp_path, "dev") == tmp_path / "Pulumi.dev.yaml"


@pytest.mark.parametrize(("content", "expected"), FAULTS)
@pytest.mark.parametrize("command", ["rehearse", "up", "demo"])
def test_a_file_that_no_server_can_be_made_up_from(
    project: Path, content: bytes, expected: str, command: str
) -> None:
    stack_file(project, "dev").write_bytes(content)
    result = CliRunner().invoke(app, [command, "--stack", "dev", "--project", str(project)])
    assert result.exit_code == (2 if command == "rehearse" else 1)
    assert isinstance(result.exception, SystemExit)
    assert expected in result.output
    assert result.output.count("\n") == 1


def test_values_are_never_shown(project: Path) -> None:
    """A password may stand in the wrong place."""
    stack_file(project, "dev").write_bytes(changed("name: shop", "name: {password: hunter2}"))
    with pytest.raises(RehearsalFailed) as raised:
        settings_in(project, stack_file(project, "dev"))
    assert "hunter2" not in str(raised.value)
    assert "config check --stack dev says everything that is wrong" in str(raised.value)


def test_values_are_what_the_engine_takes_them_for(tmp_path: Path) -> None:
    """The engine knows YAML 1.2: a stack that it refuses must not go through in a rehearsal."""
    file = tmp_path / "values.yaml"
    file.write_text(
        "a: yes\nb: 22:00\nc: 'true'\nd: true\ne: 17\nf: 2026-01-01\ng: 1.5\nh: '1e3'\ni: 'é\\n'\n"
        "j: [0o17, off, null, 'on']\n"
    )
    expected: dict[str, Any] = {
        "a": "yes",
        "b": "22:00",
        "c": "true",
        "d": True,
        "e": 17,
        "f": "2026-01-01",
        "g": 1.5,
        "h": "1e3",
        "i": "é\\n",
        "j": [0o17, "off", None, "on"],
    }
    found = read(file)
    # PyYAML has no octal numbers of this form.
    assert {**found, "j": [0o17, *found["j"][1:]]} == expected
    write(file, expected)
    assert read(file) == expected
    # Whoever reads it as 1.1 finds texts, too.
    assert yaml.safe_load(file.read_text(encoding="utf-8")) == expected


def test_a_name_with_a_dot_is_told_in_full(project: Path) -> None:
    for stack in ("a.b", "dev"):
        stack_file(project, stack).write_text(GOOD)
    with pytest.raises(RehearsalFailed, match=r"there are a\.b, dev$"):
        settings_in(project, stack_file(project, "nope"))


def test_the_nearest_project_upwards_is_rehearsed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "stacks")
    assert project_folder(None) == project
    for command in ("up", "demo"):
        result = CliRunner().invoke(app, [command, "--stack", "nope"])
        assert result.exit_code == 1
        assert f"failed: there is no Pulumi.nope.yaml in {project}/stacks. Rem" in result.output


@pytest.mark.parametrize(("command", "status"), [(["demo"], 1), (["rehearse", "upgrade"], 2)])
def test_what_needs_a_database(project: Path, command: list[str], status: int) -> None:
    stack_file(project, "dev").write_text(GOOD.partition("  databases")[0])
    result = CliRunner().invoke(app, [*command, "--stack", "dev", "--project", str(project)])
    assert result.exit_code == status
    assert result.output.endswith(": stack dev names no database. Remedy: --stack local\n")


@pytest.mark.parametrize("content", ["name: [\n", "main: stacks\n", "text\n", ""])
def test_a_project_that_is_none(project: Path, content: str) -> None:
    (project / "Pulumi.yaml").write_text(content)
    result = CliRunner().invoke(app, ["rehearse", "--stack", "dev", "--project", str(project)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Pulumi.yaml" in result.stderr
    assert "Remedy: " in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_ends_a_rehearsal_as_ctrl_c_does(number: signal.Signals) -> None:
    """Nobody else would end the engine. After `nohup`, it goes on."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with cleaning_up():
            os.kill(os.getpid(), number)
        signal.signal(number, signal.SIG_DFL)
        with pytest.raises(Interrupted) as raised, cleaning_up():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert isinstance(raised.value, KeyboardInterrupt)
    assert raised.value.status == 128 + number
