"""Microsoft's management clients, in front of an emulated Azure on the loopback."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from azure.core.credentials import TokenCredential
from azure.core.pipeline.policies import SansIOHTTPPolicy

from azure_postgres_rehearsal.azure_api import EmulatedAzure

Client = TypeVar("Client")


def management_client(kind: type[Client], azure: EmulatedAzure) -> Client:
    """A client of that kind; the loopback asks for no token and Microsoft's policy wants HTTPS."""
    make: Any = kind
    made: Client = make(
        cast(TokenCredential, object()),
        azure.subscription_id,
        base_url=azure.endpoint,
        authentication_policy=SansIOHTTPPolicy(),
        retry_backoff_factor=0.05,
        polling_interval=0.05,
    )
    return made
