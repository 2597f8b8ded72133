"""A server's faults: the table's rows, and what is true of every one of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from server_support import GROUP, NAME, Stack

from azure_postgres_cdc.azure.identity import ENDPOINT_VARIABLE
from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

CUT_OFF = "Connection broken: IncompleteRead(10 bytes read, 990 more expected)"
"""How Microsoft's SDK words a connection that breaks in the middle of an answer."""
FAULTS_PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

WHOLE_UP = [
    "auto_grow=True",
    "wal_level=logical",
    "shared_preload_libraries=pg_stat_statements,pglogical",
    "azure.extensions=pglogical",
    "max_worker_processes=16",
    "restart",
    "connector=203.0.113.7-203.0.113.7",
]
"""Every operation of a whole `up`, in order. Whatever stops it, no `up` repeats one of them."""
RIGHT = {
    "subscription": "00000000-0000-0000-0000-000000000000",
    "resourceGroup": GROUP,
    "serverName": NAME,
    "restart": "when-needed",
    "parameters": {},
    "firewallRules": {"connector": "203.0.113.7"},
}
"""What the stack asks for where nothing else is said."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what comes of it. The line is `see. Remedy: do`."""

    name: str
    wrong: dict[str, Any] | list[dict[str, Any]]
    """Arguments of the stack, or rules of the emulator's faults file."""
    see: str
    do: str
    goes_on_with: str
    """The operation that the next `up` begins with."""


def check_one_line_and_the_next_up(
    fault: Fault, azure: EmulatedAzure, postgres: EmbeddedPostgres, file: Path
) -> None:
    """One line, a usable server, and a next `up` that goes on. `file` is for the faults."""
    stack = Stack(azure, postgres, dict(RIGHT))
    if isinstance(fault.wrong, dict):
        first = stack.up(**fault.wrong)
    else:
        file.write_text(yaml.safe_dump(fault.wrong))
        azure.faults = Faults(file)
        first = stack.up()
    assert first.error == f"{fault.see}. Remedy: {fault.do}"
    assert azure.faults.left == []
    azure.faults = Faults()
    check_usable(azure, postgres)

    second = stack.up(**RIGHT)
    assert second.error == ""
    applied = first.failed if "all done" in fault.name else []
    begun = next(i for i, it in enumerate(WHOLE_UP) if it.startswith(fault.goes_on_with))
    assert [*first.done, *applied] == WHOLE_UP[:begun]
    assert second.done == WHOLE_UP[begun:]
    assert second.failed == second.refused == []
    check_up(stack)


def check_up(stack: Stack) -> None:
    """The server has what it needs in effect, and another `up` finds nothing to do."""
    assert in_effect(stack.postgres, "wal_level", "max_worker_processes") == ["logical", "16"]
    check_usable(stack.azure, stack.postgres)
    again = stack.up()
    assert (again.error, again.changed, again.done) == ("", [], [])
    assert stack.refresh() == []


@contextmanager
def one_server(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    """An emulated Azure with one server, at Azure's defaults; its name leads to the PostgreSQL."""
    azure = EmulatedAzure(domain_name=lambda _name, found: found.host)
    azure.add_server(GROUP, NAME, postgres)
    with azure, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENDPOINT_VARIABLE, azure.endpoint)
        yield azure
    gc.collect()  # the sockets of answers that were cut off, of which nobody else shall hear


class FastForward:
    """Time that passes at once where tenacity sleeps; `monkeypatch` puts it there, and where it is
    told how long that took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.skipped = 0.0
        monkeypatch.setattr("tenacity.time", self)
        monkeypatch.setattr("tenacity.nap.time", self)
        monkeypatch.setattr("azure_postgres_cdc.progress.time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped

    def sleep(self, seconds: float) -> None:
        self.skipped += seconds


def check_usable(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> None:
    """The administrator can log in and write, and no operation is left hanging."""
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE TEMPORARY TABLE usable AS SELECT 1")
    assert [o for o in azure.journal.accepted if o.ended is None] == []
    assert azure.servers[0].state == "Ready"


def in_effect(postgres: EmbeddedPostgres, *names: str) -> list[str]:
    """What PostgreSQL itself says of parameters."""
    with postgres.superuser() as connection:
        return [
            str(connection.execute("SELECT current_setting(%s)", (name,)).fetchall()[0][0])
            for name in names
        ]


def check_documented(*cells: str) -> None:
    """docs/faults.md has this row; where it has not, it is shown."""
    row = f"| {' | '.join(cells)} |".replace(CUT_OFF, "…")
    if row not in FAULTS_PAGE.read_text().splitlines():
        pytest.fail(f"{FAULTS_PAGE.name} has no row\n{row}")
