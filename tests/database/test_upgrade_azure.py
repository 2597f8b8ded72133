"""The whole upgrade through Azure's management API; the emulator answers with a pg_upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.database.conftest import ROLE, Shop
from tests.database.doctor_support import Connector
from tests.database.slot_support import preview, replication_slot
from tests.database.upgrade_support import APP, Application, Source, let_write

from azure_postgres_cdc.azure import identity
from azure_postgres_cdc.azure.client import FlexibleServer, ServerId
from azure_postgres_cdc.operations.stack import Stack
from azure_postgres_cdc.operations.upgrade import commands
from azure_postgres_cdc.operations.upgrade.commands import Options
from azure_postgres_cdc.server_settings import Server
from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

SUBSCRIPTION, GROUP, NAME = "00000000-0000-0000-0000-000000000000", "rg-cdc", "cdc-1"


@pytest.fixture(name="connector")
def on_azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    """A connector on a flexible server."""
    with (
        EmulatedAzure(SUBSCRIPTION, resource_groups=[GROUP]) as azure,
        EmbeddedPostgres(16, databases=("shop",)) as server,
    ):
        azure.add_server(GROUP, NAME, server)
        monkeypatch.setenv(identity.ENDPOINT_VARIABLE, azure.endpoint)
        flexible = FlexibleServer(ServerId(SUBSCRIPTION, GROUP, NAME))
        flexible.set_parameter("wal_level", lambda _now: "logical")
        flexible.set_parameter("max_worker_processes", lambda _now: "16")
        flexible.restart()
        with server.superuser() as connection:
            connection.execute(f"CREATE ROLE {ROLE}".encode())
        connector = Connector(Shop(server, "shop"))
        connector.make_ready()
        let_write(connector.shop, APP)
        yield connector


def stack_of(connector: Connector) -> Stack:
    """Its stack, with `management: existing`."""
    stack = connector.stack()
    server = Server.model_validate({"management": "existing", "resourceGroup": GROUP, "name": NAME})
    settings = stack.settings.model_copy(update={"server": server})
    return replace(stack, settings=settings, subscription=SUBSCRIPTION)


@pytest.mark.full
def test_azure_upgrades_the_server_and_nothing_is_lost(
    connector: Connector, tmp_path: Path
) -> None:
    shop, stack = connector.shop, stack_of(connector)
    managed = replication_slot(shop, connector.slot)
    managed.up()
    source, planned = Source(connector), list[str]()
    assert commands.plan(stack, 18, Options(), planned.append)
    assert "ok       read replicas: no read replica" in planned
    assert "5. upgrade: Azure brings the server to PostgreSQL 18" in planned

    def person(line: str) -> None:
        if line.startswith("drain: ok"):
            source.stop()

    source.resume()
    options = Options(read_only_database=True, terminate=True, patience=60, pause=0.1)
    try:
        with Application(shop) as application:
            assert commands.run(stack, 18, tmp_path / "state.json", options, person)
            application.wait_for(5)
    finally:
        source.stop()
    source.catch_up()
    assert source.numbers == list(range(1, application.written + 1))
    assert preview(managed) == []
    assert FlexibleServer(ServerId(SUBSCRIPTION, GROUP, NAME)).facts().version == 18
