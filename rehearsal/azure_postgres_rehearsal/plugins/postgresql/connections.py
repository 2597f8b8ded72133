"""The provider's settings, and transactions on the databases of its server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

from azure_postgres_rehearsal.plugins.protocol import Properties, ProviderError

_SSL_MODES = ("require", "verify-full", "verify-ca", "disable")
_NOT_REHEARSED = (
    "awsRdsIamAuth",
    "gcpIamImpersonateServiceAccount",
)


@dataclass(frozen=True)
class Settings:
    """How to reach the server; defaults and environment variables are the real provider's."""

    host: str
    port: int = 5432
    username: str = "postgres"
    password: str = field(default="", repr=False)
    database: str = "postgres"
    database_username: str = ""
    ssl_mode: str = "require"
    ssl_root_cert: str = ""
    client_cert: Mapping[str, str] = field(default_factory=dict)
    superuser: bool = True
    connect_timeout: int = 180
    max_connections: int = 20

    @classmethod
    def from_variables(cls, variables: Properties) -> Settings:
        """The settings out of the provider's inputs."""
        for name in _NOT_REHEARSED:
            if variables.get(name) not in (None, "", "false", False):
                raise ProviderError(f"postgresql: {name} is not part of the rehearsal")
        if variables.get("scheme", "postgres") != "postgres":
            raise ProviderError("postgresql: only the scheme postgres is part of the rehearsal")

        def text(name: str, environment: str, default: str = "") -> str:
            return str(variables.get(name) or os.environ.get(environment) or default)

        certificates = _json(variables.get("clientcert")) or {}
        with_token = bool(_json(variables.get("azureIdentityAuth", False)))
        return cls(
            host=text("host", "PGHOST", "localhost"),
            port=int(text("port", "PGPORT", "5432")),
            username=text("username", "PGUSER", "postgres"),
            # With a token, a password counts for nothing, wherever it comes from.
            password=_azure_token(variables) if with_token else text("password", "PGPASSWORD"),
            database=text("database", "PGDATABASE", "postgres"),
            database_username=text("databaseUsername", ""),
            ssl_mode=_ssl_mode(text("sslmode", "PGSSLMODE") or variables.get("sslMode")),
            ssl_root_cert=text("sslrootcert", ""),
            client_cert=certificates[0] if isinstance(certificates, list) else certificates,
            superuser=bool(
                _json(variables.get("superuser", os.environ.get("PGSUPERUSER", "true")))
            ),
            connect_timeout=int(text("connectTimeout", "PGCONNECT_TIMEOUT", "180")),
            max_connections=int(text("maxConnections", "", "20")),
        )

    @property
    def role(self) -> str:
        """The role of this connection, which user name maps may call something else."""
        return self.database_username or self.username

    def parameters(self, database: str) -> dict[str, Any]:
        """libpq's parameters for a connection to a database."""
        parameters: dict[str, Any] = {
            **self._out_of_a_url(database),
            "sslmode": self.ssl_mode,
            "connect_timeout": self.connect_timeout,
            "fallback_application_name": "Pulumi provider",
        }
        if self.ssl_root_cert:
            parameters["sslrootcert"] = self.ssl_root_cert
        if self.client_cert:
            parameters |= {"sslcert": self.client_cert["cert"], "sslkey": self.client_cert["key"]}
        return parameters

    def _out_of_a_url(self, database: str) -> dict[str, Any]:
        """What the real provider's driver makes of the URL that the provider writes for it.

        Host and database stand in it as they are, and of user and password Go's PathEscape leaves
        colons alone. So a database's name ends at ? and #, and % begins an escape; an IPv6 address
        needs brackets; a colon ends the user's name.
        """
        login = ":".join(quote(text, safe="$&+=:@") for text in (self.username, self.password))
        url = urlsplit(f"postgres://{login}@{self.host}:{self.port}/{database}")
        if re.search("%(?![0-9A-Fa-f]{2})", url.path):
            shown = url.geturl().replace(self.password or "\0", "XXXX")
            raise ProviderError(f'parse "{shown}": invalid URL escape "%"')
        login, _, where = url.netloc.rpartition("@")
        user, _, password = login.partition(":")
        host, _, port = where.rpartition(":")
        bracketed = re.fullmatch(r"\[(.*)\]", host)
        if ":" in host and not bracketed:
            host, port = where, "5432"
        return {
            "host": bracketed[1] if bracketed else host,
            "port": port,
            "user": unquote(user),
            "password": unquote(password),
            "dbname": unquote(url.path.removeprefix("/")),
        }


def _azure_token(variables: Properties) -> str:
    # Imported only where it is needed: it doubles the time that the plugin takes to start.
    from azure_postgres_rehearsal.plugins.postgresql.azure_identity import azure_token

    return azure_token(variables)


def _json(value: Any) -> Any:
    """The SDK sends all but strings as JSON text."""
    return json.loads(value) if isinstance(value, str) and value else value


def _ssl_mode(mode: str | None) -> str:
    """The Go driver's modes: none means require, and libpq's allow and prefer do not exist."""
    if mode and mode not in _SSL_MODES:
        raise ProviderError(
            f'pq: unsupported sslmode "{mode}"; only "require" (default), "verify-full", '
            '"verify-ca", and "disable" supported'
        )
    return mode or "require"


class Transaction:
    """One transaction. Failures become a ProviderError: what was tried, and the server's words.

    A statement never becomes part of an error, as it may hold a password.
    """

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def execute(self, statement: sql.Composed | sql.SQL, attempt: str = "") -> None:
        """Run a statement; `attempt` says what could not be done."""
        with _in_go_words(attempt):
            self._connection.execute(statement)

    def rows(self, query: str, *parameters: str | int, attempt: str = "") -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with _in_go_words(attempt):
            return self._connection.execute(query.encode(), parameters).fetchall()

    def value(self, query: str, *parameters: str | int, attempt: str = "") -> Any:
        """The first column of the first row; None where there is no row."""
        rows = self.rows(query, *parameters, attempt=attempt)
        return rows[0][0] if rows else None


@contextlib.contextmanager
def _in_go_words(attempt: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        words = error.diag.message_primary or str(error).partition("\n")[0]
        raise ProviderError(f"{attempt}: pq: {words}" if attempt else f"pq: {words}") from None


class Server:
    """Transactions on a server's databases.

    As in the real provider no idle connection is kept, so that a database can be dropped, and a
    database gets at most `max_connections` at a time.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # The real provider takes 0 as unlimited.
        limit = settings.max_connections or 1000
        self._slots: dict[str, threading.BoundedSemaphore] = defaultdict(
            lambda: threading.BoundedSemaphore(limit)
        )
        self._slots_lock = threading.Lock()

    @contextlib.contextmanager
    def transaction(self, database: str = "") -> Iterator[Transaction]:
        """A transaction, committed at the end; on the provider's own database by default."""
        name = database or self.settings.database
        with self._slots_lock:
            slot = self._slots[name]
        with slot, _in_go_words("could not commit transaction"), self._connect(name) as connection:
            yield Transaction(connection)

    def _connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        try:
            return psycopg.connect(**self.settings.parameters(database), prepare_threshold=None)
        except psycopg.Error as error:
            text = str(error)
            if self.settings.password:
                text = text.replace(self.settings.password, "XXXX")
            raise ProviderError(
                f"error connecting to PostgreSQL server {self.settings.host} "
                f"(scheme: postgres): {text}"
            ) from None
