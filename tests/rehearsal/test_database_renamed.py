"""A captured database that gets another name, and one that is exchanged for another: by the real
engine."""

from __future__ import annotations

from typing import Any

import pytest
from support import PROJECT

from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.rehearsal import Rehearsal

SLOT = "streamkap_pgoutput_slot"
SHOP: dict[str, Any] = {"name": "shop", "capture": {"tables": ["public.orders"]}, "heartbeat": True}
STORE = SHOP | {"name": "store"}
WORD = "database shop renamed to store"
STACK = {"server": {"management": "none"}, "databases": [SHOP]}


@pytest.mark.full
def test_renamed_database_is_carried_over_once_that_is_acknowledged() -> None:
    with Rehearsal(PROJECT, "local", settings=STACK) as rehearsal:
        engine = rehearsal.engine
        execute(rehearsal, "shop", "CREATE TABLE public.orders (id int PRIMARY KEY)")
        engine.up("--skip-preview", capture=True)
        execute(rehearsal, "shop", "INSERT INTO public.orders VALUES (1)")
        execute(rehearsal, "postgres", "ALTER DATABASE shop RENAME TO store")
        before = slots(rehearsal)
        assert [row[:2] for row in before] == [(SLOT, "store")]

        engine.set_config("databases", [STORE])
        for outcome in (
            engine.preview(capture=True, check=False),
            engine.up("--skip-preview", capture=True, check=False),
        ):
            line = refusal(outcome, "database shop was captured")
            assert "and is called store now. Remedy: stop the source and set " in line
            assert f"acknowledge: ['{WORD}']; pulumi up (without --refresh)" in line
            assert "Streamkap may need to reset its offsets" in line
        assert slots(rehearsal) == before

        engine.set_config("databases", [STORE | {"acknowledge": [WORD]}])
        engine.preview(capture=True)
        done = engine.up("--skip-preview", capture=True)
        # The refused up has put an empty source of the new name into the state.
        assert "CdcSource shop deleting" in done.text, done.text
        assert done.operations.keys() == {"same", "update", "delete"}, done.text
        assert done.operations["delete"] == 1
        assert "the source has to name database store in the Streamkap app" in done.text
        assert slots(rehearsal) == before
        assert engine.outputs()["connectors"][0]["database"] == "store"
        again = engine.up("--skip-preview", capture=True)
        assert again.changed == 0, again.text
        assert f"acknowledge: '{WORD}' is not needed any more; take it out" in again.text

        engine.set_config("databases", [STORE])
        refreshed = engine.up("--skip-preview", "--refresh", capture=True)
        assert set(refreshed.operations) <= {"same", "create", "update"}, refreshed.text
        settled = engine.up("--skip-preview", "--refresh", capture=True)
        assert settled.changed == 0, settled.text
        assert "shop" not in str([item["urn"] for item in resources(rehearsal)])
        engine.unprotect()
        engine.destroy(capture=True)
        assert slots(rehearsal) == []


@pytest.mark.full
def test_other_database_is_another_source_and_the_former_one_is_given_up_on_purpose() -> None:
    with Rehearsal(PROJECT, "local", settings=STACK) as rehearsal:
        engine = rehearsal.engine
        execute(rehearsal, "postgres", "CREATE DATABASE store")
        for database in ("shop", "store"):
            execute(rehearsal, database, "CREATE TABLE public.orders (id int PRIMARY KEY)")
        engine.up("--skip-preview", capture=True)
        before = slots(rehearsal)

        for acknowledged in ([], [WORD]):
            engine.set_config("databases", [STORE | {"acknowledge": acknowledged}])
            for outcome in (
                engine.preview(capture=True, check=False),
                engine.up("--skip-preview", capture=True, check=False),
            ):
                line = refusal(outcome, f"replication slot {SLOT} is on database shop")
                assert "and the settings want it on store: another database is another" in line
                assert "give store another `slot`" in line
                assert "pulumi state unprotect --all --yes and pulumi up" in line
            assert slots(rehearsal) == before

        engine.set_config("databases", [STORE | {"slot": "store_slot"}])
        engine.up("--skip-preview", capture=True, check=False)
        engine.unprotect()
        engine.up("--skip-preview", capture=True)
        assert [row[:2] for row in slots(rehearsal)] == [("store_slot", "store")]
        protected = [
            item["urn"].rpartition("::")[2] for item in resources(rehearsal) if item.get("protect")
        ]
        assert "store-store_slot" in protected
        assert "store-streamkap_pub" in protected
        again = engine.up("--skip-preview", "--refresh", capture=True)
        assert again.changed == 0, again.text


def refusal(outcome: Outcome, words: str) -> str:
    """The one line that says why."""
    assert outcome.returncode != 0, outcome.text
    assert "Traceback" not in outcome.text
    lines = {
        words + line.partition(words)[2] for line in outcome.text.splitlines() if words in line
    }
    assert len(lines) == 1, outcome.text
    return lines.pop()


def slots(rehearsal: Rehearsal) -> list[tuple[Any, ...]]:
    """Every slot of the server: its name, its database, its position."""
    with rehearsal.postgres.superuser("postgres") as connection:
        return connection.execute(
            "SELECT slot_name::text, database::text, confirmed_flush_lsn::text"
            " FROM pg_replication_slots ORDER BY 1"
        ).fetchall()


def resources(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rehearsal.engine.state()["deployment"]["resources"]
    return found


def execute(rehearsal: Rehearsal, database: str, *statements: str) -> None:
    with rehearsal.postgres.connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())
