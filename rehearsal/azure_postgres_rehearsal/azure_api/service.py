"""The HTTP face of the emulated Azure: paths, api-versions, 202 and its polling, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_content, not_supported
from azure_postgres_rehearsal.azure_api.operations import (
    Journal,
    Json,
    Operation,
    Operations,
    Refusal,
    Status,
)
from azure_postgres_rehearsal.azure_api.server import FlexibleServer, check_name

# What pulumi-azure-native 3.29 and azure-mgmt-postgresqlflexibleservers 3.0 may send.
API_VERSIONS = (
    "2022-12-01",
    "2023-03-01-preview",
    "2023-06-01-preview",
    "2023-12-01-preview",
    "2024-03-01-preview",
    "2024-08-01",
    "2024-11-01-preview",
    "2025-01-01-preview",
    "2025-06-01-preview",
    "2025-08-01",
    "2026-01-01-preview",
    "2026-04-01-preview",
    "2026-07-01-preview",
    "2026-10-01",
)

_METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE"]
_PROVIDER = "/providers/Microsoft.DBforPostgreSQL"
_SUBSCRIPTION = "/subscriptions/{subscription}"
_SERVERS = _SUBSCRIPTION + "/resourceGroups/{group}" + _PROVIDER + "/flexibleServers"
_SERVER = _SERVERS + "/{server}"
_CONFIGURATION = _SERVER + "/configurations/{configuration}"
_LOCATION = _SUBSCRIPTION + _PROVIDER + "/locations/{location}"

_Names = dict[str, str]
_Handler = Callable[[_Names], Response]


class Azure(Protocol):
    """What the service answers for."""

    subscription_id: str
    location: str
    journal: Journal
    operations: Operations
    servers: list[FlexibleServer]


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
        routes: dict[str, dict[str, _Handler]] = {
            _SUBSCRIPTION + _PROVIDER + "/flexibleServers": {"GET": self._list_all_servers},
            _SERVERS: {"GET": self._list_servers},
            _SERVER: {
                "GET": self._get_server,
                "PATCH": self._patch_server,
                "PUT": self._put_server,
            },
            _SERVER + "/restart": {"POST": self._restart},
            _SERVER + "/configurations": {"GET": self._list_configurations},
            _CONFIGURATION: {
                "GET": self._get_configuration,
                "PUT": self._write_configuration,
                "PATCH": self._write_configuration,
            },
            _LOCATION + "/azureAsyncOperation/{operation}": {"GET": self._operation_status},
            _LOCATION + "/operationResults/{operation}": {"GET": self._operation_result},
        }
        self._routes = [(_pattern(template), methods) for template, methods in routes.items()]

    def answer(self, method: str, path: str) -> Response:
        """One request's answer. A refused change is remembered in the journal."""
        try:
            _check_api_version()
            return self._dispatch(method, path)
        except ApiError as error:
            if method != "GET":
                self._azure.journal.refused.append(Refusal(method, path, error.code))
            return _json(error.body, error.status)

    def _dispatch(self, method: str, path: str) -> Response:
        for pattern, methods in self._routes:
            if match := pattern.fullmatch(path):
                names = match.groupdict()
                self._check_subscription(names["subscription"])
                if method not in methods:
                    raise ApiError(405, "MethodNotAllowed", f"{method} is not supported on {path}.")
                return methods[method](names)
        raise ApiError(404, "InvalidResourceType", f"The rehearsal has no resource type at {path}.")

    # Servers

    def _list_all_servers(self, names: _Names) -> Response:  # noqa: ARG002
        return _json({"value": [server.as_json() for server in self._azure.servers]})

    def _list_servers(self, names: _Names) -> Response:
        return _json({"value": [server.as_json() for server in self._group(names["group"])]})

    def _get_server(self, names: _Names) -> Response:
        return _json(self._server(names).as_json())

    def _put_server(self, names: _Names) -> Response:
        check_name(names["server"])
        raise not_supported("The rehearsal cannot make or replace a server with PUT.")

    def _patch_server(self, names: _Names) -> Response:
        return self._accepted(self._server(names).update(_body()))

    def _restart(self, names: _Names) -> Response:
        return self._accepted(self._server(names).restart(_body(required=False)))

    # Configurations

    def _list_configurations(self, names: _Names) -> Response:
        return _json({"value": self._server(names).configurations()})

    def _get_configuration(self, names: _Names) -> Response:
        return _json(self._server(names).configuration(names["configuration"]))

    def _write_configuration(self, names: _Names) -> Response:
        server = self._server(names)
        return self._accepted(server.write_configuration(names["configuration"], _body()))

    # Operations

    def _accepted(self, operation: Operation) -> Response:
        """The 202 that both polling endpoints hang on."""
        version = request.args["api-version"]
        base = (
            f"{request.host_url}subscriptions/{self._azure.subscription_id}{_PROVIDER}"
            f"/locations/{self._azure.location}"
        )
        response = Response(status=202)
        for header, endpoint in (
            ("Azure-AsyncOperation", "azureAsyncOperation"),
            ("Location", "operationResults"),
        ):
            response.headers[header] = f"{base}/{endpoint}/{operation.id}?api-version={version}"
        return _with_retry_after(response, operation)

    def _operation_status(self, names: _Names) -> Response:
        operation = self._operation(names)
        return _with_retry_after(_json(operation.as_json()), operation)

    def _operation_result(self, names: _Names) -> Response:
        operation = self._operation(names)
        if operation.status is Status.IN_PROGRESS:
            response = self._accepted(operation)
            del response.headers["Azure-AsyncOperation"]
            return response
        if operation.error is not None:
            raise operation.error
        result = operation.result()
        return Response(status=204) if result is None else _json(result)

    # Finding

    def _check_subscription(self, subscription: str) -> None:
        if subscription.lower() != self._azure.subscription_id.lower():
            raise ApiError(
                404,
                "SubscriptionNotFound",
                f"The subscription '{subscription}' could not be found.",
            )

    def _group(self, group: str) -> list[FlexibleServer]:
        part = f"/resourcegroups/{group.lower()}/"
        servers = [server for server in self._azure.servers if part in server.id.lower()]
        if not servers:
            raise ApiError(
                404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found."
            )
        return servers

    def _server(self, names: _Names) -> FlexibleServer:
        for server in self._group(names["group"]):
            if server.name == names["server"].lower():
                return server
        raise ApiError(
            404,
            "ResourceNotFound",
            f"The Resource 'Microsoft.DBforPostgreSQL/flexibleServers/{names['server']}' under "
            f"resource group '{names['group']}' was not found.",
        )

    def _operation(self, names: _Names) -> Operation:
        operation = self._azure.operations.find(names["operation"])
        if operation is None:
            raise ApiError(404, "ResourceNotFound", f"No operation '{names['operation']}'.")
        return operation


def _pattern(template: str) -> re.Pattern[str]:
    expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
    return re.compile(expression, re.IGNORECASE)


def _check_api_version() -> None:
    version = request.args.get("api-version")
    if not version:
        raise ApiError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if version.lower() not in API_VERSIONS:
        raise ApiError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' for type "
            f"'flexibleServers'. The supported api-versions are '{', '.join(API_VERSIONS)}'.",
        )


def _body(*, required: bool = True) -> Json:
    if not request.data and not required:
        return {}
    try:
        body: Any = request.get_json(force=True)
    except BadRequest:
        raise invalid_content("it is not JSON") from None
    if not isinstance(body, dict):
        raise invalid_content("it is not a JSON object")
    return body


def _json(body: Json, status: int = 200) -> Response:
    response = jsonify(body)
    response.status_code = status
    return response


def _with_retry_after(response: Response, operation: Operation) -> Response:
    response.headers["Retry-After"] = "1" if operation.status is Status.IN_PROGRESS else "0"
    return response
