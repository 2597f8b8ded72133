"""Other ways of an in-place major upgrade: slots that move, other builds, PUT, a killed maker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.postgresqlflexibleservers.models import ServerForPatch, ServerPropertiesForPatch
from azure_support import (
    GROUP,
    NAME,
    SUBSCRIPTION,
    client_of,
    plugin_of,
    until,
    user_override,
)
from support import PROJECT

from azure_postgres_rehearsal.azure_api import EmbeddedFactory, EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.engine import ENGINE_BIN, Engine
from azure_postgres_rehearsal.plugins.protocol import InitError, ProviderError

pytestmark = pytest.mark.full

SERVER = "azure-native:dbforpostgresql:Server"
PASSWORD = "Correct-horse-1"
UPGRADING = """
import sys
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
with EmbeddedPostgres(16) as server:
    print(server.folder, flush=True)
    server.upgrade(18)
    print("too late", flush=True)
"""
DESCRIPTION = """
name: azure
runtime: {name: python, options: {}}
"""
SETTINGS = """
config:
  azure-native:location: westeurope
  azure:version: "16"
  azure:owner: data
"""
PROGRAM = f"""
import pulumi
from pulumi_azure_native import dbforpostgresql

config = pulumi.Config()
dbforpostgresql.Server(
    "server",
    resource_group_name="{GROUP}",
    server_name="{NAME}",
    sku={{"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}},
    version=config.require("version"),
    administrator_login="cdc_admin",
    administrator_login_password=config.require_secret("password"),
    tags={{"owner": config.require("owner")}},
    opts=pulumi.ResourceOptions(ignore_changes=["version"]),
)
"""


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure(
        SUBSCRIPTION, resource_groups=[GROUP], postgres_factory=EmbeddedFactory()
    ) as emulated:
        yield emulated


def upgrade(azure: EmulatedAzure, version: str) -> None:
    patch = ServerForPatch(properties=ServerPropertiesForPatch(version=version))
    with client_of(azure) as client:
        client.servers.begin_update(GROUP, NAME, patch, polling_interval=0.05).result()


def test_slots_move_from_17_on_where_the_platform_does_it(azure: EmulatedAzure) -> None:
    with EmbeddedPostgres(17) as postgres:
        azure.add_server(GROUP, NAME, postgres)
        with client_of(azure) as client:
            client.configurations.begin_update(
                GROUP, NAME, "wal_level", user_override("logical")
            ).result()
            client.servers.begin_restart(GROUP, NAME).result()
        with postgres.superuser() as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
            connection.execute("CREATE PUBLICATION cdc FOR TABLE orders")
            connection.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
        with pytest.raises(HttpResponseError, match="logical replication slots: cdc"):
            upgrade(azure, "18")

        azure.behaviour.slots_move = True
        with postgres.superuser() as connection:
            connection.execute("INSERT INTO orders VALUES (1)")
        with pytest.raises(HttpResponseError, match='The slot "cdc" has not consumed the WAL yet'):
            upgrade(azure, "18")
        peek = (
            "SELECT * FROM pg_logical_slot_get_binary_changes('cdc', NULL, NULL, "
            "'proto_version', '1', 'publication_names', 'cdc')"
        )
        with postgres.superuser() as connection:
            assert connection.execute(peek).rowcount == 4  # begin, the relation, insert, commit
        upgrade(azure, "18")
        with postgres.superuser() as connection:
            assert connection.execute(
                "SELECT slot_name, invalidation_reason FROM pg_replication_slots"
            ).fetchall() == [("cdc", None)]
            connection.execute("INSERT INTO orders VALUES (2)")
            assert connection.execute(peek).rowcount == 4
        assert "this build of PostgreSQL 18 has no TLS" in azure.journal.notices
        with postgres.connect("postgres") as connection:
            assert connection.info.server_version >= 180000


def test_who_connected_without_tls_still_can_where_the_new_build_has_it() -> None:
    with EmbeddedPostgres(16) as postgres:
        before = postgres.client_environment("postgres")
        postgres.upgrade(17)
        assert postgres.ssl_mode == "require"
        postgres.connect("postgres").close()
        psycopg.connect(
            host=before["PGHOST"],
            port=before["PGPORT"],
            user=before["PGUSER"],
            password=before["PGPASSWORD"],
            dbname="postgres",
            sslmode="disable",
        ).close()


def test_extensions_and_libraries_that_the_new_version_lacks(azure: EmulatedAzure) -> None:
    with EmbeddedPostgres(17) as postgres:
        azure.add_server(GROUP, NAME, postgres)
        with postgres.superuser() as connection:
            loaded = connection.execute("SHOW shared_preload_libraries").fetchone()
            assert loaded == ("pg_stat_statements",)
            connection.execute("CREATE EXTENSION dblink")
            with pytest.raises(HttpResponseError, match="does not support: dblink"):
                upgrade(azure, "18")
            connection.execute("DROP EXTENSION dblink")
            connection.execute("CREATE EXTENSION citext")
        with pytest.raises(HttpResponseError, match=r"could not load library .*citext"):
            upgrade(azure, "18")
        with postgres.superuser() as connection:
            connection.execute("DROP EXTENSION citext")
        upgrade(azure, "18")
        with postgres.superuser() as connection:
            assert connection.execute("SHOW shared_preload_libraries").fetchone() == ("",)


def test_a_new_version_that_does_not_start_leaves_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EmbeddedPostgres(16) as postgres:
        start = EmbeddedPostgres.start

        def broken(self: EmbeddedPostgres) -> None:
            if self.major == 18:
                with (self.data_dir / "postgresql.auto.conf").open("a") as conf:
                    conf.write("nonsense = 1\n")
            start(self)

        monkeypatch.setattr(EmbeddedPostgres, "start", broken)
        with pytest.raises(RuntimeError, match="PostgreSQL 18 did not start"):
            postgres.upgrade(18)
        assert (postgres.major, sorted(p.name for p in postgres.folder.glob("data*"))) == (
            16,
            ["data"],
        )
        with postgres.connect("postgres") as connection:
            assert connection.info.server_version < 170000


def test_nothing_is_left_of_an_upgrade_whose_maker_was_killed() -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", UPGRADING], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert maker.stdout is not None
    folder = Path(maker.stdout.readline().strip())
    until(lambda: (folder / "data-new" / "pg_upgrade_output.d").exists())
    maker.kill()
    assert maker.stdout.read() == ""
    maker.stdout.close()
    maker.wait()
    until(lambda: not folder.exists(), seconds=30)
    until(lambda: not _commands_with(str(folder)), seconds=30)


def _commands_with(text: str) -> list[str]:
    found = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    return [command for command in found if text in command]


def test_through_the_plugin(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = plugin_of(azure, monkeypatch, location="westeurope").resource(SERVER)
    inputs, _ = resource.check(
        {},
        {
            "resourceGroupName": GROUP,
            "serverName": NAME,
            "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
            "version": "16",
            "administratorLogin": "cdc_admin",
            "administratorLoginPassword": PASSWORD,
        },
    )
    resource_id, outputs = resource.create(inputs)
    newer = inputs | {"version": "18"}
    diff = resource.diff(resource_id, inputs, outputs, newer)
    assert (diff.changed, diff.replaces) == (["version"], [])
    with pytest.raises(ProviderError, match="createMode Update only"):
        resource.update(resource_id, outputs, newer)
    both = newer | {"createMode": "Update", "tags": {"owner": "data"}}
    with pytest.raises(ProviderError, match="changes nothing else: tags"):
        resource.update(resource_id, outputs, both)

    postgres = azure.servers[0].postgres
    with postgres.superuser() as connection:
        connection.execute("CREATE TABLE calls (what regproc)")
    with pytest.raises(InitError, match="MajorVersionUpgradeFailed"):
        resource.update(resource_id, outputs, newer | {"createMode": "Update"})
    with postgres.superuser() as connection:
        connection.execute("DROP TABLE calls")
    azure.behaviour.put_upgrades = True
    assert resource.update(resource_id, outputs, newer)["version"] == "18"
    assert postgres.major == 18
    assert len(azure.servers) == 1


def test_a_stack_that_leaves_the_version_to_azure(azure: EmulatedAzure, tmp_path: Path) -> None:
    """The module's `create`: a changed version does nothing; after an upgrade, refresh first."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(DESCRIPTION)
    (folder / "Pulumi.dev.yaml").write_text(SETTINGS)
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / ENGINE_BIN.parent).symlink_to(PROJECT / ENGINE_BIN.parent)
    engine = Engine(
        folder,
        "dev",
        tmp_path / "rehearsal",
        {},
        {"password": PASSWORD},
        {"AZURE_RESOURCE_MANAGER_ENDPOINT": azure.endpoint, "ARM_SUBSCRIPTION_ID": SUBSCRIPTION},
    )
    engine.up(capture=True)
    engine.set_config("version", "18")
    assert engine.up(capture=True).changed == 0
    assert azure.servers[0].postgres.major == 16

    upgrade(azure, "18")
    engine.set_config("owner", "platform")
    stale = engine.up(capture=True, check=False)
    assert "18 can't be downgraded to 16" in stale.text
    changed = engine.up("--refresh", capture=True)
    assert changed.operations["update"] == 1, changed.text
    assert azure.servers[0].tags == {"owner": "platform"}
    assert azure.servers[0].postgres.major == 18
    assert engine.up(capture=True).changed == 0
