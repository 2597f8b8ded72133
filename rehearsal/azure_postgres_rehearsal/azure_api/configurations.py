"""A server's parameters: what they are set to, what is in effect, and writing them for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import psycopg

from azure_postgres_rehearsal.azure_api import catalogue, postgres
from azure_postgres_rehearsal.azure_api.bodies import value_and_source
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_value
from azure_postgres_rehearsal.azure_api.operations import CONFIGURATION_WRITE, Json, Operation
from azure_postgres_rehearsal.azure_api.parameters import (
    SYSTEM_DEFAULT,
    USER_OVERRIDE,
    DataType,
    Parameter,
    as_set,
)
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.resource_types import CONFIGURATIONS
from azure_postgres_rehearsal.azure_api.turn import Turn


@dataclass
class _Configuration:
    """What a parameter is set to; static ones come `in_effect` at the next restart."""

    value: str
    in_effect: str
    source: str = SYSTEM_DEFAULT


class Configurations:
    """The parameters of one server. Made, it brings the PostgreSQL to Azure's defaults."""

    def __init__(self, server_id: str, server_postgres: Postgres, turn: Turn) -> None:
        self._server_id = server_id
        self._postgres = server_postgres
        self._turn = turn
        self._parameters: dict[str, Parameter] = {}
        self._now: dict[str, _Configuration] = {}
        self._take_over({})

    def as_list(self) -> list[Json]:
        """Every parameter, as the API lists them."""
        return [self.as_json(name) for name in self._parameters]

    def as_json(self, name: str) -> Json:
        """One parameter as the API shows it."""
        parameter = self._parameter(name)
        now = self._now[parameter.name.lower()]
        return {
            "id": f"{self._server_id}/configurations/{parameter.name}",
            "name": parameter.name,
            "type": CONFIGURATIONS,
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

    def write(self, name: str, body: Json) -> Operation:
        """Set a parameter, as PUT and PATCH do."""
        parameter = self._parameter(name)
        value, source = value_and_source(body)
        if parameter.is_read_only:
            raise ApiError(
                400,
                "ReadOnlyServerParameter",
                f"The server parameter '{parameter.name}' is read-only and can't be changed.",
            )
        value = parameter.checked(value, keep_case=self._turn.behaviour.keep_case)
        if source != USER_OVERRIDE and not parameter.same(value, parameter.default):
            raise invalid_value(f"Source '{source}' can't be set; use '{USER_OVERRIDE}'.")
        return self._turn.run(
            CONFIGURATION_WRITE,
            f"{parameter.name}={value}",
            lambda: self._write(parameter, value),
            lambda: self.as_json(parameter.name),
        )

    def server_was_restarted(self) -> None:
        """Static parameters are in effect now."""
        for now in self._now.values():
            now.in_effect = now.value

    def server_was_upgraded(self) -> None:
        """What was set stays set where the new version has it; the rest is at its defaults."""
        kept = {name: n.value for name, n in self._now.items() if n.source == USER_OVERRIDE}
        self._take_over(kept)

    @property
    def pending_restart(self) -> list[str]:
        """The parameters that wait for a restart."""
        return [
            name
            for name, now in self._now.items()
            if not self._parameters[name].same(now.value, now.in_effect)
        ]

    def _take_over(self, kept: Mapping[str, str]) -> None:
        """Bring the PostgreSQL to Azure's defaults, with one restart where one is needed.

        `kept`: what was set before an upgrade. Those without a rule of Azure's came with it.
        """
        postgres.declare_custom(self._postgres, catalogue.CUSTOM)
        found = {s.name: s for s in postgres.read_settings(self._postgres)}
        defaults = catalogue.azure_defaults(self._postgres.major, found.values())
        wanted = {
            name: self._loadable(name, kept.get(name, default))
            for name, default in defaults.items()
        }
        changed = {
            name: value
            for name, value in wanted.items()
            if name not in found or found[name].in_effect != value
        }
        postgres.set_parameters(self._postgres, changed)
        if any(name in found and found[name].context == "postmaster" for name in changed):
            self._postgres.restart()
        settings = [
            replace(s, in_effect=s.boot_val or "") if s.name.lower() in kept else s
            for s in postgres.read_settings(self._postgres)
        ]
        found_now = catalogue.catalogue(self._postgres.major, settings)
        parameters = {parameter.name.lower(): parameter for parameter in found_now}
        self._now = {
            name: _initial(parameter, kept.get(name, parameter.default))
            for name, parameter in parameters.items()
        }
        self._parameters = parameters

    def _write(self, parameter: Parameter, value: str) -> None:
        if parameter.applied:
            try:
                postgres.set_parameters(
                    self._postgres, {parameter.name: self._loadable(parameter.name, value)}
                )
            except psycopg.Error as error:
                raise invalid_value(f"{parameter.name}: {error}") from error
        else:
            self._turn.journal.notice(f"{parameter.name} has no effect on the embedded PostgreSQL")
        now = self._now[parameter.name.lower()]
        now.value = value
        # Writing the default back is how Azure resets a parameter, whatever source was sent.
        now.source = SYSTEM_DEFAULT if parameter.same(value, parameter.default) else USER_OVERRIDE
        if parameter.is_dynamic:
            now.in_effect = value

    def _loadable(self, name: str, value: str) -> str:
        """What of shared_preload_libraries this build of PostgreSQL can load."""
        if name != "shared_preload_libraries":
            return value
        libraries = [library for library in value.lower().split(",") if library]
        there = [library for library in libraries if postgres.can_load(self._postgres, library)]
        for library in libraries:
            if library not in there:
                self._turn.journal.notice(
                    f"this build of PostgreSQL {self._postgres.major} has no {library}: "
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
                f"The configuration '{name}' does not exist for {self._turn.server} server "
                f"version {self._postgres.major}.",
            ) from None


def _initial(parameter: Parameter, value: str) -> _Configuration:
    """What a parameter is at first: the value, or what of it this version takes."""
    if parameter.data_type is DataType.SET:
        allowed = as_set(parameter.allowed_values)
        value = ",".join(item for item in value.split(",") if item.lower() in allowed)
    elif not parameter.takes(value):
        value = parameter.default
    at_default = parameter.same(value, parameter.default)
    return _Configuration(value, value, SYSTEM_DEFAULT if at_default else USER_OVERRIDE)
