"""The management API of the emulated Azure, as a client sees it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from azure_postgres_rehearsal.plugins.protocol import Properties, ProviderError

ENDPOINT = "AZURE_RESOURCE_MANAGER_ENDPOINT"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SECONDS = 60
_POLL_ATTEMPTS = 4  # as Microsoft's Go client: a poll is tried again three times


class AzureError(ProviderError):
    """What Azure answered, in the words of the real plugin."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        code, message = error.get("code"), error.get("message")
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.status = status


class OperationFailedError(AzureError):
    """An operation that was accepted and failed later: something may have been done."""


class ConnectionCutError(ProviderError):
    """A connection that ended before the answer did."""


class ManagementApi:
    """The management API of the emulated Azure. It talks to this machine and to no other."""

    def __init__(self, endpoint: str, subscription_id: str) -> None:
        self._at = _loopback(endpoint)
        self.subscription_id = subscription_id

    def get(self, path: str, version: str) -> Properties:
        """The resource at a path."""
        return self._request("GET", f"{path}?api-version={version}")[0]

    def put(self, path: str, version: str, body: Properties) -> Properties:
        """Write a resource, wait until that is done, and read it."""
        self._change("PUT", path, version, body)
        return self.get(path, version)

    def delete(self, path: str, version: str) -> None:
        """Remove a resource and wait until that is done."""
        self._change("DELETE", path, version)

    def _change(self, method: str, path: str, version: str, body: Properties | None = None) -> None:
        _, headers = self._request(method, f"{path}?api-version={version}", body)
        if polling := headers.get("Azure-AsyncOperation"):
            self._wait(polling)

    def _wait(self, url: str) -> None:
        polling = urlsplit(url)
        while True:
            answer, headers = self._poll(f"{polling.path}?{polling.query}")
            if answer["status"] == "Succeeded":
                return
            if answer["status"] in ("Failed", "Canceled"):  # ARM's; any other is on its way
                raise OperationFailedError(200, answer.get("error", {}))
            time.sleep(float(headers.get("Retry-After", "1")))

    def _poll(self, path: str) -> tuple[Properties, http.client.HTTPMessage]:
        for _ in range(_POLL_ATTEMPTS - 1):
            try:
                return self._request("GET", path)
            except ConnectionCutError:
                continue
        return self._request("GET", path)

    def _request(
        self, method: str, path: str, body: Properties | None = None
    ) -> tuple[Properties, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection(
            self._at.hostname or "", self._at.port, timeout=_SECONDS
        )
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read() or "{}")
        except http.client.HTTPException as error:
            raise ConnectionCutError(f"{method} {path}: the connection was cut: {error}") from None
        except OSError as error:
            raise ProviderError(
                f"no emulated Azure at {self._at.geturl()} ({ENDPOINT}): {error}"
            ) from None
        finally:
            connection.close()
        if response.status >= 400:
            raise AzureError(response.status, answer.get("error", {}))
        return answer, response.headers


def _loopback(endpoint: str) -> SplitResult:
    """The endpoint, where it is a plain one of this machine; this plugin must not reach Azure."""
    at = urlsplit(endpoint)
    if at.scheme != "http" or at.hostname not in _LOOPBACK or not at.port:
        raise ProviderError(
            f"{ENDPOINT} is '{endpoint}', and this stand-in for azure-native talks to an emulated "
            "Azure on this machine only: it must be http://127.0.0.1:<port>. Real deployments "
            "use the real plugin."
        )
    return at
