"""Logs in as the connector does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from azure_postgres_cdc.database.connection import Connection, connect
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.stack import Form

_REMEDY = (
    "run pulumi up --refresh, which sets the password again, and give the connector the one of "
    "pulumi stack output connectors --show-secrets"
)
_CONNECT_REMEDY = "run pulumi up --refresh, which grants CONNECT again"


@contextmanager
def as_connector(
    form: Form, *, autocommit: bool = False, replication: bool = False
) -> Iterator[Connection]:
    """As `connect`, with the remedies that help a connector."""
    with ExitStack() as exits:
        try:
            opened = exits.enter_context(
                connect(
                    form.connection, form.database, autocommit=autocommit, replication=replication
                )
            )
        except CdcError as error:
            what, _, remedy = str(error).partition(". Remedy: ")
            if "password" in what or "not permitted to log in" in what:
                raise CdcError(f"{what}. Remedy: {_REMEDY}") from None
            if "permission denied for database" in what:
                raise CdcError(f"{what}. Remedy: {_CONNECT_REMEDY}") from None
            if "connection.sslMode" in remedy:  # which is the administrator's
                own = remedy.replace("connection.sslMode", "connector.sslMode")
                raise CdcError(f"{what}. Remedy: {own}") from None
            raise
        yield opened
