"""Standbys and read replicas, as far as they are the state of a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.mgmt.postgresqlflexibleservers.models import RestartParameter
from azure_support import GROUP, NAME, SUBSCRIPTION, call, client_of, code_of, plugin_of

from azure_postgres_rehearsal.azure_api import ApiError, EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

BURSTABLE = {"name": "Standard_B1ms", "tier": "Burstable"}


@pytest.fixture(scope="module")
def replica_postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17) as server:
        yield server


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> FlexibleServer:
    return azure.add_server(GROUP, NAME, postgres, high_availability="ZoneRedundant")


@pytest.fixture
def replica(
    azure: EmulatedAzure, server: FlexibleServer, replica_postgres: EmbeddedPostgres
) -> FlexibleServer:
    return azure.add_server("rg-reports", "cdc-replica", replica_postgres, replica_of=server)


@pytest.mark.usefixtures("server")
def test_a_failover_needs_a_standby(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> None:
    failover = RestartParameter(restart_with_failover=True, failover_mode="ForcedFailover")
    with client_of(azure) as client:
        found = client.servers.get(GROUP, NAME).properties
        assert found is not None
        assert found.high_availability is not None
        assert (found.high_availability.mode, found.high_availability.state) == (
            "ZoneRedundant",
            "Healthy",
        )
        with postgres.superuser() as connection:
            before = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
        client.servers.begin_restart(GROUP, NAME, failover).result()
    with postgres.superuser() as connection:
        assert connection.execute("SELECT pg_postmaster_start_time()").fetchone() != before
    assert [o.detail for o in azure.journal.of_kind("restart")] == ["ForcedFailover"]

    azure.add_server(GROUP, "cdc-single", postgres)
    answer = call(
        azure,
        "POST",
        azure.servers[1].id + "/restart",
        {"restartWithFailover": True, "failoverMode": "ForcedFailover"},
    )
    assert answer[0] == 400
    assert "needs high availability" in answer[2]["error"]["message"]


def test_replicas_are_listed(
    azure: EmulatedAzure, server: FlexibleServer, replica: FlexibleServer
) -> None:
    with client_of(azure) as client:
        found = list(client.replicas.list_by_server(GROUP, NAME))
        assert [one.id for one in found] == [replica.id]
        about = found[0].properties
        assert about is not None
        assert about.replication_role == "AsyncReplica"
        assert about.source_server_resource_id == server.id
        assert about.replica is not None
        assert about.replica.replication_state == "Active"
        assert list(client.replicas.list_by_server("rg-reports", replica.name)) == []
        primary = client.servers.get(GROUP, NAME).properties
        assert primary is not None
        assert (primary.replication_role, primary.replica_capacity) == ("Primary", 5)


def test_a_replica_is_restarted_and_set_by_itself(
    azure: EmulatedAzure, server: FlexibleServer, replica: FlexibleServer
) -> None:
    body = {"properties": {"value": "on", "source": "user-override"}}
    path = f"{replica.id}/configurations/hot_standby_feedback"
    assert call(azure, "PUT", path, body)[0] == 202
    assert call(azure, "POST", f"{replica.id}/restart")[0] == 202
    name = "hot_standby_feedback"
    assert replica.configuration(name)["properties"]["value"] == "on"
    assert server.configuration(name)["properties"]["value"] == "off"


def test_a_replica_has_the_sources_databases_and_no_standby(
    azure: EmulatedAzure, replica: FlexibleServer
) -> None:
    answer = call(azure, "PUT", f"{replica.id}/databases/orders", {"properties": {}})
    assert code_of(answer) == (400, "ReadOnlyReplica")
    body = {"location": "westeurope", "properties": {"highAvailability": {"mode": "SameZone"}}}
    assert code_of(call(azure, "PUT", replica.id, body)) == (400, "InvalidParameterValue")


def test_the_source_goes_last(
    azure: EmulatedAzure, server: FlexibleServer, replica: FlexibleServer
) -> None:
    assert code_of(call(azure, "DELETE", server.id)) == (409, "ServerHasReadReplicas")
    for gone in (replica, server):
        assert call(azure, "DELETE", gone.id)[0] == 202
    assert azure.servers == []


def test_what_can_not_be_replicated(
    azure: EmulatedAzure, replica: FlexibleServer, postgres: EmbeddedPostgres
) -> None:
    small = azure.add_server(GROUP, "cdc-small", postgres, sku=BURSTABLE)
    for source in (replica, small):
        with pytest.raises(ApiError, match="sourceServerResourceId"):
            azure.add_server(GROUP, "cdc-more", postgres, replica_of=source)
    with pytest.raises(ApiError, match="Burstable"):
        azure.add_server(GROUP, "cdc-more", postgres, sku=BURSTABLE, high_availability="SameZone")
    with pytest.raises(ApiError, match="Disabled, SameZone, ZoneRedundant"):
        azure.add_server(GROUP, "cdc-more", postgres, high_availability="Zone")


def test_through_the_plugin(
    azure: EmulatedAzure, replica: FlexibleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = plugin_of(azure, monkeypatch)
    found = plugin.invoke(
        "azure-native:dbforpostgresql:getServer",
        {"resourceGroupName": "rg-reports", "serverName": replica.name},
    )
    assert found["replicationRole"] == "AsyncReplica"
    imported = plugin.resource("azure-native:dbforpostgresql:Server").read(replica.id, {}, {})
    assert imported is not None
    assert imported[1]["replica"] == {"role": "AsyncReplica"}
