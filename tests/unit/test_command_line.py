"""The command line, called wrongly and written to where nothing can be written."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tests.unit.environments_support import GOOD, project_in
from typer.testing import CliRunner

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations import cli, record
from azure_postgres_cdc.operations.command_line import one_line
from azure_postgres_cdc.operations.snapshot import Choice
from azure_postgres_cdc.operations.upgrade import state

COMMAND = (sys.executable, "-m", "azure_postgres_cdc.operations")


def called(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    "call",
    [
        ("doctor",),
        ("snapshot", "--all"),
        ("record",),
        ("connector",),
        ("watch", "--once"),
        ("upgrade", "plan", "--to", "18"),
        ("upgrade", "run", "--to", "18"),
        ("upgrade", "status"),
        ("upgrade", "abort"),
    ],
)
@pytest.mark.parametrize("name", ["", " "])
def test_a_stack_without_a_name_is_not_the_one_that_is_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: tuple[str, ...], name: str
) -> None:
    """As of a variable that is not set: Pulumi would take the selected stack, whichever it is."""
    project_in(tmp_path)
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    engine.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\necho '{{}}'\n")
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{engine.parent}{os.pathsep}{os.environ['PATH']}")
    result = CliRunner().invoke(cli.app, [*call, "--project", str(tmp_path), "--stack", name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "azure-postgres-cdc: --stack is empty, and pulumi would take the stack that is selected. "
        "Remedy: give its name\n"
    )
    assert not (tmp_path / "asked").exists()


def test_new_stack_from_a_stack_without_a_name(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    said = project.run("new-stack", "qa", "--project", str(tmp_path), "--from", "", status=2)
    assert said[-1].startswith("azure-postgres-cdc: '' is no name of a stack")
    assert not list((tmp_path / "stacks").iterdir())


SPACE = "free some space there, or write to another place"
ACCESS = "let the user that runs this read and write there, or choose another place"


@pytest.mark.parametrize(
    ("number", "file", "expected"),
    [
        (errno.ENOENT, "t.txt", "t.txt: No such file or directory. Remedy: check the path"),
        (errno.ENOSPC, "t.txt", f"t.txt: No space left on device. Remedy: {SPACE}"),
        (errno.EACCES, "t.txt", f"t.txt: Permission denied. Remedy: {ACCESS}"),
        (errno.EROFS, "t.txt", f"t.txt: Read-only file system. Remedy: {ACCESS}"),
        (
            errno.EMFILE,
            None,
            "the operating system refused it: Too many open files. Remedy: raise the limit of open "
            "files (ulimit -n), or end what holds so many",
        ),
        (
            errno.ENOSPC,
            None,
            f"the operating system refused it: No space left on device. Remedy: {SPACE}",
        ),
        (
            errno.EIO,
            None,
            "the operating system refused it: Input/output error. Remedy: the same command again",
        ),
    ],
)
def test_what_the_operating_system_refuses_has_its_remedy(
    capsys: pytest.CaptureFixture[str], number: int, file: str | None, expected: str
) -> None:
    with pytest.raises(typer.Exit) as raised, one_line():
        raise OSError(number, os.strerror(number), file)
    assert raised.value.exit_code == 2
    assert capsys.readouterr().err == f"azure-postgres-cdc: {expected}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_the_file_that_does_not_fit_on_a_disk_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The system does not name it, where writing fails and not opening."""
    full = Path("/dev/full")
    with pytest.raises(typer.Exit), one_line():
        record.write({}, full)
    assert capsys.readouterr().err == (
        f"azure-postgres-cdc: /dev/full: No space left on device. Remedy: {SPACE}\n"
    )


def test_a_stack_that_does_not_fit_is_not_there_by_half(tmp_path: Path) -> None:
    """It would be in the way of the next call."""
    project_in(tmp_path)
    result = limited(1, "new-stack", "qa", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Pulumi.qa.yaml: File too large. Remedy: " in result.stderr
    assert not list((tmp_path / "stacks").iterdir())


def test_a_machine_on_which_nothing_can_be_written(tmp_path: Path) -> None:
    result = limited(0, "--help", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, b"")
    said = result.stderr.decode()
    assert said.startswith("azure-postgres-cdc: there is no place for temporary files: No usable ")
    assert said.endswith("in the environment variable TMPDIR\n")


def limited(blocks: int, *arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The command where a file has room for so many blocks of 512 bytes."""
    call = f"ulimit -f {blocks}; exec {' '.join((*COMMAND, *arguments))}"
    return subprocess.run(["sh", "-c", call], cwd=folder, capture_output=True, check=False)


def test_a_state_of_an_upgrade_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "upgrade.json"
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(CdcError, match=r"is no record of an upgrade: .* Remedy: "):
        state.read(file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\n \n", "tables.txt names no table. Remedy: one table a row, as in SQL"),
        (b"\xff\xfe", "tables.txt is not UTF-8 text. Remedy: one table a row, as in SQL"),
        (b"orders\n", "tables.txt: 'orders' is not of the form schema.table. Remedy: "),
    ],
)
def test_a_file_of_tables_that_is_none(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "tables.txt"
    file.write_bytes(content)
    with pytest.raises(CdcError) as raised:
        Choice(file=file).names([])
    assert expected in str(raised.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("call", [("config", "check"), ("config", "diff", "dev", "other")])
def test_output_that_takes_no_more_is_one_line(tmp_path: Path, call: tuple[str, ...]) -> None:
    project = project_in(tmp_path)
    project.write("dev", GOOD)
    project.write("other", GOOD.replace("psql-1", "psql-2"))
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*COMMAND, *call], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert result.returncode == 2
    assert result.stderr.decode() == (
        "azure-postgres-cdc: the output cannot be written: No space left on device. Remedy: write "
        "it to where there is space\n"
    )


def test_what_an_encoding_lacks_is_spelt_out(tmp_path: Path) -> None:
    """A terminal, or a job, whose encoding is not UTF-8."""
    project = project_in(tmp_path)
    project.write("dev", GOOD)
    project.write("other", GOOD.replace("cdc_admin", "admin_表"))
    result = called("config", "diff", "dev", "other", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (1, b"")
    assert result.stdout == b"connection.user: dev: cdc_admin | other: admin_\\u8868\n"


def test_the_engine_is_understood_whatever_the_locale(tmp_path: Path) -> None:
    project_in(tmp_path)
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    engine.write_text("#!/bin/sh\necho 'error: no stack named 表' >&2\nexit 1\n", encoding="utf-8")
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    path = f"{engine.parent}{os.pathsep}{os.environ['PATH']}"
    locale = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = called("connector", "--stack", "dev", folder=tmp_path, PATH=path, **locale)
    assert (result.returncode, result.stdout) == (2, b"")
    assert "stack dev cannot be read: no stack named 表. Remedy: " in result.stderr.decode()
