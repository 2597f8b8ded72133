"""An upgrade that is killed anywhere, and run again: the same end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.database import upgrade_killed
from tests.database.conftest import Managed
from tests.database.doctor_support import Connector
from tests.database.slot_support import preview, recorded, replication_slot
from tests.database.upgrade_support import Application, Source, ready_server

KILLED = -9
EVERY_DAY = (
    "fence/after save/2",  # the database is read-only, and that is recorded
    "drop slot/after save/1",  # everything is proved, and the slot still there
    "recreate/after create/1",  # the slot is there again, and its record is the old one's
)
FULL = (
    "begin/in connection/1",
    "begin/before save/1",
    "begin/after save/1",
    "fence/enter/1",
    "fence/before save/1",
    "fence/after save/1",
    "fence/before save/2",
    "fence/in connection/1",
    "fence/in connection/2",
    "fence/in connection/3",
    "fence/leave/1",
    "drain/enter/1",
    "drain/in connection/1",
    "drain/in connection/2",
    "drain/before save/1",
    "drain/after save/1",
    "drain/leave/1",
    "stop source/enter/1",
    "stop source/in connection/1",
    "stop source/leave/1",
    "drop slot/enter/1",
    "drop slot/in connection/1",
    "drop slot/in connection/2",
    "drop slot/in connection/3",
    "drop slot/in connection/4",
    "drop slot/before save/1",
    "drop slot/leave/1",
    "upgrade/enter/1",
    "upgrade/in connection/1",
    "upgrade/in connection/2",
    "upgrade/in connection/3",
    "upgrade/leave/1",
    "recreate/enter/1",
    "recreate/before save/1",
    "recreate/after save/1",
    "recreate/before create/1",
    "recreate/before write/1",
    "recreate/after write/1",
    "recreate/before write/2",
    "recreate/after write/2",
    "recreate/leave/1",
    "verify/enter/1",
    "verify/leave/1",
    "unfence/enter/1",
    "unfence/in connection/1",
    "unfence/in connection/2",
    "unfence/leave/1",
    "unfence/before clean_up/1",
    "unfence/after clean_up/1",
    "unfence/before save/1",
)


class Rehearsal:
    """A server, an application and a connector, and the person who does what the run asks for."""

    def __init__(self, connector: Connector, file: Path) -> None:
        self.connector = connector
        self.shop = connector.shop
        self.file = file
        self.managed: Managed = replication_slot(self.shop, connector.slot)
        self.managed.up()
        self.source = Source(connector)
        self.lines: list[str] = []

    def run(self, moment: str = "") -> int:
        """The command; how it ended."""
        command = [sys.executable, upgrade_killed.__file__]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            json.dump(self._given(moment), process.stdin)
            process.stdin.close()
            for line in process.stdout:
                self._do(line.rstrip("\n"))
        return process.returncode

    def check_end(self, application: Application) -> None:
        """Every number has arrived, once; and the stack has nothing to do."""
        application.wait_for(5)
        application.__exit__(None, None, None)
        self.source.stop()
        self.source.catch_up()
        assert self.source.numbers == list(range(1, application.written + 1))
        assert preview(self.managed) == []
        ledger = recorded(self.shop)
        assert (ledger.doubt, ledger.needs_snapshot) == (None, {})
        assert json.loads(self.file.read_text())["finished"] == "finished"
        assert self.shop.column("SELECT id FROM streamkap.streamkap_signal") == []
        assert self.shop.value("SHOW default_transaction_read_only") == "off"

    def _do(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith("drain: ok"):
            self.source.stop()
        if line.startswith("upgrade: upgrade the server") and self.shop.server.major < 18:
            self.shop.server.upgrade(18)

    def _given(self, moment: str) -> dict[str, Any]:
        server = self.shop.server
        return {
            "moment": moment,
            "file": str(self.file),
            "form": asdict(self.connector.form),
            "admin_password": server.admin_password,
            "settings": {
                "server": {"management": "none"},
                "connection": {
                    "host": server.host,
                    "port": server.port,
                    "user": server.admin_user,
                    "sslMode": server.ssl_mode,
                },
                "databases": [self.connector.settings],
            },
        }


@contextmanager
def rehearsal(file: Path) -> Iterator[tuple[Rehearsal, Application]]:
    with ready_server(16) as connector:
        found = Rehearsal(connector, file)
        found.source.resume()
        try:
            with Application(found.shop) as application:
                yield found, application
        finally:
            found.source.stop()


@pytest.mark.full
@pytest.mark.parametrize("moment", [*EVERY_DAY, *FULL])
def test_killed_and_run_again(tmp_path: Path, moment: str) -> None:
    with rehearsal(tmp_path / "state.json") as (found, application):
        assert found.run(moment) == KILLED
        assert found.lines[-1] == f"moment {moment}"
        assert found.run() == 0
        found.check_end(application)


def test_killed_three_times(tmp_path: Path) -> None:
    with rehearsal(tmp_path / "state.json") as (found, application):
        for moment in EVERY_DAY:
            assert found.run(moment) == KILLED
        assert found.run() == 0
        found.check_end(application)


@pytest.mark.full
def test_killed_later_and_later(tmp_path: Path) -> None:
    """One upgrade: at its first moment, run again, at its second, and so on to its end."""
    with rehearsal(tmp_path / "state.json") as (found, application):
        kills = 0
        while (status := found.run(f"#{kills + 1}")) == KILLED:
            kills += 1
        assert status == 0
        assert kills >= 30
        found.check_end(application)
