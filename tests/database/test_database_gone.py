"""A database that somebody has dropped: what a stack had in it can be let go of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.database.slot_support import drop, prepare, replication_slot

from azure_postgres_cdc.database import idle_connections
from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture(name="slot")
def slot_of_a_stack(shop: Shop) -> Iterator[Managed]:
    """With the name of its database; the database is there again afterwards."""
    prepare(shop)
    managed = replication_slot(shop, f"slot_{shop.name}")
    managed.up()
    yield managed
    with shop.server.connect("postgres") as connection:
        found = connection.execute(
            "SELECT FROM pg_database WHERE datname = %s", [shop.name]
        ).fetchone()
        if found is None:
            connection.execute(f"CREATE DATABASE {shop.name}".encode())


def administer(shop: Shop, statement: str) -> None:
    """While nobody is connected: neither `DROP DATABASE` nor `RENAME` waits."""
    idle_connections.close_all()
    with shop.server.superuser("postgres") as connection:
        connection.execute(statement.encode())


def test_nothing_is_left_to_be_dropped(
    shop: Shop, slot: Managed, capfd: pytest.CaptureFixture[str]
) -> None:
    drop(shop, slot.program["name"])  # PostgreSQL drops no database that has a slot
    administer(shop, f"DROP DATABASE {shop.name}")
    slot.refresh()
    assert "the state has of it stays there until that goes" in capfd.readouterr().err
    slot.destroy()
    said = [line for line in capfd.readouterr().err.splitlines() if "is gone" in line]
    for provider in (
        PublicationProvider(),
        ReplicaIdentityProvider(),
        SignalTableProvider(),
        SchemaAccessProvider(),
    ):
        props = {"schema": "streamkap", "roles": [], "name": "streamkap_pub", "before": "{}"}
        managed = shop.managed(provider, **props, role="streamkap_role")
        managed.id, managed.outputs = "of the state", managed.program
        before = dict(managed.outputs)
        managed.refresh()
        assert managed.outputs == before  # forgotten, it would be made anew in a restored one
        told = f"warning: database {shop.name} is gone; what the state has of it stays there until"
        assert capfd.readouterr().err.startswith(told)
        managed.destroy()
        said += [line for line in capfd.readouterr().err.splitlines() if "is gone" in line]
    assert said == [f"warning: database {shop.name} is gone, and what was in it with it"] * 5


def test_renamed_database_is_not_taken_for_a_dropped_one(shop: Shop, slot: Managed) -> None:
    name = slot.program["name"]
    administer(shop, f"ALTER DATABASE {shop.name} RENAME TO renamed")
    try:
        assert slot.failure(slot.destroy) == (
            f"replication slot {name} is on database renamed now, and there is no database "
            f"{shop.name}: it was renamed. Remedy: name it in the settings, with the word "
            f"'database {shop.name} renamed to renamed' in acknowledge; or, where the slot is "
            "another connector's by now, pulumi state delete the old one's URN "
            "(pulumi stack --show-urns)"
        )
    finally:
        administer(shop, f"ALTER DATABASE renamed RENAME TO {shop.name}")
    assert shop.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s", name) == 1
