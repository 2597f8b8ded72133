"""A PostgreSQL of one's own: started on a free loopback port, set up as Azure's, gone afterwards.

What is as on Azure: the administrator is not a superuser but a member of `azure_pg_admin`, with
CREATEROLE and CREATEDB; connections over TCP need TLS and a password (SCRAM). What differs: plain
PostgreSQL lets nobody but a superuser hand out REPLICATION, so the administrator has it from the
start unless told otherwise.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

from azure_postgres_rehearsal import certificates, distributions, keeper
from azure_postgres_rehearsal.cluster import SUPERUSER, Cluster

HOST = "127.0.0.1"
_START_SECONDS = 60

# The server's log and data are thrown away, so nothing needs to reach the disk.
# (synchronous_commit stays on: a slot gives nothing that is not flushed.)
_SPEED = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One embedded server. A context manager: entering starts it, leaving stops and removes it.

    `major`: PostgreSQL's major version (16, 17, 18, and whatever Debian has installed).
    `settings`: server parameters written to postgresql.conf before the first start.
    `databases`: databases to create, owned by the administrator.
    `admin_user`: the administrator's name.
    `admin_replication`: whether the administrator has REPLICATION from the start.
    """

    def __init__(
        self,
        major: int = 17,
        *,
        settings: Mapping[str, str] | None = None,
        databases: Sequence[str] = ("postgres",),
        admin_user: str = "cdc_admin",
        admin_replication: bool = True,
    ) -> None:
        self.major = major
        self.host = HOST
        self.port = 0
        self.admin_user = admin_user
        # Azure's rule for a server that is made with it: three kinds of characters.
        self.admin_password = f"Aa1-{secrets.token_urlsafe(18)}"
        self._settings = dict(settings or {})
        self._databases = tuple(databases)
        self._admin_replication = admin_replication
        self._account = distributions.server_account()
        self._tls_only = False
        self._keeper: subprocess.Popen[str] | None = None
        self.folder = Path()
        self._distribution = distributions.find(major)

    # Life

    def __enter__(self) -> EmbeddedPostgres:
        try:
            self._create()
            self.start()
            self._set_up()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        with (self.folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [self._distribution.tool("postgres"), "-D", str(self.data_dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                # Without a locale, macOS starts threads, which PostgreSQL refuses.
                env=os.environ | {"LC_ALL": "C"},
                **self._account.popen_arguments,  # type: ignore[call-overload]
            )
        self._process = process
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"PostgreSQL {self.major} did not start:\n{self.log_tail()}")
            try:
                self.superuser().close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"PostgreSQL {self.major} did not answer within {_START_SECONDS} s: "
                        f"{error}\n{self.log_tail()}"
                    ) from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop the server as `pg_ctl stop -m fast` does; its data stay."""
        keeper.stop_postmaster(self.folder, signal.SIGINT)
        self._process.wait()

    def restart(self) -> None:
        """Stop and start: static parameters come into effect, connections are lost."""
        self.stop()
        self.start()

    @property
    def upgradable_to(self) -> tuple[int, ...]:
        """The later major versions whose programs are here."""
        return tuple(major for major in distributions.majors() if major > self.major)

    def upgrade(self, major: int) -> None:
        """Upgrade the running server in place with pg_upgrade, and start it as the new version.

        Its port, roles and parameters stay; those that the new version does not know, or not with
        that value, are left out. Where it fails, the old version runs again.
        """
        programs = distributions.find(major).reachable_by(
            self._account, self.folder / f"programs-{major}"
        )
        old = Cluster(self._distribution, self._account, self.data_dir)
        new = Cluster(programs, self._account, self.folder / "data-new")
        altered = self._altered()
        self.stop()
        try:
            self._take_over(old, new, altered)
        except BaseException:
            shutil.rmtree(new.data_dir, ignore_errors=True)
            self.start()
            raise

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        if self._keeper is not None:
            self._keeper.communicate(keeper.END)
            self._keeper = None
        with contextlib.suppress(AttributeError, subprocess.TimeoutExpired):
            self._process.wait(5)

    def leave_running(self) -> None:
        """Let the server outlive this process."""
        if self._keeper is not None:
            self._keeper.communicate(keeper.KEEP)
            self._keeper = None

    # Access

    @property
    def data_dir(self) -> Path:
        """The server's data directory."""
        return self.folder / "data"

    @property
    def root_certificate(self) -> Path:
        """The certificate to verify the server with (`sslrootcert`)."""
        return self.folder / "server.crt"

    @property
    def has_tls(self) -> bool:
        """Whether this build speaks TLS."""
        return self._distribution.has_tls

    @property
    def ssl_mode(self) -> str:
        """The `sslmode` to connect with."""
        return "require" if self.has_tls else "disable"

    @property
    def library_dir(self) -> Path:
        """The folder that holds what shared_preload_libraries can load."""
        return self._distribution.library_dir

    def tool(self, name: str) -> str:
        """The path of one of PostgreSQL's programs."""
        return self._distribution.tool(name)

    def superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """An autocommit connection as the bootstrap superuser, through the private socket."""
        return psycopg.connect(
            host=str(self.folder), port=self.port, user=SUPERUSER, dbname=database, autocommit=True
        )

    def connect(
        self, database: str, user: str | None = None, password: str | None = None
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """An autocommit connection over TCP, by default as the administrator."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=user or self.admin_user,
            password=password or self.admin_password,
            dbname=database,
            sslmode=self.ssl_mode,
            autocommit=True,
        )

    def client_environment(
        self, database: str, user: str | None = None, password: str | None = None
    ) -> dict[str, str]:
        """The environment with which libpq's programs (psql, pgbench) reach the server."""
        return {
            **os.environ,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": user or self.admin_user,
            "PGPASSWORD": password or self.admin_password,
            "PGDATABASE": database,
            "PGSSLMODE": self.ssl_mode,
        }

    def log_tail(self, lines: int = 20) -> str:
        """The end of the server's log."""
        log = self.folder / "server.log"
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    # Making

    def _create(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="azure-postgres-"))
        self._account.own(self.folder)
        self._keeper = _start_keeper(self.folder)
        self._distribution = self._distribution.reachable_by(
            self._account, self.folder / f"programs-{self.major}"
        )
        self._tls_only = self.has_tls
        cluster = Cluster(self._distribution, self._account, self.data_dir)
        cluster.initdb()
        self.port = _free_port()
        certificates.write_certificate(self.root_certificate, self.folder / "server.key")
        self._account.own(self.folder / "server.key")
        settings = _SPEED | self._own_settings(tls=self.has_tls) | self._settings
        cluster.configure(settings, tls_only=self._tls_only)

    def _own_settings(self, *, tls: bool) -> dict[str, str]:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "logging_collector": "off",
        }
        if tls:
            settings |= {
                "ssl": "on",
                "ssl_cert_file": str(self.root_certificate),
                "ssl_key_file": str(self.folder / "server.key"),
            }
        return settings

    def _altered(self) -> dict[str, str]:
        """What `ALTER SYSTEM` has set."""
        with self.superuser() as connection:
            found = connection.execute(
                "SELECT name, setting FROM pg_file_settings "
                "WHERE sourcefile LIKE '%/postgresql.auto.conf' ORDER BY seqno"
            )
            return {row[0]: row[1] for row in found}

    def _take_over(self, old: Cluster, new: Cluster, altered: Mapping[str, str]) -> None:
        """Make the stopped server the new version; the old data go when that has started."""
        new.initdb()
        tls = new.distribution.has_tls
        own = _SPEED | self._own_settings(tls=tls) | new.known(self._settings)
        # Who connected without TLS before, as a build without it made him, still can.
        new.configure(own, tls_only=tls and self._tls_only)
        new.set_system(new.known(altered))
        new.upgrade_from(old)
        aside = old.data_dir.rename(self.folder / "data-old")
        new.data_dir.rename(self.data_dir)
        self._distribution, self.major = new.distribution, new.distribution.major
        try:
            self.start()
        except BaseException:
            self.stop()
            self._distribution, self.major = old.distribution, old.distribution.major
            self.data_dir.rename(new.data_dir)
            aside.rename(self.data_dir)
            raise
        shutil.rmtree(aside)

    def _set_up(self) -> None:
        admin = sql.Identifier(self.admin_user)
        replication = sql.SQL("REPLICATION" if self._admin_replication else "NOREPLICATION")
        with self.superuser() as connection:
            connection.execute("CREATE ROLE azure_pg_admin NOLOGIN")
            connection.execute(
                sql.SQL(
                    "CREATE ROLE {} LOGIN CREATEROLE CREATEDB {} PASSWORD {} IN ROLE azure_pg_admin"
                ).format(admin, replication, sql.Literal(self.admin_password))
            )
            self._grant_predefined_roles(connection)
            for database in self._databases:
                there = database == "postgres"
                statement = (
                    "ALTER DATABASE {} OWNER TO {}" if there else "CREATE DATABASE {} OWNER {}"
                )
                connection.execute(sql.SQL(statement).format(sql.Identifier(database), admin))

    def _grant_predefined_roles(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        roles = ["pg_monitor", "pg_signal_backend"]
        if self.major >= 14:
            roles.append("pg_read_all_data")
        for role in roles:
            connection.execute(
                sql.SQL("GRANT {} TO azure_pg_admin WITH ADMIN OPTION").format(sql.Identifier(role))
            )


def _start_keeper(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "azure_postgres_rehearsal.keeper", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for just above
    process.stdout.readline()
    return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
