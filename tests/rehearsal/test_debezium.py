"""`azure-postgres-cdc connector` on a whole stack, and Debezium itself on the properties.

Debezium comes from Maven Central into Maven's own repository. Without Java 17, Maven or the network
there is nothing to validate with: those tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import PROJECT, watched_process_list

from azure_postgres_cdc.connector import uploaded
from azure_postgres_cdc.operations.connector.formats import Format, written
from azure_postgres_cdc.operations.snapshot import Choice, Kind, signal
from azure_postgres_cdc.operations.stack import Stack, load
from azure_postgres_rehearsal.rehearsal import Rehearsal

DEBEZIUM = Path(__file__).with_name("debezium")
NEWEST, OLDEST = "3.6.1.Final", "3.0.0.Final"
RESOLVE = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
NEW_KEY = "offset.mismatch.strategy"
"""There from Debezium 3.4 on."""
JAVA = 17
CAPTURED = [
    "orders",
    "Odd Table",
    "dot.ted",
    "comma,ted",
    " both ends ",
    'quo"ted',
    "back\\slash",
    "new\nline",
    "${env:HOME}",
    "[a-z]*(x)|^$+?{2}",
    "表",
    "\N{BALLOON}",
]
OTHERS = ["invoices", "dotxted", "comma", "both ends"]
"""Tables that are not captured, though a careless expression would match them."""

IMPATIENT = ("heartbeat.interval.ms=500", "offset.flush.interval.ms=500")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# Azure is of no importance here, and takes its time.
SETTINGS: dict[str, Any] = {"server": {"management": "none"}}
SETTINGS["databases"] = [
    {
        "name": "shop",
        "capture": {"tables": [f"public.{quoted(name)}" for name in CAPTURED]},
        "heartbeat": True,
        "connector": {"signalSchema": "cdc", "heartbeatSchema": "beat"},
    },
    {
        "name": "crm",
        "capture": {"schemas": ["sales"]},
        "slot": "crm_slot",
        "snapshots": "read-only",
    },
    {
        "name": "hr",
        "capture": {"tables": ["public.people", "public.teams"]},
        "slot": "hr_slot",
        "columns": {"public.people": ["id", "name"]},
        "rowFilters": {"public.people": "id < 100 OR id = 200"},
    },
]


@pytest.fixture(scope="module")
def stack() -> Iterator[Rehearsal]:
    with Rehearsal(PROJECT, "local", settings=SETTINGS) as rehearsal:
        for database, schema, names in (
            ("shop", "public", [*CAPTURED, *OTHERS]),
            ("crm", "sales", ["people"]),
        ):
            with rehearsal.postgres.connect(database) as connection:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
                for name in names:
                    connection.execute(
                        f"CREATE TABLE {schema}.{quoted(name)} (id int PRIMARY KEY)".encode()
                    )
        with rehearsal.postgres.connect("hr") as connection:
            for name in ("people", "teams"):
                connection.execute(
                    f"CREATE TABLE {name} (id int PRIMARY KEY, name text, salary int)".encode()
                )
        rehearsal.invent_tables()
        rehearsal.engine.up("--skip-preview", capture=True)
        yield rehearsal


@pytest.fixture(
    scope="module", params=[NEWEST, pytest.param(OLDEST, marks=pytest.mark.full)], ids=str
)
def classpath(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Debezium and what it needs."""
    need_java()
    if shutil.which("mvn") is None:
        pytest.skip("Debezium's own validation needs Maven: there is no mvn on PATH")
    file = tmp_path_factory.mktemp("debezium") / "classpath"
    maven = ["mvn", "--batch-mode", "--quiet", "--file", str(DEBEZIUM / "pom.xml"), RESOLVE]
    maven += [f"-Dmdep.outputFile={file}", f"-Ddebezium.version={request.param}"]
    try:
        result = subprocess.run(maven, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("Debezium's own validation needs Maven Central, which does not answer")
    if result.returncode:
        reason = next(iter(result.stdout.splitlines()), "mvn failed")
        pytest.skip(f"Debezium's own validation needs Maven Central: {reason[:200]}")
    return file.read_text()


def need_java() -> None:
    """Skip without a JDK: the classes here are compiled as they are run."""
    java = shutil.which("java") if shutil.which("javac") else None
    version = java and subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', version or "")
    if found is None or int(found[1]) < JAVA:
        pytest.skip(f"Debezium's own validation needs a JDK, Java {JAVA} or later")


@pytest.fixture(scope="module")
def loaded(stack: Rehearsal) -> Stack:
    """The stack as the command reads it, in the place where `pulumi up` ran."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.engine.environment.items():
            patch.setenv(name, value)
        return load("local", stack.engine.folder)


@pytest.fixture(scope="module")
def answers(
    loaded: Stack, classpath: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What Debezium's connector says of each database's properties, and of spoilt ones."""
    texts = {database: properties(loaded, database) for database in ("shop", "crm")}
    password = f"database.password={loaded.form_of('shop').password}"
    assert password in texts["shop"]
    spoilt = texts["shop"].replace(password, "database.password=wrong") + "slot.nmae=x\n"
    folder = tmp_path_factory.mktemp("properties")
    files = {name: folder / name for name in (*texts, "spoilt")}
    for name, file in files.items():
        file.write_text((texts | {"spoilt": spoilt})[name], encoding="ascii")
    result = subprocess.run(
        ["java", "-cp", classpath, str(DEBEZIUM / "Validate.java"), *map(str, files.values())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return dict(zip(files, json.loads(result.stdout), strict=True))


@contextmanager
def capturing(classpath: str, file: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Debezium at work. Its output has a line for each row that it captures."""
    command = ["java", "-cp", classpath, str(DEBEZIUM / "Capture.java"), str(file), *more]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8") as process:
        over = threading.Timer(60, process.kill)
        over.start()
        try:
            yield process
            process.communicate()
            assert process.returncode == 0
        finally:
            over.cancel()
            process.kill()


def events(process: subprocess.Popen[str], count: int) -> list[list[Any]]:
    """So many events, sorted: schema, table, operation, the row's id. Without the signals."""
    return [event[:4] for event in whole_events(process, count)]


def whole_events(process: subprocess.Popen[str], count: int) -> list[list[Any]]:
    """The same with the names of the row's columns at the end."""
    assert process.stdout is not None
    found: list[list[Any]] = []
    while len(found) < count:
        line = process.stdout.readline()
        assert line, f"Debezium ended after {found}"
        found += [event for event in [json.loads(line)] if event[1] != "streamkap_signal"]
    return sorted(found)


def properties(loaded: Stack, database: str) -> str:
    return written(loaded, Format.DEBEZIUM, database, None, show_secrets=True)


def run(rehearsal: Rehearsal, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command itself."""
    here = {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
    command = [sys.executable, "-m", "azure_postgres_cdc.operations", "connector"]
    return subprocess.run(
        [*command, "--stack", "local", *arguments],
        cwd=rehearsal.engine.folder,
        env=rehearsal.engine.environment | here,
        capture_output=True,
        text=True,
        check=False,
    )


def test_formats_agree_with_the_stack_s_outputs(stack: Rehearsal, loaded: Stack) -> None:
    outputs = stack.engine.outputs()["connectors"]
    expected = [{**form, "tables": [*uploaded(form["tables"])]} for form in outputs]
    shown = written(loaded, Format.JSON, None, None, show_secrets=True)
    assert json.loads(shown) == expected
    upload = written(loaded, Format.CSV, "shop", None, show_secrets=False)
    assert sorted(uploaded(upload)) == sorted(f"public.{name}" for name in CAPTURED)


def test_no_password_is_printed_or_in_the_process_list(stack: Rehearsal, loaded: Stack) -> None:
    passwords = [form.password for form in loaded.forms] + [loaded.admin_password]
    with watched_process_list() as processes:
        result = run(stack, "--format", "terraform", "--database", "crm")
    assert (result.returncode, result.stderr) == (0, "")
    assert "var.crm_password" in result.stdout
    assert not [word for word in passwords if word in result.stdout]
    for format_ in Format:
        text = written(loaded, format_, "crm", None, show_secrets=False)
        assert not [word for word in passwords if word in text]
    assert not [line for line in processes if any(word in line for word in passwords)]


def test_debezium_accepts_the_properties(answers: dict[str, Any]) -> None:
    found = answers["shop"]
    assert (found["faults"], found["unknown"], found["readOnly"]) == ({}, [], False)
    assert found["signal"] == [["cdc", "streamkap_signal"]]
    # By the connector's own filter: the signal table is always among them.
    captured = [table for table in found["captured"] if table not in found["signal"]]
    assert sorted(captured) == sorted(["public", name] for name in CAPTURED)


def test_debezium_accepts_a_read_only_connector(answers: dict[str, Any]) -> None:
    found = answers["crm"]
    assert (found["faults"], found["unknown"], found["readOnly"]) == ({}, [], True)
    assert (found["captured"], found["signal"]) == ([["sales", "people"]], [])


def test_debezium_s_validation_logs_in_and_knows_its_keys(answers: dict[str, Any]) -> None:
    (fault,) = answers["spoilt"]["faults"]["database.hostname"]
    assert "password authentication failed" in fault
    assert answers["spoilt"]["unknown"] == ["slot.nmae"]


def test_heartbeat_s_statement_runs_as_the_connector(
    stack: Rehearsal, answers: dict[str, Any]
) -> None:
    found = answers["shop"]["properties"]
    login = {
        "host": found["database.hostname"],
        "port": found["database.port"],
        "user": found["database.user"],
        "password": found["database.password"],
        "sslmode": found["database.sslmode"],
        "dbname": found["database.dbname"],
    }
    statement = found["heartbeat.action.query"].encode()
    look = b"SELECT id, last_update FROM beat.streamkap_heartbeat"
    with psycopg.connect(**login, autocommit=True) as connection:
        (before,) = connection.execute(look).fetchall()
        connection.execute(statement)
        (after,) = connection.execute(look).fetchall()
    assert before[0] == after[0] == 1
    assert before[1] < after[1]
    # Where somebody has emptied the table, the row comes back.
    with stack.postgres.superuser("shop") as connection:
        connection.execute(b"DELETE FROM beat.streamkap_heartbeat")
    with psycopg.connect(**login, autocommit=True) as connection:
        connection.execute(statement)
        assert len(connection.execute(look).fetchall()) == 1


@pytest.mark.full
def test_debezium_captures_with_the_properties(
    stack: Rehearsal, loaded: Stack, classpath: str, tmp_path: Path
) -> None:
    file = tmp_path / "shop.properties"
    file.write_text(properties(loaded, "shop"), encoding="ascii")
    slot = b"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = 'shop'"
    beat = b"SELECT max(last_update) FROM beat.streamkap_heartbeat"
    with stack.postgres.superuser("shop") as database:
        database.autocommit = True
        for name in (*CAPTURED, *OTHERS):
            database.execute(f"TRUNCATE public.{quoted(name)}".encode())
            database.execute(f"INSERT INTO public.{quoted(name)} VALUES (1)".encode())
        before = [database.execute(query).fetchall() for query in (slot, beat)]
        with capturing(classpath, file, *IMPATIENT) as process:
            found = events(process, len(CAPTURED))
            assert found == sorted(["public", name, "r", 1] for name in CAPTURED)
            for name in (*OTHERS, *CAPTURED):
                database.execute(f"INSERT INTO public.{quoted(name)} VALUES (2)".encode())
            # Debezium 3.0 takes no changes of tables whose names are not ASCII; 3.6 does.
            names = [name for name in CAPTURED if name.isascii() or NEWEST in classpath]
            found = events(process, len(names))
            assert found == sorted(["public", name, "c", 2] for name in names)
            for kind in Kind:
                signal(loaded.form_of("shop"), Choice(everything=True), kind)
                # The command leaves out what Debezium would not find, or would stop at.
                wrong = r'[\s."]' if kind is Kind.INCREMENTAL else ","
                names = [name for name in CAPTURED if not re.search(wrong, name)]
                expected = sorted(["public", name, "r", id_] for name in names for id_ in (1, 2))
                assert events(process, len(expected)) == expected
            # The slot is confirmed and the heartbeat table written to, again and again.
            for query, old in zip((slot, beat), before, strict=True):
                deadline = time.monotonic() + 20
                while database.execute(query).fetchall() == old:
                    assert time.monotonic() < deadline, query
                    time.sleep(0.1)


@pytest.mark.full
def test_debezium_stops_at_a_slot_that_was_made_again(
    stack: Rehearsal, loaded: Stack, classpath: str, tmp_path: Path
) -> None:
    if NEWEST not in classpath:
        pytest.skip(f"{NEW_KEY} is there from Debezium 3.4 on")
    file = tmp_path / "crm.properties"
    file.write_text(properties(loaded, "crm"), encoding="ascii")
    storage = "offset.storage=org.apache.kafka.connect.storage.FileOffsetBackingStore"
    more = (*IMPATIENT, storage, f"offset.storage.file.filename={tmp_path / 'offsets'}")
    with stack.postgres.superuser("crm") as database:
        database.autocommit = True
        database.execute(b"TRUNCATE sales.people")
        # What is written while it is stopped comes when it starts again.
        for id_ in (1, 2, 3):
            database.execute(f"INSERT INTO sales.people VALUES ({id_})".encode())
            with capturing(classpath, file, *more) as process:
                assert events(process, 1)[-1][3] == id_
                time.sleep(2)  # until its offset is kept
        database.execute(b"SELECT pg_drop_replication_slot('crm_slot')")
        database.execute(b"INSERT INTO sales.people VALUES (4)")
        database.execute(b"SELECT pg_create_logical_replication_slot('crm_slot', 'pgoutput')")
        database.execute(b"INSERT INTO sales.people VALUES (5)")
        with pytest.raises(AssertionError, match="Debezium ended"):  # noqa: SIM117
            with capturing(classpath, file, *more) as process:
                events(process, 1)
        # Once the loss is acknowledged, for one start.
        with capturing(classpath, file, *more, f"{NEW_KEY}=trust_slot") as process:
            assert events(process, 1) == [["sales", "people", "c", 5]]


@pytest.mark.full
def test_debezium_captures_over_a_read_only_connection(
    stack: Rehearsal, loaded: Stack, classpath: str, tmp_path: Path
) -> None:
    file = tmp_path / "crm.properties"
    file.write_text(properties(loaded, "crm"), encoding="ascii")
    with stack.postgres.superuser("crm") as database:
        database.autocommit = True
        database.execute(b"TRUNCATE sales.people")
        database.execute(b"INSERT INTO sales.people VALUES (1)")
        with capturing(classpath, file, *IMPATIENT) as process:
            assert events(process, 1) == [["sales", "people", "r", 1]]
            database.execute(b"INSERT INTO sales.people VALUES (2)")
            assert events(process, 1) == [["sales", "people", "c", 2]]


@pytest.mark.full
def test_debezium_snapshots_what_is_published_and_no_more(
    stack: Rehearsal, loaded: Stack, classpath: str, tmp_path: Path
) -> None:
    file = tmp_path / "hr.properties"
    file.write_text(properties(loaded, "hr"), encoding="ascii")
    people, teams = ["id", "name"], ["id", "name", "salary"]
    with stack.postgres.superuser("hr") as database:
        database.autocommit = True
        for table in ("people", "teams"):
            database.execute(f"TRUNCATE {table}".encode())
            rows = "SELECT id, 'x', 1 FROM unnest('{1,2,3,150,200}'::int[]) id"
            database.execute(f"INSERT INTO {table} {rows}".encode())
        expected = [["public", "people", "r", id_, people] for id_ in (1, 2, 3, 200)]
        expected += [["public", "teams", "r", id_, teams] for id_ in (1, 2, 3, 150, 200)]
        more = (*IMPATIENT, "incremental.snapshot.chunk.size=2")
        with capturing(classpath, file, *more) as process:
            assert whole_events(process, 9) == expected
            for kind in Kind:
                signal(loaded.form_of("hr"), Choice(everything=True), kind)
                assert whole_events(process, 9) == expected
