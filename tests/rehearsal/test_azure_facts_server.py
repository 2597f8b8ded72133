"""Azure's rules for storage, standby and metrics, and for a server that does not come back.

What a test's docstring calls "Azure's rule" is what Azure's documentation says; where it speaks
of PostgreSQL's own limits, the embedded PostgreSQL is the witness. Other rules: see
test_azure_facts.py.

Not modelled, so not shown: that storage grows at all (and stops at 4,096 GiB), that a nearly full
server goes read-only, that Azure drops an unused slot then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers.models import (
    ServerForPatch,
    ServerPropertiesForPatch,
    Storage,
)
from azure_support import (
    GROUP,
    NAME,
    SUBSCRIPTION,
    Answer,
    Json,
    call,
    client_of,
    in_effect,
    refusal,
    user_override,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.metrics import COLLECTOR, NEED_THE_COLLECTOR
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

CHANGED = ("wal_level", "max_replication_slots", "max_wal_senders", COLLECTOR)
METRICS = "Microsoft.DBforPostgreSQL/flexibleServers"
ALERTS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Insights"
STANDBY_OWN = 4
"""How many slots and senders Azure uses itself for a server with a standby."""

Client = PostgreSQLManagementClient
Connection = psycopg.Connection[tuple[Any, ...]]


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
    del azure.servers[1:]
    for name in CHANGED:
        default = server.configuration(name)["properties"]["defaultValue"]
        body = {"properties": {"value": default, "source": "user-override"}}
        server.write_configuration(name, body)
    if any(c["properties"]["isConfigPendingRestart"] for c in server.parameters.as_list()):
        server.restart({})


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[Client]:
    with client_of(azure) as management:
        yield management


def set_(client: Client, name: str, value: str, server: str = NAME) -> None:
    client.configurations.begin_put(GROUP, server, name, user_override(value)).result()


@contextmanager
def slots(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Drop every slot afterwards; the next restart would fail without wal_level=logical."""
    try:
        yield
    finally:
        with postgres.superuser() as connection:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            )


def take_slot(connection: Connection, name: str) -> None:
    connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))


def auto_grow(value: str) -> ServerForPatch:
    storage = Storage(auto_grow=value)
    return ServerForPatch(properties=ServerPropertiesForPatch(storage=storage))


def storage_of(client: Client) -> Storage:
    found = client.servers.get(GROUP, NAME).properties
    assert found is not None
    assert found.storage is not None
    return found.storage


class TestStorage:
    def test_auto_grow_is_patched(self, client: Client) -> None:
        """Azure's rule: server PATCH `properties.storage.autoGrow: "Enabled"`."""
        for value in ("Enabled", "Disabled"):
            client.servers.begin_update(GROUP, NAME, auto_grow(value)).result()
            assert storage_of(client).auto_grow == value

    @pytest.mark.parametrize("kind", ["PremiumV2_LRS", "UltraSSD_LRS"])
    def test_auto_grow_is_for_premium_ssd(
        self, azure: EmulatedAzure, client: Client, postgres: EmbeddedPostgres, kind: str
    ) -> None:
        """Azure's rule: storage auto-grow works on Premium SSD only."""
        azure.add_server(GROUP, "cdc-v2", postgres, storage_type=kind)
        refused = refusal(
            lambda: client.servers.begin_update(GROUP, "cdc-v2", auto_grow("Enabled"))
        )
        assert refused == (400, "InvalidParameterValue")

    def test_wal_does_not_make_it_grow(self, client: Client, postgres: EmbeddedPostgres) -> None:
        """Azure's rule: storage auto-grow is not triggered by WAL growth."""
        client.servers.begin_update(GROUP, NAME, auto_grow("Enabled")).result()
        set_(client, "wal_level", "logical")
        client.servers.begin_restart(GROUP, NAME).result()
        with slots(postgres), postgres.superuser() as connection:
            take_slot(connection, "cdc")
            connection.execute(
                "SELECT pg_logical_emit_message(false, 'cdc', repeat('x', 1000000))"
                " FROM generate_series(1, 40)"
            )
            retained = connection.execute(
                "SELECT pg_current_wal_insert_lsn() - restart_lsn > 40e6 FROM pg_replication_slots"
            ).fetchone()
        assert retained == (True,)
        assert storage_of(client).storage_size_gb == 128


class TestHighAvailability:
    """The emulator has no real standby: the test takes what Azure would take for itself."""

    @pytest.fixture(autouse=True)
    def name(
        self, azure: EmulatedAzure, client: Client, postgres: EmbeddedPostgres
    ) -> Iterator[str]:
        """A server with a standby and one read replica, ready for logical slots."""
        primary = azure.add_server(GROUP, "cdc-ha", postgres, high_availability="ZoneRedundant")
        azure.add_server(GROUP, "cdc-replica", postgres, replica_of=primary)
        assert len(list(client.replicas.list_by_server(GROUP, "cdc-ha"))) == 1
        self.raise_to(client, "wal_level", "logical")
        with slots(postgres):
            yield "cdc-ha"
        for parameter in CHANGED:
            default = primary.configuration(parameter)["properties"]["defaultValue"]
            set_(client, parameter, default, "cdc-ha")
        primary.restart({})

    def raise_to(self, client: Client, name: str, value: str) -> None:
        set_(client, name, value, "cdc-ha")
        client.servers.begin_restart(GROUP, "cdc-ha").result()

    def test_slots(self, client: Client, postgres: EmbeddedPostgres) -> None:
        """Azure's rule: slots >= 4 + replicas + logical slots."""
        limit = int(in_effect(postgres, "max_replication_slots"))
        with postgres.superuser() as connection:
            for number in range(STANDBY_OWN + 1):
                connection.execute(
                    "SELECT pg_create_physical_replication_slot(%s)", (f"azure_{number}",)
                )
            for number in range(limit - STANDBY_OWN - 1):
                take_slot(connection, f"cdc_{number}")
            with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="slots are in use"):
                take_slot(connection, "cdc_more")
        self.raise_to(client, "max_replication_slots", str(limit + 1))
        with postgres.superuser() as connection:
            take_slot(connection, "cdc_more")

    def test_senders(self, client: Client, postgres: EmbeddedPostgres) -> None:
        """Azure's rule: senders >= 4 + replicas + logical slots."""
        limit = int(in_effect(postgres, "max_wal_senders"))
        with ExitStack() as stack:
            for _ in range(limit):
                stack.enter_context(_sender(postgres))
            with pytest.raises(psycopg.OperationalError, match="number of requested standby"):
                _sender(postgres)
        self.raise_to(client, "max_wal_senders", str(limit + 1))
        with ExitStack() as stack:
            for _ in range(limit + 1):
                stack.enter_context(_sender(postgres))


def _sender(postgres: EmbeddedPostgres) -> Connection:
    """A connection that is served by a WAL sender, as a standby's and a connector's are."""
    return psycopg.connect(
        host=postgres.host,
        port=postgres.port,
        user=postgres.admin_user,
        password=postgres.admin_password,
        dbname="postgres",
        sslmode=postgres.ssl_mode,
        replication="database",
        autocommit=True,
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("wal_level", "replica", 'exists, but "wal_level" < "logical"'),
        ("max_replication_slots", "2", "too many replication slots active before shutdown"),
    ],
)
def test_a_static_parameter_below_what_exists_keeps_the_server_down(
    name: str, value: str, reason: str
) -> None:
    """Azure's rule: static (needs a restart). With logical slots there, PostgreSQL then stops."""
    with EmbeddedPostgres(17) as postgres, EmulatedAzure(SUBSCRIPTION) as azure:
        azure.add_server(GROUP, NAME, postgres)
        with client_of(azure) as client:
            set_(client, "wal_level", "logical")
            client.servers.begin_restart(GROUP, NAME).result()
            with postgres.superuser() as connection:
                for number in range(3):
                    take_slot(connection, f"cdc_{number}")
            set_(client, name, value)
            assert client.configurations.get(GROUP, NAME, name).is_config_pending_restart is True

            poller = client.servers.begin_restart(GROUP, NAME)
            with pytest.raises(psycopg.OperationalError):
                postgres.superuser()
            with pytest.raises(HttpResponseError, match=reason):
                poller.result()
            assert poller.status() == "Failed"
            assert azure.journal.of_kind("restart")[-1].status == "Failed"

            found = client.servers.get(GROUP, NAME).properties
            assert found is not None
            assert found.state == "Stopped"
            assert client.configurations.get(GROUP, NAME, name).is_config_pending_restart is True
            restarting = refusal(lambda: client.servers.begin_restart(GROUP, NAME))
            assert restarting == (409, "ServerIsNotReady")
            writing = refusal(lambda: set_(client, "wal_level", "logical"))
            assert writing == (409, "ServerUnavailableForOperation")


class TestMetrics:
    @pytest.mark.parametrize(
        "metric",
        [
            "txlogs_storage_used",
            "storage_percent",
            "storage_free",
            "logical_replication_delay_in_bytes",
            "is_db_alive",
            "maximum_used_transactionIDs",
        ],
    )
    def test_those_without_a_switch(
        self, azure: EmulatedAzure, server: FlexibleServer, metric: str
    ) -> None:
        """Azure's rule: available with no switch, PT1M."""
        assert metric not in NEED_THE_COLLECTOR
        assert put_alert(azure, server, metric)[0] == 200

    @pytest.mark.parametrize(
        "metric",
        [
            "longest_transaction_time_sec",
            "oldest_backend_xmin_age",
            "logical_replication_slot_sync_status",
        ],
    )
    def test_those_of_the_collector(
        self, azure: EmulatedAzure, server: FlexibleServer, client: Client, metric: str
    ) -> None:
        """Azure's rule: three metrics need `metrics.collector_database_activity=on`."""
        assert metric in NEED_THE_COLLECTOR
        assert len(NEED_THE_COLLECTOR) == 3
        assert client.configurations.get(GROUP, NAME, COLLECTOR).value == "off"
        assert put_alert(azure, server, metric)[0] == 200, "taken, and silent"
        set_(client, COLLECTOR, "on")
        found = client.configurations.get(GROUP, NAME, COLLECTOR)
        assert (found.value, found.is_config_pending_restart) == ("on", False)

    def test_the_delay_is_the_maximum_over_all_slots(
        self, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        """Azure's rule: logical_replication_delay_in_bytes is the maximum over all slots."""
        metric = "logical_replication_delay_in_bytes"
        assert put_alert(azure, server, metric, timeAggregation="Average")[0] == 400

    @pytest.mark.parametrize(("threshold", "severity"), [(80, 2), (90, 0)])
    def test_the_baseline(
        self, azure: EmulatedAzure, server: FlexibleServer, threshold: int, severity: int
    ) -> None:
        """Azure's rule: the baseline: storage_percent > 80 (warning), > 90 (critical)."""
        answer = put_alert(azure, server, "storage_percent", severity, threshold=threshold)
        assert answer[0] == 200

    @pytest.mark.parametrize("wrong", ["Microsoft.DBforPostgreSQL/servers", "Insights.Container"])
    def test_the_namespace(self, azure: EmulatedAzure, server: FlexibleServer, wrong: str) -> None:
        """Azure's rule: namespace `Microsoft.DBforPostgreSQL/flexibleServers`."""
        assert put_alert(azure, server, "is_db_alive", metricNamespace=wrong)[0] == 400


def put_alert(
    azure: EmulatedAzure, server: FlexibleServer, metric: str, severity: int = 1, **given: object
) -> Answer:
    """An alert that looks every minute at the last one; the client of this SDK has no alerts."""
    criterion = {
        "criterionType": "StaticThresholdCriterion",
        "name": "it",
        "metricName": metric,
        "metricNamespace": METRICS,
        "operator": "GreaterThan",
        "threshold": 1,
        "timeAggregation": "Maximum",
        **given,
    }
    kind = "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"
    properties: Json = {
        "severity": severity,
        "enabled": True,
        "scopes": [server.id],
        "evaluationFrequency": "PT1M",
        "windowSize": "PT1M",
        "criteria": {"odata.type": kind, "allOf": [criterion]},
    }
    body = {"location": "global", "properties": properties}
    return call(azure, "PUT", f"{ALERTS}/metricAlerts/{metric}", body, "2018-03-01")
