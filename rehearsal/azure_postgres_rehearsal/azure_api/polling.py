"""Operations as a client follows them: the 201 or 202 that begins one, and the two endpoints."""

from __future__ import annotations

from typing import Protocol

from flask import Response, request

from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.faults import CUT_POLLER
from azure_postgres_rehearsal.azure_api.operations import Json, Operation, Operations, Status
from azure_postgres_rehearsal.azure_api.responses import (
    SUBSCRIPTION,
    Names,
    Routes,
    as_response,
    cut,
    with_retry_after,
)


class Region(Protocol):
    """Where the operations run."""

    subscription_id: str
    location: str
    operations: Operations


class Polling:
    """The operations of one resource provider. Their paths differ between providers."""

    def __init__(
        self,
        azure: Region,
        provider: str,
        statuses: str = "azureAsyncOperation",
        results: str = "operationResults",
    ) -> None:
        self._azure = azure
        self._provider = provider
        self._statuses = statuses
        self._results = results

    @property
    def routes(self) -> Routes:
        """Path and method to what answers them."""
        base = f"{SUBSCRIPTION}/providers/{self._provider}/locations/{{location}}"
        return {
            f"{base}/{self._statuses}/{{operation}}": {"GET": self._status},
            f"{base}/{self._results}/{{operation}}": {"GET": self._result},
        }

    def accepted(self, operation: Operation) -> Response:
        """The 202 that both polling endpoints hang on."""
        response = Response(status=202)
        response.headers["Azure-AsyncOperation"] = self._url(self._statuses, operation)
        response.headers["Location"] = self._url(self._results, operation)
        return with_retry_after(response, operation)

    def created(self, operation: Operation, shown: Json, status: int) -> Response:
        """The 200 or 201 that shows a resource whose operation may still be going on."""
        response = as_response(shown, status)
        response.headers["Azure-AsyncOperation"] = self._url(self._statuses, operation)
        return with_retry_after(response, operation)

    def _url(self, endpoint: str, operation: Operation) -> str:
        return (
            f"{request.host_url}subscriptions/{self._azure.subscription_id}/providers/"
            f"{self._provider}/locations/{self._azure.location}/{endpoint}/{operation.id}"
            f"?api-version={request.args['api-version']}"
        )

    def _status(self, names: Names) -> Response:
        operation = self._find(names)
        if operation.begun_by.take(CUT_POLLER):
            return cut()
        return with_retry_after(as_response(operation.as_json()), operation)

    def _result(self, names: Names) -> Response:
        operation = self._find(names)
        if operation.begun_by.take(CUT_POLLER):
            return cut()
        if operation.status is Status.IN_PROGRESS:
            response = self.accepted(operation)
            del response.headers["Azure-AsyncOperation"]
            return response
        if operation.error is not None:
            raise operation.error
        result = operation.result()
        return Response(status=204) if result is None else as_response(result)

    def _find(self, names: Names) -> Operation:
        operation = self._azure.operations.find(names["operation"])
        if operation is None:
            raise ApiError(404, "ResourceNotFound", f"No operation '{names['operation']}'.")
        return operation
