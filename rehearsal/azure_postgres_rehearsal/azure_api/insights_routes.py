"""The paths of Microsoft.Insights: action groups and metric alerts. All of it answers at once."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from flask import Response

from azure_postgres_rehearsal.azure_api.action_groups import action_group
from azure_postgres_rehearsal.azure_api.errors import invalid_parameter, not_found
from azure_postgres_rehearsal.azure_api.metric_alerts import metric_alert
from azure_postgres_rehearsal.azure_api.operations import (
    INSIGHTS_DELETE,
    INSIGHTS_WRITE,
    Journal,
    Json,
)
from azure_postgres_rehearsal.azure_api.resource_types import ACTION_GROUPS, METRIC_ALERTS
from azure_postgres_rehearsal.azure_api.responses import (
    GROUP,
    SUBSCRIPTION,
    Names,
    Routes,
    as_response,
    body,
    listed,
)
from azure_postgres_rehearsal.azure_api.server import FlexibleServer

# What a name must not hold; action groups and alerts have the same rule.
_NAME = re.compile(r"[^:<>+/&%\\?|#*]{1,259}[^:<>+/&%\\?|#*. ]")


class Watched(Protocol):
    """What alerts are about, and what they are reported to."""

    subscription_id: str
    servers: list[FlexibleServer]
    journal: Journal

    def check_resource_group(self, group: str) -> None:
        """Refuse a resource group that is not there."""


class _Place(NamedTuple):
    group: str
    name: str
    resource_id: str


class InsightsRoutes:
    """Keeps the action groups and the alerts of the subscription."""

    def __init__(self, azure: Watched) -> None:
        self._azure = azure
        self._found: dict[str, dict[str, Json]] = {ACTION_GROUPS: {}, METRIC_ALERTS: {}}

    @property
    def action_group_routes(self) -> Routes:
        """Path and method to what answers them."""
        return self._routes(ACTION_GROUPS)

    @property
    def metric_alert_routes(self) -> Routes:
        """Path and method to what answers them."""
        return self._routes(METRIC_ALERTS)

    def of_type(self, resource_type: str) -> list[Json]:
        """The resources of a type, as the API shows them."""
        return list(self._found[resource_type].values())

    def _routes(self, kind: str) -> Routes:
        base = f"/providers/{kind}"
        return {
            SUBSCRIPTION + base: {"GET": lambda _: listed(self.of_type(kind))},
            GROUP + base: {"GET": lambda names: self._list(kind, names)},
            GROUP + base + "/{name}": {
                "GET": lambda names: self._get(kind, names),
                "PUT": lambda names: self._put(kind, names),
                "DELETE": lambda names: self._delete(kind, names),
            },
        }

    def _list(self, kind: str, names: Names) -> Response:
        self._azure.check_resource_group(names["group"])
        part = f"/resourcegroups/{names['group'].lower()}/"
        return listed([r for key, r in self._found[kind].items() if part in key])

    def _get(self, kind: str, names: Names) -> Response:
        place = self._place(kind, names)
        found = self._found[kind].get(place.resource_id.lower())
        if found is None:
            raise not_found(f"{kind}/{place.name}", place.group)
        return as_response(found)

    def _put(self, kind: str, names: Names) -> Response:
        place = self._place(kind, names)
        if not _NAME.fullmatch(place.name):
            raise invalid_parameter("name", f"'{place.name}' is not a name for this.")
        resource = self._made(kind, place)
        key = place.resource_id.lower()
        is_new = key not in self._found[kind]
        self._found[kind][key] = resource
        self._note(INSIGHTS_WRITE, place)
        return as_response(resource, 201 if is_new and kind == ACTION_GROUPS else 200)

    def _delete(self, kind: str, names: Names) -> Response:
        place = self._place(kind, names)
        if self._found[kind].pop(place.resource_id.lower(), None) is None:
            return Response(status=204)
        self._note(INSIGHTS_DELETE, place)
        return Response(status=200)

    def _made(self, kind: str, place: _Place) -> Json:
        if kind == ACTION_GROUPS:
            return action_group(place.resource_id, place.name, body())
        return metric_alert(
            place.resource_id,
            place.name,
            body(),
            is_server=self._is_server,
            is_action_group=lambda group: group.lower() in self._found[ACTION_GROUPS],
        )

    def _is_server(self, resource_id: str) -> bool:
        return any(server.id.lower() == resource_id.lower() for server in self._azure.servers)

    def _place(self, kind: str, names: Names) -> _Place:
        group, name = names["group"], names["name"]
        self._azure.check_resource_group(group)
        subscription = f"/subscriptions/{self._azure.subscription_id}"
        return _Place(group, name, f"{subscription}/resourceGroups/{group}/providers/{kind}/{name}")

    def _note(self, kind: str, place: _Place) -> None:
        self._azure.journal.ended(kind, place.resource_id.split("/providers/")[1])
