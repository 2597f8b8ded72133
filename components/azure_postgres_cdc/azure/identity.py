"""Who is talking to Azure, and where Azure is."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import time
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.importing import imported

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

ENDPOINT_VARIABLE = "AZURE_RESOURCE_MANAGER_ENDPOINT"
"""Another management endpoint than the public cloud's: a sovereign cloud's or a rehearsal's."""

PUBLIC_CLOUD = "https://management.azure.com"
POSTGRESQL_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"
"""What a token that replaces an administrator's password is asked for (Microsoft Entra)."""

CONNECT_SECONDS = 15
"""A way to Azure that swallows packets is given up after three more tries; the SDK's own default,
300 s each, would be twenty silent minutes."""

LOGIN_REMEDY = (
    "az login, or set AZURE_CLIENT_ID and its companions, or use a managed or workload identity"
)


def management_client(subscription: str) -> PostgreSQLManagementClient:
    """Microsoft's SDK, logged in as azure-identity finds it: environment, workload identity,
    managed identity, Azure CLI. One for each subscription, which keeps its token."""
    return _client(subscription, os.environ.get(ENDPOINT_VARIABLE, PUBLIC_CLOUD))


@cache
def _client(subscription: str, endpoint: str) -> PostgreSQLManagementClient:
    client: type[PostgreSQLManagementClient] = imported(
        "azure.mgmt.postgresqlflexibleservers"
    ).PostgreSQLManagementClient
    if _is_loopback(endpoint):
        # A rehearsal: no token may travel over plain http, and none is needed.
        return client(
            _NoCredential(),
            subscription,
            base_url=endpoint,
            authentication_policy=imported("azure.core.pipeline.policies").SansIOHTTPPolicy(),
            polling_interval=0.1,
            retry_backoff_factor=0.05,
        )
    if not endpoint.startswith("https://"):
        raise CdcError(
            f"{ENDPOINT_VARIABLE} is {endpoint}: a token must not travel unencrypted. "
            "Remedy: unset it, or give an https:// address"
        )
    return client(
        imported("azure.identity").DefaultAzureCredential(),
        subscription,
        base_url=endpoint,
        credential_scopes=[f"{endpoint.rstrip('/')}/.default"],
        polling_interval=5,
        connection_timeout=CONNECT_SECONDS,
    )


# What Microsoft's libraries log would be printed, where nobody handles it, between our own lines.
logging.getLogger("azure").addHandler(logging.NullHandler())

_WORDS_AND_CAUSE = re.compile(r"\('([^']+)', .+\)")
_FRESH_SECONDS = 300
_tokens: dict[str, AccessToken] = {}


def postgresql_token() -> str:
    """A token that PostgreSQL takes for a password, asked for at the moment of use.

    It stays in this process's memory until it is about to expire, and goes nowhere else.
    """
    known = _tokens.get(POSTGRESQL_SCOPE)
    if known is not None and known.expires_on - time.time() > _FRESH_SECONDS:
        return known.token
    try:
        with imported("azure.identity").DefaultAzureCredential() as credential:
            found: AccessToken = credential.get_token(POSTGRESQL_SCOPE)
    except imported("azure.core.exceptions").ClientAuthenticationError as error:
        raise CdcError(
            f"Microsoft Entra gave no token for PostgreSQL: {first_line(error)}. "
            f"Remedy: {LOGIN_REMEDY}"
        ) from None
    _tokens[POSTGRESQL_SCOPE] = found
    return found.token


def first_line(error: BaseException) -> str:
    """What an error says first: identity errors go on for pages."""
    line = (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")
    words_and_cause = _WORDS_AND_CAUSE.fullmatch(line)
    return words_and_cause[1] if words_and_cause else line


class _NoCredential:
    """What the SDK wants to be given where no token is ever asked for."""

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        raise CdcError(f"a rehearsal asked for a token ({', '.join(scopes)}), which it must not")


def _is_loopback(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
