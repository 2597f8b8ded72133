"""A slot that a consumer made again by itself: found out by the real engine, before and after."""

from __future__ import annotations

from typing import Any

import pytest
from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

SLOT = "streamkap_pgoutput_slot"
DATABASE: dict[str, Any] = {"name": "shop", "capture": {"tables": ["public.orders"]}}
STACK = {"server": {"management": "none"}, "databases": [DATABASE]}


@pytest.mark.full
def test_slot_that_was_made_again_stops_everything_until_it_is_acknowledged() -> None:
    with Rehearsal(PROJECT, "local", settings=STACK) as rehearsal:
        execute(rehearsal, "CREATE TABLE public.orders (id int PRIMARY KEY)")
        rehearsal.engine.up("--skip-preview", capture=True)
        last = position(rehearsal)

        execute(
            rehearsal,
            f"SELECT pg_drop_replication_slot('{SLOT}')",
            f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
        )
        consume(rehearsal)
        made_again = position(rehearsal)
        for outcome in (
            rehearsal.engine.preview(capture=True, check=False),
            rehearsal.engine.up("--skip-preview", capture=True, check=False),
            rehearsal.engine.refresh(capture=True, check=False),
        ):
            assert outcome.returncode != 0
            lines = [line for line in outcome.text.splitlines() if "before: its" in line]
            assert lines, outcome.text
            for line in lines:
                assert f"replication slot {SLOT} of database shop is not the one" in line
                assert f"set acknowledgeLostSlot: {last} for this database, once" in line
            assert "Traceback" not in outcome.text
        assert position(rehearsal) == made_again

        rehearsal.engine.set_config("databases", [DATABASE | {"acknowledgeLostSlot": last}])
        accepted = rehearsal.engine.up("--skip-preview", capture=True)
        assert accepted.operations.get("update") == 1, accepted.text
        assert f"replication slot {SLOT}: snapshot every captured table" in accepted.text
        assert position(rehearsal) == made_again
        again = rehearsal.engine.up("--skip-preview", "--refresh", capture=True)
        assert again.changed == 0, again.text


def test_up_without_a_preview_changes_nothing_once_the_slot_is_lost() -> None:
    """Grants, own tables, identities and the publication come before the slot that refuses."""
    with Rehearsal(PROJECT, "local", settings=STACK) as rehearsal:
        execute(
            rehearsal,
            "CREATE TABLE public.orders (id int PRIMARY KEY)",
            "CREATE TABLE public.items (id int PRIMARY KEY)",
        )
        rehearsal.engine.up("--skip-preview", capture=True)
        last, before = position(rehearsal), what_is_there(rehearsal)
        execute(rehearsal, f"SELECT pg_drop_replication_slot('{SLOT}')")

        more = DATABASE | {
            "capture": {"schemas": ["public"]},
            "replicaIdentityFull": True,
            "heartbeat": True,
            "grants": {"create": False},
            "publish": ["insert", "update"],
        }
        rehearsal.engine.set_config("databases", [more])
        outcome = rehearsal.engine.up("--skip-preview", capture=True, check=False)
        assert outcome.returncode != 0
        assert f"replication slot {SLOT} of database shop has vanished" in outcome.text
        assert f"set acknowledgeLostSlot: {last} for this database, once" in outcome.text
        assert what_is_there(rehearsal) == before

        rehearsal.engine.set_config("databases", [more | {"acknowledgeLostSlot": last}])
        rehearsal.engine.up("--skip-preview", capture=True)
        assert what_is_there(rehearsal) != before


def what_is_there(rehearsal: Rehearsal) -> list[tuple[Any, ...]]:
    """Tables with their identities and grants, publications with what they hold and say."""
    with rehearsal.postgres.superuser("shop") as connection:
        return [
            *connection.execute(
                "SELECT oid::regclass::text, relreplident, relacl::text FROM pg_class"
                " WHERE relkind = 'r' AND oid >= 16384 ORDER BY 1"
            ),
            *connection.execute("SELECT nspname, nspacl::text FROM pg_namespace ORDER BY 1"),
            *connection.execute(
                "SELECT to_jsonb(p), obj_description(oid, 'pg_publication') FROM pg_publication p"
            ),
            *connection.execute("SELECT to_jsonb(t) FROM pg_publication_tables t ORDER BY 1"),
        ]


def execute(rehearsal: Rehearsal, *statements: str) -> None:
    with rehearsal.postgres.connect("shop") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def consume(rehearsal: Rehearsal) -> None:
    """The application writes, and the connector reads and confirms it."""
    execute(
        rehearsal,
        "INSERT INTO public.orders SELECT coalesce(max(id), 0) + 1 FROM public.orders",
        f"SELECT pg_logical_slot_get_binary_changes('{SLOT}', NULL, NULL, 'proto_version', '1',"
        " 'publication_names', 'streamkap_pub')",
    )


def position(rehearsal: Rehearsal) -> str:
    with rehearsal.postgres.superuser("shop") as connection:
        row = connection.execute(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
            [SLOT],
        ).fetchone()
    assert row is not None
    return str(row[0])
