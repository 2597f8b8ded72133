"""A major-version upgrade, once, for real: the whole procedure, and the proof that nothing is lost.

`pulumi up` makes a PostgreSQL 16 ready, pgbench writes, a source reads the slot, and
`azure-postgres-cdc upgrade run` does its work against the emulated Azure, which performs a real
pg_upgrade. pgbench is an application that does not give up: the fence stops it, and it goes on
afterwards. The person at the Streamkap app, who stops and resumes the source, is played here.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from azure_postgres_rehearsal.consumer import Connection, Consumer, read_table
from azure_postgres_rehearsal.engine import stack_file
from azure_postgres_rehearsal.rehearsal import (
    CREATE,
    NONE,
    Rehearsal,
    RehearsalFailed,
    settings_in,
)

FROM = 16
_HISTORY = "public.pgbench_history"
_WRITES_PER_TRANSACTION = 4  # three UPDATEs and an INSERT, in pgbench's standard script
_RUN = ("--no-vacuum", "--client=2", "--transactions=100")
_RUNS = 3
_PATIENCE = 60
_STEP = re.compile(r"([a-z ]+): ok\.")
_POSITION = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"


class NotProved(Exception):  # noqa: N818 - reads better where it is raised
    """The upgrade did not go through, or the proof did not hold; in one line."""


@dataclass
class Proof:
    """What the rehearsal has seen."""

    before: int = 0
    """Rows that pgbench had written when the fence was up."""
    after: int = 0
    stopped: int = 0
    """Runs of pgbench that failed: fenced, or with no server to reach."""
    captured: int = 0
    differing: int = 0
    twice: int = 0
    """Rows that the copy has more often than the table."""
    repeated: int = 0
    """Changes that were given again and left out, by LSN and row."""
    old_position: str = ""
    """The slot's confirmed_flush_lsn when the source was stopped, and when it was resumed."""
    new_position: str = ""
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds by step."""
    version: int = 0
    second: str = ""
    """What the second up did."""

    def faults(self, to: int) -> list[str]:
        """What does not hold, each in a few words."""
        written = self.before + self.after
        found = {
            f"the server is on PostgreSQL {self.version}": self.version != to,
            "pgbench wrote nothing before the fence": not self.before,
            "pgbench was never stopped": not self.stopped,
            "pgbench wrote nothing after the upgrade": self.after <= 0,
            f"pgbench wrote {written} rows, {self.captured} were captured": (
                self.captured != written
            ),
            f"{self.differing} rows of the copy differ from the database": self.differing > 0,
            f"{self.twice} rows are in the copy twice": self.twice > 0,
            f"the slot goes on at LSN {self.new_position}, before {self.old_position}": (
                _lsn(self.new_position) < _lsn(self.old_position)
            ),
            f"the second up: {self.second}": self.second != _UNCHANGED,
        }
        return [text for text, is_so in found.items() if is_so]


_UNCHANGED = "0 changed"


def run(project: Path, stack: str, to: int, console: Console) -> None:
    """Rehearse it; print a short table at the end. Raises NotProved where the proof fails."""
    with Rehearsal(project, stack, major=FROM, settings=_settings(project, stack)) as rehearsal:
        proof = _Play(rehearsal, to, console).perform()
    console.print(_summary(proof))
    faults = proof.faults(to)
    if faults:
        raise NotProved("; ".join(faults))
    console.print("No change is lost, and none is there twice; the second up changed nothing.")


def _settings(project: Path, stack: str) -> dict[str, Any]:
    """The stack's, without TLS: 16 and 18 have none here, and the command connects like the
    connector. Raises RehearsalFailed where they cannot be rehearsed."""
    found = settings_in(project, stack_file(project, stack))
    if found["server"]["management"] == CREATE:
        raise RehearsalFailed(
            f"stack {stack} makes its server itself, of the version that it says. Remedy: a stack "
            "with server.management existing or none"
        )
    return {
        "databases": [
            {**database, "connector": {**database.get("connector", {}), "sslMode": "disable"}}
            for database in found.get("databases", ())
        ]
    }


class _Play:
    """The acts, in their order."""

    def __init__(self, rehearsal: Rehearsal, to: int, console: Console) -> None:
        self._rehearsal = rehearsal
        self._to = to
        self._console = console
        self._database = rehearsal.databases[0]
        self._proof = Proof()

    def perform(self) -> Proof:
        rehearsal, proof = self._rehearsal, self._proof
        self._say(f"PostgreSQL {rehearsal.postgres.major} and Azure are up; pgbench -i; pulumi up")
        _pgbench(rehearsal, self._database, "--initialize", "--quiet").check_returncode()
        rehearsal.engine.up("--skip-preview", capture=True)
        with _Source(rehearsal, self._form()) as source:
            with _Load(rehearsal, self._database) as load:
                load.wait_for(_RUNS)
                self._say("azure-postgres-cdc upgrade run, while pgbench writes")
                self._upgrade(source)
                load.wait_for(_RUNS)
            proof.stopped = load.stopped
            source.catch_up()
            self._compare(source.consumer)
        self._say("pulumi up, again")
        second = rehearsal.engine.up("--skip-preview", capture=True, check=False)
        failed = " ".join(second.text.split()) if second.returncode else ""
        proof.second = failed or f"{second.changed} changed"
        proof.version = rehearsal.postgres.major
        return proof

    def _form(self) -> dict[str, Any]:
        connectors: list[dict[str, Any]] = self._rehearsal.engine.outputs()["connectors"]
        if len(connectors) != 1:
            raise RehearsalFailed(
                f"the stack has {len(connectors)} connectors, and one source is played here. "
                "Remedy: --stack local, or another one with a single connector"
            )
        return connectors[0]

    def _upgrade(self, source: _Source) -> None:
        """The command itself, and what a person does while it runs."""
        state = self._rehearsal.engine.folder / "upgrade.json"
        command = [
            *(sys.executable, "-m", "azure_postgres_cdc.operations", "upgrade", "run"),
            *("--stack", self._rehearsal.engine.stack, "--to", str(self._to)),
            *("--state", str(state), "--read-only-database", "--terminate", "--wait", "2"),
        ]
        began, line = time.monotonic(), ""
        with subprocess.Popen(
            command,
            cwd=self._rehearsal.engine.folder,
            env=self._rehearsal.engine.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                for line in process.stdout or ():
                    self._console.print(f"  {line.rstrip()}", soft_wrap=True, markup=False)
                    step = _STEP.match(line)
                    if step:
                        now = time.monotonic()
                        self._proof.steps[step[1]], began = now - began, now
                    self._as_a_person(line, source)
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise NotProved(f"the upgrade ended with exit status {process.returncode}: {line}")

    def _as_a_person(self, line: str, source: _Source) -> None:
        # A source that asks now and then is not seen reading, so nobody waits for it to stop.
        if line.startswith("drain: ok"):
            source.stop()
            self._proof.before = source.written()
            self._proof.old_position = source.position
        elif line.startswith("upgrade: upgrade the server") and self._rehearsal.management == NONE:
            self._rehearsal.postgres.upgrade(self._to)
        elif line.startswith("resume source:"):
            source.resume()
            self._proof.new_position = source.position

    def _compare(self, consumer: Consumer) -> None:
        """The copy, row for row."""
        proof = self._proof
        written = 0
        with self._rehearsal.postgres.superuser(self._database) as connection:
            for name, copy in consumer.tables.items():
                schema, _, table = name.partition(".")
                rows = Counter(read_table(connection, schema, table))
                missing, excess = rows - copy.rows, copy.rows - rows
                proof.differing += missing.total() + excess.total()
                proof.twice += sum(count for row, count in excess.items() if row in rows)
                if name == _HISTORY:
                    written = rows.total() * _WRITES_PER_TRANSACTION
        proof.after = written - proof.before
        proof.captured = sum(
            count for name, count in consumer.captured.items() if name.startswith("public.pgbench_")
        )
        proof.repeated = consumer.repeated

    def _say(self, text: str) -> None:
        self._console.print(f"[bold]==> {text}[/bold]")


class _Load:
    """pgbench, again and again, whatever becomes of a run. A context manager."""

    def __init__(self, rehearsal: Rehearsal, database: str) -> None:
        self._run: Callable[[], subprocess.CompletedProcess[str]] = lambda: _pgbench(
            rehearsal, database, *_RUN
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._done = self.stopped = 0
        self._failure = ""

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, runs: int) -> None:
        """Until so many further runs went through."""
        goal, deadline = self._done + runs, time.monotonic() + _PATIENCE
        while self._done < goal:
            if time.monotonic() > deadline:
                raise NotProved(f"pgbench cannot write: {self._failure}")
            time.sleep(0.05)

    def _write(self) -> None:
        while not self._over.is_set():
            result = self._run()
            if result.returncode == 0:
                self._done += 1
            else:
                self.stopped += 1
                self._failure = result.stderr.strip().rpartition("\n")[2]
                self._over.wait(0.2)


class _Source:
    """The connector: it reads while it is resumed, and keeps its copy while it is stopped."""

    def __init__(self, rehearsal: Rehearsal, form: dict[str, Any]) -> None:
        self._rehearsal = rehearsal
        self._form = form
        self._slot: str = form["replicationSlotName"]
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._reading: Future[None] | None = None
        self.position = ""
        """The slot's confirmed_flush_lsn, when it was looked at last."""
        with self._login() as connection:
            self.consumer = Consumer(connection, form["publicationName"], self._slot)
            self.consumer.snapshot()
        if _HISTORY not in self.consumer.tables:
            raise RehearsalFailed(
                f"{_HISTORY} is not captured, and pgbench is what writes here. Remedy: --stack "
                "local, or another one that captures the schema public"
            )

    def __enter__(self) -> _Source:
        self.resume()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._pool.shutdown()

    def resume(self) -> None:
        """Read on, in the background."""
        self._stop.clear()
        with self._login() as connection:
            self._look(connection)
        self._reading = self._pool.submit(self._read)

    def stop(self) -> None:
        """End what it is at. Raises what has ended it before."""
        self._stop.set()
        if self._reading is not None:
            self._reading.result()
            self._reading = None

    def catch_up(self) -> None:
        """Stop, and read all that there is."""
        self.stop()
        with self._login() as connection:
            self.consumer.go_on(connection)
            self.consumer.drain()

    def written(self) -> int:
        """How many rows pgbench has written so far."""
        with self._login() as connection:
            history = read_table(connection, *_HISTORY.split("."))
        return len(history) * _WRITES_PER_TRANSACTION

    def _read(self) -> None:
        with self._login() as connection:
            self.consumer.go_on(connection)
            while not self._stop.is_set():
                try:
                    self.consumer.consume()
                    self._look(connection)
                except psycopg.errors.ObjectInUse:
                    pass  # the upgrade peeks at this moment
                self._stop.wait(0.1)

    def _look(self, connection: Connection) -> None:
        found = connection.execute(_POSITION, (self._slot,)).fetchone()
        self.position = str(found[0]) if found else self.position

    def _login(self) -> Connection:
        form = self._form
        return self._rehearsal.postgres.connect(
            form["database"], form["username"], form["password"]
        )


def _pgbench(
    rehearsal: Rehearsal, database: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [rehearsal.postgres.tool("pgbench"), *arguments],
        env=rehearsal.postgres.client_environment(database),
        check=False,
        capture_output=True,
        text=True,
    )


def _summary(proof: Proof) -> Table:
    table = Table("what", "how many", title=f"PostgreSQL {FROM} to {proof.version}, rehearsed")
    for what, count in (
        ("rows written before the fence", f"{proof.before:,}"),
        ("rows written after the upgrade", f"{proof.after:,}"),
        ("runs of pgbench that were stopped", f"{proof.stopped:,}"),
        ("rows captured", f"{proof.captured:,}"),
        ("rows that differ", f"{proof.differing:,}"),
        ("rows that are there twice", f"{proof.twice:,}"),
        ("changes that came again, left out", f"{proof.repeated:,}"),
        ("slot's LSN before", proof.old_position),
        ("slot's LSN after", proof.new_position),
        ("second up", proof.second),
    ):
        table.add_row(what, count)
    table.add_section()
    for step, seconds in proof.steps.items():
        table.add_row(step, f"{seconds:.1f} s")
    return table


def _lsn(text: str) -> int:
    high, _, low = text.partition("/")
    return (int(high or "0", 16) << 32) + int(low or "0", 16)
