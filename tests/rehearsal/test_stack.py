"""The stack `local`, for real: what `pulumi up` makes, and that it stays as it is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support import PROJECT, pgbench, watched_process_list

from azure_postgres_rehearsal.consumer import Consumer, read_table
from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.rehearsal import Rehearsal

EVERY_TABLE = ["pgbench_accounts", "pgbench_branches", "pgbench_history", "pgbench_tellers"]


@dataclass
class Made:
    rehearsal: Rehearsal
    first: Outcome
    processes: set[str]

    @property
    def connector(self) -> dict[str, Any]:
        found: dict[str, Any] = self.rehearsal.engine.outputs()["connectors"][0]
        return found

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.rehearsal.postgres.superuser("shop") as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    with Rehearsal(PROJECT, "local") as rehearsal:
        pgbench(rehearsal, "--initialize")
        with watched_process_list() as processes:
            first = rehearsal.engine.up("--skip-preview", capture=True)
        yield Made(rehearsal, first, processes)


def test_the_server_has_the_pages_parameters_after_one_restart(made: Made) -> None:
    journal = made.rehearsal.azure.journal
    written = [
        operation.detail.partition("=")[0] for operation in journal.of_kind("configuration-write")
    ]
    assert written == [
        "wal_level",
        "shared_preload_libraries",
        "azure.extensions",
        "max_worker_processes",
    ]
    assert journal.restarts == 1
    assert journal.accepted[-1].kind == "restart"
    assert made.ask("SHOW wal_level") == [("logical",)]
    assert made.ask("SHOW max_worker_processes") == [("16",)]


def test_storage_grows_by_itself(made: Made) -> None:
    assert made.rehearsal.server.auto_grow


def test_roles(made: Made) -> None:
    roles = made.ask(
        "SELECT rolname, rolcanlogin, rolreplication, rolsuper, rolcreaterole, rolcreatedb "
        "FROM pg_roles WHERE rolname LIKE 'streamkap%' ORDER BY 1"
    )
    assert roles == [
        ("streamkap_role", False, False, False, False, False),
        ("streamkap_user", True, True, False, False, False),
    ]
    assert made.ask("SELECT pg_has_role('streamkap_user', 'streamkap_role', 'USAGE')") == [(True,)]


def test_grants(made: Made) -> None:
    assert made.ask(
        "SELECT has_database_privilege('streamkap_role', 'shop', 'CONNECT'),"
        " has_schema_privilege('streamkap_role', 'public', 'CREATE'),"
        " has_schema_privilege('streamkap_role', 'streamkap', 'CREATE'),"
        " has_schema_privilege('streamkap_role', 'streamkap', 'USAGE')"
    ) == [(True, True, True, True)]
    privileges = made.ask(
        "SELECT c.relname, string_agg(a.privilege_type, ',' ORDER BY 1) FROM pg_class c,"
        " aclexplode(c.relacl) a WHERE a.grantee = 'streamkap_role'::regrole GROUP BY 1 ORDER BY 1"
    )
    assert privileges == [
        *((table, "SELECT") for table in EVERY_TABLE),
        ("streamkap_signal", "INSERT,SELECT,UPDATE"),
    ]


def test_a_new_table_is_readable_at_once(made: Made) -> None:
    with made.rehearsal.postgres.connect("shop") as connection:
        connection.execute("CREATE TABLE later (id int PRIMARY KEY)")
        row = connection.execute(
            "SELECT has_table_privilege('streamkap_user', 'later', 'SELECT')"
        ).fetchone()
        connection.execute("DROP TABLE later")
    assert row == (True,)


def test_the_signal_table_is_the_pages(made: Made) -> None:
    columns = made.ask(
        "SELECT column_name, data_type, character_maximum_length, is_nullable"
        " FROM information_schema.columns WHERE table_schema = 'streamkap'"
        " AND table_name = 'streamkap_signal' ORDER BY ordinal_position"
    )
    assert columns == [
        ("id", "character varying", 255, "NO"),
        ("type", "character varying", 32, "NO"),
        ("data", "character varying", 2000, "YES"),
    ]


def test_the_publication_holds_the_tables_and_the_signal_table(made: Made) -> None:
    assert made.ask(
        "SELECT schemaname || '.' || tablename FROM pg_publication_tables"
        " WHERE pubname = 'streamkap_pub' ORDER BY 1"
    ) == [*((f"public.{table}",) for table in EVERY_TABLE), ("streamkap.streamkap_signal",)]
    assert made.ask("SELECT pubviaroot FROM pg_publication") == [(True,)]


def test_the_slot(made: Made) -> None:
    assert made.ask("SELECT slot_name, plugin, database, active FROM pg_replication_slots") == [
        ("streamkap_pgoutput_slot", "pgoutput", "shop", False)
    ]


def test_identity_comes_before_publication_before_slot(made: Made) -> None:
    """By the engine's own record of when each was done with."""
    created = {
        item["type"].rpartition(":")[2]: item["created"]
        for item in made.rehearsal.engine.state()["deployment"]["resources"]
        if item["type"].startswith("pulumi-python:dynamic/")
    }
    order = ["SchemaAccess", "SignalTable", "ReplicaIdentity", "Publication", "ReplicationSlot"]
    assert sorted(order, key=created.__getitem__) == order


def test_replica_identity_is_full_where_it_was_asked_for(made: Made) -> None:
    assert made.ask(
        "SELECT relname, relreplident FROM pg_class WHERE relname LIKE 'pgbench%' AND relkind = 'r'"
        " ORDER BY 1"
    ) == [(table, "f" if table == "pgbench_history" else "d") for table in EVERY_TABLE]


def test_the_form_is_an_output(made: Made) -> None:
    form = made.connector
    assert form | {"password": "", "port": 0} == {
        "name": "shop",
        "hostname": "127.0.0.1",
        "port": 0,
        "connectViaSshTunnel": False,
        "username": "streamkap_user",
        "password": "",
        "database": "shop",
        "readOnly": "No",
        "heartbeats": True,
        "heartbeatTableSchema": None,
        "signalTableSchema": "streamkap",
        "replicationSlotName": "streamkap_pgoutput_slot",
        "publicationName": "streamkap_pub",
        "sslMode": "require",
        "prefixWithDatabaseName": False,
        "representBinaryDataAs": "bytes",
        "schemas": ["public"],
        "tables": "".join(f"public.{table}\n" for table in EVERY_TABLE),
    }
    assert form["port"] == made.rehearsal.postgres.port


def test_every_change_is_captured_by_the_connectors_user(made: Made) -> None:
    form = made.connector
    with made.rehearsal.postgres.connect("shop", form["username"], form["password"]) as connection:
        consumer = Consumer(connection, form["publicationName"], form["replicationSlotName"])
        consumer.drain()
        consumer.captured.clear()
        consumer.snapshot()
        pgbench(made.rehearsal, "--client=2", "--transactions=100")
        with made.rehearsal.postgres.connect("shop") as application:
            application.execute(
                "DELETE FROM pgbench_history WHERE ctid IN"
                " (SELECT ctid FROM pgbench_history LIMIT 7)"
            )
            application.execute("UPDATE pgbench_accounts SET aid = -aid WHERE aid <= 5")
        consumer.drain()
        assert sum(consumer.captured.values()) == 2 * 100 * 4 + 7 + 5
        for name, copy in consumer.tables.items():
            if not name.endswith("signal"):
                assert copy.rows == Counter(read_table(connection, *name.split(".")))


def test_the_connector_can_signal_a_snapshot(made: Made) -> None:
    form = made.connector
    with made.rehearsal.postgres.connect("shop", form["username"], form["password"]) as connection:
        connection.execute(
            "INSERT INTO streamkap.streamkap_signal VALUES ('1', 'execute-snapshot', '{}')"
        )
        connection.execute("UPDATE streamkap.streamkap_signal SET data = NULL")
        assert connection.execute("SELECT * FROM streamkap.streamkap_signal").fetchall() == [
            ("1", "execute-snapshot", None)
        ]


@pytest.mark.parametrize("run", ["up", "up --refresh", "up --refresh again"])
def test_another_up_changes_nothing(made: Made, run: str) -> None:
    operations = len(made.rehearsal.azure.journal.accepted)
    again = made.rehearsal.engine.up("--skip-preview", *run.split()[1:2], capture=True)
    assert again.changed == 0, again.text
    assert again.resources == made.first.resources
    assert len(made.rehearsal.azure.journal.accepted) == operations


def test_no_secret_is_in_plain_text_anywhere(made: Made) -> None:
    secrets = [made.connector["password"], made.rehearsal.postgres.admin_password]
    assert all(len(secret) >= 24 for secret in secrets)
    files = [path for path in made.rehearsal.engine.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".json" and "stacks" in path.parts for path in files)
    for secret in secrets:
        assert secret not in made.first.text
        assert secret not in json.dumps(made.rehearsal.engine.state())
        assert not [path for path in files if secret.encode() in path.read_bytes()]
        assert not [line for line in made.processes if secret in line]
    assert any("pulumi up" in line for line in made.processes)


def test_passwords_are_encrypted_in_postgresql(made: Made) -> None:
    rows = made.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'streamkap_user'")
    assert rows[0][0].startswith("SCRAM-SHA-256$")
