"""The whole upgrade, 16 to 18, while an application writes and a connector reads."""

from __future__ import annotations

from pathlib import Path

from tests.database.slot_support import preview, recorded, replication_slot
from tests.database.upgrade_support import Application, Source, pg_upgrade, ready_server

from azure_postgres_cdc.operations.upgrade import commands
from azure_postgres_cdc.operations.upgrade.commands import Options


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
                pg_upgrade(shop.server, 18)

        source.resume()
        with Application(shop) as application:
            file = tmp_path / "state.json"
            options = Options(read_only_database=True, terminate=True, pause=0.05)
            assert commands.run(connector.stack(), 18, file, options, person) is True
            application.wait_for(5)
        source.catch_up()
        print("\n".join(said))
        assert source.numbers == list(range(1, application.written + 1))
        assert shop.value("SHOW server_version_num").startswith("18")
        assert preview(managed) == []
        managed.up()
        assert recorded(shop).doubt is None
        assert file.stat().st_mode & 0o777 == 0o600
