"""One stack, rehearsed: its server and databases are made up, everything else is real."""

from __future__ import annotations

import contextlib
import json
import secrets
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

from azure_postgres_rehearsal.azure_api import Authentication, EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.faults import Source
from azure_postgres_rehearsal.azure_api.identities import RESOURCE
from azure_postgres_rehearsal.distributions import usual
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.engine import Engine, Outcome
from azure_postgres_rehearsal.project_files import (
    config_of,
    is_encrypted,
    settings_in,
    stack_file,
)
from azure_postgres_rehearsal.rebuilt_server import (
    RebuiltServer,
    nearest,
    options,
    set_directly,
    set_in_azure,
)
from azure_postgres_rehearsal.record import Record

CREATE, EXISTING, NONE = "create", "existing", "none"

_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_SCHEMA_AND_TABLE = 2
_INVENTED = "CREATE TABLE IF NOT EXISTS {table} (id bigint PRIMARY KEY, value text)"
# The login with a password that a server has even where everybody signs in with Entra.
_LOGIN = "local_admin"
# Where another tool owns the server, it has set what logical replication needs.
_READY = {"wal_level": "logical", "max_worker_processes": "16"}


class Rehearsal:
    """A context manager: entering starts PostgreSQL, Azure and an empty stack; leaving ends all.

    `project`: the folder of Pulumi.yaml. `stack`: its name; the file is read, never changed.
    `settings`: keys of the stack's configuration to replace, without the project's name.
    `major`: PostgreSQL's major version; 16 and 18 have no TLS here, so sslMode becomes `disable`.
    Default: that of the server which the stack makes, the recorded one, or the usual one.
    `record`: what the real server is like. Without one, the listed tables are made up.
    `server`: what else EmulatedAzure.add_server shall know of an existing server, such as
    `high_availability`. `faults`: what goes wrong in Azure.
    """

    def __init__(
        self,
        project: Path,
        stack: str,
        *,
        major: int | None = None,
        settings: Mapping[str, Any] | None = None,
        postgres_settings: Mapping[str, str] | None = None,
        server: Mapping[str, Any] | None = None,
        faults: Source = (),
        record: Record | None = None,
    ) -> None:
        self._project = project
        self._stack = stack
        self.settings = settings_in(project, stack_file(project, stack)) | dict(settings or {})
        self._server = self.settings["server"]
        self._record = record
        self._options = options(record.azure if record else None) | dict(server or {})
        self._faults = faults
        self.notes: list[str] = []
        self.management: str = self._server["management"]
        self.databases = list(
            dict.fromkeys(database["name"] for database in self.settings.get("databases", ()))
        )
        create = self._server.get("create") or {}
        login = _LOGIN if self._entra else self.settings["connection"]["user"]
        self._later = self.management == CREATE or self._entra
        is_ready = self.management == NONE and record is None
        self.postgres = EmbeddedPostgres(
            major or int(create.get("version") or 0) or self._recorded_major() or usual(),
            settings=(_READY if is_ready else {}) | dict(postgres_settings or {}),
            databases=["postgres"] if self._later else self.databases,
            admin_user=create.get("administrator") or login,
        )
        self._is_rebuilt = False
        # Throw-away secrets for the encrypted values of the stack's file.
        self._made_up = {
            key: f"Aa1-{secrets.token_urlsafe(18)}"
            for key, value in config_of(project, stack_file(project, stack)).items()
            if is_encrypted(value)
        }
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Rehearsal:
        with self._exits:  # everything that was entered is left again if a later step fails
            self._exits.enter_context(self.postgres)
            self.azure = self._exits.enter_context(
                EmulatedAzure(
                    _SUBSCRIPTION,
                    resource_groups=[self._server.get("resourceGroup") or "rehearsal"],
                    postgres_factory=_Shelf(self.postgres),
                    faults=self._faults,
                )
            )
            if self.management == EXISTING:
                self._add_server()
            if self._record is not None:
                self._set_parameters(self._record)
            self._furnish()
            self.engine = Engine(
                self._project,
                self._stack,
                self.postgres.folder / "rehearsal",
                self.settings | {"connection": self._connection()},
                self._made_up
                | ({} if self._has_password else {"adminPassword": self.postgres.admin_password}),
                {
                    "AZURE_RESOURCE_MANAGER_ENDPOINT": self.azure.endpoint,
                    "ARM_SUBSCRIPTION_ID": _SUBSCRIPTION,
                    **self._identity(),
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

    def up(self, *arguments: str, **options: Any) -> Outcome:
        """`pulumi up` of the stack, from nothing to the end.

        Where the stack makes its server, that comes first and alone, as it does for a team: the
        databases and their tables are there only after somebody has put them there.
        """
        made = self.make_server(*arguments, **options)
        if made is not None and made.returncode:
            return made
        self.furnish_databases()
        return self.engine.up(*arguments, **options)

    def make_server(
        self, *arguments: str, settings: Mapping[str, Any] | None = None, **options: Any
    ) -> Outcome | None:
        """The first of the two steps; None where there is a server already.

        `settings`: those to begin with; by default the stack's.
        """
        if self.management != CREATE or not self.databases or self.azure.servers:
            return None
        wanted = self.settings if settings is None else settings
        self.configure({**wanted, "databases": []})
        made = self.engine.up(*arguments, **options)
        self.configure(wanted)
        return made

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Have other settings from now on; where the server is stays."""
        self.engine.set_settings({**settings, "connection": self._connection()})

    def secrets(self) -> list[str]:
        """Every secret that was made up, or made, for this rehearsal."""
        connectors = self.engine.outputs().get("connectors", ())
        passwords = [form["password"] for form in connectors if form.get("password")]
        return [*self._made_up.values(), self.postgres.admin_password, *passwords]

    @property
    def server(self) -> FlexibleServer:
        """The server in the made-up Azure."""
        return self.azure.servers[0]

    def furnish_databases(self) -> None:
        """Have the databases as they were recorded, or else with tables that are made up."""
        if self._record is not None and not self._is_rebuilt:
            rebuilt = RebuiltServer(
                self._record, self.postgres, self.settings["connection"]["user"]
            )
            rebuilt.build()
            self.notes += rebuilt.notes
            self._is_rebuilt = True
        self.invent_tables()

    def invent_tables(self, settings: Mapping[str, Any] | None = None) -> None:
        """Create what is captured and what is not there: made-up tables, with a key.

        A recorded database is left as it is: what it lacks is missing on the real server too.
        `settings`: those that say what is captured; by default the stack's.
        """
        recorded = self._record.databases if self._record else {}
        for database in (settings or self.settings).get("databases", ()):
            if database["name"] in recorded:
                continue
            self._make_database(database["name"])
            with self.administrator(database["name"]) as connection:
                capture = database["capture"]
                names = self._listed_tables(capture)
                tables = [parts for name in names if (parts := _parts(connection, name))]
                schemas = {table[0] for table in tables} | set(capture.get("schemas") or ())
                for schema in filter(_is_ordinary, schemas):
                    connection.execute(
                        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema))
                    )
                for table in (table for table in tables if _is_ordinary(table[0])):
                    name = sql.Identifier(*table)
                    connection.execute(sql.SQL(_INVENTED).format(table=name))

    def administrator(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as the stack's administrator, with a token where that is Entra's."""
        user = self.settings["connection"]["user"]
        return self.postgres.connect(database, user, self.token() if self._entra else None)

    def token(self) -> str:
        """A token for PostgreSQL, as `up` gets it where the stack signs in with Entra."""
        identity = self._identity()
        query = urllib.parse.urlencode({"api-version": "2019-08-01", "resource": RESOURCE})
        request = urllib.request.Request(  # noqa: S310 - the emulator's own loopback address
            f"{identity['IDENTITY_ENDPOINT']}?{query}",
            headers={"X-IDENTITY-HEADER": identity["IDENTITY_HEADER"]},
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return str(json.load(response)["access_token"])

    def _make_database(self, name: str) -> None:
        with self.administrator("postgres") as connection:
            found = connection.execute(
                "SELECT FROM pg_database WHERE datname = %s", (name,)
            ).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _listed_tables(self, capture: Mapping[str, Any]) -> list[str]:
        """The names of a capture set, as they stand in SQL. A file that cannot be read has none,
        for the program to refuse."""
        if capture.get("tablesFile"):
            try:
                rows = (self._project / capture["tablesFile"]).read_text(encoding="utf-8-sig")
            except (OSError, ValueError):
                return []
            return [row.strip() for row in rows.splitlines() if row.strip()]
        return list(capture.get("tables") or ())

    def keep(self) -> str:
        """Let the server outlive this process; how to connect to it and how to end it."""
        self.postgres.leave_running()
        mode = f"sslmode={self.postgres.ssl_mode}"
        database = self.databases[0] if self.databases else "postgres"
        target = f"host={self.postgres.host} port={self.postgres.port} {mode}"
        return (
            f"kept: {self.postgres.folder}\n"
            f"  connect: PGPASSWORD={self.postgres.admin_password} psql "
            f"'{target} user={self.postgres.admin_user} dbname={database}'\n"
            f"  end it:  kill $(head -1 {self.postgres.data_dir}/postmaster.pid) && "
            f"rm -rf {self.postgres.folder}"
        )

    @property
    def _has_password(self) -> bool:
        """Whether the program gets by without one that is made up: an administrator who signs in
        with Entra has none, and one in plain text is refused."""
        return self._entra or bool(self.settings.get("adminPassword"))

    @property
    def _entra(self) -> bool:
        return bool(self.settings["connection"].get("auth") == "entra")

    def _identity(self) -> dict[str, str]:
        """The environment in which `up` is the administrator that signs in with Entra."""
        if not self._entra:
            return {}
        return self.azure.identity_environment(self.settings["connection"]["user"])

    def _add_server(self) -> None:
        tenant = self.settings["connection"].get("tenantId", "")
        server = self.azure.add_server(
            resource_group=self._server["resourceGroup"],
            name=self._server["name"],
            postgres=self.postgres,
            administrator_login=self.postgres.admin_user,
            authentication=Authentication(self._entra, tenant),
            **self._options,
        )
        if self._entra:
            who = {"principalName": self.settings["connection"]["user"], "principalType": "Group"}
            server.administrators.write(_SUBSCRIPTION, {"properties": who}).done.wait()
            for name in self.databases:
                self._make_database(name)

    def _recorded_major(self) -> int | None:
        if self._record is None:
            return None
        found = nearest(self._record.major)
        if found != self._record.major:
            self.notes.append(
                f"the server is PostgreSQL {self._record.major}, and this is {found}: no other "
                "version is near"
            )
        return found

    def _set_parameters(self, record: Record) -> None:
        if self.management == EXISTING:
            self.notes += set_in_azure(self.server, record)
        elif self.management == NONE:
            set_directly(self.postgres, record.parameters)

    def _furnish(self) -> None:
        """Whatever else of Azure the stack refers to is there."""
        vault = self._server.get("keyVault")
        if vault:
            _, group, name = _ids(vault)
            self.vault = self.azure.add_vault(group, name)
        create = self._server.get("create") or {}
        zone = (create.get("privateEndpoint") or {}).get("privateDnsZone")
        if zone:
            subscription, group, _ = _ids(zone)
            self.azure.add_private_dns_zone(group, subscription_id=subscription)

    def _connection(self) -> dict[str, Any]:
        """The stack's own, but for where the server is."""
        given = self.settings["connection"]
        kept = {key: given[key] for key in ("user", "auth", "tenantId") if key in given}
        return kept | {
            "host": self.postgres.host,
            "port": self.postgres.port,
            "sslMode": self.postgres.ssl_mode,
        }


class _Shelf:
    """Hands out the one PostgreSQL of a rehearsal when the stack makes its server."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.majors = (postgres.major,)
        self._postgres = postgres

    def __call__(self, _major: int, login: str, password: str) -> EmbeddedPostgres:
        with self._postgres.superuser() as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(login), sql.Literal(password)
                )
            )
        self._postgres.admin_password = password
        return self._postgres


def _ids(resource_id: str) -> tuple[str, str, str]:
    """Subscription, resource group and name in an Azure resource id."""
    parts = resource_id.split("/")
    return parts[2], parts[4], parts[-1]


def _is_ordinary(schema: str) -> bool:
    """Whether a schema is not PostgreSQL's own, which has what it has."""
    return not schema.startswith("pg_") and schema != "information_schema"


def _parts(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> list[str]:
    """Schema and table of a name that is written as in SQL; nothing of what is no such name, for
    the program to refuse."""
    try:
        row = connection.execute("SELECT parse_ident(%s)", (name,)).fetchone()
    except (psycopg.Error, ValueError):
        return []
    return list(row[0]) if row and len(row[0]) == _SCHEMA_AND_TABLE else []
