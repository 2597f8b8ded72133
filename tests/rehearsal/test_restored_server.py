"""What docs/failover.md says to do on a server that has everything but the slot, as it says it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from test_checkout import READY, Checkout

from azure_postgres_rehearsal.embedded import EmbeddedPostgres

pytestmark = pytest.mark.full


def second_stack(checkout: Checkout, **changes: str) -> None:
    """Another stack for the same database; its secrets are its own."""
    stacks = checkout.folder / "stacks"
    content = yaml.safe_load((stacks / "Pulumi.own.yaml").read_text())
    content.pop("encryptionsalt", None)
    content["config"].pop("azure-postgres-cdc:adminPassword", None)
    content["config"]["azure-postgres-cdc:databases"][0].update(changes)
    (stacks / "Pulumi.new.yaml").write_text(yaml.safe_dump(content))


def test_a_new_stack_takes_over_what_came_along(tmp_path: Path) -> None:
    with EmbeddedPostgres(17, databases=("shop",), settings=READY) as server:
        with server.connect("shop") as connection:
            connection.execute("CREATE TABLE public.orders (id int PRIMARY KEY)")
        checkout = Checkout(tmp_path, server)
        password = ("config", "set", "--secret", "adminPassword", "--stack")
        checkout.pulumi("stack", "init", "own")
        checkout.pulumi(*password, "own", stdin=server.admin_password)
        assert checkout.pulumi("up", "--yes", "--skip-preview", "--stack", "own").returncode == 0
        with server.superuser("shop") as connection:
            connection.execute("SELECT pg_drop_replication_slot('streamkap_pgoutput_slot')")
            # Restored, it has another name, and the mark of the one that it was made from.
            mark = "azure-postgres-cdc: of stack organization/azure-postgres-cdc/own on before:5432"
            connection.execute(f"COMMENT ON ROLE streamkap_role IS '{mark}'")

        second_stack(checkout)
        checkout.pulumi("stack", "init", "new")
        checkout.pulumi(*password, "new", stdin=server.admin_password)
        refused = checkout.pulumi("preview", "--stack", "new")
        assert refused.returncode != 0
        lsn = re.search(r"acknowledgeLostSlot: (\S+) for", refused.stdout)
        assert lsn, refused.stdout
        second_stack(checkout, acknowledgeLostSlot=lsn[1])
        checkout.pulumi(*password, "new", stdin=server.admin_password)
        up = checkout.pulumi("up", "--yes", "--skip-preview", "--stack", "new")
        assert up.returncode == 0, up.stdout
        again = checkout.pulumi("preview", "--expect-no-changes", "--stack", "new")
        assert again.returncode == 0, again.stdout
        with server.superuser("shop") as connection:
            found = connection.execute("SELECT count(*) FROM pg_replication_slots").fetchone()
        assert found == (1,)
