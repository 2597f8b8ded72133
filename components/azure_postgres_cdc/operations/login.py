"""Logs in as the connector does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from azure_postgres_cdc.database.connection import Connection, connect
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import quoted
from azure_postgres_cdc.operations.stack import Form

# A refresh does not see a password that was changed: that is the superuser's to read.
_REFUSED_REMEDY = (
    "where the login was dropped or has expired, run pulumi up --refresh; where its password was "
    "changed, have the administrator run ALTER ROLE {user} PASSWORD with the one of pulumi stack "
    "output connectors --show-secrets; or, to keep the new one, pulumi config set --secret "
    "connectorPassword, then pulumi up"
)
_LOGIN_REMEDY = "run pulumi up --refresh, which lets it log in again"
_CONNECT_REMEDY = "run pulumi up --refresh, which grants CONNECT again"


@contextmanager
def as_connector(
    form: Form, *, autocommit: bool = False, replication: bool = False, own_limits: bool = False
) -> Iterator[Connection]:
    """As `connect`, with the remedies that help a connector."""
    with ExitStack() as exits:
        try:
            opened = exits.enter_context(
                connect(
                    form.connection,
                    form.database,
                    autocommit=autocommit,
                    replication=replication,
                    own_limits=own_limits,
                )
            )
        except CdcError as error:
            what, _, remedy = str(error).partition(". Remedy: ")
            if "not permitted to log in" in what:
                raise CdcError(f"{what}. Remedy: {_LOGIN_REMEDY}") from None
            if "password" in what:
                remedy = _REFUSED_REMEDY.format(user=quoted(form.username))
                raise CdcError(f"{what}. Remedy: {remedy}") from None
            if "permission denied for database" in what:
                raise CdcError(f"{what}. Remedy: {_CONNECT_REMEDY}") from None
            if "connection.sslMode" in remedy:  # which is the administrator's
                own = remedy.replace("connection.sslMode", "connector.sslMode")
                raise CdcError(f"{what}. Remedy: {own}") from None
            raise
        yield opened
