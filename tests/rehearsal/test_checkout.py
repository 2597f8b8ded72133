"""The project as README.md says to use it: pulumi in a checkout, with no rehearsal around."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support import PROJECT

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.engine import install_plugins

READY = {"wal_level": "logical", "max_worker_processes": "16"}


class Checkout:
    def __init__(self, folder: Path, server: EmbeddedPostgres) -> None:
        self.folder = folder / "checkout"
        for name in ("stacks", "policies"):
            shutil.copytree(PROJECT / name, self.folder / name)
        shutil.copy(PROJECT / "Pulumi.yaml", self.folder)
        config = {
            "server": {"management": "none"},
            "connection": {"host": server.host, "port": server.port, "user": server.admin_user},
            "databases": [{"name": "shop", "capture": {"tablesFile": "tables.csv"}}],
        }
        (self.folder / "tables.csv").write_text("public.orders\n")
        (self.folder / "stacks" / "Pulumi.own.yaml").write_text(
            yaml.safe_dump({"config": {f"azure-postgres-cdc:{k}": v for k, v in config.items()}})
        )
        install_plugins(folder / "home")
        (folder / "state").mkdir()
        path = [str(Path(sys.prefix) / "bin"), str(PROJECT / ".engine" / "bin"), os.environ["PATH"]]
        self.environment = os.environ | {
            "PATH": os.pathsep.join(path),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        }

    def pulumi(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17, databases=("shop",), settings=READY) as server:
        with server.connect("shop") as connection:
            connection.execute("CREATE TABLE public.orders (id int PRIMARY KEY)")
        yield server


def test_up_in_a_checkout(tmp_path: Path, server: EmbeddedPostgres) -> None:
    checkout = Checkout(tmp_path, server)
    assert checkout.pulumi("stack", "init", "own").returncode == 0
    refused = checkout.pulumi("preview")
    assert refused.returncode != 0
    assert "adminPassword: is missing" in refused.stdout + refused.stderr
    secret = checkout.pulumi(
        "config", "set", "--secret", "adminPassword", stdin=server.admin_password
    )
    assert secret.returncode == 0, secret.stderr
    preview = checkout.pulumi("preview", "--policy-pack", "policies")
    assert preview.returncode == 0, preview.stdout + preview.stderr
    up = checkout.pulumi("up", "--yes", "--skip-preview")
    assert up.returncode == 0, up.stdout + up.stderr
    with server.superuser("shop") as connection:
        assert connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == [
            ("streamkap_pgoutput_slot",)
        ]
        connection.execute("DROP TABLE streamkap.streamkap_signal")
    again = checkout.pulumi("up", "--yes", "--skip-preview")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "streamkap.streamkap_signal has vanished and is made again" in again.stdout
    unchanged = checkout.pulumi("preview", "--expect-no-changes")
    assert unchanged.returncode == 0, unchanged.stdout


def test_the_way_on_after_a_vanished_publication_leads_on(
    tmp_path: Path, server: EmbeddedPostgres
) -> None:
    checkout = Checkout(tmp_path, server)
    checkout.pulumi("stack", "init", "own")
    checkout.pulumi("config", "set", "--secret", "adminPassword", stdin=server.admin_password)
    assert checkout.pulumi("up", "--yes", "--skip-preview").returncode == 0
    with server.superuser("shop") as connection:
        connection.execute("DROP PUBLICATION streamkap_pub")
    refused = checkout.pulumi("up", "--yes")
    assert refused.returncode != 0
    assert "publication streamkap_pub of database shop has vanished" in refused.stdout
    stack = checkout.pulumi("stack", "--show-urns").stdout
    urn = next(
        word
        for word in stack.split()
        if word.startswith("urn:") and word.endswith("shop-streamkap_pub")
    )
    assert checkout.pulumi("state", "unprotect", "--all", "--yes").returncode == 0
    deleted = checkout.pulumi("state", "delete", "--target-dependents", "--yes", urn)
    assert deleted.returncode == 0, deleted.stderr
    up = checkout.pulumi("up", "--yes", "--skip-preview")
    assert up.returncode == 0, up.stdout
    assert "2 created" in up.stdout
