"""The whole way, once, for real: pgbench's tables made ready by `pulumi up`, and the proof.

pgbench fills its tables, `pulumi up` makes the server and the database ready, pgbench writes, and
a consumer that is logged in as the connector's user rebuilds the tables from what the slot gives
it. The copies must be the tables, row for row. A second `pulumi up` must change nothing.
"""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from azure_postgres_rehearsal.consumer import Connection, Consumer, read_table
from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.rehearsal import Rehearsal

_CLIENTS = 2
_TRANSACTIONS = 1000
_WRITES_PER_TRANSACTION = 4  # three UPDATEs and an INSERT, in pgbench's standard script


class DemoFailed(Exception):  # noqa: N818 - reads better where it is raised
    """The proof did not hold."""


def run(project: Path, stack: str, *, keep: bool = False) -> None:
    """Rehearse a stack whose database holds pgbench's tables; print a short table at the end."""
    console = Console(highlight=False)
    rehearsal = Rehearsal(project, stack)
    if not rehearsal.databases:
        raise DemoFailed(f"stack {stack} names no database. Remedy: --stack local")
    with rehearsal:
        database = rehearsal.databases[0]
        _say(console, f"PostgreSQL {rehearsal.postgres.major} and Azure are up; pgbench -i")
        _pgbench(rehearsal, database, "--initialize", "--quiet")
        _say(console, "pulumi up")
        first = rehearsal.engine.up()
        connector = rehearsal.engine.outputs()["connectors"][0]
        _say(console, "pgbench writes, a consumer reads the slot")
        consumer = _capture(rehearsal, database, connector)
        differences = _differences(rehearsal, database, consumer)
        _say(console, "pulumi up, again")
        second = rehearsal.engine.up("--skip-preview")
        for notice in rehearsal.azure.journal.notices:
            console.print(f"note: {notice}", soft_wrap=True)
        console.print(_summary(rehearsal, first, second, consumer, differences))
        if keep:
            console.print(rehearsal.keep(), soft_wrap=True)
    _judge(consumer, differences, second)
    console.print("The copy is the database, row for row; the second up changed nothing.")


def _capture(rehearsal: Rehearsal, database: str, connector: dict[str, Any]) -> Consumer:
    """Snapshot, then consume while pgbench writes, until there is nothing left to consume."""
    user, password = connector["username"], connector["password"]
    with rehearsal.postgres.connect(database, user, password) as connection:
        _require_tls(connection, expected=rehearsal.postgres.has_tls)
        consumer = Consumer(
            connection, connector["publicationName"], connector["replicationSlotName"]
        )
        consumer.snapshot()
        writer = threading.Thread(target=_write, args=(rehearsal, database))
        writer.start()
        while writer.is_alive():
            consumer.consume()
            writer.join(0.2)
        consumer.drain()
    return consumer


def _write(rehearsal: Rehearsal, database: str) -> None:
    _pgbench(rehearsal, database, f"--client={_CLIENTS}", f"--transactions={_TRANSACTIONS}")


def _pgbench(rehearsal: Rehearsal, database: str, *arguments: str) -> None:
    subprocess.run(
        [rehearsal.postgres.tool("pgbench"), *arguments],
        env=rehearsal.postgres.client_environment(database),
        check=True,
        capture_output=True,
    )


def _require_tls(connection: Connection, *, expected: bool) -> None:
    row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    if row != (expected,):
        raise DemoFailed("the consumer's connection is not encrypted")


def _differences(rehearsal: Rehearsal, database: str, consumer: Consumer) -> dict[str, int]:
    """How many rows differ between each table and its copy."""
    differences = {}
    with rehearsal.postgres.superuser(database) as connection:
        for name, copy in consumer.tables.items():
            schema, _, table = name.partition(".")
            rows = Counter(read_table(connection, schema, table))
            differences[name] = ((rows - copy.rows) + (copy.rows - rows)).total()
    return differences


def _summary(
    rehearsal: Rehearsal,
    first: Outcome,
    second: Outcome,
    consumer: Consumer,
    differences: dict[str, int],
) -> Table:
    journal = rehearsal.azure.journal
    written = _CLIENTS * _TRANSACTIONS * _WRITES_PER_TRANSACTION
    table = Table("what", "how many", title="pulumi up, rehearsed")
    for what, count in (
        ("resources made ready", str(first.resources)),
        ("Azure operations", str(len(journal.accepted))),
        ("restarts", str(journal.restarts)),
        ("rows written by pgbench", f"{written:,}"),
        ("rows captured", f"{sum(consumer.captured.values()):,}"),
        ("rows that differ", str(sum(differences.values()))),
        ("second up", f"{second.changed} changed"),
    ):
        table.add_row(what, count)
    return table


def _judge(consumer: Consumer, differences: dict[str, int], second: Outcome) -> None:
    written = _CLIENTS * _TRANSACTIONS * _WRITES_PER_TRANSACTION
    captured = sum(consumer.captured.values())
    if captured != written:
        raise DemoFailed(f"pgbench wrote {written} rows, {captured} were captured")
    wrong = [f"{name} ({count} rows)" for name, count in differences.items() if count]
    if wrong:
        raise DemoFailed(f"the copy differs from the database in {', '.join(wrong)}")
    if second.changed:
        raise DemoFailed(f"the second up changed {second.changed} resources")


def _say(console: Console, text: str) -> None:
    console.print(f"[bold]==> {text}[/bold]")
