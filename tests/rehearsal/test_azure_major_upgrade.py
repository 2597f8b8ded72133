"""The in-place major upgrade of the emulated Azure, which a real pg_upgrade carries out."""

from __future__ import annotations

from collections.abc import Iterator

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
    call,
    client_of,
    code_of,
    in_effect,
    refusal,
    user_override,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

PRECHECK = "MajorVersionUpgradePrecheckFailed"
PASSWORD = "Correct-horse-1"


@pytest.fixture(scope="module")
def old() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL 16 that no test upgrades."""
    with EmbeddedPostgres(16, settings={"max_prepared_transactions": "2"}) as server:
        yield server


@pytest.fixture
def own() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL 16 for one test."""
    with EmbeddedPostgres(16, databases=["postgres", "shop"]) as server:
        yield server


@pytest.fixture
def azure() -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION, resource_groups=[GROUP]) as emulated:
        yield emulated


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[PostgreSQLManagementClient]:
    with client_of(azure) as found:
        yield found


@pytest.fixture
def server(azure: EmulatedAzure, old: EmbeddedPostgres) -> FlexibleServer:
    return azure.add_server(GROUP, NAME, old)


def upgrade(client: PostgreSQLManagementClient, version: str, name: str = NAME) -> None:
    properties = ServerPropertiesForPatch(version=version)
    client.servers.begin_update(
        GROUP, name, ServerForPatch(properties=properties), polling_interval=0.05
    ).result()


def why_not(client: PostgreSQLManagementClient, version: str = "18") -> str:
    """The message with which an upgrade that was accepted fails."""
    with pytest.raises(HttpResponseError) as failed:
        upgrade(client, version)
    assert PRECHECK in str(failed.value) or "MajorVersionUpgradeFailed" in str(failed.value)
    return str(failed.value)


def set_parameter(client: PostgreSQLManagementClient, name: str, value: str) -> None:
    client.configurations.begin_update(GROUP, NAME, name, user_override(value)).result()


def version_of(client: PostgreSQLManagementClient) -> str | None:
    properties = client.servers.get(GROUP, NAME).properties
    assert properties is not None
    return properties.version


def value_of(client: PostgreSQLManagementClient, name: str) -> tuple[str | None, str | None]:
    properties = client.configurations.get(GROUP, NAME, name).properties
    assert properties is not None
    assert properties.is_config_pending_restart is False
    return properties.value, properties.source


class TestRefused:
    """What stands in the way; the server stays what it was."""

    @pytest.mark.parametrize("version", ["15", "16", "19", "sixteen"])
    @pytest.mark.usefixtures("server")
    def test_no_later_version(
        self, azure: EmulatedAzure, client: PostgreSQLManagementClient, version: str
    ) -> None:
        assert refusal(lambda: upgrade(client, version)) == (400, "ParameterOutOfRange")
        assert azure.journal.accepted == []

    def test_a_version_that_this_machine_has_not(
        self, azure: EmulatedAzure, server: FlexibleServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(EmbeddedPostgres, "upgradable_to", (18,))
        answer = call(azure, "PATCH", server.id, {"properties": {"version": "17"}})
        assert code_of(answer) == (400, "NotSupportedByRehearsal")
        assert answer[2]["error"]["message"] == (
            "The rehearsal cannot upgrade PostgreSQL 16 to 17: this machine has 18."
        )

    @pytest.mark.usefixtures("server")
    def test_together_with_another_change(self, client: PostgreSQLManagementClient) -> None:
        # Whether Azure takes both at once is not documented.
        both = ServerForPatch(
            properties=ServerPropertiesForPatch(version="18", storage=Storage(auto_grow="Enabled"))
        )
        assert refusal(lambda: client.servers.begin_update(GROUP, NAME, both)) == (
            400,
            "InvalidParameterValue",
        )

    def test_replicas(
        self, azure: EmulatedAzure, client: PostgreSQLManagementClient, server: FlexibleServer
    ) -> None:
        azure.add_server(GROUP, "cdc-replica", server.postgres, replica_of=server)
        for name in (NAME, "cdc-replica"):
            assert refusal(lambda name=name: upgrade(client, "18", name)) == (400, PRECHECK)  # type: ignore[misc]

    @pytest.mark.usefixtures("server")
    def test_everything_in_the_way_is_named(
        self, azure: EmulatedAzure, client: PostgreSQLManagementClient, old: EmbeddedPostgres
    ) -> None:
        set_parameter(client, "wal_level", "logical")
        client.servers.begin_restart(GROUP, NAME).result()
        set_parameter(client, "max_wal_senders", "20")
        with old.superuser() as connection:
            connection.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
            connection.execute("SELECT pg_create_physical_replication_slot('standby')")
            connection.execute("BEGIN")
            connection.execute("CREATE TABLE half_done (id int)")
            connection.execute("PREPARE TRANSACTION 'half'")
            connection.execute(
                "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
            )
            connection.execute(
                "CREATE EVENT TRIGGER watcher ON ddl_command_start EXECUTE FUNCTION watch()"
            )
            found = why_not(client)
            for what in (
                "logical replication slots: cdc;",
                "prepared transactions: half;",
                "event triggers: watcher (database postgres);",
                "parameters that wait for a restart: max_wal_senders.",
            ):
                assert what in found
            assert "standby" not in found

            azure.behaviour.precheck_at_once = True
            assert refusal(lambda: upgrade(client, "18")) == (400, PRECHECK)
            # From 16 no pg_upgrade keeps them.
            azure.behaviour.slots_move = True
            assert "logical replication slots: cdc" in str(_refused(client))
            # Nothing was stopped for it.
            assert connection.execute("SELECT 1").fetchone() == (1,)
            connection.execute("ROLLBACK PREPARED 'half'")
            connection.execute("DROP EVENT TRIGGER watcher")
            connection.execute("SELECT pg_drop_replication_slot('cdc')")
        assert version_of(client) == "16"


def _refused(client: PostgreSQLManagementClient) -> HttpResponseError:
    with pytest.raises(HttpResponseError) as refused:
        upgrade(client, "18")
    return refused.value


def fill(postgres: EmbeddedPostgres) -> None:
    with postgres.connect("shop") as connection:
        connection.execute("CREATE ROLE app LOGIN PASSWORD 'Correct-horse-1'")
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY, what text)")
        connection.execute("INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 1000) n")
        connection.execute("GRANT SELECT ON orders TO app")
        connection.execute("CREATE PUBLICATION cdc FOR TABLE orders (id)")
        connection.execute("ALTER TABLE orders REPLICA IDENTITY FULL")
        connection.execute("ANALYZE orders")
    with postgres.superuser() as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")


def test_16_to_18(
    azure: EmulatedAzure, client: PostgreSQLManagementClient, own: EmbeddedPostgres
) -> None:
    azure.add_server(GROUP, NAME, own)
    for name, value in {
        "wal_level": "logical",
        "max_wal_senders": "20",
        "work_mem": "8192",
        "azure.extensions": "pglogical",
        "shared_preload_libraries": "pg_failover_slots,pglogical",
        "old_snapshot_threshold": "60",  # 18 has it no more
    }.items():
        set_parameter(client, name, value)
    client.servers.begin_restart(GROUP, NAME).result()
    fill(own)
    assert "logical replication slots: cdc" in why_not(client)
    with own.superuser() as connection:
        connection.execute("SELECT pg_drop_replication_slot('cdc')")
        before = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
    assert before is not None

    port, session = own.port, own.connect("shop")
    azure.behaviour.upgrade_seconds = 0.5
    patch = ServerForPatch(properties=ServerPropertiesForPatch(version="18"))
    going_on = client.servers.begin_update(GROUP, NAME, patch, polling_interval=0.05)
    meanwhile = client.servers.get(GROUP, NAME).properties
    assert meanwhile is not None
    assert (meanwhile.state, meanwhile.version) == ("Updating", "16")
    for action in (
        lambda: set_parameter(client, "work_mem", "4096"),
        lambda: upgrade(client, "18"),
    ):
        assert refusal(action) == (409, "ServerIsBusy")
    done = going_on.result()
    assert done.properties is not None
    assert (done.properties.state, done.properties.version) == ("Ready", "18")
    assert [(o.detail, o.status) for o in azure.journal.of_kind("major-upgrade")] == [
        ("16 to 18", "Failed"),
        ("16 to 18", "Succeeded"),
    ]
    with session, pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")

    assert (own.port, own.major) == (port, 18)
    assert sorted(path.name for path in own.folder.glob("data*")) == ["data"]
    with own.connect("shop", "app", PASSWORD) as connection:
        assert connection.info.server_version >= 180000
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1000,)
    with own.superuser("shop") as connection:
        assert connection.execute("SELECT pubname, attnames FROM pg_publication_tables").fetchall()
        assert connection.execute(
            "SELECT relreplident, reltuples FROM pg_class WHERE relname = 'orders'"
        ).fetchone() == ("f", -1)
        assert connection.execute("SELECT * FROM pg_stats WHERE tablename = 'orders'").rowcount == 0
        assert connection.execute("SELECT * FROM pg_replication_slots").rowcount == 0
        after = connection.execute("SELECT pg_current_wal_lsn() > %s::pg_lsn", before).fetchone()
        assert after == (True,)
        connection.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")

    kept = ("wal_level", "max_wal_senders", "work_mem", "azure.extensions")
    assert [value_of(client, name) for name in kept] == [
        ("logical", "user-override"),
        ("20", "user-override"),
        ("8192", "user-override"),
        ("pglogical", "user-override"),
    ]
    assert [in_effect(own, name) for name in kept] == ["logical", "20", "8192", "pglogical"]
    assert value_of(client, "shared_preload_libraries") == ("pglogical", "user-override")
    assert value_of(client, "effective_io_concurrency") == ("16", "system-default")
    gone = refusal(lambda: client.configurations.get(GROUP, NAME, "old_snapshot_threshold"))
    assert gone == (404, "ConfigurationNotExists")
    default = client.configurations.get(GROUP, NAME, "work_mem").properties
    assert default is not None
    assert default.default_value == "4096"
    set_parameter(client, "work_mem", "4096")
    assert in_effect(own, "work_mem") == "4096"


def test_what_pg_upgrade_refuses_leaves_the_old_version_running(
    azure: EmulatedAzure, client: PostgreSQLManagementClient, own: EmbeddedPostgres
) -> None:
    azure.add_server(GROUP, NAME, own)
    with own.connect("shop") as connection:
        connection.execute("CREATE TABLE calls (what regproc)")
    found = why_not(client)
    assert "Checking for reg* data types in user tables" in found
    assert "public.calls.what" in found
    assert "\n" not in found.partition("Message: ")[2].partition("\nContent")[0]
    assert (version_of(client), own.major) == ("16", 16)
    with own.connect("shop") as connection:
        assert connection.info.server_version < 170000
        connection.execute("DROP TABLE calls")
    assert sorted(path.name for path in own.folder.glob("data*")) == ["data"]
    upgrade(client, "18")
    assert (version_of(client), own.major) == ("18", 18)
