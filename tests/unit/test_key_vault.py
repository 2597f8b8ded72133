"""The connectors' passwords in a Key Vault: its name, theirs, and that they stay secret."""

from __future__ import annotations

import pytest
from tests.unit.program import TWO_USERS, VAULT, Declared, alone, existing, leaves, plain

from azure_postgres_cdc.azure.key_vault import vault_faults


@pytest.mark.parametrize("vault", [VAULT, VAULT.lower(), VAULT.replace("providers", "Providers")])
def test_resource_ids_of_vaults(vault: str) -> None:
    assert list(vault_faults(vault, ["a_b", "c"])) == []


@pytest.mark.parametrize(
    "vault",
    [
        "",
        "kv-cdc",
        "https://kv-cdc.vault.azure.net/",
        f"{VAULT}/secrets/x",
        f"x{VAULT}",
        VAULT.replace("Microsoft.KeyVault", "MicrosoftXKeyVault"),
        VAULT.replace("vaults", "managedHSMs"),
    ],
)
def test_what_is_no_resource_id_of_a_vault(vault: str) -> None:
    assert list(vault_faults(vault, ())) == [f"keyVault {vault!r} is no resource id of a Key Vault"]


@pytest.mark.parametrize("users", [["a_b", "a-b"], ["Loader", "loader"]])
def test_two_users_have_two_secrets(users: list[str]) -> None:
    one, other = sorted(users)
    assert list(vault_faults(VAULT, users)) == [
        f"keyVault: users {one} and {other} would have one secret: rename one of them"
    ]


def secrets(**changes: object) -> list[Declared]:
    return alone(existing(keyVault=VAULT, **changes)).of("Secret")


def test_each_user_has_a_secret_with_its_password() -> None:
    assert [
        (item.name, plain(item.inputs)) for item in sorted(secrets(users=TWO_USERS), key=str)
    ] == [
        (
            f"cdc-password-{user}",
            {
                "resourceGroupName": "rg-vault",
                "vaultName": "kv-cdc",
                "secretName": f"cdc-{user.replace('_', '-')}",
                "properties": {"value": f"generated-for-{user}", "contentType": "text/plain"},
            },
        )
        for user in ("second_user", "streamkap_user")
    ]


@pytest.mark.parametrize("given", [{}, {"connectorPassword": "given-to-all"}])
def test_its_value_is_secret(given: dict[str, str]) -> None:
    (secret,) = secrets(**given)
    found = {place: (value, hidden) for place, value, hidden in leaves(secret.inputs)}
    password = given.get("connectorPassword", "generated-for-streamkap_user")
    assert found["properties", "value"] == (password, True)
    assert found["secretName",] == ("cdc-streamkap-user", False)


def test_name_of_a_secret_has_letters_digits_and_hyphens_only() -> None:
    (secret,) = secrets(users={"Odd user.1$é": ["r"]})
    assert secret.inputs["secretName"] == "cdc-Odd-user-1--"


def test_without_a_vault_there_is_no_secret() -> None:
    assert alone(existing()).of("Secret") == []
