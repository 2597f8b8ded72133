"""Servers that are made, changed, refreshed and removed through the stand-in for azure-native."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure_support import GROUP, SUBSCRIPTION, Json, client_of, plugin_of

from azure_postgres_rehearsal.azure_api import EmbeddedFactory, EmulatedAzure
from azure_postgres_rehearsal.plugins.protocol import ProviderError, ResourceType

NAME = "cdc-plugin"
PASSWORD = "Correct-horse-1"
GIVEN: Json = {
    "resourceGroupName": GROUP,
    "serverName": NAME,
    "sku": {"name": "Standard_B1ms", "tier": "Burstable"},
    "tags": {"owner": "data"},
    "version": "17",
    "administratorLogin": "cdc_admin",
    "administratorLoginPassword": PASSWORD,
}


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    factory = EmbeddedFactory()
    with EmulatedAzure(SUBSCRIPTION, resource_groups=[GROUP], postgres_factory=factory) as emulated:
        yield emulated


@pytest.fixture
def resource(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> ResourceType:
    plugin = plugin_of(azure, monkeypatch, location="westeurope")
    return plugin.resource("azure-native:dbforpostgresql:Server")


def test_the_life_of_a_server(azure: EmulatedAzure, resource: ResourceType) -> None:
    assert resource.secret_outputs == {"administratorLoginPassword"}
    inputs, failures = resource.check({}, GIVEN)
    assert failures == []
    assert inputs["location"] == "westeurope"
    azure.behaviour.write_seconds = 0.1
    resource_id, outputs = resource.create(inputs)
    azure.behaviour.write_seconds = 0
    assert resource_id == (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
        f"/providers/Microsoft.DBforPostgreSQL/flexibleServers/{NAME}"
    )
    assert PASSWORD not in str(outputs)
    assert resource.read(resource_id, inputs, outputs) == (resource_id, inputs, outputs)
    with pytest.raises(ProviderError, match="cannot create already existing resource"):
        resource.create(inputs)

    bigger = inputs | {"storage": {"storageSizeGB": 64}, "location": "West Europe"}
    assert resource.diff(resource_id, inputs, outputs, bigger).changed == ["storage"]
    assert resource.update(resource_id, outputs, bigger)["storage"]["storageSizeGB"] == 64

    imported = resource.read(resource_id, {}, {})
    assert imported is not None
    assert imported[1]["highAvailability"] == {"mode": "Disabled"}
    assert "state" not in imported[1]

    postgres = azure.servers[-1].postgres
    resource.delete(resource_id, outputs)
    resource.delete(resource_id, outputs)
    assert resource.read(resource_id, inputs, outputs) is None
    assert not postgres.data_dir.exists()
    with client_of(azure) as client, pytest.raises(ResourceNotFoundError):
        client.servers.get(GROUP, NAME)


def test_what_replaces_a_server_and_what_a_refresh_follows(
    azure: EmulatedAzure, resource: ResourceType
) -> None:
    inputs, _ = resource.check({}, GIVEN | {"storage": {"storageSizeGB": 64}})
    resource_id, outputs = resource.create(inputs)
    for name in ("serverName", "location", "administratorLogin"):
        diff = resource.diff(resource_id, inputs, outputs, inputs | {name: "other"})
        assert diff.replaces == [name]
    # A part that is fixed, and an input that is new and says what Azure has.
    backed_up = inputs | {"backup": {"geoRedundantBackup": "Enabled"}}
    diff = resource.diff(resource_id, inputs, outputs, backed_up)
    assert (diff.changed, diff.replaces) == (["backup"], ["backup.geoRedundantBackup"])
    for zone, replaces in (("1", []), ("2", ["availabilityZone"])):
        diff = resource.diff(resource_id, inputs, outputs, inputs | {"availabilityZone": zone})
        assert (diff.changed, diff.replaces) == (["availabilityZone"], replaces)

    # A refresh follows what Azure has changed, whether or not the program gave it.
    server = azure.servers[-1]
    grown = replace(server.definition.storage, size_gb=256)
    server.definition = replace(server.definition, storage=grown, availability_zone="2")
    with pytest.raises(ProviderError, match="Disk size '65536' cannot be less than current"):
        resource.update(resource_id, outputs, inputs | {"tags": {"owner": "platform"}})
    found = resource.read(resource_id, inputs, outputs)
    assert found is not None
    assert found[1] == inputs | {
        "availabilityZone": "2",
        "storage": {"storageSizeGB": 256, "tier": "P15", "iops": 1100},
    }
    # The region is the state's, even where the configuration has another one by now.
    assert resource.check(inputs | {"location": "eastus"}, GIVEN)[0]["location"] == "eastus"
