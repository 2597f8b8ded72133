"""The paths of Key Vault's secrets in the management API, and deleting one in the vault's own.

The management API can't delete a secret, so that clients ask the vault itself for that. In a
rehearsal the path `secrets/NAME` of a vault is `/_rehearsal/vaults/VAULT/secrets/NAME` here.
"""

from __future__ import annotations

from typing import Protocol

from flask import Response

from azure_postgres_rehearsal.azure_api.errors import ApiError, not_found
from azure_postgres_rehearsal.azure_api.key_vault import Vault, check_secret_name
from azure_postgres_rehearsal.azure_api.operations import (
    KEY_VAULT_DELETE,
    KEY_VAULT_WRITE,
    Journal,
)
from azure_postgres_rehearsal.azure_api.resource_ids import no_parent
from azure_postgres_rehearsal.azure_api.resource_types import VAULT_SECRETS, VAULTS
from azure_postgres_rehearsal.azure_api.responses import (
    GROUP,
    Names,
    Routes,
    as_response,
    body,
    listed,
)

_SECRETS = f"{GROUP}/providers/{VAULTS}/{{vault}}/secrets"


class Cloud(Protocol):
    """Where the vaults are."""

    subscription_id: str
    location: str
    journal: Journal

    def check_resource_group(self, group: str) -> None:
        """Refuse a resource group that is not there."""


class KeyVaultRoutes:
    """Keeps the vaults. The emulator makes none: one is added before it is written to."""

    def __init__(self, azure: Cloud) -> None:
        self._azure = azure
        self._vaults: dict[str, Vault] = {}

    @property
    def routes(self) -> Routes:
        """Path and method to what answers them."""
        return {
            _SECRETS: {"GET": lambda names: listed(self._vault(names).as_list())},
            _SECRETS + "/{secret}": {"GET": self._get, "PUT": self._put},
        }

    @property
    def vault_routes(self) -> Routes:
        """Path and method to what answers them, for the vaults' own API."""
        return {"/_rehearsal/vaults/{vault}/secrets/{secret}": {"DELETE": self._delete}}

    def add(self, group: str, name: str) -> Vault:
        """Have a vault; its name is the only one of its kind in all of Azure."""
        vault = Vault(self._id(group, name), self._azure.location)
        if any(vault.name.lower() == other.name.lower() for other in self._vaults.values()):
            raise ApiError(409, "VaultAlreadyExists", f"The vault name '{name}' is already in use.")
        self._vaults[vault.id.lower()] = vault
        return vault

    def _get(self, names: Names) -> Response:
        vault = self._vault(names)
        check_secret_name(names["secret"])
        shown = vault.as_json(names["secret"])
        if shown is None:
            raise not_found(f"{VAULTS}/{vault.name}/secrets/{names['secret']}", names["group"])
        return as_response(shown)

    def _put(self, names: Names) -> Response:
        vault = self._vault(names)
        is_new = vault.write(names["secret"], body())
        self._azure.journal.ended(KEY_VAULT_WRITE, f"{vault.name}/{names['secret']}")
        shown = vault.as_json(names["secret"])
        return as_response(shown or {}, 201 if is_new else 200)

    def _delete(self, names: Names) -> Response:
        name = names["vault"].lower()
        vault = next((v for v in self._vaults.values() if v.name.lower() == name), None)
        if vault is None or not vault.delete(names["secret"]):
            raise ApiError(
                404,
                "SecretNotFound",
                f"A secret with (name/id) {names['secret']} was not found in this key vault.",
            )
        self._azure.journal.ended(KEY_VAULT_DELETE, f"{vault.name}/{names['secret']}")
        return as_response({"id": f"{vault.uri}deletedsecrets/{names['secret']}"})

    def _vault(self, names: Names) -> Vault:
        self._azure.check_resource_group(names["group"])
        vault_id = self._id(names["group"], names["vault"])
        vault = self._vaults.get(vault_id.lower())
        if vault is None:
            raise no_parent(VAULT_SECRETS, vault_id)
        return vault

    def _id(self, group: str, name: str) -> str:
        subscription = f"/subscriptions/{self._azure.subscription_id}"
        return f"{subscription}/resourceGroups/{group}/providers/{VAULTS}/{name}"
