"""One stack, rehearsed: its server and databases are made up, everything else is real."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import yaml
from psycopg import sql

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.engine import Engine

_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
# Where another tool owns the server, it has set what logical replication needs.
_NEEDED = ("server", "connection", "databases")
_INVENTED = "CREATE TABLE IF NOT EXISTS {table} (id bigint PRIMARY KEY, value text)"
_READY = {"wal_level": "logical", "max_worker_processes": "16"}


class RehearsalFailed(Exception):  # noqa: N818 - reads better where it is raised
    """What cannot be rehearsed, in one line."""


class Rehearsal:
    """A context manager: entering starts PostgreSQL, Azure and an empty stack; leaving ends all.

    `project`: the folder of Pulumi.yaml. `stack`: its name; the file is read, never changed.
    `settings`: keys of the stack's configuration to replace, without the project's name.
    `major`: PostgreSQL's major version; 16 and 18 have no TLS here, so sslMode becomes `disable`.
    """

    def __init__(
        self,
        project: Path,
        stack: str,
        *,
        major: int = 17,
        settings: Mapping[str, Any] | None = None,
        postgres_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._project = project
        self._stack = stack
        self._settings = _settings_of(project, stack) | dict(settings or {})
        self._managed = self._settings["server"]["management"] != "none"
        self.databases = list(
            dict.fromkeys(database["name"] for database in self._settings["databases"])
        )
        self.postgres = EmbeddedPostgres(
            major,
            settings=({} if self._managed else _READY) | dict(postgres_settings or {}),
            databases=self.databases,
            admin_user=self._settings["connection"]["user"],
        )
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Rehearsal:
        with self._exits:  # everything that was entered is left again if a later step fails
            self._exits.enter_context(self.postgres)
            self.azure = self._exits.enter_context(EmulatedAzure(_SUBSCRIPTION))
            if self._managed:
                self._add_server()
            self.engine = Engine(
                self._project,
                self._stack,
                self.postgres.folder / "rehearsal",
                self._settings | {"connection": self._connection()},
                {"adminPassword": self.postgres.admin_password},
                {
                    "AZURE_RESOURCE_MANAGER_ENDPOINT": self.azure.endpoint,
                    "ARM_SUBSCRIPTION_ID": _SUBSCRIPTION,
                },
            )
            self._exits = self._exits.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()

    def invent_tables(self) -> None:
        """Create what the stack captures and what is not there: made-up tables, with a key."""
        for database in self._settings["databases"]:
            with self.postgres.connect(database["name"]) as connection:
                capture = database["capture"]
                tables = [_parts(connection, name) for name in self._listed_tables(capture)]
                for schema in {table[0] for table in tables} | set(capture.get("schemas", ())):
                    connection.execute(
                        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema))
                    )
                for table in tables:
                    name = sql.Identifier(*table)
                    connection.execute(sql.SQL(_INVENTED).format(table=name))

    def _listed_tables(self, capture: Mapping[str, Any]) -> list[str]:
        """The names of a capture set, as they stand in SQL."""
        if "tablesFile" in capture:
            rows = (self._project / capture["tablesFile"]).read_text(encoding="utf-8-sig")
            return [row.strip() for row in rows.splitlines() if row.strip()]
        return list(capture.get("tables", ()))

    def keep(self) -> str:
        """Let the server outlive this process; how to connect to it and how to end it."""
        self.postgres.leave_running()
        mode = f"sslmode={self.postgres.ssl_mode}"
        target = f"host={self.postgres.host} port={self.postgres.port} {mode}"
        return (
            f"kept: {self.postgres.folder}\n"
            f"  connect: PGPASSWORD={self.postgres.admin_password} psql "
            f"'{target} user={self.postgres.admin_user} dbname={self.databases[0]}'\n"
            f"  end it:  kill $(head -1 {self.postgres.data_dir}/postmaster.pid) && "
            f"rm -rf {self.postgres.folder}"
        )

    def _add_server(self) -> None:
        server = self._settings["server"]
        self.server = self.azure.add_server(
            resource_group=server["resourceGroup"],
            name=server["name"],
            postgres=self.postgres,
            administrator_login=self.postgres.admin_user,
        )

    def _connection(self) -> dict[str, Any]:
        return {
            "host": self.postgres.host,
            "port": self.postgres.port,
            "user": self.postgres.admin_user,
            "sslMode": self.postgres.ssl_mode,
        }


def _parts(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> list[str]:
    """Schema and table of a name that is written as in SQL."""
    row = connection.execute("SELECT parse_ident(%s)", (name,)).fetchone()
    return list(row[0]) if row else []


def _settings_of(project: Path, stack: str) -> dict[str, Any]:
    description = yaml.safe_load((project / "Pulumi.yaml").read_text())
    file = project / description.get("stackConfigDir", ".") / f"Pulumi.{stack}.yaml"
    content = yaml.safe_load(file.read_text()) or {}
    prefix = f"{description['name']}:"
    settings = {
        key.removeprefix(prefix): value
        for key, value in content.get("config", {}).items()
        if key.startswith(prefix)
    }
    missing = [key for key in _NEEDED if not settings.get(key)]
    if missing:
        raise RehearsalFailed(f"{file.name} has no {', no '.join(missing)}: nothing to rehearse")
    return settings
