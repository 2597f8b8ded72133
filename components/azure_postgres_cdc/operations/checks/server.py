"""The way to the server, and what kind of server it is."""

from __future__ import annotations

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import rows
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.findings import Result, failed, ok, warning
from azure_postgres_cdc.operations.subject import Subject

_TLS = "SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def tls(subject: Subject) -> Result:
    """The connector's own connection is encrypted."""
    encrypted, protocol, cipher = rows(subject.connection, _TLS)[0]
    if encrypted:
        return ok(f"{protocol}, {cipher}")
    return warning(
        f"the connection is not encrypted (sslMode: {subject.form.ssl_mode})",
        "set connector.sslMode to require, run pulumi up, and change it in the connector's form",
    )


def version(subject: Subject) -> Result:
    """PostgreSQL is new enough for what the connector does, and not newer than what is tested."""
    needed = ["logical replication with publications"]
    if subject.form.read_only:
        needed.append("read-only snapshots")
    for feature in needed:
        try:
            capabilities.check(feature, subject.version)
        except CdcError as error:
            return failed(str(error), "upgrade the server, or use snapshots: signal-table")
    major = capabilities.major(subject.version)
    if major > capabilities.NEWEST:
        return warning(
            f"PostgreSQL {major}, newer than this package knows ({capabilities.NEWEST})",
            "look for a newer version of azure-postgres-cdc",
        )
    return ok(f"PostgreSQL {subject.connection.info.parameter_status('server_version')}")


def primary(subject: Subject) -> Result:
    """The server is one that the connector can work on: the primary, unless it only reads."""
    if not rows(subject.connection, "SELECT pg_is_in_recovery()")[0]:
        return ok("the primary")
    remedy = "give the primary in connection.host, run pulumi up, and change the connector's form"
    if not subject.form.read_only:
        return failed("a read replica, on which the signal table cannot be written", remedy)
    if not capabilities.has("logical decoding on a read replica", subject.version):
        return failed("a read replica, which has no logical decoding before PostgreSQL 16", remedy)
    return ok("a read replica, with read-only snapshots")
