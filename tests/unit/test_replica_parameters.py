"""Read replicas are raised before their primary: one that has less than it stops replay."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.fake_azure import PATH, FakeAzure, defaults, parameter

from azure_postgres_cdc.azure.parameters import Requirement
from azure_postgres_cdc.azure.server_parameters import ReplicaParametersProvider, demand
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.errors import CdcError

provider = ReplicaParametersProvider()


def asked(*others: Requirement, **rules: Any) -> Props:
    what = demand(1, pglogical=True, others=others, version=None)
    return {"serverId": PATH, **what, "restart": {"mode": "when-needed", **rules}}


def to_write(*others: Requirement) -> dict[str, str]:
    result = provider.check({}, asked(*others))
    assert result.failures == []
    found = result.inputs["toWrite"]
    assert isinstance(found, dict)
    return found


def made(*others: Requirement, **rules: Any) -> Props:
    outputs = provider.create(asked(*others, **rules)).outs
    assert outputs is not None
    return outputs


def test_without_replicas_nothing_is_even_looked_at(azure: FakeAzure) -> None:
    assert to_write() == {}
    assert azure.asked == ["GET cdc-1/replicas"]


def test_failover_without_a_standby_is_refused_before_anything_is_written(
    azure: FakeAzure,
) -> None:
    (failure,) = provider.check({}, asked(failover="planned")).failures
    assert failure.reason == (
        "server.restart.failover is planned, and server cdc-1 has no standby: it is without high "
        "availability. Remedy: take it out, for a plain restart"
    )
    azure.server.properties["highAvailability"] = {"mode": "SameZone"}
    assert provider.check({}, asked(failover="planned")).failures == []
    assert azure.changes == []


def test_replicas_get_what_the_primary_will_have(azure: FakeAzure) -> None:
    for name in ("b", "a"):
        azure.add_replica(name, **defaults())
    senders = Requirement("max_wal_senders", "50")
    assert to_write(senders) == {
        "a: max_wal_senders": "10 -> 50 (after a restart)",
        "a: max_worker_processes": "8 -> 16 (after a restart)",
        "b: max_wal_senders": "10 -> 50 (after a restart)",
        "b: max_worker_processes": "8 -> 16 (after a restart)",
    }
    assert azure.changes == []
    outputs = made(senders)
    assert outputs["toWrite"] == {}
    assert azure.changes == [
        f"{request}"
        for name in ("a", "b")
        for request in (
            f"PATCH {name}/configurations/max_wal_senders",
            f"PATCH {name}/configurations/max_worker_processes",
            f"POST {name}/restart",
        )
    ]
    assert provider.diff("", outputs, provider.check(outputs, asked(senders)).inputs).changes is (
        False
    )


def test_replicas_get_what_the_primary_has_already(azure: FakeAzure) -> None:
    replica = azure.add_replica("a", **defaults())
    azure.server.write("max_worker_processes", "64")
    azure.server.write("max_connections", "1000")
    assert to_write() == {
        "a: max_connections": "859 -> 1000 (after a restart)",
        "a: max_worker_processes": "8 -> 64 (after a restart)",
    }
    made()
    assert replica.value("max_worker_processes") == "64"
    assert azure.server.value("max_worker_processes") == "64"


def test_replica_that_has_more_keeps_it(azure: FakeAzure) -> None:
    more = {"max_worker_processes": parameter("99"), "max_wal_senders": parameter("99")}
    azure.add_replica("a", **more)
    assert to_write() == {}


def test_replica_needs_neither_wal_level_nor_libraries_nor_slots(azure: FakeAzure) -> None:
    """What a primary needs for a slot, a replica does not: its restart is the primary's matter."""
    azure.add_replica("a", **{**defaults(), "max_worker_processes": parameter("16")})
    assert to_write() == {}


def test_replica_is_restarted_by_the_same_rules_but_has_no_standby(azure: FakeAzure) -> None:
    azure.add_replica("a", **defaults())
    made(failover="planned")
    (restart,) = (item for item in azure.requests if item.method == "POST")
    assert not restart.body


def test_replica_that_may_not_be_restarted_stops_up_before_the_primary_is_touched(
    azure: FakeAzure,
) -> None:
    azure.add_replica("a", **defaults())
    with pytest.raises(CdcError) as caught:
        made(mode="never")
    assert str(caught.value) == (
        "server a must be restarted before max_worker_processes can be in effect, and "
        "server.restart is never. A restart ends every connection to the server for about a minute."
        " Remedy: restart it yourself and run pulumi up again, or allow it: server.restart: "
        "when-needed"
    )
    assert all(request.startswith("PATCH a/") for request in azure.changes)


def stopped_half_way(azure: FakeAzure) -> Props:
    """A replica that was raised and not restarted; the state is the one from before."""
    outputs = made()
    azure.add_replica("a", **defaults())
    with pytest.raises(CdcError, match=r"server\.restart is never"):
        provider.update("", outputs, asked(mode="never"))
    azure.requests.clear()
    return outputs


def test_replica_that_still_waits_for_its_restart_is_not_forgotten(azure: FakeAzure) -> None:
    outputs = stopped_half_way(azure)
    news = provider.check(outputs, asked()).inputs
    assert news["toWrite"] == {"a: max_worker_processes": "waits for a restart"}
    assert provider.diff("", outputs, news).changes is True
    provider.update("", outputs, news)
    assert azure.changes == ["POST a/restart"]
    assert to_write() == {}


def test_replica_waits_for_its_restart_in_everything_that_was_raised(azure: FakeAzure) -> None:
    azure.server.write("max_connections", "1000")
    outputs = stopped_half_way(azure)
    news = provider.check(outputs, asked()).inputs
    assert news["toWrite"] == {
        "a: max_connections": "waits for a restart",
        "a: max_worker_processes": "waits for a restart",
    }
    provider.update("", outputs, news)
    assert azure.changes == ["POST a/restart"]


def test_replica_is_not_restarted_for_what_somebody_else_changed_there(azure: FakeAzure) -> None:
    replica = azure.add_replica("a", **defaults())
    made()
    replica.write("max_connections", "2000")
    azure.requests.clear()
    assert to_write() == {}
    made()
    assert azure.changes == []


def test_faults_of_the_primary_come_before_a_replica_is_touched(azure: FakeAzure) -> None:
    azure.add_replica("a", **defaults())
    (failure,) = provider.check({}, asked(Requirement("wokr_mem", "1"))).failures
    assert failure.reason.startswith("server cdc-1: wokr_mem is no parameter of this server. ")
    assert azure.changes == []
