"""How a stack ends, and how it refuses to lose data on the way: a server that nobody manages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import PROJECT, pgbench

from azure_postgres_rehearsal.rehearsal import Rehearsal

SLOT = "streamkap_pgoutput_slot"


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(PROJECT, "local", settings={"server": {"management": "none"}}) as rehearsal:
        pgbench(rehearsal, "--initialize")
        rehearsal.engine.up("--skip-preview", capture=True)
        yield rehearsal


def slots(rehearsal: Rehearsal) -> list[str]:
    with rehearsal.postgres.superuser("shop") as connection:
        return [row[0] for row in connection.execute("SELECT slot_name FROM pg_replication_slots")]


def left_behind(rehearsal: Rehearsal) -> list[str]:
    """Everything of ours that is in the catalog."""
    with rehearsal.postgres.superuser("shop") as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname LIKE 'streamkap%'"
                " UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'streamkap'"
                " UNION ALL SELECT pubname FROM pg_publication"
                " UNION ALL SELECT slot_name FROM pg_replication_slots"
                " UNION ALL SELECT 'default acl' FROM pg_default_acl"
                " UNION ALL SELECT relname FROM pg_class WHERE relreplident = 'f'"
                " UNION ALL SELECT relname FROM pg_class WHERE relacl::text LIKE '%streamkap%'"
                " UNION ALL SELECT nspname FROM pg_namespace WHERE nspacl::text LIKE '%streamkap%'"
                " UNION ALL SELECT datname FROM pg_database WHERE datacl::text LIKE '%streamkap%'"
            )
        ]


def test_a_vanished_slot_is_never_created_again_without_a_word(rehearsal: Rehearsal) -> None:
    with rehearsal.postgres.superuser("shop") as connection:
        connection.execute("SELECT pg_drop_replication_slot(%s)", (SLOT,))
    engine = rehearsal.engine
    for outcome in (
        engine.preview(capture=True, check=False),
        engine.refresh(capture=True, check=False),
        engine.up(capture=True, check=False),
        engine.up("--skip-preview", "--refresh", capture=True, check=False),
    ):
        assert outcome.returncode != 0
        assert f"replication slot {SLOT} of database shop has vanished" in outcome.text
        assert "Remedy:" in outcome.text
        assert "Traceback" not in outcome.text
    assert slots(rehearsal) == []


def test_destroy_refuses_and_then_leaves_nothing_behind(rehearsal: Rehearsal) -> None:
    refused = rehearsal.engine.destroy(capture=True, check=False)
    assert refused.returncode != 0
    assert "protected" in refused.text
    assert slots(rehearsal) == [SLOT]
    with rehearsal.postgres.superuser("shop") as connection:
        assert connection.execute("SELECT pubname FROM pg_publication").fetchall()
        assert connection.execute(
            "SELECT to_regclass('streamkap.streamkap_signal')"
        ).fetchone() != (None,)
    rehearsal.engine.unprotect()
    with rehearsal.postgres.superuser("shop") as connection:
        connection.execute(
            "INSERT INTO streamkap.streamkap_signal VALUES ('1', 'execute-snapshot')"
        )
        refused = rehearsal.engine.destroy("--skip-preview", capture=True, check=False)
        assert refused.returncode != 0
        assert "holds 1 row and is not dropped. Remedy: set dropSignalTable" in refused.text
        assert "Traceback" not in refused.text
        connection.execute("TRUNCATE streamkap.streamkap_signal")
    rehearsal.engine.destroy("--skip-preview", capture=True)
    assert left_behind(rehearsal) == []
