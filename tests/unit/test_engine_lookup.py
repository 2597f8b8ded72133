"""Where the engine is looked for by a wheel, which has no tools/ beside it; and PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations import engine
from azure_postgres_cdc.operations.cli import app
from azure_postgres_rehearsal import distributions
from azure_postgres_rehearsal.engine import engine_path


def program(file: Path) -> Path:
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without an engine."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


PLACES = [
    "path/pulumi",
    "project/.engine/bin/pulumi",
    ".engine/bin/pulumi",
    "home/.pulumi/bin/pulumi",
]


@pytest.mark.parametrize("place", PLACES)
def test_it_is_found(nothing: Path, place: str) -> None:
    found = program(nothing / place)
    assert engine.find(nothing / "project") == str(found)
    assert str(found.parent) in os.pathsep.join(engine_path(nothing / "project")).split(os.pathsep)


def test_where_there_is_none_the_remedy_is_said(nothing: Path) -> None:
    remedy = r"pulumi is not on PATH\. Remedy: .* or azure-postgres-cdc install-engine, "
    with pytest.raises(CdcError, match=remedy):
        engine.find(nothing)
    with pytest.raises(FileNotFoundError, match=remedy):
        engine_path(nothing)


def test_one_that_was_downloaded_is_not_downloaded_again(nothing: Path) -> None:
    program(nothing / "home/.pulumi/bin/pulumi").write_text("#!/bin/sh\necho v3.999.0\n")
    result = CliRunner().invoke(app, ["install-engine"])
    assert result.output == (
        f"pulumi is in {nothing}/home/.pulumi/bin; put that on PATH for pulumi itself\n"
    )


def test_download_that_is_refused_is_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "azure_postgres_cdc.operations", "install-engine"],
        env={"PATH": "/bin", "HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "azure-postgres-cdc: Pulumi's installer (get.pulumi.com) did not work: <urlopen error "
    )
    assert "Connection refused" in line
    assert ". Remedy: let this machine reach it (HTTPS_PROXY is heeded), or put pulumi on" in line


@pytest.mark.parametrize(
    ("here", "usual"), [((16, 17, 18), 17), ((16, 18), 18), ((16,), 16), ((), 17)]
)
def test_the_usual_postgresql_is_17_or_the_newest_that_is_there(
    monkeypatch: pytest.MonkeyPatch, here: tuple[int, ...], usual: int
) -> None:
    monkeypatch.setattr(distributions, "majors", lambda: here)
    assert distributions.usual() == usual


def test_what_is_not_there_on_macos_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(distributions, "_PACKAGES", {})
    monkeypatch.setattr(distributions, "_ON_THE_SYSTEM", ("/nowhere/{}",))
    with pytest.raises(FileNotFoundError, match=r"Remedy: brew install postgresql@17"):
        distributions.find(17)


def test_homebrew_s_postgresql_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "postgresql@17" / "bin").mkdir(parents=True)
    monkeypatch.setattr(distributions, "_PACKAGES", {})
    monkeypatch.setattr(distributions, "_ON_THE_SYSTEM", (f"{tmp_path}/postgresql@{{}}/bin",))
    assert distributions.find(17) == distributions.Distribution(
        17, tmp_path / "postgresql@17" / "bin", has_tls=True
    )
