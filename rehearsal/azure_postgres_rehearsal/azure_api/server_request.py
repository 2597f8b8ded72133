"""What a PUT of a flexible server asks for, checked against what Azure takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

from azure_postgres_rehearsal.azure_api import offer, server_request_parts
from azure_postgres_rehearsal.azure_api.checks import choice, only, part, tags, text
from azure_postgres_rehearsal.azure_api.definition import Definition
from azure_postgres_rehearsal.azure_api.errors import (
    ApiError,
    invalid_content,
    invalid_parameter,
    not_supported,
)
from azure_postgres_rehearsal.azure_api.locations import region
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.resource_types import SERVERS

_PROPERTIES = (
    "administratorLogin",
    "administratorLoginPassword",
    "authConfig",
    "availabilityZone",
    "backup",
    "createMode",
    "highAvailability",
    "network",
    "storage",
    "version",
)
_MODES = ("Default", "Create")
_MODES_ELSEWHERE = ("PointInTimeRestore", "GeoRestore", "Replica", "ReviveDropped")
_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_PASSWORD_KINDS = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]")


@dataclass(frozen=True)
class ServerRequest:
    """What the server shall be, and the password, which is kept nowhere."""

    definition: Definition
    password: str = ""
    mode: str = "Default"

    def changes(self, now: Definition) -> list[str]:
        """The names of what differs from a server that is there."""
        names = [f.name for f in fields(now) if getattr(now, f.name) != self._value(f.name)]
        return [*names, "password"] if self.password else names

    def _value(self, name: str) -> object:
        return getattr(self.definition, name)


def creation(body: Json) -> ServerRequest:
    """A server that is to be made."""
    properties = _properties(body, _MODES)
    asked = Definition(
        location=region(body, SERVERS),
        version=choice(properties, "version", None, offer.VERSIONS),
        administrator_login=_login(properties),
        sku=_sku(body),
    )
    definition = _with_parts(asked, body, properties)
    password = text(properties, "administratorLoginPassword")
    _check_password(password, definition.administrator_login)
    return ServerRequest(definition, password)


def change(body: Json, now: Definition) -> ServerRequest:
    """A server that is there; what the body leaves out stays, but for the tags."""
    properties = _properties(body, (*_MODES, "Update"))
    if region(body, SERVERS) != now.location:
        raise ApiError(
            409,
            "InvalidResourceLocation",
            f"The resource already exists in location '{now.location}'. A resource with the same "
            "name cannot be created in another location.",
        )
    _refuse_change(properties, "administratorLogin", now.administrator_login)
    _refuse_change(properties, "availabilityZone", now.availability_zone)
    asked = replace(
        now,
        version=_version(properties, now.version),
        sku=_sku(body) if "sku" in body else now.sku,
    )
    definition = _with_parts(asked, body, properties)
    server_request_parts.check_unchangeable(definition, now)
    password = properties.get("administratorLoginPassword", "")
    if password:
        text(properties, "administratorLoginPassword")
        _check_password(password, now.administrator_login)
    return ServerRequest(definition, password, properties.get("createMode", "Default"))


def _properties(body: Json, modes: tuple[str, ...]) -> Json:
    only(body, ("location", "sku", "tags", "properties"), "a server")
    properties = part(body, "properties")
    only(properties, _PROPERTIES, "a server's properties")
    mode = choice(properties, "createMode", "Default", (*modes, *_MODES_ELSEWHERE))
    if mode in _MODES_ELSEWHERE:
        raise not_supported(f"The rehearsal makes no server with createMode {mode}.")
    return properties


def _with_parts(asked: Definition, body: Json, properties: Json) -> Definition:
    parts = server_request_parts
    definition = replace(
        asked,
        storage=parts.storage(part(properties, "storage"), asked.storage),
        network=parts.network(part(properties, "network"), asked.network),
        backup=parts.backup(part(properties, "backup"), asked.backup),
        authentication=parts.authentication(part(properties, "authConfig"), asked.authentication),
        high_availability=parts.high_availability(
            part(properties, "highAvailability"), asked.high_availability
        ),
        availability_zone=parts.availability_zone(
            properties, "availabilityZone", asked.availability_zone
        ),
        tags=tags(body),
    )
    parts.check_standby(definition)
    return definition


def _sku(body: Json) -> dict[str, str]:
    sku = part(body, "sku")
    only(sku, ("name", "tier"), "a server's sku")
    tier = choice(sku, "tier", None, offer.TIERS)
    name = text(sku, "name")
    if name not in offer.sku_names(tier):
        raise invalid_parameter("sku", f"There is no '{name}' in the tier {tier}.")
    return {"name": name, "tier": tier}


def _login(properties: Json) -> str:
    login = text(properties, "administratorLogin")
    reserved = login.lower() in offer.RESERVED_LOGINS or login.lower().startswith("pg_")
    if reserved or not _LOGIN.fullmatch(login):
        raise invalid_parameter(
            "administratorLogin",
            f"'{login}' is reserved." if reserved else "1 to 63 letters, digits and underscores.",
        )
    return login


def _check_password(password: str, login: str) -> None:
    """Azure's rules; the message must not repeat what was given."""
    if not isinstance(password, str):
        raise invalid_content("'administratorLoginPassword' must be a string")
    kinds = sum(bool(re.search(kind, password)) for kind in _PASSWORD_KINDS)
    if not 8 <= len(password) <= 128 or kinds < 3 or login.lower() in password.lower():
        raise ApiError(
            400,
            "PasswordNotComplex",
            "Password validation failed. The password does not meet policy requirements because "
            "it is not complex enough: 8 to 128 characters, three of upper case, lower case, "
            "digits and others, and not the login's name.",
        )


def _refuse_change(properties: Json, name: str, now: str) -> None:
    if (properties.get(name) or now) != now:
        raise invalid_parameter(name, f"It is '{now}' and can't be changed.")


def _version(properties: Json, now: str) -> str:
    version = choice(properties, "version", now, offer.VERSIONS)
    if int(version) < int(now):
        raise invalid_parameter("version", f"{now} can't be downgraded to {version}.")
    return version
