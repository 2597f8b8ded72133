"""Azure's rules for server parameters, one test each, on servers of every version at hand.

What a test's docstring calls "Azure's rule" is what Azure's documentation and REST specification
say; Microsoft's client asks, and PostgreSQL is the witness. The rules for requests, operations, the
network, storage and metrics are in test_azure_facts.py, those for privileges in
test_azure_facts_privileges.py. What only the rehearsal does with parameters is in
test_azure_api.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import psycopg
import pytest
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure_support import (
    GROUP,
    SUBSCRIPTION,
    client_of,
    in_effect,
    refusal,
    user_override,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.catalogue import azure_defaults, catalogue
from azure_postgres_rehearsal.azure_api.postgres import Setting
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

LIBRARIES = "shared_preload_libraries"
EXTENSIONS = "azure.extensions"
INVALID = (400, "InvalidParameterValue")
INT_MAX = "2147483647"


class Row(NamedTuple):
    """One row of Azure's table; `taken` and `refused` are values at the bounds and beyond them."""

    name: str
    data_type: str
    default: str
    allowed: str
    taken: tuple[str, ...]
    refused: tuple[str, ...]
    unit: str = ""


STATIC = (
    Row("wal_level", "Enumeration", "replica", "replica,logical", ("logical",), ("minimal", "")),
    # PostgreSQL keeps some of the 262143 for connections and refuses the operation then.
    Row("max_worker_processes", "Integer", "8", "0-262143", ("0", "262000"), ("-1", "262144")),
    Row("max_replication_slots", "Integer", "10", "2-262143", ("2", "262143"), ("1", "262144")),
    Row("max_wal_senders", "Integer", "10", "5-100", ("5", "100"), ("4", "101")),
    Row(
        "max_logical_replication_workers",
        "Integer",
        "4",
        "0-262143",
        ("0", "262143"),
        ("-1", "262144"),
    ),
    Row("track_commit_timestamp", "Boolean", "off", "on,off", ("on", "off"), ("true", "1")),
)
DYNAMIC = (
    Row(
        "wal_sender_timeout",
        "Integer",
        "60000",
        f"0-{INT_MAX}",
        ("0", INT_MAX),
        ("-1", "2147483648", "5min"),
        "ms",
    ),
    Row(
        "logical_decoding_work_mem",
        "Integer",
        "65536",
        f"64-{INT_MAX}",
        ("64", INT_MAX),
        ("63", "2147483648"),
        "kB",
    ),
    Row("hot_standby_feedback", "Boolean", "off", "on,off", ("on", "off"), ("yes",)),
    Row("sync_replication_slots", "Boolean", "off", "on,off", ("on", "off"), ("yes",)),
    Row("metrics.collector_database_activity", "Boolean", "off", "on,off", ("on", "off"), ("yes",)),
    Row("require_secure_transport", "Boolean", "on", "on,off", ("off", "on"), ("no",)),
)
TABLE = (*STATIC, *DYNAMIC)
SINCE = {"sync_replication_slots": 17}
PRELOADED = {
    16: "pg_cron,pg_stat_statements",
    17: "pg_stat_statements",
    18: "pg_cron,pg_stat_statements",
}
MAJORS = tuple(PRELOADED)


def name_of(major: int) -> str:
    return f"cdc-{major}"


@pytest.fixture(scope="module")
def azure() -> Iterator[EmulatedAzure]:
    with ExitStack() as stack:
        running = [stack.enter_context(EmbeddedPostgres(major)) for major in MAJORS]
        emulated = stack.enter_context(EmulatedAzure(SUBSCRIPTION))
        for postgres in running:
            emulated.add_server(GROUP, name_of(postgres.major), postgres)
        yield emulated


@pytest.fixture(autouse=True)
def as_it_was(azure: EmulatedAzure) -> Iterator[None]:
    yield
    for server in azure.servers:
        changed = [c for c in server.parameters.as_list() if _is_set_or_pending(c["properties"])]
        for found in changed:
            default = found["properties"]["defaultValue"]
            body = {"properties": {"value": default, "source": "user-override"}}
            server.write_configuration(found["name"], body)
        if any(c["properties"]["isConfigPendingRestart"] for c in server.parameters.as_list()):
            server.restart({})


def _is_set_or_pending(about: dict[str, Any]) -> bool:
    return about["source"] == "user-override" or bool(about["isConfigPendingRestart"])


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[PostgreSQLManagementClient]:
    with client_of(azure) as management:
        yield management


@pytest.fixture
def server(azure: EmulatedAzure) -> FlexibleServer:
    return azure.servers[MAJORS.index(17)]


def write(client: PostgreSQLManagementClient, name: str, value: str, major: int = 17) -> Any:
    return client.configurations.begin_put(
        GROUP, name_of(major), name, user_override(value)
    ).result()


def read(client: PostgreSQLManagementClient, name: str, major: int = 17) -> Any:
    return client.configurations.get(GROUP, name_of(major), name)


class TestTable:
    @pytest.mark.parametrize(
        ("row", "major"),
        [(row, major) for row in TABLE for major in MAJORS if major >= SINCE.get(row.name, 0)],
        ids=lambda value: value.name if isinstance(value, Row) else str(value),
    )
    def test_each_row(self, client: PostgreSQLManagementClient, row: Row, major: int) -> None:
        """Azure's rule: the table of parameters: name, kind, default, allowed values."""
        found = read(client, row.name, major)
        assert (found.name, found.data_type, found.unit or "") == (
            row.name,
            row.data_type,
            row.unit,
        )
        assert (found.default_value, found.value, found.source) == (
            row.default,
            row.default,
            "system-default",
        )
        assert found.allowed_values == row.allowed
        assert found.is_dynamic_config is (row in DYNAMIC)
        assert found.is_read_only is False
        assert found.is_config_pending_restart is False

    @pytest.mark.parametrize(
        ("name", "value"), [(row.name, value) for row in TABLE for value in row.taken]
    )
    def test_the_bounds_are_allowed(
        self, client: PostgreSQLManagementClient, name: str, value: str
    ) -> None:
        """Azure's rule: the table's column "allowed": its bounds are."""
        assert write(client, name, value).value == value

    @pytest.mark.parametrize(
        ("name", "value"), [(row.name, value) for row in TABLE for value in row.refused]
    )
    def test_beyond_them_is_refused(
        self, client: PostgreSQLManagementClient, name: str, value: str
    ) -> None:
        """Azure's rule: the table's column "allowed": what is beyond is not."""
        before = read(client, name).value
        assert refusal(lambda: write(client, name, value)) == INVALID
        assert read(client, name).value == before

    def test_a_static_one_waits_for_the_restart(
        self, client: PostgreSQLManagementClient, server: FlexibleServer, azure: EmulatedAzure
    ) -> None:
        """Azure's rule: static (needs a restart). One restart is enough for all of them."""
        wanted = {
            "wal_level": "logical",
            "max_worker_processes": "16",
            "max_replication_slots": "20",
            "max_wal_senders": "20",
            "max_logical_replication_workers": "8",
            "track_commit_timestamp": "on",
        }
        assert set(wanted) == {row.name for row in STATIC}
        restarts = azure.journal.restarts
        for row in STATIC:
            written = write(client, row.name, wanted[row.name])
            assert (written.value, written.is_config_pending_restart) == (wanted[row.name], True)
            assert in_effect(server.postgres, row.name) == row.default
        assert azure.journal.restarts == restarts, "nothing restarts it by itself"

        client.servers.begin_restart(GROUP, name_of(17)).result()
        for name, value in wanted.items():
            assert in_effect(server.postgres, name) == value
            assert read(client, name).is_config_pending_restart is False

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("wal_sender_timeout", "300000"),
            ("logical_decoding_work_mem", "131072"),
            ("hot_standby_feedback", "on"),
            ("sync_replication_slots", "on"),
            ("metrics.collector_database_activity", "on"),
            (EXTENSIONS, "pglogical"),
        ],
    )
    def test_a_dynamic_one_takes_effect_at_once(
        self,
        client: PostgreSQLManagementClient,
        server: FlexibleServer,
        azure: EmulatedAzure,
        name: str,
        value: str,
    ) -> None:
        """Azure's rule: dynamic."""
        restarts = azure.journal.restarts
        written = client.configurations.begin_update(
            GROUP, name_of(17), name, user_override(value)
        ).result()
        assert (written.value, written.is_config_pending_restart) == (value, False)
        assert in_effect(server.postgres, name) == value
        assert azure.journal.restarts == restarts

    @pytest.mark.parametrize("major", MAJORS)
    @pytest.mark.parametrize("value", ["1024", "-1"])
    def test_the_wal_that_a_slot_retains_can_not_be_capped(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure, value: str, major: int
    ) -> None:
        """Azure's rule: no way to cap the WAL of a slot: max_slot_wal_keep_size is fixed at -1."""
        name = "max_slot_wal_keep_size"
        found = read(client, name, major)
        assert (found.value, found.default_value, found.allowed_values) == ("-1", "-1", "-1")
        assert found.is_read_only is True
        assert refusal(lambda: write(client, name, value, major)) == (
            400,
            "ReadOnlyServerParameter",
        )
        postgres = azure.servers[MAJORS.index(major)].postgres
        assert isinstance(postgres, EmbeddedPostgres)
        with (
            postgres.connect("postgres") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'")

    @pytest.mark.parametrize("major", MAJORS)
    def test_tls_is_required(self, client: PostgreSQLManagementClient, major: int) -> None:
        """Azure's rule: TLS 1.2/1.3; `require_secure_transport` is ON by default."""
        assert read(client, "require_secure_transport", major).default_value == "on"
        lowest = read(client, "ssl_min_protocol_version", major)
        assert (lowest.value, lowest.is_read_only) == ("TLSv1.2", False)
        assert (lowest.allowed_values, lowest.is_dynamic_config) == ("TLSv1.2,TLSv1.3", True)


class TestVersions:
    @pytest.mark.parametrize("major", MAJORS)
    def test_the_libraries_preloaded(self, client: PostgreSQLManagementClient, major: int) -> None:
        """Azure's rule: `pg_cron,pg_stat_statements` (16, 18), `pg_stat_statements` (17)."""
        found = read(client, LIBRARIES, major)
        assert (found.data_type, found.is_dynamic_config, found.is_read_only) == (
            "Set",
            False,
            False,
        )
        assert found.default_value == found.value == PRELOADED[major]

    @pytest.mark.parametrize("major", MAJORS)
    def test_pglogical_can_be_preloaded(
        self, client: PostgreSQLManagementClient, major: int
    ) -> None:
        """Azure's rule: shared_preload_libraries is a set; `pglogical` on 16-18."""
        written = write(client, LIBRARIES, f"{PRELOADED[major]},pglogical", major)
        assert (written.value, written.is_config_pending_restart) == (
            f"{PRELOADED[major]},pglogical",
            True,
        )

    @pytest.mark.parametrize("major", MAJORS)
    def test_pglogical_can_be_created(self, client: PostgreSQLManagementClient, major: int) -> None:
        """Azure's rule: azure.extensions: dynamic, empty, a set, `pglogical` among them."""
        found = read(client, EXTENSIONS, major)
        assert (found.data_type, found.is_dynamic_config, found.is_read_only) == (
            "Set",
            True,
            False,
        )
        assert found.default_value == found.value == ""
        assert write(client, EXTENSIONS, "pglogical", major).value == "pglogical"
        assert refusal(lambda: write(client, EXTENSIONS, "no_such_extension", major)) == INVALID

    @pytest.mark.parametrize("major", MAJORS)
    def test_pg_failover_slots(self, client: PostgreSQLManagementClient, major: int) -> None:
        """Azure's rule: `pg_failover_slots` on 16 and older. PG <= 16: preload it for a standby."""
        value = f"{PRELOADED[major]},pg_failover_slots"
        if major <= 16:
            assert write(client, LIBRARIES, value, major).value == value
            assert write(client, "hot_standby_feedback", "on", major).value == "on"
        else:
            assert refusal(lambda: write(client, LIBRARIES, value, major)) == INVALID

    def test_of_a_version_that_is_not_at_hand(self) -> None:
        """Azure's rule: `pg_failover_slots` on 16 and older."""
        row = Setting(LIBRARIES, "", None, "", "", "postmaster", "string", None, None, None)
        assert azure_defaults(15, [row])[LIBRARIES] == "pg_cron,pg_stat_statements"
        libraries = next(p for p in catalogue(15, [row]) if p.name == LIBRARIES)
        assert {"pg_failover_slots", "pglogical"} <= set(libraries.choices)

    def test_slots_are_synchronised_from_17_on(
        self, client: PostgreSQLManagementClient, server: FlexibleServer
    ) -> None:
        """Azure's rule: sync_replication_slots (17+); the slot itself with `failover => true`."""
        assert refusal(lambda: write(client, "sync_replication_slots", "on", 16)) == (
            404,
            "ConfigurationNotExists",
        )
        for name in ("sync_replication_slots", "hot_standby_feedback"):
            assert write(client, name, "on", 17).value == "on"
        write(client, "wal_level", "logical")
        client.servers.begin_restart(GROUP, name_of(17)).result()
        with server.postgres.superuser() as connection:
            connection.execute(
                "SELECT pg_create_logical_replication_slot('cdc', 'pgoutput', failover => true)"
            )
            row = connection.execute("SELECT failover FROM pg_replication_slots").fetchone()
            connection.execute("SELECT pg_drop_replication_slot('cdc')")
        assert row == (True,)


class TestSets:
    @pytest.mark.parametrize(
        ("name", "before", "after"),
        [
            (LIBRARIES, "pg_stat_statements,auto_explain", "pglogical"),
            (EXTENSIONS, "pgcrypto,hstore", "pglogical"),
        ],
    )
    def test_overwriting_drops_what_was_there(
        self, client: PostgreSQLManagementClient, name: str, before: str, after: str
    ) -> None:
        """Azure's rule: overwriting either set drops what was there."""
        write(client, name, before)
        assert write(client, name, after).value == after

    def test_the_portals_upper_case_is_taken(
        self, client: PostgreSQLManagementClient, server: FlexibleServer
    ) -> None:
        """Azure's rule: the portal writes LOGICAL and PGLOGICAL; lower case is what is shown."""
        assert write(client, "wal_level", "LOGICAL").value == "logical"
        write(client, EXTENSIONS, "PGLOGICAL,pgcrypto,pglogical")
        assert read(client, EXTENSIONS).value == "pglogical,pgcrypto"
        assert in_effect(server.postgres, EXTENSIONS) == "pglogical,pgcrypto"

    def test_they_compare_without_case_and_order(self, client: PostgreSQLManagementClient) -> None:
        """Azure's rule: compare as case-insensitive sets."""
        write(client, LIBRARIES, "pg_stat_statements,auto_explain")
        client.servers.begin_restart(GROUP, name_of(17)).result()
        again = write(client, LIBRARIES, "AUTO_EXPLAIN,PG_STAT_STATEMENTS")
        assert again.is_config_pending_restart is False

    def test_pgoutput_needs_no_pglogical(
        self, client: PostgreSQLManagementClient, server: FlexibleServer
    ) -> None:
        """Azure's rule: `pgoutput`, the plug-in the slot uses, needs no pglogical."""
        write(client, "wal_level", "logical")
        client.servers.begin_restart(GROUP, name_of(17)).result()
        assert "pglogical" not in read(client, LIBRARIES).value + read(client, EXTENSIONS).value
        with server.postgres.superuser() as connection:
            connection.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
            connection.execute("SELECT pg_drop_replication_slot('cdc')")
