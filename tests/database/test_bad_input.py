"""What cannot work: one clear line from whatever meets it first, and nothing half-done."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from azure_postgres_cdc import dynamic
from azure_postgres_cdc.database.effective_parameters import EffectiveParametersProvider
from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider
from azure_postgres_cdc.database.slot import ReplicationSlotProvider
from azure_postgres_cdc.dynamic import CdcProvider
from azure_postgres_cdc.errors import CdcError
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROLE = "streamkap_role"

# Every kind of resource, as its constructor writes its properties.
KINDS: dict[str, tuple[type[CdcProvider], dict[str, Any]]] = {
    "access": (
        SchemaAccessProvider,
        {"role": ROLE, "owners": ["cdc_admin"], "allSchemas": False, "schemas": ["sales"]},
    ),
    "signal": (SignalTableProvider, {"schema": "sales", "roles": [ROLE]}),
    "heartbeat": (HeartbeatTableProvider, {"schema": "sales", "roles": [ROLE]}),
    "identity": (
        ReplicaIdentityProvider,
        {
            "captures": [{"tables": ["sales.a"]}],
            "indexes": {"sales.b": "b_key"},
            "ownTables": [],
        },
    ),
    "publication": (
        PublicationProvider,
        {
            "name": "streamkap_pub",
            "role": ROLE,
            "capture": {"schemas": ["sales"]},
            "ownTables": [],
            "fullIdentity": {},
            "allowWithoutIdentity": ["sales.a", "sales.b"],
        },
    ),
    "slot": (
        ReplicationSlotProvider,
        {"name": "bad_input", "plugin": "pgoutput", "publication": "streamkap_pub"},
    ),
}
MAKING = [kind for kind in KINDS if kind != "owners"]

SALES = (
    "CREATE SCHEMA sales",
    "CREATE TABLE sales.a (id int)",
    "CREATE TABLE sales.b (id int NOT NULL)",
    "CREATE UNIQUE INDEX b_key ON sales.b (id)",
)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic, "_patiently", lambda action, *props: action(*props))


@pytest.fixture(autouse=True)
def sales(shop: Shop) -> None:
    shop.run(*SALES)


def resource(shop: Shop, kind: str) -> Managed:
    provider, inputs = KINDS[kind]
    return shop.managed(provider(), **inputs)


def catalog(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows(
        "SELECT 'table', oid, relname::text, relreplident::text, relacl::text FROM pg_class"
        " WHERE relnamespace <> 'pg_toast'::regnamespace"
        " UNION ALL SELECT 'schema', oid, nspname, '', nspacl::text FROM pg_namespace"
        " UNION ALL SELECT 'publication', oid, pubname, '', '' FROM pg_publication"
        " UNION ALL SELECT 'published', oid, prrelid::text, '', '' FROM pg_publication_rel"
        " UNION ALL SELECT 'default', oid, '', '', defaclacl::text FROM pg_default_acl"
        " UNION ALL SELECT 'slot', 0, slot_name, '', '' FROM pg_replication_slots"
        " ORDER BY 1, 2, 3"
    )


# No way in


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("kind", KINDS)
def test_no_way_in_is_one_line_at_preview_up_and_refresh(shop: Shop, kind: str) -> None:
    shop.run("CREATE PUBLICATION own FOR TABLE sales.a")
    managed = resource(shop, kind)
    managed.program |= {"publication": "own"} if kind == "slot" else {}
    managed.up()
    before = catalog(shop)
    with closed_port() as port:
        for changes, remedy in (
            ({"password": "mistyped-it"}, "check connection.user and adminPassword"),
            ({"user": "nobody_here"}, "check connection.user and adminPassword"),
            ({"port": port}, "the firewall rules and the network route"),
        ):
            found = complaints(managed, shop.connection | changes)
            assert len(found) >= (1 if kind == "owners" else 2)
            for text in found:
                assert text.startswith(f"cannot connect to database {shop.name} on 127.0.0.1:")
                assert text.endswith(remedy)
                assert "\n" not in text
                assert "mistyped-it" not in text
    assert catalog(shop) == before


def complaints(managed: Managed, connection: dict[str, Any]) -> list[str]:
    """What preview, up and refresh say with this connection."""
    given = {"connection": connection}
    checked = managed.provider.check(managed.inputs | given, managed.program | given)
    found = [failure.reason for failure in checked.failures]
    for action in (managed.provider.create, lambda props: managed.provider.read("x", props)):
        try:
            action(managed.outputs | given)
        except CdcError as error:
            found.append(str(error))
    return found


# A schema that vanishes


def test_schema_that_vanishes_is_named_by_all_that_need_it(shop: Shop) -> None:
    everything = {kind: resource(shop, kind) for kind in KINDS}
    for managed in everything.values():
        managed.up()
    shop.run("DROP SCHEMA sales CASCADE")
    before = catalog(shop)
    assert "schema sales does not exist. Remedy: " in everything["publication"].refusal()
    assert "sales.a does not exist. Remedy: " in everything["identity"].refusal()
    for kind in ("access", "signal", "heartbeat"):
        managed = everything[kind]
        if kind == "access":
            assert managed.refresh() == ["schemas"]
        text = managed.failure(managed.up)
        assert "schema sales does not exist" in text.replace('"', "")
    assert catalog(shop) == before
    for kind in reversed(MAKING):
        everything[kind].destroy()


# A server in recovery


@pytest.fixture(scope="module")
def replica(server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """A server that replays what a primary sends, as a read replica does; none sends anything."""
    with EmbeddedPostgres(server.major, settings={"wal_level": "logical"}) as embedded:
        with embedded.connect("postgres") as connection:
            for statement in (f"CREATE ROLE {ROLE}", *SALES):
                connection.execute(statement.encode())
        embedded.stop()
        (embedded.data_dir / "standby.signal").touch()
        embedded.start()
        yield embedded


def test_read_replica_is_refused_first(shop: Shop, replica: EmbeddedPostgres) -> None:
    other = type(shop)(replica, "postgres")
    managed = other.managed(
        EffectiveParametersProvider(), required={"wal_level": "logical"}, wait=False
    )
    assert managed.refusal() == (
        f"127.0.0.1:{replica.port} is a read replica, on which nothing can be created (signal "
        "tables, says the page: 'Not supported on read replicas. Please use method 1 instead', "
        "which is snapshots: read-only). Remedy: give the primary in connection.host"
    )


# PostgreSQL 16 and later make slots on a replica, too.
@pytest.mark.parametrize("kind", [kind for kind in MAKING if kind != "slot"])
def test_server_that_turns_into_a_replica_is_one_line(
    shop: Shop, replica: EmbeddedPostgres, kind: str
) -> None:
    other = type(shop)(replica, "postgres")
    text = resource(other, kind).failure(lambda: create(other, kind))
    assert "in a read-only transaction [25006]. Remedy: connect to the primary" in text


def create(shop: Shop, kind: str) -> None:
    """Straight to it, past whatever looks first."""
    managed = resource(shop, kind)
    found = {
        "identity": {"identities": {"sales.a": "FULL"}, "toSet": []},
        "publication": {"tables": ["sales.a"], "allTables": False, "rowFilters": {}},
    }
    managed.provider.create(managed.program | found.get(kind, {}))


# A full disk


class FullDisk:
    """PostgreSQL's own error for it, at the end of a chosen command.

    A disk cannot be filled here without the right to mount one; an event trigger of a superuser
    brings the same SQLSTATE in the same place.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        shop.run(
            "CREATE FUNCTION public.full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN"
            " RAISE 'could not extend file \"base/1/2\": No space left on device'"
            " USING ERRCODE = '53100'; END$$",
            superuser=True,
        )

    def at_the_end_of(self, *commands: str) -> None:
        tags = ", ".join(f"'{command}'" for command in commands)
        self._shop.run(
            f"CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ({tags})"
            " EXECUTE FUNCTION public.full_disk()",
            superuser=True,
        )

    def is_mended(self) -> None:
        self._shop.run("DROP EVENT TRIGGER full_disk", superuser=True)


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        ("access", ["ALTER DEFAULT PRIVILEGES"]),
        ("signal", ["GRANT"]),
        ("heartbeat", ["GRANT"]),
        ("identity", ["ALTER TABLE"]),
        ("publication", ["CREATE PUBLICATION"]),
    ],
)
def test_full_disk_is_one_line_and_nothing_is_half_done(
    shop: Shop, kind: str, commands: list[str]
) -> None:
    """The commands are the last ones: all that was done before them must be undone."""
    disk = FullDisk(shop)
    disk.at_the_end_of(*commands)
    before = catalog(shop)
    managed = resource(shop, kind)
    text = managed.failure(managed.up)
    assert text.endswith(
        'could not extend file "base/1/2": No space left on device [53100]. Remedy: grow the '
        "server's storage or free some, then run pulumi up again"
    )
    assert text.startswith("cannot ")
    assert catalog(shop) == before
    disk.is_mended()
    managed.up()
    assert managed.refresh() == []


def test_full_disk_in_the_middle_of_a_change(shop: Shop) -> None:
    managed = resource(shop, "publication")
    managed.up()
    shop.run("CREATE TABLE sales.c (id int PRIMARY KEY)", "DROP TABLE sales.b")
    disk = FullDisk(shop)
    before = catalog(shop)
    disk.at_the_end_of("ALTER PUBLICATION")
    text = managed.failure(managed.up)
    assert text.startswith("cannot change publication streamkap_pub: could not extend file")
    assert catalog(shop) == before
    disk.is_mended()
    managed.up()
    assert shop.published() == ["sales.a", "sales.c"]


def test_partitioned_table_is_refused_before_13(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    publication = shop.managed(
        PublicationProvider(),
        name="streamkap_pub",
        role=ROLE,
        capture={"schemas": ["public"]},
        ownTables=[],
        fullIdentity={},
    )
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 120020)
    assert publication.refusal() == (
        f"database {shop.name} cannot be captured as asked: public.p is partitioned, which "
        "PostgreSQL publishes from 13 on (this server is 12). Remedy: correct `capture`"
    )
