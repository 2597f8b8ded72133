"""The HTTP face of the emulated Azure: finding what answers, faults, errors."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from typing import NamedTuple, Protocol

import psycopg
from flask import Flask, Response, jsonify, request

from azure_postgres_rehearsal.azure_api.asked import Asked, begin
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.faults import CUT, REPLY, SLOW, Faults
from azure_postgres_rehearsal.azure_api.identities import PATH as IDENTITY_PATH
from azure_postgres_rehearsal.azure_api.identities import Identities
from azure_postgres_rehearsal.azure_api.insights_routes import InsightsRoutes
from azure_postgres_rehearsal.azure_api.key_vault_routes import KeyVaultRoutes
from azure_postgres_rehearsal.azure_api.operations import Journal, Operations, Refusal
from azure_postgres_rehearsal.azure_api.polling import Polling
from azure_postgres_rehearsal.azure_api.postgresql_routes import PostgresqlRoutes, Servers
from azure_postgres_rehearsal.azure_api.private_dns_routes import PrivateDnsRoutes
from azure_postgres_rehearsal.azure_api.private_endpoint_routes import PrivateEndpointRoutes
from azure_postgres_rehearsal.azure_api.resource_types import (
    ACTION_GROUP_VERSIONS,
    KEY_VAULT_VERSIONS,
    METRIC_ALERT_VERSIONS,
    POSTGRESQL_VERSIONS,
    PRIVATE_DNS_VERSIONS,
    PRIVATE_DNS_ZONE_GROUP_VERSIONS,
    PRIVATE_ENDPOINT_VERSIONS,
    VAULT_API_VERSIONS,
)
from azure_postgres_rehearsal.azure_api.responses import (
    Handler,
    Routes,
    api_version,
    as_response,
    check_api_version,
    cut,
    path_pattern,
)

API_VERSIONS = POSTGRESQL_VERSIONS

_METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE"]


class Azure(Servers, Protocol):
    """What the service answers for."""

    subscription_id: str
    location: str
    journal: Journal
    operations: Operations
    insights: InsightsRoutes
    private_dns: PrivateDnsRoutes
    private_endpoints: PrivateEndpointRoutes
    key_vault: KeyVaultRoutes
    identities: Identities
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

    @app.get(IDENTITY_PATH)
    def token() -> Response:
        return azure.identities.answer()

    @app.route("/<path:path>", methods=_METHODS)
    def resource(path: str) -> Response:
        return service.answer(request.method, f"/{path}")

    return app


class _Service:
    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        polling = Polling(azure, "Microsoft.DBforPostgreSQL")
        endpoints = azure.private_endpoints
        self._routes = [
            *_routes(PostgresqlRoutes(azure, polling.accepted).routes, POSTGRESQL_VERSIONS),
            *_routes(polling.routes, POSTGRESQL_VERSIONS),
            *_routes(azure.insights.action_group_routes, ACTION_GROUP_VERSIONS),
            *_routes(azure.insights.metric_alert_routes, METRIC_ALERT_VERSIONS),
            *_routes(endpoints.routes, PRIVATE_ENDPOINT_VERSIONS),
            *_routes(endpoints.zone_group_routes, PRIVATE_DNS_ZONE_GROUP_VERSIONS),
            *_routes(endpoints.polling.routes, PRIVATE_ENDPOINT_VERSIONS),
            *_routes(azure.private_dns.routes, PRIVATE_DNS_VERSIONS),
            *_routes(azure.key_vault.routes, KEY_VAULT_VERSIONS),
            *_routes(azure.key_vault.vault_routes, VAULT_API_VERSIONS),
        ]

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
            return cut()
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
                if "subscription" in names:
                    self._check_subscription(names["subscription"])
                if method not in route.methods:
                    raise ApiError(405, "MethodNotAllowed", f"{method} is not supported on {path}.")
                return route.methods[method](names)
        raise ApiError(404, "InvalidResourceType", f"The rehearsal has no resource type at {path}.")

    def _check_subscription(self, subscription: str) -> None:
        if subscription.lower() != self._azure.subscription_id.lower():
            raise ApiError(
                404,
                "SubscriptionNotFound",
                f"The subscription '{subscription}' could not be found.",
            )


def _routes(routes: Routes, versions: Collection[str]) -> list[_Route]:
    return [
        _Route(path_pattern(template), methods, versions) for template, methods in routes.items()
    ]
