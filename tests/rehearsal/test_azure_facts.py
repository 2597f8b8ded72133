"""Azure's rules for requests, operations and firewall rules, one test each.

What a test's docstring calls "Azure's rule" is what Azure's documentation and REST specification
say. Microsoft's client asks wherever it has the operation. More of them:

- test_azure_facts_parameters.py: server parameters, version by version;
- test_azure_facts_server.py: storage, standby, metrics, a server that does not start;
- test_azure_facts_privileges.py: what the administrator may do in SQL.

Shown elsewhere: how an operation is polled (test_azure_api.py), the failover that a restart may
ask for (test_azure_high_availability.py), the in-place major upgrade
(test_azure_major_upgrade.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import Any

import pytest
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers.models import (
    ConfigurationForUpdate,
    ConfigurationProperties,
    Database,
    DatabaseProperties,
    FirewallRule,
    FirewallRuleProperties,
    RestartParameter,
    Server,
    ServerForPatch,
    ServerPropertiesForPatch,
    Storage,
)
from azure_support import (
    GROUP,
    NAME,
    SUBSCRIPTION,
    Json,
    call,
    client_of,
    code_of,
    refusal,
    user_override,
)

from azure_postgres_rehearsal.azure_api import (
    ApiError,
    Behaviour,
    EmulatedAzure,
    FlexibleServer,
    Network,
)
from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

TIMEOUT = "wal_sender_timeout"
INVALID = (400, "InvalidParameterValue")
SUBNET = Network(False, "/subscriptions/s/…/subnets/pg", "/subscriptions/s/…/privateDnsZones/z")

Client = PostgreSQLManagementClient


@pytest.fixture(scope="module")
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        emulated.add_server(GROUP, NAME, postgres)
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure) -> FlexibleServer:
    return azure.servers[0]


@pytest.fixture(autouse=True)
def as_it_was(azure: EmulatedAzure, server: FlexibleServer) -> Iterator[None]:
    yield
    azure.operations.wait()
    azure.faults = Faults()
    for field in fields(Behaviour):
        setattr(azure.behaviour, field.name, field.default)
    del azure.servers[1:]
    body = {"properties": {"value": "60000", "source": "user-override"}}
    server.write_configuration(TIMEOUT, body)


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[Client]:
    with client_of(azure) as management:
        yield management


def rule(start: str = "10.0.0.1", end: str = "10.0.0.9") -> FirewallRule:
    return FirewallRule(
        properties=FirewallRuleProperties(start_ip_address=start, end_ip_address=end)
    )


def auto_grow(value: str = "Enabled") -> ServerForPatch:
    storage = Storage(auto_grow=value)
    return ServerForPatch(properties=ServerPropertiesForPatch(storage=storage))


def utf8() -> Database:
    return Database(properties=DatabaseProperties(charset="UTF8", collation="C"))


def set_(client: Client, name: str, value: str) -> None:
    client.configurations.begin_put(GROUP, NAME, name, user_override(value)).result()


Begin = Callable[..., Any]
PUT, PATCH, FIREWALL, DATABASE, SERVER = WRITES = (
    "configuration PUT",
    "configuration PATCH",
    "firewall rule PUT",
    "database PUT",
    "server PATCH",
)


def begin(client: Client, what: str, name: str = NAME, **options: Any) -> Any:
    """Begin one of the writes, without waiting for it."""
    configurations, value = client.configurations, user_override("1000")
    writes: dict[str, Begin] = {
        PUT: lambda **o: configurations.begin_put(GROUP, name, TIMEOUT, value, **o),
        PATCH: lambda **o: configurations.begin_update(GROUP, name, TIMEOUT, value, **o),
        FIREWALL: lambda **o: client.firewall_rules.begin_create_or_update(
            GROUP, name, "gw", rule(), **o
        ),
        DATABASE: lambda **o: client.databases.begin_create(GROUP, name, "orders", utf8(), **o),
        SERVER: lambda **o: client.servers.begin_update(GROUP, name, auto_grow(), **o),
    }
    return writes[what](polling=False, **options)


def slow(path: str, seconds: float = 0.4) -> Faults:
    return Faults([{"kind": "slow", "path": path, "seconds": seconds}])


class TestOneAtATime:
    @pytest.mark.parametrize("code", ["ServerIsBusy", "ServerBusy"])
    @pytest.mark.parametrize("what", WRITES)
    def test_concurrent_writes(
        self, azure: EmulatedAzure, client: Client, what: str, code: str
    ) -> None:
        """Azure's rule: concurrent writes to configurations, firewall rules, databases: 409."""
        azure.behaviour.busy_code = code
        azure.faults = slow("/configurations/", 0.2)
        begin(client, PUT)
        assert refusal(lambda: begin(client, what)) == (409, code)
        assert azure.journal.refused[-1].code == code
        azure.operations.wait()
        begin(client, what)

    @pytest.mark.parametrize("code", ["ServerIsBusy", "ServerBusy"])
    def test_right_after_creation(
        self, azure: EmulatedAzure, client: Client, postgres: EmbeddedPostgres, code: str
    ) -> None:
        """Azure's rule: a write right after creation gets `ServerIsBusy`/`ServerBusy` (409)."""
        azure.behaviour.busy_code = code
        azure.behaviour.creation_seconds = 0.3
        azure.add_server(GROUP, "cdc-new", postgres)
        found = client.servers.get(GROUP, "cdc-new").properties
        assert found is not None
        assert found.state == "Ready", "nothing tells that it is busy"
        for what in WRITES:
            assert refusal(partial(begin, client, what, "cdc-new")) == (409, code)
        azure.operations.wait()
        begin(client, PUT, "cdc-new")

    @pytest.mark.parametrize("what", WRITES)
    def test_a_write_during_a_restart(
        self, azure: EmulatedAzure, client: Client, server: FlexibleServer, what: str
    ) -> None:
        """Azure's rule: the server takes one management operation at a time."""
        azure.faults = slow("/restart$", 0.2)
        client.servers.begin_restart(GROUP, NAME, polling=False)
        assert server.state == "Restarting"
        assert refusal(lambda: begin(client, what)) == (409, "ServerIsBusy")
        assert refusal(lambda: client.servers.begin_restart(GROUP, NAME)) == (409, "ServerIsBusy")
        assert client.configurations.get(GROUP, NAME, TIMEOUT).value == "60000", "reading may go on"

    @pytest.mark.parametrize("what", WRITES)
    def test_a_restart_during_an_update(
        self, azure: EmulatedAzure, client: Client, what: str
    ) -> None:
        """Azure's rule: a restart during an update gets `ServerIsNotReady`."""
        azure.faults = slow("/cdc-local", 0.2)
        restarts = azure.journal.restarts
        begin(client, what)
        refused = refusal(lambda: client.servers.begin_restart(GROUP, NAME))
        assert refused == (409, "ServerIsNotReady")
        azure.operations.wait()
        client.servers.begin_restart(GROUP, NAME).result()
        assert azure.journal.restarts == restarts + 1

    def test_a_restart_of_a_server_that_looks_updating(
        self, azure: EmulatedAzure, client: Client
    ) -> None:
        """Azure's rule: a restart during an update gets `ServerIsNotReady`; whoever updates."""
        rule = {"kind": "server-state", "method": "POST", "path": "/restart$", "state": "Updating"}
        azure.faults = Faults([rule])
        refused = refusal(lambda: client.servers.begin_restart(GROUP, NAME))
        assert refused == (409, "ServerIsNotReady")
        client.servers.begin_restart(GROUP, NAME).result()

    def test_that_refusal_may_come_late(self, azure: EmulatedAzure, client: Client) -> None:
        """Azure's rule: the same; it has been seen as an operation that is accepted and fails."""
        azure.behaviour.refuse_restart_late = True
        azure.faults = slow("/configurations/")
        restarts = azure.journal.restarts
        begin(client, PUT)
        poller = client.servers.begin_restart(GROUP, NAME)
        assert refusal(poller.result)[1] == "ServerIsNotReady"
        assert azure.journal.restarts == restarts


class TestRequests:
    def test_the_path(self, azure: EmulatedAzure) -> None:
        """Azure's rule: .../providers/Microsoft.DBforPostgreSQL/flexibleServers/{server}."""
        path = (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
            f"/providers/Microsoft.DBforPostgreSQL/flexibleServers/{NAME}"
        )
        status, _, found = call(azure, "GET", path, version="2025-08-01")
        assert (status, found["id"]) == (200, path)

    @pytest.mark.parametrize("what", [*WRITES, "restart"])
    def test_writes_are_accepted_with_202(
        self, client: Client, azure: EmulatedAzure, what: str
    ) -> None:
        """Azure's rule: 202 with `Location` and `Azure-AsyncOperation`; PUT, PATCH, restart."""
        found: list[Any] = []
        hook: Json = {"raw_response_hook": lambda response: found.append(response)}
        if what == "restart":
            client.servers.begin_restart(GROUP, NAME, polling=False, **hook)
        else:
            begin(client, what, **hook)
        answer = found[0].http_response
        assert answer.status_code == 202
        assert found[0].http_request.method in ("POST", *what.split())
        for header in ("Location", "Azure-AsyncOperation"):
            assert answer.headers[header].startswith(azure.endpoint)

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    @pytest.mark.parametrize(
        "properties",
        [
            ConfigurationProperties(value="logical"),
            ConfigurationProperties(source="user-override"),
            ConfigurationProperties(value="logical", source="system-default"),
            ConfigurationProperties(value="logical", source="portal"),
            ConfigurationProperties(),
        ],
    )
    def test_value_and_source_must_both_be_sent(
        self, client: Client, properties: ConfigurationProperties, method: str
    ) -> None:
        """Azure's rule: `value` and `source` must both be sent; the source is `user-override`."""
        api = client.configurations
        write: Begin = api.begin_put if method == "PUT" else api.begin_update
        wanted = ConfigurationForUpdate(properties=properties)
        assert refusal(lambda: write(GROUP, NAME, "wal_level", wanted)) == INVALID

    def test_what_a_configuration_says(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        """Azure's rule: its properties by name; the flags are booleans, all values strings."""
        strings = "value defaultValue dataType allowedValues source unit description"
        kinds = set()
        for found in call(azure, "GET", f"{server.id}/configurations")[2]["value"]:
            about = found["properties"]
            flags = {n for n, v in about.items() if isinstance(v, bool)}
            assert flags == {"isDynamicConfig", "isReadOnly", "isConfigPendingRestart"}
            assert all(isinstance(about[n], str) for n in about.keys() - flags)
            assert about.keys() - flags == {*strings.split(), "documentationLink"}
            kinds.add(about["dataType"])
        assert kinds == {"Boolean", "Integer", "Numeric", "Enumeration", "Set", "String"}

    def test_a_configuration_is_not_deleted(
        self, client: Client, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        """Azure's rule: no DELETE: deleting means writing the default back."""
        answer = call(azure, "DELETE", f"{server.id}/configurations/{TIMEOUT}")
        assert code_of(answer) == (405, "MethodNotAllowed")
        set_(client, TIMEOUT, "0")
        found = client.configurations.get(GROUP, NAME, TIMEOUT)
        assert found.source == "user-override"
        set_(client, TIMEOUT, str(found.default_value))
        reset = client.configurations.get(GROUP, NAME, TIMEOUT)
        assert (reset.value, reset.source) == ("60000", "system-default")

    def test_a_restart_takes_an_optional_body(
        self, client: Client, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        """Azure's rule: restart: optional body `{restartWithFailover, failoverMode}`."""
        restarts = azure.journal.restarts
        body = RestartParameter(restart_with_failover=False, failover_mode="ForcedFailover")
        for parameters in (None, body):
            client.servers.begin_restart(GROUP, NAME, parameters).result()
        for wrong in (
            {"restartWithFailover": "yes"},
            {"failoverMode": "Sudden"},
            {"restartWithFailover": True},  # there is no standby
            {"force": True},
        ):
            assert call(azure, "POST", f"{server.id}/restart", wrong)[0] == 400
        assert azure.journal.restarts == restarts + 2

    @pytest.mark.parametrize("name", ["CDC-local", "ab", "-cdc", "cdc-", "cdc_local", "c" * 64])
    def test_a_servers_name(
        self, client: Client, azure: EmulatedAzure, postgres: EmbeddedPostgres, name: str
    ) -> None:
        """Azure's rule: 3-63 lower case letters, digits, inner hyphens; upper case is rejected."""
        create = client.servers.begin_create_or_update
        assert refusal(lambda: create(GROUP, name, Server(location="westeurope"))) == INVALID
        with pytest.raises(ApiError, match="InvalidParameterValue"):
            azure.add_server(GROUP, name, postgres)

    @pytest.mark.parametrize("name", ["cdc", "1-2", "c" * 63])
    def test_a_name_at_the_bounds(self, client: Client, name: str) -> None:
        """Azure's rule: 3-63 lower case letters, digits and inner hyphens."""
        create = client.servers.begin_create_or_update
        refused = refusal(lambda: create(GROUP, name, Server(location="westeurope")))
        assert refused == (400, "NotSupportedByRehearsal"), "not for its name: nothing makes it"


class TestFirewallRules:
    @pytest.mark.parametrize("name", ["gw", "GW_1.2-3", "-", "n" * 128])
    def test_names(self, client: Client, name: str) -> None:
        r"""Azure's rule: name `^[-\w\._]+$`."""
        rules = client.firewall_rules
        made = rules.begin_create_or_update(GROUP, NAME, name, rule()).result()
        assert made.name == name
        rules.begin_delete(GROUP, NAME, name).result()

    @pytest.mark.parametrize("name", ["a b", "a+b", "n" * 129, "büro", "a:b"])
    def test_other_names(self, client: Client, name: str) -> None:
        r"""Azure's rule: name `^[-\w\._]+$`; other ones are refused."""
        create = client.firewall_rules.begin_create_or_update
        assert refusal(lambda: create(GROUP, NAME, name, rule())) == INVALID

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("::1", "::1"),
            ("10.0.0.0/8", "10.0.0.9"),
            ("10.0.0.1", "10.0.0.256"),
            ("010.0.0.1", "10.0.0.9"),
            ("gateway", "gateway"),
        ],
    )
    def test_addresses(self, client: Client, start: str, end: str) -> None:
        """Azure's rule: firewall rules are IPv4 only."""
        create = client.firewall_rules.begin_create_or_update
        assert refusal(lambda: create(GROUP, NAME, "gw", rule(start, end))) == INVALID

    def test_in_a_virtual_network(
        self, azure: EmulatedAzure, client: Client, postgres: EmbeddedPostgres
    ) -> None:
        """Azure's rule: no effect on VNet-injected servers; here they are refused there."""
        azure.add_server(GROUP, "cdc-injected", postgres, network=SUBNET)
        rules = client.firewall_rules
        for action in (
            lambda: rules.begin_create_or_update(GROUP, "cdc-injected", "gw", rule()),
            lambda: rules.begin_delete(GROUP, "cdc-injected", "gw"),
        ):
            assert refusal(action) == (400, "InvalidOperation")
        assert list(rules.list_by_server(GROUP, "cdc-injected")) == []
