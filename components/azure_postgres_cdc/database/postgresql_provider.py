"""How pulumi-postgresql, which makes the roles, reaches the server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pulumi

from azure_postgres_cdc.database.connection import (
    CONNECT_TIMEOUT_SECONDS,
    DEFAULT_PORT,
    DEFAULT_SSL_MODE,
    ConnectionArgs,
    is_entra,
)

if TYPE_CHECKING:
    import pulumi_postgresql as postgresql

# What ends a URL's path, begins an escape, or stands in no URL.
_NOT_IN_PATH = re.compile(r"[%?#\x00-\x1f\x7f]")


def postgresql_provider(
    name: str, connection: ConnectionArgs, database: str, opts: pulumi.ResourceOptions
) -> postgresql.Provider:
    """Declare the provider.

    It writes host and database into a URL as they are, and shows that URL with the password where
    it is none; so they are handed over as they stand in one.
    """
    import pulumi_postgresql as postgresql

    sign_in = (
        {"azure_identity_auth": True, "azure_tenant_id": connection["tenantId"]}
        if is_entra(connection)
        else {"password": pulumi.Output.secret(connection["password"])}
    )
    return postgresql.Provider(
        name,
        host=pulumi.Output.from_input(connection["host"]).apply(_host_in_url),
        port=connection.get("port", DEFAULT_PORT),
        username=connection["user"],
        sslmode=connection.get("sslMode", DEFAULT_SSL_MODE),
        sslrootcert=connection.get("sslRootCert"),
        database=_NOT_IN_PATH.sub(lambda match: quote(match[0]), database),
        superuser=False,
        # Its own are three minutes, for each role of a server that nobody reaches.
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        **sign_in,
        opts=opts,
    )


def _host_in_url(host: str) -> str:
    """An IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
