"""One emulated flexible server: what it consists of, and changing it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from azure_postgres_rehearsal.azure_api import (
    major_upgrade,
    postgres_databases,
    replication,
    server_request,
)
from azure_postgres_rehearsal.azure_api.administrators import Administrators, CurrentToken
from azure_postgres_rehearsal.azure_api.behaviour import Behaviour
from azure_postgres_rehearsal.azure_api.bodies import restart_request, server_patch
from azure_postgres_rehearsal.azure_api.configurations import Configurations
from azure_postgres_rehearsal.azure_api.databases import Databases
from azure_postgres_rehearsal.azure_api.definition import PREMIUM_SSD, Definition
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_parameter
from azure_postgres_rehearsal.azure_api.firewall_rules import FirewallRules
from azure_postgres_rehearsal.azure_api.operations import (
    CREATION,
    MAJOR_UPGRADE,
    RESTART,
    SERVER_UPDATE,
    Journal,
    Json,
    Operation,
    Operations,
    Refusal,
)
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.postgres_administrators import ADMINISTRATORS
from azure_postgres_rehearsal.azure_api.resource_types import SERVERS
from azure_postgres_rehearsal.azure_api.server_request import ServerRequest
from azure_postgres_rehearsal.azure_api.turn import Turn
from azure_postgres_rehearsal.cluster import PgUpgradeError

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")


class FlexibleServer:
    """One flexible server, in front of an embedded PostgreSQL."""

    def __init__(
        self,
        server_id: str,
        postgres: Postgres,
        definition: Definition,
        fully_qualified_domain_name: str,
        *,
        operations: Operations,
        journal: Journal,
        behaviour: Behaviour,
        replica_of: FlexibleServer | None = None,
        token: CurrentToken = lambda _: None,
    ) -> None:
        self.id = server_id
        self.name = server_id.rsplit("/", 1)[-1]
        check_name(self.name)
        self.postgres = postgres
        self.definition = definition
        self.replica_of = replica_of
        self.fully_qualified_domain_name = fully_qualified_domain_name
        self.turn = Turn(self.name, operations, journal, behaviour)
        self.parameters = Configurations(self.id, postgres, self.turn)
        self.firewall_rules = FirewallRules(
            self.id, self.turn, lambda: bool(self.definition.network.delegated_subnet)
        )
        self.administrators = Administrators(
            self.id,
            postgres,
            self.turn,
            lambda: self.definition,
            token,
            is_replica=replica_of is not None,
        )
        self.databases = Databases(
            self.id,
            postgres,
            self.turn,
            self._database_owner,
            is_replica=replica_of is not None,
        )
        self.private_endpoint_connections: dict[str, Json] = {}
        if behaviour.creation_seconds:
            created = Operation(CREATION, self.name, "")
            self.turn.begin(created, lambda: None, behaviour.creation_seconds)

    # Reading

    @property
    def state(self) -> str:
        """The server's state, in Azure's words."""
        return self.turn.state

    @property
    def resource_group(self) -> str:
        """The resource group it is in."""
        return self.id.split("/")[4]

    @property
    def auto_grow(self) -> bool:
        """Whether its storage grows by itself."""
        return self.definition.storage.auto_grow

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        return self.definition.tags

    def as_json(self) -> Json:
        """The server as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": SERVERS,
            "location": self.definition.location,
            "tags": dict(self.definition.tags),
            "sku": dict(self.definition.sku),
            "properties": {
                **self.definition.properties(),
                "state": self.state,
                "fullyQualifiedDomainName": self.fully_qualified_domain_name,
                "privateEndpointConnections": list(self.private_endpoint_connections.values()),
                **replication.as_json(self.replica_of),
            },
        }

    def configuration(self, name: str) -> Json:
        """One parameter as the API shows it."""
        return self.parameters.as_json(name)

    # Changing

    def write_configuration(self, name: str, body: Json) -> Operation:
        """Set a parameter, as PUT and PATCH do."""
        return self.parameters.write(name, body)

    def restart(self, body: Json) -> Operation:
        """Restart the PostgreSQL for real."""
        mode = restart_request(body, has_standby=self.definition.high_availability.has_standby)
        operation = Operation(RESTART, self.name, mode)
        late = self.turn.behaviour.refuse_restart_late
        if late and (not_ready := self.turn.not_ready()):
            path = f"{self.id}/restart"
            self.turn.journal.refused.append(Refusal("POST", path, not_ready.code))
            operation.finish(not_ready)
            return self.turn.operations.record(operation)
        self.turn.begin(operation, self._restart, self.turn.behaviour.restart_seconds)
        return operation

    def update(self, body: Json) -> Operation:
        """Change the server itself, as PATCH does: its tags, storage auto-grow, or its version."""
        change = server_patch(body)
        if "version" in change:
            return self._upgrade(change.pop("version"), beside=change)
        if change.get("auto_grow") and self.definition.storage.type != PREMIUM_SSD:
            raise invalid_parameter(
                "storage.autoGrow",
                "Storage auto-grow works on Premium SSD only, "
                f"and this server's storage is {self.definition.storage.type}.",
            )
        return self.turn.run(
            SERVER_UPDATE,
            ", ".join(f"{name}={value}" for name, value in change.items()),
            lambda: self._patch(change),
            self.as_json,
        )

    def redefine(self, body: Json) -> Operation:
        """Change the server itself, as PUT does."""
        request = server_request.change(body, self.definition)
        if self.replica_of is not None and request.definition.high_availability.has_standby:
            raise invalid_parameter("highAvailability", "A read replica has no standby.")
        changes = request.changes(self.definition)
        if "version" in changes:
            self._check_mode(request.mode)
            beside = [name for name in changes if name not in ("version", "password")]
            return self._upgrade(request.definition.version, beside=beside)
        return self.turn.run(
            SERVER_UPDATE,
            ", ".join(changes),
            lambda: self._redefine(request),
            self.as_json,
        )

    def _database_owner(self) -> str:
        if self.administrators.share_databases:
            return ADMINISTRATORS
        return self.definition.administrator_login

    def _redefine(self, request: ServerRequest) -> None:
        if request.password:
            login = self.definition.administrator_login
            postgres_databases.set_password(self.postgres, login, request.password)
        self.definition = request.definition

    def _restart(self) -> None:
        try:
            self.postgres.restart()
        except Exception:
            self.turn.stopped = True
            raise
        self.parameters.server_was_restarted()

    def _upgrade(self, version: str, *, beside: Collection[str]) -> Operation:
        """Begin an in-place major upgrade; nothing else may be asked for with it."""
        behaviour = self.turn.behaviour
        major_upgrade.check_version(self.postgres, version)
        if beside:
            raise invalid_parameter(
                "version", f"A major version upgrade changes nothing else: {', '.join(beside)}."
            )
        if behaviour.precheck_at_once and self.state == "Ready":
            self._precheck()
        detail = f"{self.definition.version} to {version}"
        operation = Operation(MAJOR_UPGRADE, self.name, detail, result=self.as_json)
        self.turn.begin(operation, lambda: self._upgrade_to(version), behaviour.upgrade_seconds)
        return operation

    def _upgrade_to(self, version: str) -> None:
        self._precheck()
        had_tls = self.postgres.has_tls
        try:
            self.postgres.upgrade(int(version))
        except PgUpgradeError as failed:
            raise ApiError(500, "MajorVersionUpgradeFailed", str(failed)) from failed
        self.definition = replace(self.definition, version=version)
        self.parameters.server_was_upgraded()
        if had_tls and not self.postgres.has_tls:
            self.turn.journal.notice(f"this build of PostgreSQL {version} has no TLS")

    def _precheck(self) -> None:
        major_upgrade.check_server(
            self.postgres,
            self.parameters.pending_restart,
            slots_move=self.turn.behaviour.slots_move,
        )

    def _check_mode(self, mode: str) -> None:
        if mode != "Update" and not self.turn.behaviour.put_upgrades:
            raise invalid_parameter(
                "version", f"A PUT upgrades with createMode Update only, not with {mode}."
            )

    def _patch(self, change: Mapping[str, Any]) -> None:
        now = self.definition
        auto_grow = change.get("auto_grow", now.storage.auto_grow)
        self.definition = replace(
            now,
            storage=replace(now.storage, auto_grow=auto_grow),
            tags=change.get("tags", now.tags),
        )


def check_name(name: str) -> None:
    """Refuse what Azure refuses as a server's name; upper case above all."""
    if not _NAME.fullmatch(name):
        raise invalid_parameter(
            "serverName",
            f"The server name '{name}' is invalid: 3 to 63 lower-case letters, digits and hyphens, "
            "no hyphen at either end.",
        )
