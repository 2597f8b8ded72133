"""Server parameters, written: what a preview shows, what is sent, and what is read back."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.dynamic import CheckResult
from tests.unit.fake_azure import CUT, PATH, ROOT, Answer, FakeAzure, error, parameter, server

from azure_postgres_cdc.azure.parameters import Requirement
from azure_postgres_cdc.azure.server_parameters import ServerParametersProvider, demand
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.errors import CdcError

provider = ServerParametersProvider()

WRITTEN = {
    "wal_level": "replica -> logical (after a restart)",
    "shared_preload_libraries": "pg_cron,pg_stat_statements -> "
    "pg_cron,pg_stat_statements,pglogical (after a restart)",
    "azure.extensions": "empty -> pglogical",
    "max_worker_processes": "8 -> 16 (after a restart)",
}


def asked(*others: Requirement, **changes: Any) -> Props:
    """The inputs as the program gives them."""
    given = {"connectors": 1, "pglogical": True, "version": None, **changes}
    return {"serverId": PATH, **demand(others=others, **given)}


def check(olds: Props | None = None, **changes: Any) -> CheckResult:
    return provider.check(olds or {}, asked(**changes))


def refused(*others: Requirement, **changes: Any) -> str:
    """Why `check` does not let `up` go on."""
    (failure,) = provider.check({}, asked(*others, **changes)).failures
    assert failure.property == ""
    assert "\n" not in failure.reason
    return failure.reason


def made(*others: Requirement, **changes: Any) -> Props:
    outputs = provider.create(asked(*others, **changes)).outs
    assert outputs is not None
    return outputs


# The preview


def test_preview_shows_what_differs_and_changes_nothing(azure: FakeAzure) -> None:
    assert check().inputs["toWrite"] == WRITTEN
    assert azure.changes == []


def test_nothing_is_to_be_done_where_everything_is_enough(azure: FakeAzure) -> None:
    outputs = made()
    azure.requests.clear()
    news = check(outputs).inputs
    assert news["toWrite"] == {}
    # As it comes back from the engine, which drops what is empty
    assert provider.diff("", outputs, news).changes is False
    assert azure.changes == []


def test_what_somebody_took_away_is_set_again_without_a_refresh(azure: FakeAzure) -> None:
    outputs = made()
    azure.server.write("wal_level", "replica")
    news = check(outputs).inputs
    assert news["toWrite"] == {"wal_level": "replica -> logical (after a restart)"}
    assert provider.diff("", outputs, news).changes is True
    updated = provider.update("", outputs, news).outs
    assert updated is not None
    assert updated["toWrite"] == {}
    assert azure.server.value("wal_level") == "logical"


def test_refresh_sees_it_too(azure: FakeAzure) -> None:
    outputs = made()
    azure.server.write("max_worker_processes", "4")
    read = provider.read("id", outputs)
    assert read.id == "id"
    assert read.outs is not None
    assert read.outs["toWrite"] == {"max_worker_processes": "4 -> 16 (after a restart)"}


# Writing


def test_only_what_differs_is_written_one_after_the_other(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.server.write("max_worker_processes", "32")
    outputs = made()
    assert azure.changes == [
        f"PATCH cdc-1/configurations/{name}"
        for name in ("wal_level", "shared_preload_libraries", "azure.extensions")
    ]
    assert (
        azure.server.values
        | {
            "wal_level": "logical",
            "shared_preload_libraries": "pg_cron,pg_stat_statements,pglogical",
            "azure.extensions": "pglogical",
            "max_worker_processes": "32",
        }
        == azure.server.values
    )
    assert capsys.readouterr().err.splitlines() == [
        f"writing {number} of 3: {name} of server cdc-1: {change}"
        for number, (name, change) in enumerate(
            ((name, change) for name, change in WRITTEN.items() if name != "max_worker_processes"),
            1,
        )
    ]
    assert outputs["toWrite"] == {}


def test_outputs_are_the_names_and_what_postgresql_can_tell(azure: FakeAzure) -> None:
    azure.server.write("max_worker_processes", "32")
    outputs = made(Requirement("work_mem", "8192"))
    assert outputs["names"] == [
        "wal_level",
        "shared_preload_libraries",
        "azure.extensions",
        "max_worker_processes",
        "max_replication_slots",
        "max_wal_senders",
        "work_mem",
    ]
    # As they are: neither the least that is needed, nor what is no single value
    assert outputs["effective"] == {
        "wal_level": "logical",
        "max_worker_processes": "32",
        "max_replication_slots": "10",
        "max_wal_senders": "10",
    }


def test_replicas_and_a_standby_need_room(azure: FakeAzure) -> None:
    azure.servers["cdc-1"].properties["highAvailability"] = {"mode": "ZoneRedundant"}
    azure.server.parameters |= {
        "hot_standby_feedback": parameter("off", "Boolean", "on,off", static=False),
        "sync_replication_slots": parameter("off", "Boolean", "on,off", static=False),
    }
    azure.add_replica("cdc-1-replica")
    assert check(connectors=6).inputs["toWrite"] == {
        **WRITTEN,
        "max_replication_slots": "10 -> 11 (after a restart)",
        "max_wal_senders": "10 -> 11 (after a restart)",
        "hot_standby_feedback": "off -> on",
        "sync_replication_slots": "off -> on",
    }


def test_write_that_was_lost_is_written_once_more(azure: FakeAzure) -> None:
    """The connection broke before Azure got it: looked at afterwards, it is not there."""
    azure.plan("PATCH cdc-1/configurations/wal_level", CUT)
    made()
    assert azure.changes.count("PATCH cdc-1/configurations/wal_level") == 2
    assert azure.server.value("wal_level") == "logical"


def test_write_whose_end_was_not_seen_is_left_alone(azure: FakeAzure) -> None:
    def took_effect() -> Answer:
        azure.server.write("wal_level", "logical")
        return CUT

    azure.plan("PATCH cdc-1/configurations/wal_level", took_effect)
    made()
    assert azure.changes.count("PATCH cdc-1/configurations/wal_level") == 1


def test_set_that_another_stack_shrank_meanwhile_is_written_once_more(azure: FakeAzure) -> None:
    def shrunk() -> None:
        azure.server.write("shared_preload_libraries", "pgaudit")

    azure.plan("PATCH cdc-1/configurations/max_worker_processes", shrunk)
    made()
    assert azure.server.value("shared_preload_libraries") == "pgaudit,pglogical"


def test_parameter_that_does_not_stay_is_told(azure: FakeAzure) -> None:
    def taken_and_forgotten() -> Answer:
        return 202, {}

    azure.plan("PATCH cdc-1/configurations/wal_level", *[taken_and_forgotten] * 2)
    with pytest.raises(CdcError) as caught:
        made()
    assert str(caught.value) == (
        "server cdc-1 accepted its parameters but does not have them: wal_level: replica -> logical"
        " (after a restart). Remedy: look at the server's activity log in the portal, then run "
        "pulumi up again"
    )


def test_resource_is_that_of_its_server_and_takes_nothing_back(azure: FakeAzure) -> None:
    assert provider.create(asked()).id == f"{PATH}/configurations"
    azure.requests.clear()
    provider.delete("", asked())
    assert azure.asked == []
    moved = provider.diff("", asked(), asked() | {"serverId": f"{ROOT}cdc-2"})
    assert moved.replaces == ["serverId"]


# What is refused, before anything is changed


def test_every_parameter_that_cannot_be_comes_at_once(azure: FakeAzure) -> None:
    assert refused(Requirement("work_mem", "9999999"), Requirement("wokr_mem", "1")) == (
        "server cdc-1: wokr_mem is no parameter of this server. Remedy: check its spelling, and "
        "whether this version of PostgreSQL has it; work_mem cannot be 9999999: Azure "
        "allows 4096-2097151, in KB. Remedy: choose one of them"
    )
    assert azure.changes == []


def test_more_slots_than_azure_has_senders_for_are_refused(azure: FakeAzure) -> None:
    assert refused(connectors=99) == (
        "server cdc-1: max_wal_senders cannot be 101: Azure allows 5-100. "
        "Remedy: choose one of them, or have fewer connectors on the server"
    )
    assert azure.changes == []


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        (
            {"sourceServerResourceId": f"{ROOT}primary"},
            "server cdc-1 is a read replica of primary, on which nothing can be created. Remedy: "
            "give the primary in server.name",
        ),
        (
            {"state": "Stopped"},
            "server cdc-1 is Stopped, and takes no change. Remedy: start it "
            "(az postgres flexible-server start -g rg-cdc -n cdc-1), then run pulumi up again",
        ),
        (
            {"version": "10"},
            "PostgreSQL 10 is not served: Azure offers 11 to 18. Remedy: a version of these "
            "(management: none serves 10 to 18)",
        ),
    ],
)
def test_server_to_which_nothing_can_be_done(
    azure: FakeAzure, properties: dict[str, str], reason: str
) -> None:
    azure.server.properties |= properties
    assert refused() == reason


@pytest.mark.parametrize("state", ["Stopping", "Disabled", "Dropping", "Inaccessible"])
def test_states_in_which_a_server_takes_no_change(azure: FakeAzure, state: str) -> None:
    azure.server.properties["state"] = state
    text = refused()
    assert text.startswith(f"server cdc-1 is {state}, and takes no change. Remedy: ")
    # The others have nothing that could be started.
    assert ("start it (az " in text) is (state == "Stopping")


@pytest.mark.parametrize("state", ["Starting", "Updating"])
def test_states_that_pass(azure: FakeAzure, state: str) -> None:
    azure.server.properties["state"] = state
    assert check().inputs["toWrite"] == WRITTEN


def test_major_version_is_not_upgraded_by_up(azure: FakeAzure) -> None:
    azure.servers["cdc-1"] = server(version="16")
    assert refused(version=17) == (
        "server cdc-1 runs PostgreSQL 16, and server.create.version is 17. A major upgrade drops "
        "every replication slot, so up does not do it. Remedy: azure-postgres-cdc upgrade, or set "
        "it to 16"
    )
    # From the engine, numbers come as floats
    azure.server.properties["version"] = "17"
    azure.server.parameters = {}
    assert "PostgreSQL 17, and" not in refused(version=17.0)


def test_server_that_is_not_there_is_one_line(azure: FakeAzure) -> None:
    azure.servers.clear()
    assert refused().startswith(
        "cannot look at server cdc-1 in resource group rg-cdc: ResourceNotFound: "
    )


def test_login_that_azure_refuses_is_one_line(azure: FakeAzure) -> None:
    azure.plan("GET cdc-1", error(401, "InvalidAuthenticationToken", "The token has expired."))
    assert refused().startswith(
        "cannot look at server cdc-1: Azure did not accept the credential: "
        "InvalidAuthenticationToken: The token has expired. Remedy: az login"
    )
