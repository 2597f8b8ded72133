"""A server that is really upgraded, an application that writes, and a connector that reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from tests.database.conftest import ROLE, SETTINGS, Shop
from tests.database.doctor_support import PASSWORD, Connector

from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.state import State
from azure_postgres_rehearsal.consumer import Consumer
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

LATER = 99
"""A version that no server here has."""
APP = "app_user"
APP_PASSWORD = "the-App-s-own-1"


@contextmanager
def ready_server(major: int, *, tls: bool = True) -> Iterator[Connector]:
    """A server of one's own, with all that `pulumi up` makes in its database `shop`.

    `tls`: whether it asks for it, where it can.
    """
    settings = {**SETTINGS, "max_prepared_transactions": "0"}
    with EmbeddedPostgres(major, settings=settings, databases=("shop",)) as server:
        if not tls:
            _without_tls(server)
        with server.superuser() as connection:
            connection.execute(f"CREATE ROLE {ROLE}")  # type: ignore[arg-type]
        connector = Connector(Shop(server, "shop"))
        connector.make_ready()
        let_write(connector.shop, APP)
        yield connector


def _without_tls(server: EmbeddedPostgres) -> None:
    """As the later versions here, which have none."""
    server._distribution = replace(server._distribution, has_tls=False)
    hba, conf = server.data_dir / "pg_hba.conf", server.data_dir / "postgresql.conf"
    hba.write_text(hba.read_text().replace("hostssl", "host"))
    lines = conf.read_text().splitlines(keepends=True)
    conf.write_text("".join(line for line in lines if not line.startswith("ssl")))
    server.restart()


def let_write(shop: Shop, user: str) -> None:
    """An application's user, which writes to one captured table."""
    shop.run(
        f"CREATE ROLE {user} LOGIN PASSWORD '{APP_PASSWORD}'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.orders TO {user}",
        superuser=True,
    )


def as_app(shop: Shop, user: str = APP) -> psycopg.Connection[tuple[Any, ...]]:
    return shop.server.connect(shop.name, user, APP_PASSWORD)


def upgrade_of(connector: Connector, file: Path, *, to: int = LATER, **fields: Any) -> Upgrade:
    """A run whose record is new, and whose lines are in `lines_of`."""
    read_only = fields.pop("read_only", False)
    state = State(stack="test", version=16, to=to, read_only_database=read_only)
    said: list[str] = []
    times = {"patience": 5, "pause": 0.02} | fields
    run = Upgrade(connector.stack(), state, file / "upgrade.test.json", said.append, **times)
    vars(run)["said"] = said
    return run


def said(run: Upgrade) -> str:
    """What the run has printed so far."""
    return "\n".join(vars(run)["said"])


class Application:
    """Writes consecutive numbers, one a transaction, and does not give up. A context manager."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.written = 0
        """The last number whose commit was answered."""

    def __enter__(self) -> Application:
        self._thread.start()
        self.wait_for(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, more: int) -> None:
        """Until so many further numbers are written."""
        goal, deadline = self.written + more, time.monotonic() + 20
        while self.written < goal:
            assert time.monotonic() < deadline, "the application cannot write"
            time.sleep(0.01)

    def _write(self) -> None:
        while not self._over.is_set():
            try:
                with as_app(self._shop) as connection:
                    self._write_on(connection)
            except psycopg.errors.UniqueViolation:
                self.written += 1  # committed, and not answered any more
            except psycopg.Error:
                time.sleep(0.05)

    def _write_on(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        while not self._over.is_set():
            connection.execute("INSERT INTO public.orders VALUES (%s)", (self.written + 1,))
            self.written += 1
            time.sleep(0.002)


class Source:
    """The connector: it reads while it is resumed, and keeps its copy while it is stopped."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        with self._login() as connection:
            self._consumer = self._on(connection)
            self._consumer.snapshot()

    def resume(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def stop(self) -> None:
        """It reads to the end of what it is at, as a source that is stopped in the app."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def catch_up(self) -> None:
        """Read all that there is."""
        with self._login() as connection:
            self._reads_from(connection).drain()

    @property
    def numbers(self) -> list[int]:
        """What has arrived, each as often as it is there."""
        rows = self._consumer.tables["public.orders"].rows
        return sorted(int(bytes(row[0])) for row in rows.elements() if row[0] is not None)

    def _read(self) -> None:
        with self._login() as connection:
            consumer = self._reads_from(connection)
            while not self._stop.is_set():
                with suppress(psycopg.errors.ObjectInUse):  # doctor is peeking
                    consumer.consume()
                time.sleep(0.01)
            # The run goes on meanwhile: it peeks, and drops the slot where nothing is left.
            with suppress(psycopg.errors.ObjectInUse, psycopg.errors.UndefinedObject):
                consumer.drain()

    def _reads_from(self, connection: psycopg.Connection[tuple[Any, ...]]) -> Consumer:
        """The same copy, from another connection."""
        fresh = self._on(connection)
        fresh.tables = self._consumer.tables
        self._consumer = fresh
        return fresh

    def _on(self, connection: psycopg.Connection[tuple[Any, ...]]) -> Consumer:
        return Consumer(connection, self._connector.form.publication, self._connector.slot)

    def _login(self) -> psycopg.Connection[tuple[Any, ...]]:
        shop = self._connector.shop
        return shop.server.connect(shop.name, self._connector.user, PASSWORD)
