"""The connectors' passwords, put where their operators may fetch them: an Azure Key Vault."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import pulumi

from azure_postgres_cdc.adoption import Adoption

if TYPE_CHECKING:
    # Elsewhere imported where it is used: a run that manages no server does without.
    from pulumi_azure_native import keyvault

_VAULT = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/([^/]+)/providers/Microsoft\.KeyVault/vaults/([^/]+)",
    re.IGNORECASE,
)


def vault_faults(vault: str, users: Iterable[str]) -> Iterator[str]:
    """What is wrong with a vault's resource id, or with users whose secrets would have one name."""
    if not _VAULT.fullmatch(vault):
        yield f"keyVault {vault!r} is no resource id of a Key Vault"
    known: dict[str, str] = {}
    for user in sorted(users):
        other = known.setdefault(_secret_name("", user).lower(), user)
        if other != user:
            yield f"keyVault: users {other} and {user} would have one secret: rename one of them"


def password_secrets(
    prefix: str,
    vault: str,
    passwords: Mapping[str, pulumi.Input[str]],
    parent: pulumi.Resource,
    adoption: Adoption,
) -> dict[str, keyvault.Secret]:
    """Declare a secret for each login user: `<prefix>-<user>`, with hyphens for what else is in it.

    A deleted secret's name stays taken for the vault's retention time, until it is purged.
    """
    from pulumi_azure_native import keyvault

    match = _VAULT.fullmatch(vault)
    group, name = (match[1], match[2]) if match else ("", "")
    return {
        user: keyvault.Secret(
            f"{prefix}-password-{user}",
            secret_name=_secret_name(prefix, user),
            vault_name=name,
            resource_group_name=group,
            properties={"value": pulumi.Output.secret(password), "content_type": "text/plain"},
            opts=adoption.azure(pulumi.ResourceOptions(parent=parent), "vaultName", "secretName"),
        )
        for user, password in sorted(passwords.items())
    }


def _secret_name(prefix: str, user: str) -> str:
    """Azure takes letters, digits and hyphens."""
    return re.sub("[^0-9A-Za-z-]", "-", f"{prefix}-{user}")
