"""A Key Vault and its secrets: what the management API writes and never shows again."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from azure_postgres_rehearsal.azure_api.checks import as_object, flag, only, part, tags, text
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_content, invalid_parameter
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.resource_types import VAULT_SECRETS, VAULTS

_VAULT_NAME = re.compile(r"(?=.{3,24}\Z)[a-zA-Z](?:-?[a-zA-Z0-9])+", re.ASCII)
_NAME = re.compile(r"[a-zA-Z0-9-]{1,127}", re.ASCII)
_LARGEST = 25 * 1024  # bytes
_LONGEST_CONTENT_TYPE = 255


@dataclass(frozen=True)
class Secret:
    """One secret as it is now: the newest of its versions."""

    name: str
    value: str = field(repr=False)
    content_type: str
    attributes: Mapping[str, bool | int]
    created: int
    tags: Mapping[str, str]
    updated: int = field(default_factory=lambda: int(time.time()))
    version: str = field(default_factory=lambda: uuid.uuid4().hex)


class Vault:
    """One vault. Deleted secrets stay in it: soft-delete cannot be switched off any more."""

    def __init__(self, vault_id: str, location: str) -> None:
        self.id = vault_id
        self.name = vault_id.rsplit("/", 1)[-1]
        self._location = location
        self._secrets: dict[str, Secret] = {}
        self._deleted: dict[str, Secret] = {}
        check_vault_name(self.name)

    @property
    def uri(self) -> str:
        """Where it is on Azure; it leads nowhere in a rehearsal."""
        return f"https://{self.name.lower()}.vault.azure.net/"

    @property
    def names(self) -> list[str]:
        """The names of its secrets, deleted ones left out."""
        return [secret.name for secret in self._secrets.values()]

    def value(self, name: str) -> str:
        """The value of a secret, which is for the test to see and for nobody else."""
        return self._secrets[name.lower()].value

    def version(self, name: str) -> str:
        """The version of a secret; every write makes another one."""
        return self._secrets[name.lower()].version

    def as_list(self) -> list[Json]:
        """Every secret, as the API lists them."""
        return [self._shown(secret) for secret in self._secrets.values()]

    def as_json(self, name: str) -> Json | None:
        """One secret as the API shows it: without its value."""
        secret = self._secrets.get(name.lower())
        return None if secret is None else self._shown(secret)

    def write(self, name: str, body: Json) -> bool:
        """Make a secret or another version of it; whether it is new."""
        check_secret_name(name)
        if name.lower() in self._deleted:
            raise ApiError(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name "
                "cannot be reused; in this state, the secret can only be recovered or purged.",
            )
        now = self._secrets.get(name.lower())
        self._secrets[name.lower()] = _secret(name, body, now)
        return now is None

    def delete(self, name: str) -> bool:
        """Delete a secret, as the vault's own API does; whether there was one."""
        secret = self._secrets.pop(name.lower(), None)
        if secret is None:
            return False
        self._deleted[name.lower()] = secret
        return True

    def _shown(self, secret: Secret) -> Json:
        uri = f"{self.uri}secrets/{secret.name}"
        content_type = {"contentType": secret.content_type} if secret.content_type else {}
        return {
            "id": f"{self.id}/secrets/{secret.name}",
            "name": secret.name,
            "type": VAULT_SECRETS,
            "location": self._location,
            "tags": dict(secret.tags),
            "properties": {
                **content_type,
                "attributes": {
                    **secret.attributes,
                    "created": secret.created,
                    "updated": secret.updated,
                },
                "secretUri": uri,
                "secretUriWithVersion": f"{uri}/{secret.version}",
            },
        }


def check_vault_name(name: str) -> None:
    """Refuse what is no name of a vault."""
    if not _VAULT_NAME.fullmatch(name):
        raise ApiError(
            400,
            "VaultNameNotValid",
            f"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric "
            "characters. The name must begin with a letter, end with a letter or digit, and not "
            "contain consecutive hyphens.",
        )


def check_secret_name(name: str) -> None:
    """Refuse what is no name of a secret."""
    if not _NAME.fullmatch(name):
        raise invalid_parameter(
            "secretName", f"'{name}' is not 1 to 127 letters, digits and hyphens."
        )


def _secret(name: str, body: Json, now: Secret | None) -> Secret:
    """The secret that a PUT asks for. No message may repeat the value."""
    only(body, ("properties", "tags"), f"a secret of {VAULTS}")
    properties = part(body, "properties")
    only(properties, ("value", "contentType", "attributes"), "a secret's properties")
    value = text(properties, "value")
    if len(value.encode()) > _LARGEST:
        raise invalid_parameter("value", f"A secret's value has {_LARGEST} bytes at most.")
    content_type = properties.get("contentType", "")
    if not isinstance(content_type, str) or len(content_type) > _LONGEST_CONTENT_TYPE:
        raise invalid_content(f"'contentType' must be 0 to {_LONGEST_CONTENT_TYPE} characters")
    return Secret(
        name=name if now is None else now.name,
        value=value,
        content_type=content_type,
        attributes=_attributes(as_object(properties.get("attributes", {}), "attributes")),
        created=int(time.time()) if now is None else now.created,
        tags=tags(body),
    )


def _attributes(given: Json) -> dict[str, bool | int]:
    only(given, ("enabled", "nbf", "exp"), "a secret's attributes")
    attributes: dict[str, bool | int] = {"enabled": flag(given, "enabled", default=True)}
    for name in ("nbf", "exp"):
        if name not in given:
            continue
        if not isinstance(given[name], int) or isinstance(given[name], bool):
            raise invalid_content(f"'{name}' must be a whole number of seconds")
        attributes[name] = given[name]
    return attributes
