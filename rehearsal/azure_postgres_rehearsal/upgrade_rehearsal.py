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
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console

from azure_postgres_rehearsal.consumer import Consumer, read_table
from azure_postgres_rehearsal.load_and_source import (
    HISTORY,
    WRITES_PER_TRANSACTION,
    Load,
    Source,
    pgbench,
)
from azure_postgres_rehearsal.project_files import RehearsalFailed, settings_in, stack_file
from azure_postgres_rehearsal.rehearsal import (
    CREATE,
    NONE,
    Rehearsal,
)
from azure_postgres_rehearsal.upgrade_proof import NotProved, Proof, summary

FROM = 16
_RUNS = 3
_STEP = re.compile(r"([a-z ]+): ok\.")


def run(project: Path, stack: str, to: int, console: Console) -> None:
    """Rehearse it; print a short table at the end. Raises NotProved where the proof fails."""
    with Rehearsal(project, stack, major=FROM, settings=_settings(project, stack)) as rehearsal:
        proof = _Play(rehearsal, to, console).perform()
    console.print(summary(proof, FROM))
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
    if not found.get("databases"):
        raise RehearsalFailed(f"stack {stack} names no database. Remedy: --stack local")
    return {
        "databases": [
            {**database, "connector": {**(database.get("connector") or {}), "sslMode": "disable"}}
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
        filled = pgbench(rehearsal, self._database, "--initialize", "--quiet")
        if filled.returncode:
            raise RehearsalFailed(f"pgbench --initialize failed: {filled.stderr}")
        rehearsal.engine.up("--skip-preview", capture=True)
        with Source(rehearsal, self._form()) as source:
            with Load(rehearsal, self._database) as load:
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

    def _upgrade(self, source: Source) -> None:
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
            encoding="utf-8",
            errors="replace",
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

    def _as_a_person(self, line: str, source: Source) -> None:
        # A source that asks now and then is not seen reading, so nobody waits for it to stop.
        if line.startswith("drain: ok"):
            source.stop()
            self._proof.before = source.written()
            self._proof.old_position = source.position
        elif line.startswith("upgrade: upgrade the server") and self._rehearsal.management == NONE:
            self._rehearsal.postgres.upgrade(self._to)
        elif line.startswith("resume source:"):
            self._proof.new_position = source.resume()

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
                if name == HISTORY:
                    written = rows.total() * WRITES_PER_TRANSACTION
        proof.after = written - proof.before
        proof.captured = sum(
            count for name, count in consumer.captured.items() if name.startswith("public.pgbench_")
        )
        proof.repeated = consumer.repeated

    def _say(self, text: str) -> None:
        self._console.print(f"[bold]==> {text}[/bold]")
