"""Faults on demand, as Microsoft's client and the stand-in plugin meet them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.mgmt.postgresqlflexibleservers.models import (
    ConfigurationForUpdate,
    ConfigurationProperties,
)
from azure_support import GROUP, NAME, SUBSCRIPTION, Json, call, client_of, code_of, plugin_of

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.protocol import InitError, ProviderError

RULE_TOKEN = "azure-native:dbforpostgresql:FirewallRule"
DELAY = "wal_sender_timeout"


@pytest.fixture(scope="module")
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        emulated.add_server(GROUP, NAME, postgres)
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure) -> Iterator[FlexibleServer]:
    azure.journal.refused.clear()
    yield azure.servers[0]
    azure.operations.wait()
    azure.faults = Faults()
    for rule in azure.servers[0].firewall_rules.as_list():
        azure.servers[0].firewall_rules.delete(rule["name"])


def wanted(value: str) -> ConfigurationForUpdate:
    properties = ConfigurationProperties(value=value, source="user-override")
    return ConfigurationForUpdate(properties=properties)


def write(azure: EmulatedAzure, server: FlexibleServer, value: str = "1000") -> Any:
    body = {"properties": {"value": value, "source": "user-override"}}
    return call(azure, "PUT", f"{server.id}/configurations/{DELAY}", body)


def rule_inputs(name: str) -> Json:
    return {
        "resourceGroupName": GROUP,
        "serverName": NAME,
        "firewallRuleName": name,
        "startIpAddress": "10.0.0.1",
        "endIpAddress": "10.0.0.1",
    }


class TestReplies:
    def test_busy_as_often_as_asked_for(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        busy = {"status": 409, "code": "ServerIsBusy", "message": "busy", "times": 2}
        azure.faults = Faults([{"method": "put", "path": "/CONFIGURATIONS/", **busy}])
        assert call(azure, "GET", f"{server.id}/configurations/{DELAY}")[0] == 200
        assert [write(azure, server)[0] for _ in range(3)] == [409, 409, 202]
        assert [r.code for r in azure.journal.refused] == ["ServerIsBusy"] * 2
        assert azure.faults.left == []

    @pytest.mark.usefixtures("server")
    def test_permission_and_token(self, azure: EmulatedAzure) -> None:
        azure.faults = Faults(
            [
                {"status": 403, "code": "AuthorizationFailed", "message": "no such action"},
                {"status": 401, "code": "ExpiredAuthenticationToken", "message": "expired"},
            ]
        )
        with client_of(azure) as client:
            with pytest.raises(HttpResponseError, match="no such action") as refused:
                client.servers.get(GROUP, NAME)
            assert refused.value.status_code == 403
            with pytest.raises(ClientAuthenticationError, match="expired"):
                client.servers.get(GROUP, NAME)
            assert client.servers.get(GROUP, NAME).name == NAME

    @pytest.mark.usefixtures("server")
    def test_microsofts_client_outlasts_an_internal_error(self, azure: EmulatedAzure) -> None:
        error = {"status": 500, "code": "InternalServerError", "message": "oops", "times": 2}
        azure.faults = Faults([error | {"retry_after": 0}])
        with client_of(azure) as client:
            assert client.servers.get(GROUP, NAME).name == NAME
        assert azure.faults.left == []


class TestOperations:
    def test_one_that_fails_half_way(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        before = server.configuration(DELAY)["properties"]["value"]
        failure = {"kind": "fail-operation", "path": DELAY, "code": "OutOfLuck", "message": "no"}
        azure.faults = Faults([failure, failure | {"applied": True}])
        with client_of(azure) as client:
            for value in (before, "4321"):
                with pytest.raises(HttpResponseError, match="OutOfLuck"):
                    client.configurations.begin_put(GROUP, NAME, DELAY, wanted("4321")).result()
                assert server.configuration(DELAY)["properties"]["value"] == value

    def test_a_refused_request_does_not_use_it_up(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.faults = Faults([{"kind": "fail-operation", "code": "OutOfLuck", "message": "no"}])
        assert write(azure, server, "-1")[0] == 400
        assert len(azure.faults.left) == 1

    def test_a_cut_poller_is_polled_again(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.faults = Faults([{"kind": "cut-poller", "path": "/configurations/", "times": 2}])
        with client_of(azure) as client:
            poller = client.configurations.begin_put(GROUP, NAME, DELAY, wanted("2000"))
            assert poller.result().value == "2000"
        assert azure.faults.left == []
        assert server.state == "Ready"

    def test_an_answer_that_is_cut_off_has_taken_effect(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.faults = Faults([{"kind": "cut", "method": "PUT"}])
        with pytest.raises(http.client.IncompleteRead):
            write(azure, server, "3000")
        assert server.configuration(DELAY)["properties"]["value"] == "3000"

    def test_a_slow_restart(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        azure.faults = Faults([{"kind": "slow", "path": "/restart$", "seconds": 0.4}])
        started = time.monotonic()
        assert call(azure, "POST", f"{server.id}/restart")[0] == 202
        assert time.monotonic() - started < 0.3
        assert server.state == "Restarting"
        assert code_of(write(azure, server)) == (409, "ServerIsBusy")
        azure.operations.wait()
        assert time.monotonic() - started > 0.4
        assert server.state == "Ready"

    def test_a_slow_answer(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        azure.faults = Faults([{"kind": "slow", "method": "GET", "seconds": 0.2}])
        started = time.monotonic()
        assert call(azure, "GET", server.id)[0] == 200
        assert time.monotonic() - started > 0.2


class TestStates:
    @pytest.mark.parametrize(
        ("state", "writing", "restarting"),
        [
            ("Stopped", "ServerUnavailableForOperation", "ServerIsNotReady"),
            ("Updating", "ServerIsBusy", "ServerIsNotReady"),
            ("Restarting", "ServerIsBusy", "ServerIsBusy"),
        ],
    )
    def test_they_forbid_what_they_forbid(
        self,
        azure: EmulatedAzure,
        server: FlexibleServer,
        state: str,
        writing: str,
        restarting: str,
    ) -> None:
        azure.faults = Faults([{"kind": "server-state", "state": state, "times": 3}])
        assert call(azure, "GET", server.id)[2]["properties"]["state"] == state
        assert code_of(write(azure, server)) == (409, writing)
        assert code_of(call(azure, "POST", f"{server.id}/restart")) == (409, restarting)
        assert call(azure, "GET", server.id)[2]["properties"]["state"] == "Ready"
        assert write(azure, server)[0] == 202

    def test_for_ever(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        rule = {"kind": "server-state", "state": "Stopped", "times": "always", "path": NAME}
        azure.faults = Faults([rule])
        for _ in range(3):
            assert call(azure, "GET", server.id)[2]["properties"]["state"] == "Stopped"
        assert azure.faults.left == []


class TestPlugin:
    def test_it_polls_again_after_a_cut(
        self, azure: EmulatedAzure, server: FlexibleServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        azure.faults = Faults([{"kind": "cut-poller", "times": 3}])
        resource = plugin_of(azure, monkeypatch).resource(RULE_TOKEN)
        resource_id, _ = resource.create(rule_inputs("gw"))
        assert resource_id.startswith(server.id)
        assert azure.faults.left == []

    @pytest.mark.usefixtures("server")
    def test_what_was_accepted_and_failed_is_in_the_state(
        self, azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failure = {"kind": "fail-operation", "code": "InternalServerError", "message": "half-way"}
        azure.faults = Faults([failure, failure | {"applied": True}])
        resource = plugin_of(azure, monkeypatch).resource(RULE_TOKEN)
        with pytest.raises(InitError, match=r"but read failed .*half-way") as nothing:
            resource.create(rule_inputs("gw"))
        assert nothing.value.outputs == {}
        with pytest.raises(InitError, match="half-way") as partly:
            resource.create(rule_inputs("gw"))
        assert partly.value.resource_id.endswith("/firewallRules/gw")
        assert partly.value.outputs["startIpAddress"] == "10.0.0.1"

    @pytest.mark.usefixtures("server")
    def test_refusals_are_the_users_to_read(
        self, azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        azure.faults = Faults(
            [{"method": "PUT", "status": 403, "code": "AuthorizationFailed", "message": "no"}]
        )
        resource = plugin_of(azure, monkeypatch).resource(RULE_TOKEN)
        with pytest.raises(ProviderError, match=r'=403 Code="AuthorizationFailed" Message="no"$'):
            resource.create(rule_inputs("gw"))


class TestRules:
    @pytest.mark.parametrize("suffix", [".json", ".yaml"])
    def test_they_come_from_a_file(self, tmp_path: Path, suffix: str) -> None:
        rules = [{"status": 500, "code": "InternalServerError", "message": "oops"}]
        file = tmp_path / f"faults{suffix}"
        file.write_text(
            json.dumps(rules)
            if suffix == ".json"
            else "- {status: 500, code: InternalServerError, message: oops}\n"
        )
        for source in (file, str(file), rules):
            (fault,) = EmulatedAzure(faults=source).faults.left
            assert (fault.kind, fault.status, fault.left) == ("reply", 500, 1)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"kind": "earthquake"},
            {"status": 500},
            {"kind": "slow"},
            {"kind": "slow", "seconds": 1, "status": 500},
            {"kind": "cut-poller", "times": 0},
            {"kind": "server-state", "state": "Sleepy"},
            {"kind": "cut", "path": "("},
        ],
    )
    def test_a_wrong_one_is_no_rule(self, wrong: Json) -> None:
        with pytest.raises(Exception, match=r"missing|kind|times|state|unterminated"):
            Faults([wrong])

    def test_they_are_a_list(self) -> None:
        with pytest.raises(ValueError, match="a list of objects"):
            Faults([1])  # type: ignore[list-item]
