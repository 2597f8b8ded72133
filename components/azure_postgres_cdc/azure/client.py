"""Azure's management API, for what pulumi-azure-native cannot do: restart, patch, read back."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from azure_postgres_cdc.errors import CdcError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

ENDPOINT_VARIABLE = "AZURE_RESOURCE_MANAGER_ENDPOINT"
"""Another management endpoint than the public cloud's: a sovereign cloud's or a rehearsal's."""

PUBLIC_CLOUD = "https://management.azure.com"

# The server takes one management operation at a time (FACTS: unconfirmed which of the codes).
_BUSY_CODES = frozenset({"ServerIsBusy", "ServerBusy", "ServerIsNotReady"})
_BUSY_SECONDS = 900

_REMEDIES = {
    "AuthorizationFailed": "ask for the role Contributor on the server",
    "ResourceNotFound": "check server.name and server.resourceGroup, and the subscription",
    "ResourceGroupNotFound": "check server.resourceGroup and the subscription",
    "ServerIsBusy": "wait until the other operation on the server is over, then run up again",
}


_RESOURCE_ID = re.compile(
    "/subscriptions/([^/]+)/resourceGroups/([^/]+)"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/([^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ServerId:
    """Where a flexible server is in Azure."""

    subscription: str
    resource_group: str
    name: str

    @classmethod
    def parse(cls, resource_id: str) -> ServerId:
        """Take an Azure resource id apart."""
        match = _RESOURCE_ID.fullmatch(resource_id)
        if match is None:
            raise CdcError(f"{resource_id!r} is no resource id of a flexible server")
        return cls(*match.groups())


class FlexibleServer:
    """One server, seen through Microsoft's own SDK."""

    def __init__(self, server: ServerId) -> None:
        self._id = server
        self._client = _client(server.subscription)

    def configurations(self) -> dict[str, Any]:
        """Every server parameter by name, as Azure describes it."""
        with self._explained("read the parameters of"):
            listed = self._client.configurations.list_by_server(*self._where)
            return {str(item.name): item for item in listed}

    def set_configuration(self, name: str, value: str) -> None:
        """Write one parameter and wait until Azure is done with it."""
        body: Any = {"properties": {"value": value, "source": "user-override"}}
        with self._explained(f"set {name} of"):
            self._when_free(self._client.configurations.begin_update, name, body)

    def auto_grow(self) -> bool:
        """Whether the storage grows by itself."""
        with self._explained("read the storage of"):
            storage = self._client.servers.get(*self._where).storage
            return storage is not None and storage.auto_grow == "Enabled"

    def enable_auto_grow(self) -> None:
        """Let the storage grow by itself."""
        body: Any = {"properties": {"storage": {"autoGrow": "Enabled"}}}
        with self._explained("turn on storage auto-grow of"):
            self._when_free(self._client.servers.begin_update, body)

    def restart(self) -> None:
        """Restart PostgreSQL and wait until Azure says that it is done."""
        with self._explained("restart"):
            self._when_free(self._client.servers.begin_restart)

    @property
    def _where(self) -> tuple[str, str]:
        return self._id.resource_group, self._id.name

    def _when_free(self, begin: Any, *arguments: Any) -> None:
        """Run an operation, waiting with back-off while another one is under way."""
        for attempt in Retrying(
            retry=retry_if_exception(lambda error: _code(error) in _BUSY_CODES),
            wait=wait_random_exponential(multiplier=1, max=30),
            stop=stop_after_delay(_BUSY_SECONDS),
            reraise=True,
        ):
            with attempt:
                begin(*self._where, *arguments).result()

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except ClientAuthenticationError as error:
            raise CdcError(
                f"cannot {action} server {self._id.name}: Azure did not accept the credential: "
                f"{_first_line(error)}. Remedy: az login, or set AZURE_CLIENT_ID and its "
                "companions, or use a managed or workload identity"
            ) from None
        except AzureError as error:
            code = _code(error)
            remedy = _REMEDIES.get(code, "look at the server's activity log in the portal")
            raise CdcError(
                f"cannot {action} server {self._id.name} in resource group "
                f"{self._id.resource_group}: {_first_line(error)}. Remedy: {remedy}"
            ) from None


def _client(subscription: str) -> PostgreSQLManagementClient:
    # Imported where it is used: a second of start-up that most runs do without.
    from azure.core.pipeline.policies import SansIOHTTPPolicy
    from azure.identity import DefaultAzureCredential
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

    endpoint = os.environ.get(ENDPOINT_VARIABLE, PUBLIC_CLOUD)
    if _is_loopback(endpoint):
        # A rehearsal: no token may travel over plain http, and none is needed.
        return PostgreSQLManagementClient(
            _NoCredential(),
            subscription,
            base_url=endpoint,
            authentication_policy=SansIOHTTPPolicy(),
            polling_interval=0.1,
        )
    if not endpoint.startswith("https://"):
        raise CdcError(
            f"{ENDPOINT_VARIABLE} is {endpoint}: a token must not travel unencrypted. "
            "Remedy: unset it, or give an https:// address"
        )
    return PostgreSQLManagementClient(
        DefaultAzureCredential(),
        subscription,
        base_url=endpoint,
        credential_scopes=[f"{endpoint.rstrip('/')}/.default"],
        polling_interval=5,
    )


class _NoCredential:
    """What the SDK wants to be given where no token is ever asked for."""

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        raise CdcError(f"a rehearsal asked for a token ({', '.join(scopes)}), which it must not")


def _is_loopback(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _code(error: BaseException) -> str:
    if isinstance(error, HttpResponseError) and error.error is not None:
        return str(error.error.code or "")
    return ""


def _first_line(error: BaseException) -> str:
    if isinstance(error, HttpResponseError) and error.error is not None:
        text = f"{error.error.code}: {error.error.message}"
    else:
        text = str(error)
    return (text.strip().partition("\n")[0] or type(error).__name__).rstrip(".")
