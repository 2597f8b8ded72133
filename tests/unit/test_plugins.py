"""Which plugins a rehearsal runs: the real postgresql where it is, never the real azure-native."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_postgres_rehearsal.engine import install_plugins, installed_plugin


def plugin(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    executable = folder / f"pulumi-resource-{name}"
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    return executable


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "user"


def test_the_newest_installed_plugin_is_found(home: Path) -> None:
    assert installed_plugin("postgresql") is None
    plugin(home / "plugins" / "resource-postgresql-v3.9.0", "postgresql")
    newest = plugin(home / "plugins" / "resource-postgresql-v3.18.2", "postgresql")
    assert installed_plugin("postgresql") == newest


def test_a_plugin_on_the_path_is_found(home: Path, tmp_path: Path) -> None:
    assert not home.exists()
    on_path = plugin(tmp_path / "bin", "postgresql")
    assert installed_plugin("postgresql") == on_path


def test_rehearsals_use_the_real_postgresql_and_never_the_real_azure(
    home: Path, tmp_path: Path
) -> None:
    real = plugin(home / "plugins" / "resource-postgresql-v3.18.2", "postgresql")
    plugin(home / "plugins" / "resource-azure-native-v3.29.0", "azure-native")
    install_plugins(tmp_path / "rehearsal")
    installed = {path.name: path for path in (tmp_path / "rehearsal").rglob("pulumi-resource-*")}
    assert installed["pulumi-resource-postgresql"].resolve() == real
    azure_native = installed["pulumi-resource-azure-native"]
    assert not azure_native.is_symlink()
    assert "azure_postgres_rehearsal.plugins.azure_native" in azure_native.read_text()


def test_without_a_real_plugin_the_stand_in_is_installed(home: Path, tmp_path: Path) -> None:
    assert not home.exists()
    install_plugins(tmp_path / "rehearsal")
    script = next((tmp_path / "rehearsal").rglob("pulumi-resource-postgresql"))
    assert "azure_postgres_rehearsal.plugins.postgresql" in script.read_text()
