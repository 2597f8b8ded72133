"""Secrets of a Key Vault: Microsoft's client, raw requests, the stand-in plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pulumi_azure_native.keyvault as sdk
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.models import SecretCreateOrUpdateParameters, SecretProperties
from azure_clients import management_client
from azure_support import GROUP, SUBSCRIPTION, Answer, Json, call, code_of, plugin_of

from azure_postgres_rehearsal.azure_api import ApiError, EmulatedAzure, Vault
from azure_postgres_rehearsal.azure_api.resource_types import KEY_VAULT_VERSIONS
from azure_postgres_rehearsal.plugins.azure_native import AzureNative, kinds
from azure_postgres_rehearsal.plugins.protocol import ProviderError, ResourceType

VALUE = "correct horse battery staple"
VAULTS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.KeyVault/vaults"
VAULT = f"{VAULTS}/kv-cdc"
SECRET = f"{VAULT}/secrets/streamkap-password"
URI = "https://kv-cdc.vault.azure.net/secrets/streamkap-password"
VERSION = "2024-11-01"


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        yield emulated


@pytest.fixture
def vault(azure: EmulatedAzure) -> Vault:
    return azure.add_vault(GROUP, "kv-cdc")


@pytest.fixture
def resource(
    azure: EmulatedAzure,
    vault: Vault,  # noqa: ARG001 - it has to be there
    monkeypatch: pytest.MonkeyPatch,
) -> ResourceType:
    return plugin_of(azure, monkeypatch).resource("azure-native:keyvault:Secret")


def secret(value: object = VALUE, **given: object) -> Json:
    return {"properties": {"value": value, **given}}


def put(azure: EmulatedAzure, body: Json, path: str = SECRET) -> Answer:
    return call(azure, "PUT", path, body, VERSION)


def get(azure: EmulatedAzure, path: str = SECRET) -> Answer:
    return call(azure, "GET", path, version=VERSION)


def inputs(value: str = VALUE, **given: object) -> Json:
    return {
        "resourceGroupName": GROUP,
        "vaultName": "kv-cdc",
        "secretName": "streamkap-password",
        "properties": {"value": value, "contentType": "text/plain", **given},
    }


class TestMicrosoftsClient:
    def test_a_secret_is_written_and_never_read_back(
        self, azure: EmulatedAzure, vault: Vault
    ) -> None:
        with management_client(KeyVaultManagementClient, azure) as client:
            wanted = SecretCreateOrUpdateParameters(
                properties=SecretProperties(value=VALUE, content_type="text/plain")
            )
            secrets = client.secrets
            made = secrets.create_or_update(GROUP, "kv-cdc", "streamkap-password", wanted)
            assert made.properties.value is None
            assert made.properties.secret_uri == URI
            assert made.properties.secret_uri_with_version == (
                f"{URI}/{vault.version('streamkap-password')}"
            )
            found = secrets.get(GROUP, "kv-cdc", "streamkap-password")
            assert found.properties.value is None
            assert found.properties.content_type == "text/plain"
            assert [one.name for one in secrets.list(GROUP, "kv-cdc")] == ["streamkap-password"]
            with pytest.raises(ResourceNotFoundError):
                secrets.get(GROUP, "kv-cdc", "other")
        assert vault.value("streamkap-password") == VALUE


class TestRequests:
    def test_every_write_is_another_version(self, azure: EmulatedAzure, vault: Vault) -> None:
        first = put(azure, secret() | {"tags": {"a": "b"}})
        again = put(azure, secret("other", attributes={"enabled": False, "exp": 4102444800}))
        assert (first[0], again[0]) == (201, 200)
        assert vault.value("streamkap-password") == "other"
        for answer in (first, again):
            assert answer[2]["id"] == SECRET
            assert answer[2]["type"] == "Microsoft.KeyVault/vaults/secrets"
        versions = [answer[2]["properties"]["secretUriWithVersion"] for answer in (first, again)]
        assert versions[0] != versions[1]
        attributes = again[2]["properties"]["attributes"]
        assert (attributes["enabled"], attributes["exp"]) == (False, 4102444800)
        assert again[2]["tags"] == {}

    def test_the_value_is_in_no_answer_and_not_in_the_journal(
        self, azure: EmulatedAzure, vault: Vault
    ) -> None:
        put(azure, secret())
        refused = put(azure, secret(name="x"))
        shown = [get(azure), get(azure, f"{VAULT}/secrets"), refused, azure.journal.as_json()]
        assert VALUE not in json.dumps(shown)
        assert VALUE not in repr(vars(azure)) + repr(vars(vault))
        assert [o.detail for o in azure.journal.of_kind("key-vault-write")] == [
            "kv-cdc/streamkap-password"
        ]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (secret(""), "InvalidParameterValue"),
            ({"properties": {}}, "InvalidParameterValue"),
            (secret(1), "InvalidRequestContent"),
            (secret("x" * 25601), "InvalidParameterValue"),
            (secret(contentType="x" * 256), "InvalidRequestContent"),
            (secret(attributes={"enabled": "yes"}), "InvalidRequestContent"),
            (secret(attributes={"exp": "tomorrow"}), "InvalidRequestContent"),
            (secret(attributes={"created": 1}), "NotSupportedByRehearsal"),
            (secret() | {"location": "westeurope"}, "NotSupportedByRehearsal"),
        ],
    )
    @pytest.mark.usefixtures("vault")
    def test_what_azure_does_not_take(self, azure: EmulatedAzure, body: Json, code: str) -> None:
        assert code_of(put(azure, body)) == (400, code)
        assert get(azure)[0] == 404

    @pytest.mark.parametrize("name", ["a_b", "a.b", "n" * 128, "b%C3%BC"])
    @pytest.mark.usefixtures("vault")
    def test_names(self, azure: EmulatedAzure, name: str) -> None:
        answer = put(azure, secret(), f"{VAULT}/secrets/{name}")
        assert code_of(answer) == (400, "InvalidParameterValue")

    def test_the_vault_has_to_be_there(self, azure: EmulatedAzure, vault: Vault) -> None:
        answer = put(azure, secret(), SECRET.replace("kv-cdc", "kv-none"))
        assert code_of(answer) == (404, "ParentResourceNotFound")
        assert f"'{VAULTS}/kv-none' could not be found" in answer[2]["error"]["message"]
        elsewhere = put(azure, secret(), SECRET.replace(GROUP, "rg-none"))
        assert code_of(elsewhere) == (404, "ResourceGroupNotFound")
        assert vault.names == []

    @pytest.mark.usefixtures("vault")
    def test_the_management_api_deletes_no_secret(self, azure: EmulatedAzure) -> None:
        answer = call(azure, "DELETE", SECRET, version=VERSION)
        assert code_of(answer) == (405, "MethodNotAllowed")

    @pytest.mark.usefixtures("vault")
    def test_api_versions(self, azure: EmulatedAzure) -> None:
        answer = call(azure, "GET", SECRET, version="2024-05-01")
        assert code_of(answer) == (400, "NoRegisteredProviderFound")
        assert kinds.SECRET.default_version in KEY_VAULT_VERSIONS

    @pytest.mark.parametrize("name", ["kv", "1kv", "kv--a", "kv-", "k" * 25, "kv_a"])
    def test_names_of_vaults(self, azure: EmulatedAzure, name: str) -> None:
        with pytest.raises(ApiError, match="VaultNameNotValid"):
            azure.add_vault(GROUP, name)

    @pytest.mark.usefixtures("vault")
    def test_a_vaults_name_is_taken_everywhere(self, azure: EmulatedAzure) -> None:
        with pytest.raises(ApiError, match="VaultAlreadyExists"):
            azure.add_vault("rg-other", "KV-cdc")


class TestPlugin:
    def test_the_inputs_are_the_sdks(self) -> None:
        outputs = {
            cast(Any, member).fget._pulumi_name
            for member in vars(sdk.Secret).values()
            if isinstance(member, property)
        }
        kind = kinds.SECRET
        assert outputs == {*kind.outer, *kind.outputs, "azureApiVersion"}

    def test_its_life(self, resource: ResourceType, vault: Vault) -> None:
        wanted, failures = resource.check({}, inputs())
        assert failures == []
        resource_id, outputs = resource.create(wanted)
        assert resource_id == SECRET
        assert vault.value("streamkap-password") == VALUE
        assert outputs["properties"]["secretUri"] == URI
        assert VALUE not in json.dumps(outputs)
        assert resource.read(resource_id, wanted, outputs) == (resource_id, wanted, outputs)

        after = resource.update(resource_id, outputs, inputs("other"))
        assert vault.value("streamkap-password") == "other"
        assert (
            after["properties"]["secretUriWithVersion"]
            != (outputs["properties"]["secretUriWithVersion"])
        )
        with pytest.raises(ProviderError, match="cannot create already existing resource"):
            resource.create(wanted)

    def test_a_refresh_keeps_the_value_it_cannot_see(
        self, resource: ResourceType, azure: EmulatedAzure
    ) -> None:
        wanted = inputs()
        resource_id, outputs = resource.create(wanted)
        put(azure, secret("somebody else's", contentType="text/html"))
        found = resource.read(resource_id, wanted, outputs)
        assert found is not None
        assert found[1] == inputs(contentType="text/html")
        imported = resource.read(resource_id, {}, {})
        assert imported is not None
        assert imported[1]["properties"] == {
            "contentType": "text/html",
            "attributes": {"enabled": True},
        }

    def test_deleting_it_keeps_its_name(
        self, resource: ResourceType, azure: EmulatedAzure, vault: Vault
    ) -> None:
        """The real plugin asks the vault to delete it, and a vault keeps what is deleted."""
        resource_id, outputs = resource.create(inputs())
        resource.delete(resource_id, outputs)
        resource.delete(resource_id, outputs)
        assert vault.names == []
        assert resource.read(resource_id, inputs(), outputs) is None
        with pytest.raises(ProviderError, match=r'=409 Code="Conflict".*deleted but recoverable'):
            resource.create(inputs())
        assert len(azure.journal.of_kind("key-vault-delete")) == 1

    def test_look_up(self, azure: EmulatedAzure, vault: Vault, monkeypatch: Any) -> None:
        put(azure, secret())
        plugin: AzureNative = plugin_of(azure, monkeypatch)
        names = {name: inputs()[name] for name in ("resourceGroupName", "vaultName", "secretName")}
        found = plugin.invoke("azure-native:keyvault/v20230701:getSecret", names)
        assert found["properties"]["secretUri"] == f"{vault.uri}secrets/streamkap-password"
