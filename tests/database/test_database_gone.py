"""A database that somebody has dropped: its resources go without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.publication_support import listed, make_tables, publication
from tests.database.slot_support import replication_slot

from azure_postgres_cdc.database import idle_connections
from azure_postgres_cdc.database.signal_table import SignalTableProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.database.conftest import Shop

NAME = "gone_slot"


def outside(shop: Shop, statement: str) -> None:
    """As a superuser who is connected elsewhere; connections that idle are no obstacle."""
    idle_connections.close_all()
    with shop.server.superuser() as connection:
        connection.execute(statement.encode())


@pytest.fixture
def gone(shop: Shop) -> Iterator[Shop]:
    """A database of the test's own, under one of two names, or none."""
    name = f"gone_{shop.name}"
    shop.run(f"CREATE DATABASE {name}")
    found = type(shop)(shop.server, name)
    make_tables(found)
    yield found
    shop.run(
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        f" WHERE slot_name = '{NAME}'",
        superuser=True,
    )
    for database in (name, f"{name}_b"):
        outside(shop, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def test_what_was_in_a_dropped_database_is_let_go_of(
    shop: Shop, gone: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = [
        publication(gone, listed("public.a")),
        replication_slot(gone, NAME),
        gone.managed(SignalTableProvider(), schema="public", roles=["streamkap_role"]),
    ]
    for managed in kept:
        managed.up()
    gone.run(f"SELECT pg_drop_replication_slot('{NAME}')", superuser=True)
    outside(shop, f"DROP DATABASE {gone.name} WITH (FORCE)")
    capfd.readouterr()
    for managed in kept:
        assert f'database "{gone.name}" does not exist. Remedy: ' in managed.refusal()
        managed.destroy()
    line = f"database {gone.name} is gone, and what was to be removed with it\n"
    assert capfd.readouterr().err == line * 3


def test_slot_of_a_database_that_was_renamed_is_not_let_go_of(shop: Shop, gone: Shop) -> None:
    publication(gone, listed("public.a")).up()
    managed = replication_slot(gone, NAME)
    managed.up()
    outside(shop, f"ALTER DATABASE {gone.name} RENAME TO {gone.name}_b")
    assert managed.failure(managed.destroy) == (
        f"database {gone.name} is gone, and its replication slot {NAME} is on database "
        f"{gone.name}_b: it was renamed. Remedy: name {gone.name}_b in the settings, pulumi up "
        "(without --refresh), and take it out then; where it is another one's slot of the same "
        "name: pulumi state delete with the slot's URN (pulumi stack --show-urns)"
    )
    outside(shop, f"ALTER DATABASE {gone.name}_b RENAME TO {gone.name}")
    managed.destroy()
