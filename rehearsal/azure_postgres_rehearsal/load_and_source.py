"""Who takes part in a rehearsed upgrade: an application that writes, a source that reads."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import psycopg

from azure_postgres_rehearsal.consumer import Connection, Consumer, read_table
from azure_postgres_rehearsal.project_files import RehearsalFailed
from azure_postgres_rehearsal.rehearsal import Rehearsal
from azure_postgres_rehearsal.upgrade_proof import NotProved

HISTORY = "public.pgbench_history"
WRITES_PER_TRANSACTION = 4  # three UPDATEs and an INSERT, in pgbench's standard script
_RUN = ("--no-vacuum", "--client=2", "--transactions=100")
_PATIENCE = 60
_POSITION = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"


class Load:
    """pgbench, again and again, whatever becomes of a run. A context manager."""

    def __init__(self, rehearsal: Rehearsal, database: str) -> None:
        self._run: Callable[[], subprocess.CompletedProcess[str]] = lambda: pgbench(
            rehearsal, database, *_RUN
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._done = self.stopped = 0
        self._failure = ""

    def __enter__(self) -> Load:
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


class Source:
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
        if HISTORY not in self.consumer.tables:
            raise RehearsalFailed(
                f"{HISTORY} is not captured, and pgbench is what writes here. Remedy: --stack "
                "local, or another one that captures the schema public"
            )

    def __enter__(self) -> Source:
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

    def resume(self) -> str:
        """Read on, in the background; from which LSN."""
        self._stop.clear()
        with self._login() as connection:
            self._look(connection)
        begins = self.position
        self._reading = self._pool.submit(self._read)
        return begins

    def stop(self) -> None:
        """End what it is at. Raises what has ended it before."""
        self._stop.set()
        if self._reading is not None:
            with _no_proof():
                self._reading.result()
            self._reading = None

    def catch_up(self) -> None:
        """Stop, and read all that there is."""
        self.stop()
        with _no_proof(), self._login() as connection:
            self.consumer.go_on(connection)
            self.consumer.drain()

    def written(self) -> int:
        """How many rows pgbench has written so far."""
        with self._login() as connection:
            history = read_table(connection, *HISTORY.split("."))
        return len(history) * WRITES_PER_TRANSACTION

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


@contextmanager
def _no_proof() -> Iterator[None]:
    """A slot that is gone, or a change of a row that never came, is what is looked for here."""
    try:
        yield
    except (LookupError, ValueError, psycopg.Error) as error:
        raise NotProved(f"the source cannot go on: {error}") from None


def pgbench(
    rehearsal: Rehearsal, database: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run it as the administrator; it may fail."""
    return subprocess.run(
        [rehearsal.postgres.tool("pgbench"), *arguments],
        env=rehearsal.postgres.client_environment(database),
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
