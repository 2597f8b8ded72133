"""A captured database that somebody has dropped: by the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import PROJECT

from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.rehearsal import Rehearsal

SHOP: dict[str, Any] = {"name": "shop", "slot": "shop_slot", "capture": {"tables": ["public.a"]}}
WEB = SHOP | {"name": "web", "slot": "web_slot"}
STACK = {"server": {"management": "none"}, "databases": [SHOP, WEB]}


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(PROJECT, "local", settings=STACK) as rehearsal:
        for database in ("shop", "web"):
            with rehearsal.postgres.connect(database) as connection:
                connection.execute("CREATE TABLE public.a (id int PRIMARY KEY)")
        rehearsal.engine.up("--skip-preview", capture=True)
        yield rehearsal


def drop(rehearsal: Rehearsal, database: str) -> None:
    with rehearsal.postgres.superuser("postgres") as connection:
        connection.execute("SELECT pg_drop_replication_slot(%s)", [f"{database}_slot"])
        connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())


def is_told(outcome: Outcome, database: str) -> bool:
    assert "Traceback" not in outcome.text
    return f'database "{database}" is gone' in outcome.text or (
        f"database {database} is gone" in outcome.text
    )


@pytest.mark.full
def test_it_is_let_go_of_with_and_without_a_refresh(rehearsal: Rehearsal) -> None:
    engine = rehearsal.engine
    drop(rehearsal, "web")

    refreshed = engine.refresh(capture=True)
    assert is_told(refreshed, "web")
    assert refreshed.operations.keys() == {"same"}  # nothing is forgotten

    refused = engine.up("--skip-preview", "--refresh", capture=True, check=False)
    assert refused.returncode != 0
    assert "cannot connect to database web" in refused.text

    engine.set_config("databases", [SHOP])
    engine.unprotect()
    done = engine.up("--skip-preview", "--refresh", capture=True)
    assert done.operations["delete"] > 0
    assert "create" not in done.operations
    assert "web" not in str([item["urn"] for item in resources(rehearsal)])
    assert engine.up("--skip-preview", "--refresh", capture=True).changed == 0
    engine.unprotect()
    engine.destroy("--refresh", capture=True)


@pytest.mark.full
def test_the_first_one_is_also_where_the_roles_are_looked_at(rehearsal: Rehearsal) -> None:
    """By pulumi-postgresql, which fails there: so without --refresh, until another one is first."""
    engine = rehearsal.engine
    drop(rehearsal, "shop")
    assert engine.refresh(capture=True, check=False).returncode != 0

    engine.set_config("databases", [WEB])
    engine.unprotect()
    done = engine.up("--skip-preview", capture=True)
    assert is_told(done, "shop")
    assert engine.up("--skip-preview", "--refresh", capture=True).changed == 0

    # The last one: an empty database in its place is enough to sign in to.
    drop(rehearsal, "web")
    with rehearsal.postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE web")
    engine.unprotect()
    engine.destroy(capture=True)
    assert resources(rehearsal) == []


def resources(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rehearsal.engine.state()["deployment"].get("resources", [])
    return found
