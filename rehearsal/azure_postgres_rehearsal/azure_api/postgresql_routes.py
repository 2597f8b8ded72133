"""The paths of Microsoft.DBforPostgreSQL, and what answers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flask import Response

from azure_postgres_rehearsal.azure_api.asked import asked
from azure_postgres_rehearsal.azure_api.errors import not_found
from azure_postgres_rehearsal.azure_api.operations import Operation
from azure_postgres_rehearsal.azure_api.provisioning import Provisioning
from azure_postgres_rehearsal.azure_api.replication import replicas_of
from azure_postgres_rehearsal.azure_api.resource_types import SERVERS
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

PROVIDER = "/providers/Microsoft.DBforPostgreSQL"
_SERVERS = GROUP + PROVIDER + "/flexibleServers"
_SERVER = _SERVERS + "/{server}"


class Servers(Protocol):
    """What the paths answer for."""

    servers: list[FlexibleServer]
    provisioning: Provisioning

    def check_resource_group(self, group: str) -> None:
        """Refuse a resource group that is not there."""


class PostgresqlRoutes:
    """Servers with their configurations, firewall rules, databases and administrators."""

    def __init__(self, azure: Servers, accepted: Callable[[Operation], Response]) -> None:
        self._azure = azure
        self._accepted = accepted

    @property
    def routes(self) -> Routes:
        """Path and method to what answers them."""
        return {
            SUBSCRIPTION + PROVIDER + "/flexibleServers": {"GET": self._list_all_servers},
            _SERVERS: {"GET": self._list_servers},
            _SERVER: {
                "GET": self._get_server,
                "PATCH": self._patch_server,
                "PUT": self._put_server,
                "DELETE": self._delete_server,
            },
            _SERVER + "/restart": {"POST": self._restart},
            _SERVER + "/replicas": {"GET": self._list_replicas},
            _SERVER + "/configurations": {"GET": self._list_configurations},
            _SERVER + "/configurations/{configuration}": {
                "GET": self._get_configuration,
                "PUT": self._write_configuration,
                "PATCH": self._write_configuration,
            },
            _SERVER + "/firewallRules": {"GET": self._list_firewall_rules},
            _SERVER + "/firewallRules/{rule}": {
                "GET": self._get_firewall_rule,
                "PUT": self._write_firewall_rule,
                "DELETE": self._delete_firewall_rule,
            },
            _SERVER + "/databases": {"GET": self._list_databases},
            _SERVER + "/databases/{database}": {
                "GET": self._get_database,
                "PUT": self._write_database,
                "DELETE": self._delete_database,
            },
            _SERVER + "/administrators": {"GET": self._list_administrators},
            _SERVER + "/administrators/{administrator}": {
                "GET": self._get_administrator,
                "PUT": self._write_administrator,
                "DELETE": self._delete_administrator,
            },
        }

    # Servers

    def _list_all_servers(self, names: Names) -> Response:  # noqa: ARG002
        return listed([server.as_json() for server in self._azure.servers])

    def _list_servers(self, names: Names) -> Response:
        return listed([server.as_json() for server in self._group(names["group"])])

    def _get_server(self, names: Names) -> Response:
        return as_response(self._server(names).as_json())

    def _put_server(self, names: Names) -> Response:
        self._azure.check_resource_group(names["group"])
        return self._accepted(self._azure.provisioning.put(names["group"], names["server"], body()))

    def _delete_server(self, names: Names) -> Response:
        server = self._find(names)
        delete = self._azure.provisioning.delete
        return self._deleted(None if server is None else delete(server))

    def _patch_server(self, names: Names) -> Response:
        return self._accepted(self._azure.provisioning.patch(self._server(names), body()))

    def _restart(self, names: Names) -> Response:
        return self._accepted(self._server(names).restart(body(required=False)))

    def _list_replicas(self, names: Names) -> Response:
        source = self._server(names)
        return listed([r.as_json() for r in replicas_of(self._azure.servers, source)])

    # Configurations

    def _list_configurations(self, names: Names) -> Response:
        return listed(self._server(names).parameters.as_list())

    def _get_configuration(self, names: Names) -> Response:
        return as_response(self._server(names).configuration(names["configuration"]))

    def _write_configuration(self, names: Names) -> Response:
        server = self._server(names)
        return self._accepted(server.write_configuration(names["configuration"], body()))

    # Firewall rules

    def _list_firewall_rules(self, names: Names) -> Response:
        return listed(self._server(names).firewall_rules.as_list())

    def _get_firewall_rule(self, names: Names) -> Response:
        return as_response(self._server(names).firewall_rules.as_json(names["rule"]))

    def _write_firewall_rule(self, names: Names) -> Response:
        return self._accepted(self._server(names).firewall_rules.write(names["rule"], body()))

    def _delete_firewall_rule(self, names: Names) -> Response:
        return self._deleted(self._server(names).firewall_rules.delete(names["rule"]))

    # Databases

    def _list_databases(self, names: Names) -> Response:
        return listed(self._server(names).databases.as_list())

    def _get_database(self, names: Names) -> Response:
        return as_response(self._server(names).databases.as_json(names["database"]))

    def _write_database(self, names: Names) -> Response:
        return self._accepted(self._server(names).databases.write(names["database"], body()))

    def _delete_database(self, names: Names) -> Response:
        return self._deleted(self._server(names).databases.delete(names["database"]))

    # Administrators

    def _list_administrators(self, names: Names) -> Response:
        return listed(self._server(names).administrators.as_list())

    def _get_administrator(self, names: Names) -> Response:
        return as_response(self._server(names).administrators.as_json(names["administrator"]))

    def _write_administrator(self, names: Names) -> Response:
        administrators = self._server(names).administrators
        return self._accepted(administrators.write(names["administrator"], body()))

    def _delete_administrator(self, names: Names) -> Response:
        return self._deleted(self._server(names).administrators.delete(names["administrator"]))

    # Finding

    def _deleted(self, operation: Operation | None) -> Response:
        """What is not there is gone already."""
        return Response(status=204) if operation is None else self._accepted(operation)

    def _group(self, group: str) -> list[FlexibleServer]:
        self._azure.check_resource_group(group)
        return [s for s in self._azure.servers if s.resource_group.lower() == group.lower()]

    def _find(self, names: Names) -> FlexibleServer | None:
        name = names["server"].lower()
        return next((s for s in self._group(names["group"]) if s.name == name), None)

    def _server(self, names: Names) -> FlexibleServer:
        server = self._find(names)
        if server is None:
            raise not_found(f"{SERVERS}/{names['server']}", names["group"])
        asked().impose_state()
        return server
