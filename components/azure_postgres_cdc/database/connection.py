"""How the administrator's connections are described and made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Literal, NotRequired, TypedDict

import pulumi

from azure_postgres_cdc.database import idle_connections
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.errors import CdcError, DatabaseIsGone, Unreachable, explained

Connection = idle_connections.Connection

DEFAULT_PORT = 5432
DEFAULT_SSL_MODE = "require"
CONNECT_TIMEOUT_SECONDS = 15
LOCK_TIMEOUT_SECONDS = 10
ENTRA = "entra"

# Nobody's function or table may stand in for the catalog's; a backslash is a backslash, and a type
# has the name that it has everywhere.
_AS_WRITTEN = (
    "-c search_path=pg_catalog -c standard_conforming_strings=on -c quote_all_identifiers=off"
)
_NO_LIMITS = " -c statement_timeout=0 -c idle_in_transaction_session_timeout=0"

_NO_ROUTE = "check connection.host and connection.port, the firewall rules and the network route"
_NOT_UP = "wait until the server is up"
_TOO_MANY = "end idle connections or raise max_connections"
_LOGIN = "check connection.user and adminPassword"
_ENTRA_LOGIN = (
    "check connection.user: it is the Entra administrator that is logged in to Azure here"
)
# Which words of libpq's message lead to which remedy. The first that is found counts.
_REMEDIES = (
    (
        "password authentication failed",
        _LOGIN,
    ),
    (
        "no password supplied",
        _LOGIN,
    ),
    ("no pg_hba.conf entry", "check connection.sslMode; Azure lets in TLS connections only"),
    ("does not support SSL", "turn TLS on at the server, or set connection.sslMode to disable"),
    ("certificate verify failed", "check connection.sslRootCert"),
    ("root certificate file", "check connection.sslRootCert"),
    ("server certificate for", "check connection.host, or use connection.sslMode: verify-ca"),
    ("permission denied for database", "grant CONNECT on the database to the administrator"),
    ("does not exist", "check the name, and whether the database was renamed (docs/slot.md)"),
    ("starting up", _NOT_UP),
    ("shutting down", _NOT_UP),
    ("in recovery mode", _NOT_UP),
    ("not yet accepting connections", _NOT_UP),
    ("not currently accepting connections", "ALTER DATABASE ... ALLOW_CONNECTIONS true"),
    (
        "too many connections for role",
        "end connections of this user, or raise its limit (ALTER ROLE ... CONNECTION LIMIT; the "
        "connector's: server.login.connectionLimit)",
    ),
    (
        "too many connections for database",
        "end connections to it, or raise its limit (ALTER DATABASE ... CONNECTION LIMIT)",
    ),
    ("remaining connection slots", _TOO_MANY),
    ("too many clients", _TOO_MANY),
)


SslMode = Literal["require", "verify-ca", "verify-full", "disable"]


class ConnectionArgs(TypedDict):
    """How to reach the server as its administrator."""

    host: NotRequired[pulumi.Input[str]]
    """The server's host name or address. Default with `management: existing`: its name in Azure."""
    user: str
    """The administrator: on Azure, the server's administrator login, or one from Entra."""
    auth: NotRequired[Literal["password", "entra"]]
    """`password` (default), or `entra`: a token of Microsoft Entra, asked for at every use as
    whoever runs `up`, and kept nowhere."""
    password: NotRequired[pulumi.Input[str]]
    """The administrator's password; make it a secret. Needed with `password`."""
    tenantId: NotRequired[str]
    """The Entra tenant. Needed with `entra`."""
    port: NotRequired[pulumi.Input[int]]
    """TCP port. Default 5432."""
    sslMode: NotRequired[pulumi.Input[SslMode]]
    """`require` (default), `verify-ca`, `verify-full`, or `disable` where the server has no TLS."""
    sslRootCert: NotRequired[pulumi.Input[str]]
    """A file with the certificate authority's certificate, for `verify-ca` and `verify-full`."""


def connection_props(args: ConnectionArgs) -> dict[str, pulumi.Input[Any]]:
    """The connection as a property of a dynamic resource, defaults filled in."""
    props: dict[str, pulumi.Input[Any]] = {
        "host": args["host"],  # CdcServer has filled it in
        "port": args.get("port", DEFAULT_PORT),
        "user": args["user"],
        "sslMode": args.get("sslMode", DEFAULT_SSL_MODE),
    }
    if is_entra(args):
        props["auth"] = ENTRA
    else:
        props["password"] = pulumi.Output.secret(args["password"])
    if "sslRootCert" in args:
        props["sslRootCert"] = args["sslRootCert"]
    return props


def is_entra(args: ConnectionArgs) -> bool:
    """Whether a token stands in for the password."""
    return args.get("auth") == ENTRA


@contextmanager
def connect(
    connection: Mapping[str, Any],
    database: str,
    *,
    autocommit: bool = False,
    replication: bool = False,
    transaction: bool = True,
    forgets: bool = True,
    own_limits: bool = False,
) -> Iterator[Connection]:
    """A connection; what was done on it is committed at the end, unless an error is raised.

    `replication`: the kind that reads a slot, and takes replication commands. `transaction`: the
    same connection without one. `forgets`: something may be set on it, with SET, which does not
    outlive this. `own_limits`: with the time limits that the server has for this login.

    Raises a CdcError, in one line and without the password, where none can be made; Unreachable
    where the server did not answer, DatabaseIsGone where it has no such database; and whatever
    PostgreSQL says later as one line, too.
    """
    key = (database, autocommit, replication, own_limits, *sorted(connection.items()))
    opened = idle_connections.take(key) or _open(
        connection,
        database,
        autocommit=autocommit,
        replication=replication,
        own_limits=own_limits,
    )
    opened.autocommit = autocommit or not transaction
    try:
        with explained(f"database {database} on {_where(connection)}"):
            yield opened
            opened.commit()
    except BaseException:
        with suppress(psycopg.Error):
            opened.rollback()
        opened.close()
        raise
    if replication:
        opened.close()
    else:
        idle_connections.keep(key, opened, forgets=forgets)


def looking_at(connection: Mapping[str, Any], database: str) -> AbstractContextManager[Connection]:
    """A connection to look with: no transaction, whose BEGIN and COMMIT are round trips as well.

    Nothing is set on it for longer; whatever is tried out has a transaction of its own.
    """
    return connect(connection, database, transaction=False, forgets=False)


def _open(
    connection: Mapping[str, Any],
    database: str,
    *,
    autocommit: bool,
    replication: bool,
    own_limits: bool,
) -> Connection:
    # A limit that somebody has set for the administrator's queries is not meant for DDL that waits
    # for a lock: lock_timeout is, after which it is tried again. A transaction that waits keeps
    # others waiting for what it has locked already.
    limits = "" if own_limits else _NO_LIMITS
    if not autocommit:
        limits += f" -c lock_timeout={LOCK_TIMEOUT_SECONDS}s"
    try:
        return psycopg.connect(
            **_parameters(connection, database, limits, replication=replication),
            autocommit=True,
            prepare_threshold=None,  # DISCARD ALL drops prepared statements unnoticed
        )
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        remedy = _remedy(reason)
        if remedy == _LOGIN and connection.get("auth") == ENTRA:
            remedy = _ENTRA_LOGIN
        kind = Unreachable if remedy in (_NO_ROUTE, _NOT_UP) else CdcError
        if f'database "{" ".join(database.split())}" does not exist' in reason:
            kind = DatabaseIsGone
        raise kind(
            f"cannot connect to database {database} on {_where(connection)} as "
            f"{connection['user']}: {reason}. Remedy: {remedy}"
        ) from None


def _where(connection: Mapping[str, Any]) -> str:
    return f"{connection['host']}:{int(connection['port'])}"


def _parameters(
    connection: Mapping[str, Any], database: str, limits: str, *, replication: bool
) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "host": connection["host"],
        "port": int(connection["port"]),
        "user": connection["user"],
        "password": _password(connection),
        "dbname": database,
        "sslmode": connection["sslMode"],
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "azure-postgres-cdc",
        "options": f"{_AS_WRITTEN}{limits}",
        "client_encoding": "UTF8",  # or names would have to fit into what the role has set
        "keepalives_idle": 30,
    }
    if replication:
        parameters["replication"] = "database"
    if connection.get("sslRootCert"):
        parameters["sslrootcert"] = connection["sslRootCert"]
    return parameters


def _password(connection: Mapping[str, Any]) -> str:
    if connection.get("auth") != ENTRA:
        return str(connection["password"])
    # Imported where it is used: Azure's libraries take a while, and most runs do without.
    from azure_postgres_cdc.azure.identity import postgresql_token

    return postgresql_token()


def _remedy(reason: str) -> str:
    for words, remedy in _REMEDIES:
        if words in reason:
            return remedy
    return _NO_ROUTE


def rows(connection: Connection, query: str, *parameters: Any) -> list[Any]:
    """All rows of a query; a single column is unpacked."""
    return _unpacked(connection.execute(sql.SQL(query), parameters or None))


def together(connection: Connection, *queries: tuple[Any, ...] | None) -> list[list[Any]]:
    """The same for several queries, each with its parameters, in one round trip.

    A pipeline that comes from another network than the server's waits for each as long as the
    server works on all of them. None, for what the server is too old for, finds nothing.
    """
    with connection.pipeline():
        asked = [
            asked_for and connection.execute(sql.SQL(asked_for[0]), asked_for[1:] or None)
            for asked_for in queries
        ]
    return [_unpacked(cursor) if cursor else [] for cursor in asked]


def _unpacked(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[Any]:
    found = cursor.fetchall()
    return [row[0] for row in found] if found and len(found[0]) == 1 else found
