"""`azure-postgres-cdc rehearse upgrade`: the whole procedure, and what counts as no proof."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from rich.console import Console
from support import PROJECT

from azure_postgres_rehearsal.consumer import Consumer
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.load_and_source import Source
from azure_postgres_rehearsal.upgrade_proof import NotProved, Proof
from azure_postgres_rehearsal.upgrade_rehearsal import run

HELD = Proof(
    before=400,
    after=400,
    stopped=3,
    captured=800,
    old_position="0/FF000000",
    new_position="1/10",
    version=18,
    second="0 changed",
)


def rehearse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azure_postgres_cdc.operations", "rehearse", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_an_upgrade_under_load_loses_nothing() -> None:
    result = rehearse("upgrade")
    assert result.returncode == 0, result.stdout + result.stderr
    rows = {
        cells[0].strip(): cells[1].strip()
        for line in result.stdout.splitlines()
        if line.startswith("│") and len(cells := line.strip("│").split("│")) == 2
    }
    before = number(rows["rows written before the fence"])
    after = number(rows["rows written after the upgrade"])
    assert before > 0
    assert after > 0
    assert number(rows["rows captured"]) == before + after
    assert rows["rows that differ"] == rows["rows that are there twice"] == "0"
    assert number(rows["runs of pgbench that were stopped"]) > 0
    assert rows["second up"] == "0 changed"
    steps = [name for name, shown in rows.items() if re.fullmatch(r"\d+\.\d s", shown)]
    assert steps == [
        *("plan", "fence", "drain", "stop source", "drop slot", "upgrade", "recreate"),
        *("verify", "unfence"),
    ]


@pytest.mark.full
def test_a_slot_that_its_connector_makes_again_is_no_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the page warns of: it starts late, and what was written before is lost in silence."""
    resume, calls = Source.resume, []

    def late(source: Source) -> str:
        calls.append(source)
        if len(calls) == 2:  # after the upgrade
            written = source.written()
            while source.written() == written:
                time.sleep(0.1)
            with source._rehearsal.postgres.superuser("shop") as connection:
                connection.execute("SELECT pg_drop_replication_slot(%s)", (source._slot,))
                connection.execute(
                    "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (source._slot,)
                )
        return resume(source)

    monkeypatch.setattr(Source, "resume", late)
    with pytest.raises(NotProved) as caught:
        run(PROJECT, "local", 18, Console(file=io.StringIO()))
    assert re.search(r"pgbench wrote \d+ rows, \d+ were captured", str(caught.value))
    assert "rows of the copy differ from the database" in str(caught.value)
    assert "the second up: " in str(caught.value)
    assert "streamkap_pgoutput_slot" in str(caught.value)


def test_a_proof_that_holds_has_no_fault() -> None:
    assert HELD.faults(18) == []


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (replace(HELD, version=16), "the server is on PostgreSQL 16"),
        (replace(HELD, captured=799), "pgbench wrote 800 rows, 799 were captured"),
        (replace(HELD, differing=1), "1 rows of the copy differ from the database"),
        (replace(HELD, twice=2), "2 rows are in the copy twice"),
        (replace(HELD, stopped=0), "pgbench was never stopped"),
        (
            replace(HELD, before=0, captured=400),
            "pgbench wrote nothing before the fence",
        ),
        (replace(HELD, after=0, captured=400), "pgbench wrote nothing after the upgrade"),
        (
            replace(HELD, new_position="0/F0000000"),
            "the slot goes on at LSN 0/F0000000, before 0/FF000000",
        ),
        (replace(HELD, second="1 changed"), "the second up: 1 changed"),
    ],
)
def test_whatever_does_not_hold_is_named(broken: Proof, fault: str) -> None:
    assert broken.faults(18) == [fault]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["upgrade", "--to", "16"], "equal to 17"),
        (["upgrade", "--stack", "nobody"], "Pulumi.nobody.yaml"),
        ([], "--stack is needed"),
    ],
)
def test_what_cannot_be_rehearsed(arguments: list[str], fault: str) -> None:
    result = rehearse(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert fault in result.stderr
    assert "Traceback" not in result.stderr


def test_consumer_leaves_out_what_comes_again() -> None:
    with EmbeddedPostgres(17, settings={"wal_level": "logical"}) as server:
        with server.superuser() as connection:
            for statement in (
                "CREATE TABLE numbers (n int PRIMARY KEY)",
                "CREATE PUBLICATION pub FOR TABLE numbers",
                "SELECT pg_create_logical_replication_slot('slot', 'pgoutput')",
                "SELECT pg_copy_logical_replication_slot('slot', 'kept')",
            ):
                connection.execute(statement)
            consumer = Consumer(connection, "pub", "slot")
            consumer.snapshot()
            connection.execute("INSERT INTO numbers SELECT generate_series(1, 3)")
            consumer.drain()
            for statement in (
                "SELECT pg_drop_replication_slot('slot')",
                "SELECT pg_copy_logical_replication_slot('kept', 'slot')",
                "INSERT INTO numbers VALUES (4)",
            ):
                connection.execute(statement)
        with server.superuser() as connection:
            consumer.go_on(connection)
            consumer.drain()
        assert consumer.repeated == 3
        assert consumer.captured == {"public.numbers": 4}
        assert consumer.tables["public.numbers"].rows.total() == 4
