"""One management operation: waiting for its turn, for its end, and for what became of it.

A server takes one operation at a time and refuses a second one (ServerIsBusy, ServerBusy; a
restart: ServerIsNotReady). Another stack's `up`, the portal, a backup: all of them count. So an
operation waits with back-off, says so, and gives up in the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from tenacity import RetryCallState, Retrying, retry_if_exception
from tenacity.stop import stop_after_delay
from tenacity.wait import wait_random_exponential

from azure_postgres_cdc.azure.identity import LOGIN_REMEDY, first_line
from azure_postgres_cdc.dynamic import note
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.progress import Pace

BUSY_SECONDS = 900
"""How long another operation on the server is waited for."""
OPERATION_SECONDS = 3600
"""How long one operation may take. A restart after a crash recovers first, which takes its time."""

BUSY_CODES = frozenset(
    {
        "ServerIsBusy",
        "ServerBusy",
        "ServerIsNotReady",
        "AnotherOperationInProgress",
        "ConflictingServerOperation",
        "OperationInProgress",
    }
)
"""Which of them Azure answers is not documented for every operation."""

_REMEDIES = {
    "AuthorizationFailed": "ask for the role Contributor on the server",
    "ResourceNotFound": "check server.name and server.resourceGroup, and the subscription",
    "ResourceGroupNotFound": "check server.resourceGroup and the subscription",
    "SubscriptionNotFound": "check the subscription (azure-native:subscriptionId)",
    "InvalidSubscriptionId": "give the subscription's id, not its name (server.subscription)",
    "ScopeLocked": "have the lock on the server, its resource group or the subscription removed",
    "RequestDisallowedByPolicy": "ask whoever owns that policy of Azure's for an exemption",
    "MissingSubscriptionRegistration": "az provider register -n Microsoft.DBforPostgreSQL",
    "ServerUnavailableForOperation": "start the server, then run pulumi up again",
}
_ACTIVITY_LOG = "look at the server's activity log in the portal, then run pulumi up again"
_NETWORK = "check the way to Azure's management API (network, proxy), then run pulumi up again"
_BROKEN = (ServiceRequestError, ServiceResponseError, DecodeError)
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404


class LostSight(Exception):  # noqa: N818 - a state to look into, not an error
    """The connection broke while an operation was under way: nobody knows what became of it."""


class Busy(Exception):  # noqa: N818 - a state to wait for
    """Another operation is under way on the server."""


def run(begin: Callable[..., Any], *arguments: Any, what: str) -> None:
    """Begin an operation when the server takes it, and wait for its end.

    `begin` returns the SDK's poller, or None where there was nothing to do; it is called again
    after each wait. Raises LostSight where the connection broke and the end was not seen.
    """
    for attempt in Retrying(
        retry=retry_if_exception(_is_busy),
        wait=wait_random_exponential(multiplier=1, max=30),
        stop=stop_after_delay(BUSY_SECONDS),
        before_sleep=_Patience(what),
        reraise=True,
    ):
        with attempt:
            poller = None
            try:
                poller = begin(*arguments)
                if poller is not None:
                    _wait(poller, what)
            except _BROKEN as error:
                raise LostSight(first_line(error)) from None
            except HttpResponseError as error:
                if poller is None or error.status_code != _NOT_FOUND:
                    raise
                # It was accepted, and Azure knows nothing of the operation any more.
                raise LostSight(_reason(error)) from None


def until(condition: Callable[[], bool], what: str) -> bool:
    """Ask again and again until it is so; False when that takes too long."""
    pace = Pace()
    while not _answered(condition):
        waited = pace.seconds
        if waited > OPERATION_SECONDS:
            return False
        if pace.is_due():
            note(f"still waiting: {what}; {waited:.0f} s so far")
        time.sleep(min(5.0, max(0.1, waited / 4)))
    return True


@contextmanager
def explained(action: str, server: str, resource_group: str) -> Iterator[None]:
    """Turn Azure's error into one line: what failed, Azure's reason, the remedy."""
    try:
        yield
    except (AzureError, Busy) as error:
        where = f" in resource group {resource_group}"
        if _is_about_the_login(error):
            where = ": Azure did not accept the credential"
        raise CdcError(
            f"cannot {action} server {server}{where}: {_reason(error)}. Remedy: {_remedy(error)}"
        ) from None
    except LostSight as error:
        raise CdcError(
            f"cannot {action} server {server}: the connection to Azure broke and the operation "
            f"did not take effect: {error}. Remedy: {_ACTIVITY_LOG}"
        ) from None


def code_of(error: BaseException) -> str:
    """Azure's word for an error, such as ServerIsBusy."""
    if isinstance(error, HttpResponseError) and error.error is not None:
        return str(error.error.code or "")
    return ""


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, Busy) or code_of(error) in BUSY_CODES


def _is_about_the_login(error: BaseException) -> bool:
    # While an operation is polled, the SDK has no class of its own for a token that expired.
    return isinstance(error, ClientAuthenticationError) or (
        isinstance(error, HttpResponseError) and error.status_code == _UNAUTHORIZED
    )


def _remedy(error: BaseException) -> str:
    if _is_about_the_login(error):
        return LOGIN_REMEDY
    if _is_busy(error):
        return (
            f"another operation went on for more than {BUSY_SECONDS // 60} min; look at the "
            "server's activity log for whose it is, wait for it, then run pulumi up again"
        )
    if isinstance(error, _BROKEN):
        return _NETWORK
    if code_of(error) not in _REMEDIES and getattr(error, "status_code", None) == _FORBIDDEN:
        return _REMEDIES["AuthorizationFailed"]
    return _REMEDIES.get(code_of(error), _ACTIVITY_LOG)


class _Patience:
    """Says at once, and then now and then, what is waited for."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._pace: Pace | None = None

    def __call__(self, state: RetryCallState) -> None:
        waited = int(state.seconds_since_start or 0)
        if self._pace is None or self._pace.is_due():
            self._pace = self._pace or Pace()
            note(
                f"{self._what}: another operation is under way on the server; waiting, "
                f"{waited} s so far, {BUSY_SECONDS // 60} min at most"
            )


def _wait(poller: Any, what: str) -> None:
    pace = Pace()
    while not poller.done():
        poller.wait(pace.pause)
        waited = int(pace.seconds)
        if poller.done():
            break
        if waited > OPERATION_SECONDS:
            raise CdcError(
                f"{what}: Azure has not finished after {OPERATION_SECONDS // 60} min. "
                f"Remedy: {_ACTIVITY_LOG}"
            )
        if pace.is_due():
            note(f"{what}: {waited} s so far")
    poller.result()


def _answered(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except _BROKEN:
        return False


def _reason(error: BaseException) -> str:
    if isinstance(error, HttpResponseError) and error.error is not None:
        text = ": ".join(str(part) for part in (error.error.code, error.error.message) if part)
        return text.strip().partition("\n")[0].rstrip(".") or first_line(error)
    return first_line(error)
