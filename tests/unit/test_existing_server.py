"""A server that is there already: looked up, and of its own settings only auto-grow is touched."""

from __future__ import annotations

import pytest
from tests.unit.fake_azure import PATH, ROOT, FakeAzure, server
from tests.unit.program import SUBSCRIPTION

from azure_postgres_cdc.azure.existing_server import ExistingServerProvider
from azure_postgres_cdc.azure.storage import StorageAutoGrowProvider
from azure_postgres_cdc.dynamic import Props

existing = ExistingServerProvider()
storage = StorageAutoGrowProvider()

NAMED = {"subscription": SUBSCRIPTION, "resourceGroup": "rg-cdc", "serverName": "cdc-1"}
STORAGE = {"serverId": PATH}


def found(provider: StorageAutoGrowProvider | ExistingServerProvider, props: Props) -> Props:
    """The inputs as `check` completes them."""
    result = provider.check({}, props)
    assert result.failures == []
    return result.inputs


def refused(**changes: str) -> str:
    (failure,) = existing.check({}, NAMED | changes).failures
    return failure.reason


# The server


def test_server_is_looked_up_and_nothing_is_changed(azure: FakeAzure) -> None:
    outputs = NAMED | {
        "serverId": PATH,
        "host": "cdc-1.postgres.database.azure.com",
        "version": 17,
        "storageGiB": 128,
        "isPrivate": False,
        "failoverSlots": False,
    }
    assert found(existing, NAMED) == outputs
    created = existing.create(outputs)
    assert (created.id, created.outs) == (PATH, outputs)
    existing.delete(PATH, outputs)
    assert azure.asked == ["GET cdc-1"]


def test_what_became_of_it_since_is_seen_at_every_up(azure: FakeAzure) -> None:
    outputs = found(existing, NAMED)
    azure.server.properties["storage"]["storageSizeGB"] = 256
    news = found(existing, NAMED)
    assert news["storageGiB"] == 256
    changed = existing.diff(PATH, outputs, news)
    assert (changed.changes, changed.replaces) == (True, [])


@pytest.mark.parametrize(
    ("network", "is_private"),
    [
        ({"publicNetworkAccess": "Enabled"}, False),
        ({"publicNetworkAccess": "Disabled"}, True),  # with private endpoints alone
        ({"publicNetworkAccess": "Disabled", "delegatedSubnetResourceId": "/subnets/a"}, True),
    ],
)
def test_server_without_public_access_is_private(
    azure: FakeAzure, network: dict[str, str], is_private: bool
) -> None:
    azure.server.properties["network"] = network
    assert found(existing, NAMED)["isPrivate"] is is_private


def test_another_name_is_another_server(azure: FakeAzure) -> None:
    outputs = found(existing, NAMED)
    azure.servers["cdc-2"] = server()
    news = found(existing, NAMED | {"serverName": "cdc-2"})
    assert news["serverId"] == f"{ROOT}cdc-2"
    assert existing.diff(PATH, outputs, news).replaces == ["serverName"]


def test_server_that_is_not_there_is_one_line(azure: FakeAzure) -> None:
    azure.servers.clear()
    assert refused() == (
        "cannot look at server cdc-1 in resource group rg-cdc: ResourceNotFound: The Resource "
        "'cdc-1' was not found. Remedy: check server.name and server.resourceGroup, and the "
        "subscription"
    )


def test_name_in_upper_case_is_refused(azure: FakeAzure) -> None:
    """Azure would find it."""
    assert refused(serverName="CDC-1") == (
        "server.name is 'CDC-1', and the names of servers have no upper-case letters (Azure's "
        "rule). Remedy: write cdc-1"
    )
    assert azure.asked == []


def test_replica_and_stopped_server_are_refused(azure: FakeAzure) -> None:
    azure.server.properties["state"] = "Stopped"
    assert refused().startswith("server cdc-1 is Stopped, and takes no change. ")
    azure.server.properties["sourceServerResourceId"] = f"{ROOT}primary"
    assert refused().startswith("server cdc-1 is a read replica of primary, ")


# Its storage


def test_auto_grow_is_turned_on_once(azure: FakeAzure) -> None:
    news = found(storage, STORAGE)
    assert news["isOff"] is True
    outputs = storage.create(news).outs
    assert outputs == STORAGE | {"isOff": False}
    storage.create(news)
    assert azure.changes == ["PATCH cdc-1"]
    assert azure.server.properties["storage"]["autoGrow"] == "Enabled"
    assert storage.diff("", outputs, found(storage, STORAGE)).changes is False


def test_auto_grow_that_somebody_turned_off_is_turned_on_again(azure: FakeAzure) -> None:
    outputs = storage.create(STORAGE).outs
    assert outputs is not None
    azure.server.properties["storage"]["autoGrow"] = "Disabled"
    news = found(storage, STORAGE)
    assert storage.diff("", outputs, news).changes is True
    read = storage.read("id", outputs)
    assert (read.id, read.outs) == ("id", STORAGE | {"isOff": True})
    assert storage.update("", outputs, news).outs == STORAGE | {"isOff": False}
    assert azure.server.properties["storage"]["autoGrow"] == "Enabled"


@pytest.mark.parametrize("kind", ["PremiumV2_LRS", "UltraSSD_LRS"])
def test_storage_that_cannot_grow_is_warned_of(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    azure.server.properties["storage"] = {"storageSizeGB": 128, "type": kind}
    assert found(storage, STORAGE)["isOff"] is False
    assert capsys.readouterr().err == (
        "warning: storage auto-grow works on Premium SSD only, and this server's storage is "
        f"{kind}: watch storage_percent and storage_free (alerts)\n"
    )
    storage.create(STORAGE)
    assert azure.changes == []


def test_deleting_leaves_auto_grow_on(azure: FakeAzure) -> None:
    created = storage.create(STORAGE)
    assert created.id == f"{PATH}/storage/autoGrow"
    storage.delete("", STORAGE)
    assert azure.server.properties["storage"]["autoGrow"] == "Enabled"
