"""tools/engine: which Pulumi and Go are recent enough, and one line where there is neither."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[2] / "tools" / "engine"


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("engine_install", SOURCE / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.220.0\n", (3, 220, 0)),
        ("3.94.2", (3, 94, 2)),
        ("v3.221.0-alpha.1+dirty", (3, 221, 0)),
        ("go version go1.21.6 linux/amd64", (1, 21, 6)),
        ("go version go1.21 darwin/arm64", (1, 21, 0)),
        ("go version go1.22rc1 linux/amd64", (1, 22, 0)),
        ("go version devel +abcdef", None),
        ("", None),
    ],
)
def test_versions_are_read(install: ModuleType, text: str, version: tuple[int, ...] | None) -> None:
    assert install._version(text) == version


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ("v3.219.9", False),
        ("v3.220.0", True),
        ("v3.1000.0", True),
        ("v4.0.0", True),
        ("what?", False),
    ],
)
def test_engine_on_path_must_be_recent_and_complete(
    install: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: str,
    good: bool,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path / "pulumi", found)
    assert install.engine_on_path() is None
    program(tmp_path / "pulumi-language-python", "")
    assert install.engine_on_path() == (tmp_path if good else None)


def run(tmp_path: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """The script in a project of its own, where nothing has been built yet."""
    folder = tmp_path / "project" / "tools" / "engine"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return subprocess.run(
        [sys.executable, "-I", str(folder / "install.py")],
        env={"PATH": str(path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def program(file: Path, says: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)


def test_neither_pulumi_nor_go_is_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    result = run(tmp_path, empty)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        "tools/engine: neither pulumi nor go is on PATH: install Go >= 1.21, or Pulumi >= 3.220.0\n"
    )
    assert not (tmp_path / "project" / ".engine").exists()


def test_old_go_is_one_line(tmp_path: Path) -> None:
    go = tmp_path / "bin" / "go"
    program(go, "go version go1.20.14 linux/amd64")
    result = run(tmp_path, go.parent)
    assert result.returncode == 1
    assert result.stderr == (
        f"tools/engine: {go} is too old to build Pulumi: install Go >= 1.21, or Pulumi >= 3.220.0\n"
    )


def test_old_pulumi_does_not_do(tmp_path: Path) -> None:
    for name in ("pulumi", "pulumi-language-python"):
        program(tmp_path / "bin" / name, "v3.100.0")
    result = run(tmp_path, tmp_path / "bin")
    assert result.returncode == 1
    assert "install Go >= 1.21, or Pulumi >= 3.220.0" in result.stderr


def test_recent_pulumi_is_used_and_nothing_is_built(tmp_path: Path) -> None:
    for name in ("pulumi", "pulumi-language-python"):
        program(tmp_path / "bin" / name, "v3.221.0")
    result = run(tmp_path, tmp_path / "bin")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{tmp_path / 'bin'}\n"
    assert not (tmp_path / "project" / ".engine").exists()


def in_project(tmp_path: Path, venv: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """As `run`, in a project that has been set up but for its engine; no download gets through."""
    folder = tmp_path / "project" / "tools" / "engine"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "project" / ".venv").symlink_to(venv)
    return subprocess.run(
        [sys.executable, "-I", str(folder / "install.py")],
        env={"PATH": str(path), "HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("go", ["", "go version go1.20.14 linux/amd64"])
def test_without_go_pulumi_s_own_installer_is_used(tmp_path: Path, go: str) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    if go:
        program(path / "go", go)
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.parent.mkdir()
    program(python, "")
    python.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$2" "$3" "$4" > {tmp_path}/asked\n/bin/mkdir -p "$3"\n'
    )
    result = in_project(tmp_path, tmp_path / "venv", path)
    engine = tmp_path / "project" / ".engine"
    assert (result.returncode, result.stdout) == (0, f"{engine / 'bin'}\n"), result.stderr
    asked = (tmp_path / "asked").read_text()
    assert "PulumiCommand.install(root=sys.argv[1], " in asked
    assert asked.endswith(f"\n{engine}\n3.220.0\n")


def test_download_that_is_refused_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    result = in_project(tmp_path, Path(sys.prefix), path)
    assert result.returncode == 1
    progress, line = result.stderr.splitlines()
    assert progress == "downloading pulumi v3.220.0 (once)"
    assert line.startswith(
        "tools/engine: neither pulumi nor go is on PATH, and Pulumi's installer (get.pulumi.com) "
        "did not work ("
    )
    assert "Connection refused" in line
    assert line.endswith(
        "): install Go >= 1.21, or Pulumi >= 3.220.0, or let this machine reach it"
    )
    assert not (tmp_path / "project" / ".engine" / "built-from").exists()
