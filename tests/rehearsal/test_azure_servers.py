"""Servers that are made, changed and removed through the emulated management API."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.postgresqlflexibleservers.models import Server, ServerProperties, Sku, Storage
from azure_support import (
    GROUP,
    NAME,
    SUBSCRIPTION,
    Answer,
    Json,
    call,
    client_of,
    code_of,
    until,
)

from azure_postgres_rehearsal.azure_api import EmbeddedFactory, EmulatedAzure
from azure_postgres_rehearsal.azure_api.offer import sku_names
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.server_request import change, creation
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

PASSWORD = "Correct-horse-1"
NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network"
SUBNET = f"{NETWORK}/virtualNetworks/v/subnets/pg"
DNS_ZONE = f"{NETWORK}/privateDnsZones/z.postgres.database.azure.com"
GENERAL = {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}
BURSTABLE = {"name": "Standard_B1ms", "tier": "Burstable"}


def path_of(name: str = NAME, group: str = GROUP) -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
        f"/providers/Microsoft.DBforPostgreSQL/flexibleServers/{name}"
    )


def body(sku: object = GENERAL, location: str = "West Europe", **properties: object) -> Json:
    given = {
        "version": "17",
        "administratorLogin": "cdc_admin",
        "administratorLoginPassword": PASSWORD,
        **properties,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    return {"location": location, "sku": sku, "properties": wanted}


class TestRequests:
    """What a PUT may ask for; nothing has to be made for that."""

    @pytest.mark.parametrize(
        "wrong",
        [
            body(version=None),
            body(version="10"),
            body(version="19"),
            body(version=17),
            body(administratorLogin=None),
            body(administratorLogin="azure_superuser"),
            body(administratorLogin="Administrator"),
            body(administratorLogin="pg_cdc"),
            body(administratorLogin="1st"),
            body(administratorLogin="a" * 64),
            body(administratorLoginPassword=None),
            body(administratorLoginPassword="short-1"),
            body(administratorLoginPassword="onlylowercase"),
            body(administratorLoginPassword="Cdc_admin-1"),
            body(administratorLoginPassword="Aa1" * 50),
            body(storage={"storageSizeGB": 31}),
            body(storage={"storageSizeGB": 100}),
            body(storage={"storageSizeGB": 65536}),
            body(storage={"storageSizeGB": "128"}),
            body(storage={"autoGrow": "On"}),
            body(storage={"storageSizeGB": 128, "tier": "P6"}),
            body(storage={"type": "PremiumV2_LRS", "storageSizeGB": 100}),
            body(storage={"type": "Standard_LRS"}),
            body(highAvailability={"mode": "Zone"}),
            body(highAvailability={"mode": "SameZone", "standbyAvailabilityZone": "2"}),
            body(highAvailability={"mode": "ZoneRedundant", "standbyAvailabilityZone": "1"}),
            body(BURSTABLE, highAvailability={"mode": "SameZone"}),
            body(backup={"backupRetentionDays": 6}),
            body(backup={"backupRetentionDays": 36}),
            body(network={"delegatedSubnetResourceId": SUBNET}),
            body(network={"privateDnsZoneArmResourceId": DNS_ZONE}),
            body(network={"delegatedSubnetResourceId": "pg", "privateDnsZoneArmResourceId": "z"}),
            body(
                network={
                    "publicNetworkAccess": "Enabled",
                    "delegatedSubnetResourceId": SUBNET,
                    "privateDnsZoneArmResourceId": DNS_ZONE,
                }
            ),
            body(authConfig={"passwordAuth": "Disabled"}),
            body(authConfig={"activeDirectoryAuth": "Enabled"}),
            body(createMode="PointInTimeRestore"),
            body(createMode="Replica"),
            body(createMode="Update"),
            body(createMode="Whatever"),
            body(availabilityZone="4"),
            body(cluster={"clusterSize": 2}),
            body(location="Atlantis"),
            body(location=""),
            body({"name": "Standard_D2ds_v5"}),
            body({"name": "Standard_D2ds_v5", "tier": "MemoryOptimized"}),
            body({"name": "Standard_D3ds_v5", "tier": "GeneralPurpose"}),
            body() | {"tags": {"owner": 1}},
            body() | {"identity": {"type": "SystemAssigned"}},
        ],
    )
    def test_what_azure_does_not_take(self, wrong: Json) -> None:
        with pytest.raises(Exception, match=r"^[A-Z]\w+: ") as refused:
            creation(wrong)
        assert type(refused.value).__name__ == "ApiError"
        for secret in (PASSWORD, "Cdc_admin-1"):
            assert secret not in str(refused.value)

    def test_a_whole_one(self) -> None:
        made = creation(
            body(
                storage={"storageSizeGB": 256, "autoGrow": "Enabled", "tier": "P20"},
                highAvailability={"mode": "ZoneRedundant", "standbyAvailabilityZone": "3"},
                backup={"backupRetentionDays": 35, "geoRedundantBackup": "Enabled"},
                network={
                    "delegatedSubnetResourceId": SUBNET,
                    "privateDnsZoneArmResourceId": DNS_ZONE,
                },
                authConfig={"activeDirectoryAuth": "Enabled", "tenantId": SUBSCRIPTION},
                availabilityZone="2",
                createMode="Create",
            )
        ).definition
        assert made.location == "westeurope"
        assert made.properties() == {
            "version": "17",
            "administratorLogin": "cdc_admin",
            "availabilityZone": "2",
            "storage": {
                "type": "Premium_LRS",
                "storageSizeGB": 256,
                "autoGrow": "Enabled",
                "tier": "P20",
                "iops": 2300,
            },
            "authConfig": {
                "activeDirectoryAuth": "Enabled",
                "passwordAuth": "Enabled",
                "tenantId": SUBSCRIPTION,
            },
            "backup": {"backupRetentionDays": 35, "geoRedundantBackup": "Enabled"},
            "highAvailability": {
                "mode": "ZoneRedundant",
                "state": "Healthy",
                "standbyAvailabilityZone": "3",
            },
            "network": {
                "publicNetworkAccess": "Disabled",
                "delegatedSubnetResourceId": SUBNET,
                "privateDnsZoneArmResourceId": DNS_ZONE,
            },
        }

    @pytest.mark.parametrize(
        "wrong",
        [
            body(version="16"),
            body(administratorLogin="somebody"),
            body(location="northeurope"),
            body(storage={"storageSizeGB": 64}),
            body(storage={"type": "PremiumV2_LRS", "iops": 3000, "throughput": 125}),
            body(backup={"geoRedundantBackup": "Enabled"}),
            body(availabilityZone="2"),
            body(
                network={
                    "delegatedSubnetResourceId": SUBNET,
                    "privateDnsZoneArmResourceId": DNS_ZONE,
                }
            ),
            body(administratorLoginPassword="weak"),
        ],
    )
    def test_what_a_server_keeps(self, wrong: Json) -> None:
        now = creation(body(storage={"storageSizeGB": 128})).definition
        with pytest.raises(Exception, match=r"^[A-Z]\w+: "):
            change(wrong, now)

    def test_what_is_left_out_stays_but_for_the_tags(self) -> None:
        whole = body(
            storage={"storageSizeGB": 128, "autoGrow": "Enabled"},
            backup={"backupRetentionDays": 14},
            network={"publicNetworkAccess": "Disabled"},
        )
        now = creation(whole | {"tags": {"owner": "data"}}).definition
        after = change({"location": "westeurope"}, now)
        assert after.changes(now) == ["tags"]
        assert after.definition.tags == {}

    def test_what_the_sdk_fills_in_is_no_wish(self) -> None:
        empty = body(
            availabilityZone="",
            highAvailability={"mode": "ZoneRedundant", "standbyAvailabilityZone": ""},
            authConfig={"passwordAuth": "Enabled", "tenantId": ""},
        )
        now = creation(empty).definition
        assert now.availability_zone == "1"
        assert change(empty, now).changes(now) == ["password"]

    def test_the_sizes_of_a_tier(self) -> None:
        assert "Standard_E20ds_v5" in sku_names("MemoryOptimized")
        assert "Standard_D20ds_v5" not in sku_names("GeneralPurpose")


def at_its_own_address(name: str, postgres: Postgres) -> str:
    assert isinstance(postgres, EmbeddedPostgres)
    return f"{name}.{postgres.host}"


@pytest.fixture(scope="module")
def factory() -> EmbeddedFactory:
    return EmbeddedFactory()


@pytest.fixture(scope="module")
def azure(factory: EmbeddedFactory) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(
        SUBSCRIPTION,
        resource_groups=[GROUP, "rg-other"],
        postgres_factory=factory,
        domain_name=at_its_own_address,
    ) as emulated:
        yield emulated


@pytest.fixture(scope="module")
def made(azure: EmulatedAzure) -> Server:
    wanted = Server(
        location="westeurope",
        sku=Sku(**GENERAL),
        tags={"owner": "data"},
        properties=ServerProperties(
            version="17",
            administrator_login="cdc_admin",
            administrator_login_password=PASSWORD,
            storage=Storage(storage_size_gb=128),
            create_mode="Create",
        ),
    )
    with client_of(azure) as client:
        return client.servers.begin_create_or_update(GROUP, NAME, wanted).result()


@pytest.mark.usefixtures("made")
class TestLife:
    def test_it_is_ready_and_keeps_the_password_to_itself(
        self, azure: EmulatedAzure, made: Server
    ) -> None:
        about = made.properties
        assert about is not None
        assert (about.state, about.version) == ("Ready", "17")
        assert about.fully_qualified_domain_name == f"{NAME}.127.0.0.1"
        assert made.tags == {"owner": "data"}
        assert PASSWORD not in str(call(azure, "GET", path_of()))
        assert azure.journal.of_kind("server-create")[0].detail == "PostgreSQL 17"

    def test_the_administrator_signs_in(self, factory: EmbeddedFactory) -> None:
        with factory.made[0].connect("postgres", "cdc_admin", PASSWORD) as connection:
            row = connection.execute("SELECT current_setting('wal_level')").fetchone()
        assert row == ("replica",)

    def test_a_put_changes_it(self, azure: EmulatedAzure, factory: EmbeddedFactory) -> None:
        other = "Battery-staple-2"
        answer = call(
            azure,
            "PUT",
            path_of(),
            body(
                administratorLoginPassword=other,
                storage={"storageSizeGB": 256, "autoGrow": "Enabled"},
                highAvailability={"mode": "SameZone"},
            ),
        )
        assert answer[0] == 202
        found = call(azure, "GET", path_of())[2]
        assert found["properties"]["storage"]["storageSizeGB"] == 256
        assert found["properties"]["highAvailability"] == {"mode": "SameZone", "state": "Healthy"}
        assert azure.journal.of_kind("server-update")[-1].detail == (
            "storage, high_availability, tags, password"
        )
        with pytest.raises(psycopg.OperationalError):
            factory.made[0].connect("postgres", "cdc_admin", PASSWORD)
        factory.made[0].connect("postgres", "cdc_admin", other).close()

    @pytest.mark.parametrize(
        ("answer_code", "path", "content"),
        [
            ((409, "ServerNameAlreadyExists"), path_of(group="rg-other"), body()),
            ((404, "ResourceGroupNotFound"), path_of(group="rg-none"), body()),
            ((400, "InvalidParameterValue"), path_of("CDC"), body()),
            ((400, "NotSupportedByRehearsal"), path_of("cdc-old"), body(version="11")),
            ((409, "InvalidResourceLocation"), path_of(), body(location="eastus")),
        ],
    )
    def test_refusals(
        self, azure: EmulatedAzure, answer_code: tuple[int, str], path: str, content: Json
    ) -> None:
        assert code_of(call(azure, "PUT", path, content)) == answer_code


def test_without_a_factory_none_is_made() -> None:
    with EmulatedAzure(SUBSCRIPTION, resource_groups=[GROUP]) as azure:
        answer = call(azure, "PUT", path_of(), body())
        assert code_of(answer) == (400, "NotSupportedByRehearsal")
        assert call(azure, "DELETE", path_of())[0] == 204


def test_a_factory_that_fails_fails_the_operation() -> None:
    def broken(major: int, login: str, password: str) -> EmbeddedPostgres:
        raise RuntimeError(f"no {major} for {login} today ({len(password)})")

    with (
        EmulatedAzure(SUBSCRIPTION, resource_groups=[GROUP], postgres_factory=broken) as azure,
        client_of(azure) as client,
    ):
        for _ in range(2):  # the name is free again
            with pytest.raises(HttpResponseError, match="no 17 for cdc_admin today"):
                client.servers.begin_create_or_update(GROUP, NAME, body()).result()  # type: ignore[call-overload]
        assert azure.servers == []


def test_one_name_is_made_once(azure: EmulatedAzure) -> None:
    azure.behaviour.write_seconds = 0.3
    first, second = (call(azure, "PUT", path_of("cdc-twice"), body()) for _ in range(2))
    azure.behaviour.write_seconds = 0
    assert first[0] == 202
    assert code_of(second) == (409, "ServerIsBusy")
    assert code_of(call(azure, "GET", path_of("cdc-twice"))) == (404, "ResourceNotFound")
    until(lambda: any(server.name == "cdc-twice" for server in azure.servers))
    deleted: Answer = call(azure, "DELETE", path_of("cdc-twice"))
    assert deleted[0] == 202
