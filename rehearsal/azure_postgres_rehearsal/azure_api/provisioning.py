"""Servers that come and go: PUT of what is not there yet, and DELETE."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Protocol

from azure_postgres_rehearsal.azure_api import replication, server_request
from azure_postgres_rehearsal.azure_api.behaviour import Behaviour
from azure_postgres_rehearsal.azure_api.checks import part
from azure_postgres_rehearsal.azure_api.definition import Definition
from azure_postgres_rehearsal.azure_api.errors import ApiError, not_supported
from azure_postgres_rehearsal.azure_api.operations import (
    SERVER_CREATE,
    SERVER_DELETE,
    Journal,
    Json,
    Operation,
    Operations,
)
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.server import FlexibleServer, check_name
from azure_postgres_rehearsal.azure_api.server_request import ServerRequest


class OwnPostgres(Postgres, Protocol):
    """A PostgreSQL that was made for a server, and goes with it."""

    def remove(self) -> None:
        """Stop it and leave nothing behind."""


PostgresFactory = Callable[[int, str, str], OwnPostgres]
"""Makes a running PostgreSQL: the major version, the administrator's login and password.

Where it has an attribute `majors`, a PUT of another version is refused at once.
"""


class Cloud(Protocol):
    """What provisioning works on."""

    servers: list[FlexibleServer]
    operations: Operations
    journal: Journal
    behaviour: Behaviour

    def make_server(
        self, group: str, name: str, postgres: Postgres, definition: Definition
    ) -> FlexibleServer:
        """A server of that definition, not listed yet."""


class Provisioning:
    """Makes servers with the factory, and removes them with what the factory made."""

    def __init__(self, cloud: Cloud, factory: PostgresFactory | None) -> None:
        self._cloud = cloud
        self._factory = factory
        self._lock = threading.Lock()
        self._in_the_making: set[str] = set()
        self._own: dict[str, OwnPostgres] = {}

    def put(self, group: str, name: str, body: Json) -> Operation:
        """Make a server, or change the one that is there."""
        check_name(name)
        server = self._named(name)
        if server is None:
            return self._create(group, name, body)
        if server.resource_group.lower() != group.lower():
            raise ApiError(409, "ServerNameAlreadyExists", "Specified server name is already used.")
        self._check_upgrade(server, body)
        return server.redefine(body)

    def patch(self, server: FlexibleServer, body: Json) -> Operation:
        """Change a server that is there."""
        self._check_upgrade(server, body)
        return server.update(body)

    def delete(self, server: FlexibleServer) -> Operation:
        """Remove a server and all that is in it."""
        replication.check_deletion(self._cloud.servers, server)
        return server.turn.run(SERVER_DELETE, "", lambda: self._remove(server))

    def close(self) -> None:
        """Remove every PostgreSQL that the factory made."""
        for postgres in self._own.values():
            postgres.remove()
        self._own.clear()

    def _create(self, group: str, name: str, body: Json) -> Operation:
        if self._factory is None:
            raise not_supported(
                "The rehearsal cannot make a server with PUT: it has no postgres_factory."
            )
        request = server_request.creation(body)
        self._check_version(request.definition.version)
        self._reserve(name)
        operation = Operation(
            SERVER_CREATE,
            name,
            f"PostgreSQL {request.definition.version}",
            result=lambda: self._shown(name),
        )
        self._cloud.journal.accepted.append(operation)
        self._cloud.operations.start(
            operation,
            lambda: self._make(group, name, request),
            self._cloud.behaviour.write_seconds,
            then=lambda: self._in_the_making.discard(name),
        )
        return operation

    def _make(self, group: str, name: str, request: ServerRequest) -> None:
        assert self._factory is not None  # noqa: S101 - checked before the operation began
        definition = request.definition
        postgres = self._factory(
            int(definition.version), definition.administrator_login, request.password
        )
        try:
            server = self._cloud.make_server(group, name, postgres, definition)
        except BaseException:
            postgres.remove()
            raise
        self._own[name] = postgres
        self._cloud.servers.append(server)

    def _remove(self, server: FlexibleServer) -> None:
        self._cloud.servers.remove(server)
        if postgres := self._own.pop(server.name, None):
            postgres.remove()

    def _check_upgrade(self, server: FlexibleServer, body: Json) -> None:
        wanted = part(body, "properties").get("version")
        if wanted is not None and wanted != server.definition.version:
            replication.check_upgrade(self._cloud.servers, server)

    def _check_version(self, version: str) -> None:
        majors: Collection[int] | None = getattr(self._factory, "majors", None)
        if majors is not None and int(version) not in majors:
            raise not_supported(
                f"The rehearsal makes PostgreSQL {', '.join(map(str, majors))}, not {version}."
            )

    def _reserve(self, name: str) -> None:
        with self._lock:
            if name in self._in_the_making:
                raise ApiError(
                    409,
                    self._cloud.behaviour.busy_code,
                    f"Cannot complete operation while server '{name}' is busy processing "
                    "another operation. Try again later.",
                )
            self._in_the_making.add(name)

    def _named(self, name: str) -> FlexibleServer | None:
        return next((server for server in self._cloud.servers if server.name == name), None)

    def _shown(self, name: str) -> Json | None:
        server = self._named(name)
        return None if server is None else server.as_json()
