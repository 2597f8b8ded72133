"""doctor on servers that are not as they should be: parameters, and a read replica."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from tests.database.doctor_support import PASSWORD, form_of, stack_of

from azure_postgres_cdc.operations.doctor import examine
from azure_postgres_cdc.operations.findings import Finding
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

POOR = {
    "wal_level": "replica",
    "max_worker_processes": "4",
    "max_replication_slots": "1",
    "max_wal_senders": "1",
}
DATABASE = {
    "name": "postgres",
    "capture": {"tables": ["public.orders"]},
    "user": "connector",
    "slot": "a_slot",
}


@pytest.fixture(scope="module")
def poor() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17, settings=POOR) as server:
        with server.superuser() as connection:
            connection.execute("CREATE TABLE public.orders (id int PRIMARY KEY)")
            connection.execute(
                f"CREATE ROLE connector LOGIN REPLICATION PASSWORD '{PASSWORD}'".encode()
            )
            connection.execute("SELECT pg_create_physical_replication_slot('another')")
        yield server


def findings(server: EmbeddedPostgres, **fields: str | None) -> dict[str, Finding]:
    form = form_of(server, "postgres", "connector", "a_slot", **fields)
    return {item.check: item for item in examine(stack_of(server, [DATABASE], form)).findings}


def test_parameters_that_are_not_enough(poor: EmbeddedPostgres) -> None:
    found = findings(poor)
    assert {
        name: str(found[name].state) for name in found if found[name].topic == "parameters"
    } == {
        "wal-level": "failed",
        "worker-processes": "warning",
        "replication-slots": "warning",
        "wal-senders": "ok",
        "wal-sender-timeout": "warning",
        "timeouts": "ok",
        "slot-limits": "ok",
        "pending-restart": "ok",
    }
    assert found["wal-level"].evidence == "wal_level is replica: no change can be captured"
    assert found["worker-processes"].evidence.startswith("max_worker_processes is 4, ")
    assert found["replication-slots"].evidence == (
        "1 of 1 in use (max_replication_slots): there is no room for another slot"
    )
    assert found["role-membership"].evidence.startswith("there is no role streamkap_role")


def test_it_is_the_connector_s_own_ssl_mode_that_does_not_go(poor: EmbeddedPostgres) -> None:
    found = findings(poor, sslMode="disable")["connection"]
    assert str(found.state) == "failed"
    assert "no pg_hba.conf entry" in found.evidence
    assert found.remedy == "check connector.sslMode; Azure lets in TLS connections only"


def test_no_wal_sender_is_left(poor: EmbeddedPostgres) -> None:
    with psycopg.connect(
        host=poor.host,
        port=poor.port,
        user="connector",
        password=PASSWORD,
        dbname="postgres",
        sslmode=poor.ssl_mode,
        replication="database",
        autocommit=True,
    ):
        found = findings(poor)
    assert found["wal-senders"].evidence.startswith("1 of 1 in use (max_wal_senders): there is no")
    assert str(found["replication-connection"].state) == "failed"
    assert "max_wal_senders" in found["replication-connection"].evidence


def test_read_replica_is_no_place_for_a_signal_table(poor: EmbeddedPostgres) -> None:
    poor.stop()
    (poor.data_dir / "standby.signal").touch()
    poor.start()
    try:
        found = findings(poor)
        reading = findings(poor, readOnly="Yes", signalTableSchema=None, heartbeatTableSchema=None)
    finally:
        poor.stop()
        (poor.data_dir / "standby.signal").unlink()
        poor.start()
    assert str(found["primary"].state) == "failed"
    assert found["primary"].evidence.startswith("a read replica, on which the signal table cannot")
    assert str(reading["primary"].state) == "ok"
    assert "signal-table" not in reading
