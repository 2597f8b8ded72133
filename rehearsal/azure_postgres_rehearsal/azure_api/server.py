"""One emulated flexible server: its state, its parameters, and the rules for changing them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from azure_postgres_rehearsal.azure_api import catalogue, postgres
from azure_postgres_rehearsal.azure_api.bodies import (
    restart_request,
    server_patch,
    value_and_source,
)
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_value
from azure_postgres_rehearsal.azure_api.operations import (
    CONFIGURATION_WRITE,
    CREATION,
    RESTART,
    SERVER_UPDATE,
    Journal,
    Json,
    Operation,
    Operations,
    Refusal,
)
from azure_postgres_rehearsal.azure_api.parameters import (
    SYSTEM_DEFAULT,
    USER_OVERRIDE,
    Parameter,
)
from azure_postgres_rehearsal.azure_api.postgres import Postgres

TYPE = "Microsoft.DBforPostgreSQL/flexibleServers"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
_PREMIUM_SSD = "Premium_LRS"


@dataclass
class Behaviour:
    """How the emulated Azure behaves where Azure's pace or answer varies; may be changed at work.

    `write_seconds`, `restart_seconds`: latency added to the real work.
    `creation_seconds`: how long a server that was just added answers writes with ServerIsBusy.
    `busy_code`: the code of that refusal; `ServerBusy` was seen too.
    `refuse_restart_late`: accept a restart during an update with 202 and fail it while polling,
    as has been seen, instead of refusing it with 409.
    `keep_case`: hold names in parameter values as they were sent, as Azure has been seen to do.
    """

    write_seconds: float = 0
    restart_seconds: float = 0
    creation_seconds: float = 0
    busy_code: str = "ServerIsBusy"
    refuse_restart_late: bool = False
    keep_case: bool = False


@dataclass
class _Configuration:
    """What a parameter is set to; static ones come `in_effect` at the next restart."""

    value: str
    in_effect: str
    source: str = SYSTEM_DEFAULT


@dataclass(frozen=True)
class Description:
    """What a server is, apart from its parameters."""

    location: str
    sku: Mapping[str, str]
    storage_gb: int
    storage_type: str
    fully_qualified_domain_name: str
    administrator_login: str
    version: str


@dataclass(eq=False)
class FlexibleServer:
    """One flexible server, in front of an embedded PostgreSQL."""

    id: str
    name: str
    postgres: Postgres
    description: Description
    operations: Operations
    journal: Journal
    behaviour: Behaviour
    auto_grow: bool = False
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        self._lock = threading.Lock()
        self._current: Operation | None = None
        self._stopped = False
        self._parameters: dict[str, Parameter] = {}
        self._configurations: dict[str, _Configuration] = {}
        self._take_over()
        if self.behaviour.creation_seconds:
            created = Operation(CREATION, self.name, "")
            self._begin(created, lambda: None, self.behaviour.creation_seconds)

    # Reading

    @property
    def state(self) -> str:
        """The server's state, in Azure's words."""
        current = self._current
        if current is not None and current.kind != CREATION:
            return "Restarting" if current.kind == RESTART else "Updating"
        return "Stopped" if self._stopped else "Ready"

    def as_json(self) -> Json:
        """The server as the API shows it."""
        about = self.description
        return {
            "id": self.id,
            "name": self.name,
            "type": TYPE,
            "location": about.location,
            "tags": dict(self.tags),
            "sku": dict(about.sku),
            "properties": {
                "version": about.version,
                "state": self.state,
                "fullyQualifiedDomainName": about.fully_qualified_domain_name,
                "administratorLogin": about.administrator_login,
                "availabilityZone": "1",
                "storage": {
                    "type": about.storage_type,
                    "storageSizeGB": about.storage_gb,
                    "autoGrow": "Enabled" if self.auto_grow else "Disabled",
                    "tier": "P10",
                    "iops": 500,
                },
                "authConfig": {"activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled"},
                "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
                "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
                "network": {"publicNetworkAccess": "Enabled"},
                "replicationRole": "Primary",
                "replicaCapacity": 5,
            },
        }

    def configurations(self) -> list[Json]:
        """Every parameter, as the API lists them."""
        return [self.configuration(name) for name in self._parameters]

    def configuration(self, name: str) -> Json:
        """One parameter as the API shows it."""
        parameter = self._parameter(name)
        now = self._configurations[parameter.name.lower()]
        return {
            "id": f"{self.id}/configurations/{parameter.name}",
            "name": parameter.name,
            "type": f"{TYPE}/configurations",
            "properties": {
                "value": now.value,
                "defaultValue": parameter.default,
                "dataType": parameter.data_type.value,
                "allowedValues": parameter.allowed_values,
                "source": now.source,
                "isDynamicConfig": parameter.is_dynamic,
                "isReadOnly": parameter.is_read_only,
                "isConfigPendingRestart": not parameter.same(now.value, now.in_effect),
                "unit": parameter.unit,
                "description": parameter.description,
                "documentationLink": parameter.documentation_link,
            },
        }

    # Changing

    def write_configuration(self, name: str, body: Json) -> Operation:
        """Set a parameter, as PUT and PATCH do."""
        parameter = self._parameter(name)
        value, source = value_and_source(body)
        if parameter.is_read_only:
            raise ApiError(
                400,
                "ReadOnlyServerParameter",
                f"The server parameter '{parameter.name}' is read-only and can't be changed.",
            )
        value = parameter.checked(value, keep_case=self.behaviour.keep_case)
        if source != USER_OVERRIDE and not parameter.same(value, parameter.default):
            raise invalid_value(f"Source '{source}' can't be set; use '{USER_OVERRIDE}'.")
        operation = Operation(
            CONFIGURATION_WRITE,
            self.name,
            f"{parameter.name}={value}",
            result=lambda: self.configuration(parameter.name),
        )
        self._begin(operation, lambda: self._write(parameter, value), self.behaviour.write_seconds)
        return operation

    def restart(self, body: Json) -> Operation:
        """Restart the PostgreSQL for real."""
        restart_request(body)
        operation = Operation(RESTART, self.name, "")
        if self.behaviour.refuse_restart_late and (not_ready := self._not_ready()):
            self.journal.refused.append(Refusal("POST", f"{self.id}/restart", not_ready.code))
            operation.finish(not_ready)
            return self.operations.record(operation)
        self._begin(operation, self._restart, self.behaviour.restart_seconds)
        return operation

    def update(self, body: Json) -> Operation:
        """Change the server itself, as PATCH does: its tags and its storage's auto-grow."""
        change = server_patch(body)
        if change.get("auto_grow") and self.description.storage_type != _PREMIUM_SSD:
            raise ApiError(
                400,
                "InvalidParameterValue",
                "Storage auto-grow works on Premium SSD only, "
                f"and this server's storage is {self.description.storage_type}.",
            )
        operation = Operation(
            SERVER_UPDATE,
            self.name,
            ", ".join(f"{name}={value}" for name, value in change.items()),
            result=self.as_json,
        )
        self._begin(operation, lambda: self._update(change), self.behaviour.write_seconds)
        return operation

    # One operation at a time

    def _begin(self, operation: Operation, work: Callable[[], None], seconds: float) -> None:
        with self._lock:
            if operation.kind == RESTART and (not_ready := self._not_ready()):
                raise not_ready
            if self._stopped:
                raise ApiError(
                    409,
                    "ServerUnavailableForOperation",
                    f"The operation cannot be performed as server '{self.name}' is currently in "
                    "state 'Stopped'.",
                )
            if self._current is not None:
                raise ApiError(
                    409,
                    self.behaviour.busy_code,
                    f"Cannot complete operation while server '{self.name}' is busy processing "
                    "another operation. Try again later.",
                )
            self._current = operation
        if operation.kind != CREATION:
            self.journal.accepted.append(operation)
        self.operations.start(operation, work, seconds, then=self._release)
        if not seconds:
            # Without latency an operation has ended by the time its 202 goes out.
            operation.done.wait()

    def _release(self) -> None:
        self._current = None

    def _not_ready(self) -> ApiError | None:
        """Why a restart can't begin, unless the server is merely busy."""
        if self.state in ("Ready", "Restarting"):
            return None
        return ApiError(
            409,
            "ServerIsNotReady",
            "Restart or Stop Server can only be performed on Started servers. "
            f"Sever Name = {self.name}, Current Server State = {self.state}",
        )

    # The work itself

    def _take_over(self) -> None:
        """Bring a PostgreSQL to Azure's defaults, with one restart where one is needed."""
        postgres.declare_custom(self.postgres, catalogue.CUSTOM)
        found = {s.name: s for s in postgres.read_settings(self.postgres)}
        wanted = {
            name: self._loadable(name, value)
            for name, value in catalogue.azure_defaults(self.postgres.major, found.values()).items()
        }
        changed = {
            name: value
            for name, value in wanted.items()
            if name not in found or found[name].in_effect != value
        }
        postgres.set_parameters(self.postgres, changed)
        if any(name in found and found[name].context == "postmaster" for name in changed):
            self.postgres.restart()
        settings = postgres.read_settings(self.postgres)
        for parameter in catalogue.catalogue(self.postgres.major, settings):
            key = parameter.name.lower()
            self._parameters[key] = parameter
            self._configurations[key] = _Configuration(parameter.default, parameter.default)

    def _write(self, parameter: Parameter, value: str) -> None:
        if parameter.applied:
            try:
                postgres.set_parameters(
                    self.postgres, {parameter.name: self._loadable(parameter.name, value)}
                )
            except psycopg.Error as error:
                raise invalid_value(f"{parameter.name}: {error}") from error
        else:
            self.journal.notice(f"{parameter.name} has no effect on the embedded PostgreSQL")
        now = self._configurations[parameter.name.lower()]
        now.value = value
        # Writing the default back is how Azure resets a parameter, whatever source was sent.
        now.source = SYSTEM_DEFAULT if parameter.same(value, parameter.default) else USER_OVERRIDE
        if parameter.is_dynamic:
            now.in_effect = value

    def _restart(self) -> None:
        try:
            self.postgres.restart()
        except Exception:
            self._stopped = True
            raise
        for now in self._configurations.values():
            now.in_effect = now.value

    def _update(self, change: Mapping[str, Any]) -> None:
        self.auto_grow = change.get("auto_grow", self.auto_grow)
        self.tags = change.get("tags", self.tags)

    def _loadable(self, name: str, value: str) -> str:
        """What of shared_preload_libraries this build of PostgreSQL can load."""
        if name != "shared_preload_libraries":
            return value
        libraries = [library for library in value.lower().split(",") if library]
        there = [library for library in libraries if postgres.can_load(self.postgres, library)]
        for library in libraries:
            if library not in there:
                self.journal.notice(
                    f"this build of PostgreSQL {self.postgres.major} has no {library}: "
                    "shared_preload_libraries names it, but it is not loaded"
                )
        return ",".join(there)

    def _parameter(self, name: str) -> Parameter:
        try:
            return self._parameters[name.lower()]
        except KeyError:
            raise ApiError(
                404,
                "ConfigurationNotExists",
                f"The configuration '{name}' does not exist for {self.name} server version "
                f"{self.description.version}.",
            ) from None


def check_name(name: str) -> None:
    """Refuse what Azure refuses as a server's name; upper case above all."""
    if not _NAME.fullmatch(name):
        raise ApiError(
            400,
            "InvalidParameterValue",
            f"The server name '{name}' is invalid: 3 to 63 lower-case letters, digits and hyphens, "
            "no hyphen at either end.",
        )
