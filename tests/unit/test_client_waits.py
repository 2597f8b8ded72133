"""FlexibleServer after a wait: what it does not do again, and what it does not wait for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.fake_azure import Answer, FakeAzure, error

from azure_postgres_cdc.azure.client import FlexibleServer, ServerId
from azure_postgres_cdc.errors import CdcError


@pytest.fixture
def client(azure: FakeAzure) -> FlexibleServer:
    assert azure.server
    return FlexibleServer(ServerId("00000000-0000-0000-0000-000000000000", "rg-cdc", "cdc-1"))


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        (lambda it: it.enable_auto_grow(), "PATCH cdc-1"),
        (lambda it: it.upgrade(99), "PATCH cdc-1"),
        (
            lambda it: it.set_firewall_rule("r", "10.0.0.1", "10.0.0.2"),
            "PUT cdc-1/firewallRules/r",
        ),
        (lambda it: it.delete_firewall_rule("old"), "DELETE cdc-1/firewallRules/old"),
        (lambda it: it.restart("", lambda: False), "POST cdc-1/restart"),
    ],
)
def test_what_somebody_else_did_meanwhile_is_not_done_again(
    azure: FakeAzure,
    client: FlexibleServer,
    action: Callable[[FlexibleServer], object],
    request_: str,
) -> None:
    azure.server.firewall_rules["old"] = ("10.0.0.9", "10.0.0.9")

    def done_by_somebody_else() -> Answer:
        azure.server.properties["storage"]["autoGrow"] = "Enabled"
        azure.server.properties["version"] = "99"
        azure.server.firewall_rules = {"r": ("10.0.0.1", "10.0.0.2")}
        return error(409, "ServerIsBusy")

    azure.plan(request_, done_by_somebody_else)
    action(client)
    assert azure.changes == [request_]


def test_upgrade_that_goes_on_already_is_waited_for_and_not_begun_again(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    """As after a run of ours that was killed meanwhile: Azure refuses 99 for a server on 99."""

    def is_over() -> None:
        azure.server.properties.update({"state": "Ready", "version": "99"})

    azure.server.properties["state"] = "Updating"
    azure.plan("GET cdc-1", lambda: None, is_over)
    client.upgrade(99)
    assert azure.changes == []


def test_server_that_is_stopped_meanwhile_is_not_waited_for(
    azure: FakeAzure, client: FlexibleServer
) -> None:
    def stopped() -> Answer:
        azure.server.properties["state"] = "Stopping"
        return error(409, "ServerIsBusy")

    azure.plan("PATCH cdc-1/configurations/wal_level", stopped)
    with pytest.raises(CdcError) as caught:
        client.set_parameter("wal_level", lambda _now: "logical")
    assert str(caught.value) == (
        "server cdc-1 is Stopping, and takes no change. Remedy: start it (az postgres "
        "flexible-server start -g rg-cdc -n cdc-1), then run pulumi up again"
    )
