"""The whole upgrade, 16 to 18, while an application writes and a connector reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.database.slot_support import create, preview, recorded, replication_slot
from tests.database.test_upgrade_steps import refusal
from tests.database.upgrade_support import Application, Source, ready_server, upgrade_of

from azure_postgres_cdc.operations.upgrade import commands
from azure_postgres_cdc.operations.upgrade.commands import Options
from azure_postgres_cdc.operations.upgrade.drain import Drain


def test_whole_run_loses_nothing_and_the_next_up_changes_nothing(tmp_path: Path) -> None:
    with ready_server(16) as connector:
        shop = connector.shop
        managed = replication_slot(shop, connector.slot)
        managed.up()
        source, said = Source(connector), []

        def person(line: str) -> None:
            said.append(line)
            if line.startswith("drain: ok"):
                source.stop()
            if line.startswith("upgrade: upgrade the server"):
                shop.server.upgrade(18)

        source.resume()
        with Application(shop) as application:
            file = tmp_path / "state.json"
            options = Options(read_only_database=True, terminate=True, pause=0.05)
            assert commands.run(connector.stack(), 18, file, options, person) is True
            application.wait_for(5)
        source.catch_up()
        assert source.numbers == list(range(1, application.written + 1))
        assert shop.value("SHOW server_version_num").startswith("18")
        assert preview(managed) == []
        managed.up()
        assert recorded(shop).doubt is None
        assert recorded(shop).needs_snapshot == {}
        assert [line.partition(":")[0] for line in said if ": ok. " in line] == [
            *("plan", "fence", "drain", "stop source", "drop slot", "upgrade", "recreate"),
            *("verify", "unfence"),
        ]


def test_without_the_procedure_rows_are_lost_in_silence(tmp_path: Path) -> None:
    """What the page warns of, which shows that the other tests can fail."""
    with ready_server(16) as connector:
        shop = connector.shop
        managed = replication_slot(shop, connector.slot)
        managed.up()
        source = Source(connector)
        source.resume()
        with Application(shop) as application:
            source.stop()
            first_lost = max(source.numbers) + 1
            application.wait_for(5)
            shop.server.upgrade(18)
            application.wait_for(1)
            create(shop, connector.slot)
            application.wait_for(5)
        source.catch_up()
        missing = set(range(1, application.written + 1)) - set(source.numbers)
        assert first_lost in missing
        assert max(missing) < application.written
        assert "is not the one that was there before" in managed.refusal()
        run = upgrade_of(connector, tmp_path)
        assert "is not the one that was there before" in refusal(lambda: Drain().make_true(run))


@pytest.mark.full
def test_pg_upgrade_of_17_keeps_the_slot(tmp_path: Path) -> None:
    with ready_server(17, tls=False) as connector:
        shop = connector.shop
        managed = replication_slot(shop, connector.slot)
        managed.up()
        source = Source(connector)
        said: list[str] = []

        def person(line: str) -> None:
            said.append(line)
            if line.startswith("drain: ok"):
                source.stop()
            if line.startswith("upgrade: upgrade the server"):
                assert shop.column("SELECT slot_name FROM pg_replication_slots")
                shop.server.upgrade(18)
                assert shop.column("SELECT slot_name FROM pg_replication_slots")

        source.resume()
        with Application(shop) as application:
            options = Options(read_only_database=True, terminate=True, keep_slots=True, pause=0.05)
            assert commands.run(connector.stack(), 18, tmp_path / "s.json", options, person)
            application.wait_for(5)
        source.catch_up()
        assert source.numbers == list(range(1, application.written + 1))
        assert preview(managed) == []
        assert f"drop slot: ok. {connector.slot} at LSN" in "\n".join(said)
