"""What the tests of replication slots share."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database import ledger
from azure_postgres_cdc.database.continuity import Sighting
from azure_postgres_cdc.database.ledger import Ledger
from azure_postgres_cdc.database.slot import ReplicationSlotProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

PUBLICATION = "streamkap_pub"


@pytest.fixture(name="name")
def slot_name(shop: Shop) -> str:
    """Slot names are unique on a server."""
    return f"slot_{shop.name}"


@pytest.fixture(name="managed")
def slot_to_make(shop: Shop, name: str) -> Managed:
    """A slot of a publication that is there."""
    prepare(shop)
    return replication_slot(shop, name)


def prepare(shop: Shop) -> None:
    """What is there before the slot."""
    shop.run(
        "CREATE TABLE public.orders (id int PRIMARY KEY)",
        f"CREATE PUBLICATION {PUBLICATION} FOR TABLE public.orders",
    )


def replication_slot(shop: Shop, name: str, **inputs: Any) -> Managed:
    """As the resource's constructor writes its properties in an `up`."""
    given = {"name": name, "plugin": "pgoutput", "publication": PUBLICATION, "record": True}
    return shop.managed(ReplicationSlotProvider(), **given | inputs)


def preview(managed: Managed) -> list[str]:
    """What `up` would change, found out without writing anything down."""
    managed.program["record"] = False
    try:
        return managed.preview()
    finally:
        managed.program["record"] = True


def found(shop: Shop, name: str) -> list[tuple[Any, ...]]:
    return shop.rows(
        "SELECT slot_type, plugin::text, database::text, confirmed_flush_lsn::text"
        " FROM pg_replication_slots WHERE slot_name = %s",
        name,
    )


def position(shop: Shop, name: str) -> str:
    """How far the slot's connector has confirmed."""
    return str(found(shop, name)[0][3])


def comment(shop: Shop, publication: str = PUBLICATION) -> str | None:
    found: str | None = shop.value(
        "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = %s",
        publication,
    )
    return found


def recorded(shop: Shop, publication: str = PUBLICATION) -> Ledger:
    """What the publication's comment remembers."""
    with shop.server.connect(shop.name) as connection:
        return ledger.read(connection, publication)


def last_seen(shop: Shop) -> Sighting:
    """The slot as it was when it was looked at last."""
    last = recorded(shop).last
    assert last is not None
    return last


def drop(shop: Shop, name: str) -> None:
    shop.run(f"SELECT pg_drop_replication_slot('{name}')")


def create(shop: Shop, name: str) -> None:
    """As a connector that finds no slot does by itself."""
    shop.run(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")


def consume(shop: Shop, name: str, transactions: int = 1, *, rows: int = 1) -> None:
    """The application writes, and the connector reads and confirms all of it.

    A transaction of 1,000 rows does not fit into 64 kB: to be decoded it is spilled to the disk.
    """
    first = shop.value("SELECT coalesce(max(id), 0) FROM public.orders") + 1
    shop.run(
        *(
            f"INSERT INTO public.orders SELECT {first + n * rows} + generate_series(0, {rows - 1})"
            for n in range(transactions)
        ),
        "SET logical_decoding_work_mem = '64kB'",
        f"SELECT pg_logical_slot_get_binary_changes('{name}', NULL, NULL, 'proto_version', '1',"
        f" 'publication_names', '{PUBLICATION}')",
    )


@contextmanager
def reader(shop: Shop, name: str) -> Iterator[subprocess.Popen[str]]:
    """A connector's part: a stream that keeps the slot active."""
    command = [shop.server.tool("pg_recvlogical"), "--start", "--slot", name, "--dbname", shop.name]
    command += [
        "--file=-",
        "--status-interval=1",
        "--fsync-interval=1",
        "-o",
        "proto_version=1",
        "-o",
        f"publication_names={PUBLICATION}",
    ]
    process = subprocess.Popen(
        command,
        env=shop.server.client_environment(shop.name),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not is_active(shop, name):
            assert process.poll() is None, shop.server.log_tail()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.communicate()
        while is_active(shop, name):
            time.sleep(0.05)


def is_active(shop: Shop, name: str) -> bool:
    return bool(
        shop.value("SELECT bool_or(active) FROM pg_replication_slots WHERE slot_name = %s", name)
    )
