"""examples/pipelines/deploy.sh, as after a merge: Entra, no password, a stack that stops once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_support import Tool, run
from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

CONNECTION = {
    "user": "cdc-deployment",
    "auth": "entra",
    "tenantId": "11111111-1111-1111-1111-111111111111",
    "sslMode": "require",
}
AUDIENCES = ("management.azure.com", "ossrdbms-aad.database.windows.net", "storage.azure.com")


pytestmark = pytest.mark.full  # the everyday run calls it in tests/unit/test_pipeline_commands.py


@pytest.fixture
def staging() -> Iterator[Rehearsal]:
    """The stack `staging`, whose server may not be restarted by `up`, with the policies."""
    with Rehearsal(PROJECT, "staging", settings={"connection": CONNECTION}) as rehearsal:
        rehearsal.furnish_databases()
        (rehearsal.engine.folder / "policies").symlink_to(PROJECT / "policies")
        yield rehearsal


def test_a_stack_is_deployed_and_one_that_has_to_stop_says_why(
    staging: Rehearsal, tmp_path: Path
) -> None:
    az = Tool(tmp_path, "az")
    stopped = run("deploy.sh", "staging", rehearsal=staging, tool=az)
    assert stopped.returncode != 0
    assert (
        "server psql-cdc-staging must be restarted before max_worker_processes, "
        "shared_preload_libraries, wal_level can be in effect, and server.restart is never"
    ) in stopped.stdout
    assert "Remedy: restart it yourself and run pulumi up again, or allow it" in stopped.stdout
    # Each token once, before anything waits, and none in the log.
    scopes = [arguments[3] for arguments, _ in az.calls()]
    assert scopes[:3] == [f"https://{audience}/.default" for audience in AUDIENCES]
    assert scopes[3:] == ["https://vault.azure.net/.default"]

    staging.server.restart({}).done.wait()
    deployed = run("deploy.sh", "staging", rehearsal=staging, tool=az)
    assert deployed.returncode == 0, deployed.stdout
    assert "Policies:" in deployed.stdout
    assert staging.token() not in stopped.stdout + deployed.stdout
    assert "Outputs:" not in deployed.stdout
    with staging.postgres.superuser("shop") as connection:
        slots = connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall()
    assert slots == [("streamkap_pgoutput_slot",)]
    assert "adminPassword" not in (staging.engine.folder / "Pulumi.staging.yaml").read_text()
    # As every merge does to a stack that it does not change.
    again = staging.engine.up("--skip-preview", capture=True)
    assert again.changed == 0
