"""The HTTP face of the emulated Azure: finding what answers, 202 and its polling, errors."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from typing import NamedTuple, Protocol

import psycopg
from flask import Flask, Response, jsonify, request

from azure_postgres_rehearsal.azure_api.asked import Asked, begin
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.faults import CUT, CUT_POLLER, REPLY, SLOW, Faults
from azure_postgres_rehearsal.azure_api.insights_routes import InsightsRoutes
from azure_postgres_rehearsal.azure_api.operations import (
    Journal,
    Operation,
    Operations,
    Refusal,
    Status,
)
from azure_postgres_rehearsal.azure_api.postgresql_routes import (
    PROVIDER,
    PostgresqlRoutes,
    Servers,
)
from azure_postgres_rehearsal.azure_api.resource_types import (
    ACTION_GROUP_VERSIONS,
    METRIC_ALERT_VERSIONS,
    POSTGRESQL_VERSIONS,
)
from azure_postgres_rehearsal.azure_api.responses import (
    SUBSCRIPTION,
    Handler,
    Names,
    Routes,
    api_version,
    as_response,
    check_api_version,
    path_pattern,
    with_retry_after,
)

API_VERSIONS = POSTGRESQL_VERSIONS

_METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE"]
_LOCATION = SUBSCRIPTION + PROVIDER + "/locations/{location}"


class Azure(Servers, Protocol):
    """What the service answers for."""

    subscription_id: str
    location: str
    journal: Journal
    operations: Operations
    insights: InsightsRoutes
    faults: Faults


class _Route(NamedTuple):
    pattern: re.Pattern[str]
    methods: dict[str, Handler]
    versions: Collection[str]


def create_app(azure: Azure) -> Flask:
    """The Flask app; one catch-all route, as ARM's paths are case-insensitive and Flask's not."""
    app = Flask(__name__)
    service = _Service(azure)

    @app.get("/_rehearsal/journal")
    def journal() -> Response:
        return jsonify(azure.journal.as_json())

    @app.route("/<path:path>", methods=_METHODS)
    def resource(path: str) -> Response:
        return service.answer(request.method, f"/{path}")

    return app


class _Service:
    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._routes = [
            *_routes(PostgresqlRoutes(azure, self._accepted).routes, POSTGRESQL_VERSIONS),
            *_routes(self._polling, POSTGRESQL_VERSIONS),
            *_routes(azure.insights.action_group_routes, ACTION_GROUP_VERSIONS),
            *_routes(azure.insights.metric_alert_routes, METRIC_ALERT_VERSIONS),
        ]

    @property
    def _polling(self) -> Routes:
        return {
            _LOCATION + "/azureAsyncOperation/{operation}": {"GET": self._operation_status},
            _LOCATION + "/operationResults/{operation}": {"GET": self._operation_result},
        }

    def answer(self, method: str, path: str) -> Response:
        """One request's answer, with what the faults make of it."""
        now = begin(method, path, self._azure.faults)
        if fault := now.take(REPLY):
            response = self._refused(now, fault.error)
            if fault.retry_after is not None:
                response.headers["Retry-After"] = str(fault.retry_after)
            return response
        response = self._answer(now)
        if response.status_code < 400 and now.take(CUT):
            return _cut()
        if response.status_code != 202 and (slow := now.take(SLOW)):
            time.sleep(slow.seconds)
        return response

    def _answer(self, now: Asked) -> Response:
        try:
            return self._dispatch(now.method, now.path)
        except ApiError as error:
            return self._refused(now, error)
        except psycopg.OperationalError as error:
            # A server that is just restarting can't be asked for its databases.
            text = " ".join(str(error).split())
            return self._refused(now, ApiError(500, "InternalServerError", text))

    def _refused(self, now: Asked, error: ApiError) -> Response:
        """The error's answer. A refused change is remembered in the journal."""
        if now.method != "GET":
            self._azure.journal.refused.append(Refusal(now.method, now.path, error.code))
        return as_response(error.body, error.status)

    def _dispatch(self, method: str, path: str) -> Response:
        version = api_version()
        for route in self._routes:
            if match := route.pattern.fullmatch(path):
                check_api_version(version, route.versions)
                names = match.groupdict()
                self._check_subscription(names["subscription"])
                if method not in route.methods:
                    raise ApiError(405, "MethodNotAllowed", f"{method} is not supported on {path}.")
                return route.methods[method](names)
        raise ApiError(404, "InvalidResourceType", f"The rehearsal has no resource type at {path}.")

    # Operations

    def _accepted(self, operation: Operation) -> Response:
        """The 202 that both polling endpoints hang on."""
        version = request.args["api-version"]
        base = (
            f"{request.host_url}subscriptions/{self._azure.subscription_id}{PROVIDER}"
            f"/locations/{self._azure.location}"
        )
        response = Response(status=202)
        for header, endpoint in (
            ("Azure-AsyncOperation", "azureAsyncOperation"),
            ("Location", "operationResults"),
        ):
            response.headers[header] = f"{base}/{endpoint}/{operation.id}?api-version={version}"
        return with_retry_after(response, operation)

    def _operation_status(self, names: Names) -> Response:
        operation = self._operation(names)
        if operation.begun_by.take(CUT_POLLER):
            return _cut()
        return with_retry_after(as_response(operation.as_json()), operation)

    def _operation_result(self, names: Names) -> Response:
        operation = self._operation(names)
        if operation.begun_by.take(CUT_POLLER):
            return _cut()
        if operation.status is Status.IN_PROGRESS:
            response = self._accepted(operation)
            del response.headers["Azure-AsyncOperation"]
            return response
        if operation.error is not None:
            raise operation.error
        result = operation.result()
        return Response(status=204) if result is None else as_response(result)

    def _operation(self, names: Names) -> Operation:
        operation = self._azure.operations.find(names["operation"])
        if operation is None:
            raise ApiError(404, "ResourceNotFound", f"No operation '{names['operation']}'.")
        return operation

    def _check_subscription(self, subscription: str) -> None:
        if subscription.lower() != self._azure.subscription_id.lower():
            raise ApiError(
                404,
                "SubscriptionNotFound",
                f"The subscription '{subscription}' could not be found.",
            )


def _cut() -> Response:
    """An answer that promises more than it holds before the connection ends."""
    # An iterator: with a string, Werkzeug would put its real length in.
    return Response(iter(['{"name": "']), headers={"Content-Length": "1000"})


def _routes(routes: Routes, versions: Collection[str]) -> list[_Route]:
    return [
        _Route(path_pattern(template), methods, versions) for template, methods in routes.items()
    ]
