"""A captured database under another name, and another database under its settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql
from tests.database.slot_support import found, position, recorded, replication_slot

from azure_postgres_cdc.database import idle_connections, ledger
from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

STACK = "shop/prod"
ODD = 'renamed to "store"; it\'s '


@pytest.fixture
def slot_name(shop: Shop) -> str:
    return f"slot_{shop.name}"


@pytest.fixture
def source(shop: Shop, slot_name: str) -> list[Managed]:
    """All that a CdcSource has, in its order, and up."""
    shop.run("CREATE TABLE public.orders (id int PRIMARY KEY)")
    made = everything(shop, slot_name)
    for managed in made:
        managed.up()
    return made


@pytest.fixture
def store(shop: Shop, source: list[Managed]) -> Iterator[Shop]:
    """The same database, renamed when the source was up."""
    del source
    idle_connections.close_all()
    renamed = type(shop)(shop.server, f"{ODD}{shop.name}")
    rename(shop, shop.name, renamed.name)
    yield renamed
    idle_connections.close_all()
    rename(shop, renamed.name, shop.name)


def rename(shop: Shop, old: str, new: str) -> None:
    statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with shop.server.superuser() as connection:
        connection.execute(statement.format(sql.Identifier(old), sql.Identifier(new)))


def everything(shop: Shop, slot: str) -> list[Managed]:
    admin, role = shop.server.admin_user, "streamkap_role"
    own = ["streamkap.streamkap_signal", "streamkap.streamkap_heartbeat"]
    known = {"slots": [slot], "acknowledge": [], "stack": STACK}
    return [
        shop.managed(
            SchemaAccessProvider(),
            role=role,
            owners=[admin],
            allSchemas=False,
            schemas=["public"],
            writes=["streamkap"],
            ownSchemas=["streamkap"],
            **known,
        ),
        shop.managed(SignalTableProvider(), schema="streamkap", roles=[role]),
        shop.managed(HeartbeatTableProvider(), schema="streamkap", roles=[role]),
        shop.managed(
            ReplicaIdentityProvider(),
            captures=[{"tables": ["public.orders"]}],
            indexes={},
            ownTables=own,
        ),
        shop.managed(
            PublicationProvider(),
            name="streamkap_pub",
            role=role,
            capture={"tables": ["public.orders"]},
            ownTables=own,
            fullIdentity={},
            allowWithoutIdentity=[],
        ),
        replication_slot(shop, slot, **known),
    ]


def word(shop: Shop, store: Shop) -> str:
    quoted = store.name.replace('"', '""')
    return f'database {shop.name} renamed to "{quoted}"'


# Renamed


def test_renamed_database_is_refused_until_its_word_is_there(
    shop: Shop, store: Shop, source: list[Managed], slot_name: str
) -> None:
    before = found(store, slot_name)
    for managed in (source[0], source[-1]):
        text = managed.refusal(database=store.name)
        quoted = store.name.replace('"', '""')
        assert text.startswith(
            f'database {shop.name} was captured, and is called "{quoted}" now. Remedy: stop the '
            "source and set acknowledge: ['"
        )
        assert word(shop, store).replace("'", "''") in text
        assert "; pulumi up (without --refresh) (the source has to name database " in text
    assert found(store, slot_name) == before


def test_renamed_database_is_refused_also_where_the_state_knows_nothing(
    shop: Shop, store: Shop, slot_name: str
) -> None:
    """A program that names its resources after the database declares others."""
    for managed in (everything(store, slot_name)[0], everything(store, slot_name)[-1]):
        assert managed.refusal().startswith(f"database {shop.name} was captured, and is called ")


def test_renamed_database_is_carried_over_with_nothing_made_again(
    shop: Shop,
    store: Shop,
    source: list[Managed],
    slot_name: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before, created = found(store, slot_name), source[-1].outputs["createdAtLsn"]
    words = [word(shop, store)]
    capfd.readouterr()
    for managed in source:
        given = {"acknowledge": words} if "acknowledge" in managed.program else {}
        difference = managed.provider.diff(
            managed.id, managed.outputs, managed.inputs | {"database": store.name}
        )
        assert difference.changes
        assert difference.replaces == []
        managed.up(database=store.name, **given)
    said = capfd.readouterr().err
    assert f"warning: the source has to name database {store.name} in the Streamkap app" in said
    assert said.count("may need to reset its offsets") == 1
    assert found(store, slot_name) == before
    assert source[-1].outputs["createdAtLsn"] == created
    assert recorded(store).database == store.name
    assert store.value("SELECT relreplident FROM pg_class WHERE relname = 'orders'") == "f"
    assert [managed.up() for managed in source] == [[]] * len(source)
    assert [managed.refresh() for managed in source] == [[]] * len(source)
    assert "is not needed any more; take it out" in capfd.readouterr().err
    for managed in reversed(source):
        managed.destroy()
    assert found(store, slot_name) == []
    assert store.column("SELECT pubname::text FROM pg_publication") == []
    assert store.column("SELECT nspname::text FROM pg_namespace WHERE nspname = 'streamkap'") == []


def test_record_of_another_stack_s_database_is_none_of_ours(store: Shop, slot_name: str) -> None:
    managed = everything(store, slot_name)[0]
    assert managed.refusal()
    managed.up(stack="other/prod")


def test_record_from_before_is_completed_once(
    shop: Shop, source: list[Managed], slot_name: str
) -> None:
    """Earlier versions did not write the database's name."""
    record = recorded(shop)

    with shop.server.connect(shop.name) as connection:
        ledger.write(connection, "streamkap_pub", replace(record, database=""))
    assert recorded(shop).database == ""
    assert source[-1].up() == []
    assert recorded(shop).database == shop.name
    assert position(shop, slot_name) == record.last.position if record.last else False


# Another database


@pytest.fixture
def copy(shop: Shop, source: list[Managed]) -> Iterator[Shop]:
    """A copy, with the publication, its record and the tables, and without the slot."""
    del source
    idle_connections.close_all()
    name = f"copy_of_{shop.name}"
    shop_of = type(shop)(shop.server, name)
    with shop.server.superuser() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {shop.name} OWNER cdc_admin".encode())
    yield shop_of
    idle_connections.close_all()
    with shop.server.superuser() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize("acknowledged", [False, True])
def test_other_database_is_another_source_whatever_is_acknowledged(
    shop: Shop, copy: Shop, source: list[Managed], slot_name: str, acknowledged: bool
) -> None:
    before = found(shop, slot_name)
    words = [f"database {shop.name} renamed to {copy.name}"] if acknowledged else []
    known: dict[str, Any] = {"database": copy.name, "acknowledge": words}
    for managed in (source[0], source[-1]):
        text = managed.refusal(**known)
        assert text.startswith(
            f"replication slot {slot_name} is on database {shop.name}, and the settings want it on "
            f"{copy.name}: another database is another source"
        )
        assert f"give {copy.name} another `slot`" in text
    other = source[0].refusal(**known, slots=["other_slot"])
    assert other.startswith(f"database {shop.name} is captured here and is still there, and the")
    assert found(shop, slot_name) == before


def test_copy_is_captured_with_a_slot_of_its_own(shop: Shop, copy: Shop, slot_name: str) -> None:
    mine = f"copy_{slot_name}"
    for managed in everything(copy, mine):
        managed.up()
    assert found(copy, mine)[0][:3] == ("logical", "pgoutput", copy.name)
    assert found(shop, slot_name)[0][:3] == ("logical", "pgoutput", shop.name)
    assert recorded(copy).database == copy.name
    copy.run(f"SELECT pg_drop_replication_slot('{mine}')")
