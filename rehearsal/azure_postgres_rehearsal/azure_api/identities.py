"""Managed identities: the endpoint that hands out Entra's tokens, as App Service has one.

A principal is told apart by the header that it was given in its environment. The one kind of token
is that for PostgreSQL, which the embedded servers take as the password of the administrator of the
principal's name. Tokens are kept here and in the servers' password hashes, and nowhere else.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
import uuid
from typing import Protocol

from flask import Response, request

from azure_postgres_rehearsal.azure_api.responses import as_response
from azure_postgres_rehearsal.azure_api.server import FlexibleServer

PATH = "/msi/token"
RESOURCE = "https://ossrdbms-aad.database.windows.net"
"""What the token is for. Clients ask for the scope `RESOURCE/.default`."""

_VERSION = "2019-08-01"
_HEADER = "X-IDENTITY-HEADER"
_SECONDS = 24 * 60 * 60
_CHOICES = ("client_id", "principal_id", "object_id", "mi_res_id")
_SIGNATURE = 256  # bytes
_PADDING = 450  # bytes, so that it is as long as a real one, some 1.5 kB


class Cloud(Protocol):
    """Where tokens are taken."""

    endpoint: str
    servers: list[FlexibleServer]


class RefusedError(Exception):
    """A token that is not handed out, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Identities:
    """The principals with their headers and tokens. A token is the same until it is rotated."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._headers: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def environment(self, principal_name: str) -> dict[str, str]:
        """What a program needs in its environment to be that principal."""
        if not self._cloud.endpoint:
            raise RuntimeError("the emulated Azure has no endpoint before it is entered")
        with self._lock:
            header = self._headers.setdefault(principal_name, secrets.token_hex(16))
        return {
            "IDENTITY_ENDPOINT": f"{self._cloud.endpoint}{PATH}",
            "IDENTITY_HEADER": header,
        }

    def current(self, principal_name: str) -> str | None:
        """The token that the principal was handed last, where it was handed one."""
        with self._lock:
            return self._tokens.get(principal_name)

    def rotate(self) -> None:
        """Replace every token: those handed out so far let nobody in any more."""
        with self._lock:
            for principal_name in self._tokens:
                self._issue(principal_name)

    def answer(self) -> Response:
        """The answer to a request for a token."""
        try:
            token = self._token_for(self._principal())
        except RefusedError as refused:
            return as_response(
                {"statusCode": refused.status, "message": str(refused)}, refused.status
            )
        return as_response(
            {
                "access_token": token,
                "expires_on": str(int(time.time()) + _SECONDS),
                "resource": RESOURCE,
                "token_type": "Bearer",
            }
        )

    def _principal(self) -> str:
        """Whose request it is, where it is for what there is."""
        header = request.headers.get(_HEADER, "")
        found = [
            principal
            for principal, known in list(self._headers.items())
            if secrets.compare_digest(known.encode(), header.encode())
        ]
        if not found:
            raise RefusedError(401, f"The header {_HEADER} is not that of an identity.")
        if request.args.get("api-version") != _VERSION:
            raise RefusedError(400, f"The api-version must be {_VERSION}.")
        if chosen := [name for name in _CHOICES if name in request.args]:
            raise RefusedError(
                400,
                "No User Assigned or Delegated Managed Identity found for specified "
                f"{', '.join(chosen)}: the rehearsal has a system-assigned one.",
            )
        resource = request.args.get("resource", "")
        if resource != RESOURCE:
            raise RefusedError(400, f"The rehearsal has tokens for {RESOURCE}, not '{resource}'.")
        return found[0]

    def _token_for(self, principal_name: str) -> str:
        with self._lock:
            return self._tokens.get(principal_name) or self._issue(principal_name)

    def _issue(self, principal_name: str) -> str:
        """A new token, which the servers know before anybody is handed it."""
        token = _token(principal_name)
        for server in list(self._cloud.servers):
            server.administrators.accept(principal_name, token)
        self._tokens[principal_name] = token
        return token


def _token(principal_name: str) -> str:
    """A token in the form of Entra's: three parts, of which the last proves nothing here."""
    now = int(time.time())
    claims = {
        "aud": RESOURCE,
        "iat": now,
        "exp": now + _SECONDS,
        "appid": str(uuid.uuid4()),
        "app_displayname": principal_name,
        "uti": secrets.token_urlsafe(_PADDING),
        "ver": "1.0",
    }
    header = {"typ": "JWT", "alg": "RS256", "kid": secrets.token_urlsafe(20)}
    parts = (
        *(json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)),
        secrets.token_bytes(_SIGNATURE),
    )
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
