"""Signing in with a token of Microsoft Entra, as the real provider does with azureIdentityAuth.

It asks for one token when it is configured, and uses it for every connection that it makes: there
is no second one when it expires or is withdrawn. It is kept in memory only.
"""

from __future__ import annotations

from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from azure_postgres_rehearsal.plugins.protocol import Properties, ProviderError

_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"


def azure_token(variables: Properties) -> str:
    """A token for PostgreSQL, for whoever the environment says this is."""
    tenant = variables.get("azureTenantId")
    if not tenant:
        raise ProviderError(
            "postgresql: azure_identity_auth is enabled, azure_tenant_id must be provided also"
        )
    try:
        with DefaultAzureCredential() as credential:
            return str(credential.get_token(_SCOPE, tenant_id=str(tenant)).token)
    except AzureError as error:
        raise ProviderError(str(error)) from None
