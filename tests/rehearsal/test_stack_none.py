"""`management: none`: any reachable PostgreSQL, over TLS that is verified; and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

NONE = {"server": {"management": "none"}}
TWICE: list[dict[str, Any]] = [
    {
        "name": "shop",
        "capture": {"tables": ["public.orders", '"Odd Schema"."Tab""le"']},
        "heartbeat": True,
    },
    {
        "name": "shop",
        "capture": {"schemas": ["public"]},
        "user": "second_user",
        "publication": "second_pub",
        "slot": "second_slot",
        "replicaIdentityFull": True,
    },
    {
        "name": "other",
        "capture": {"tables": ["public.orders"]},
        "slot": "third_slot",
        "columns": {"public.orders": ["id"]},
        "rowFilters": {"public.orders": "id>0"},
        "connector": {"signalSchema": "public"},
    },
]


def prepare(rehearsal: Rehearsal) -> None:
    for database in rehearsal.databases:
        with rehearsal.postgres.connect(database) as connection:
            connection.execute("CREATE TABLE public.orders (id int PRIMARY KEY, note text)")
            connection.execute('CREATE SCHEMA "Odd Schema"')
            connection.execute('CREATE TABLE "Odd Schema"."Tab""le" (id int PRIMARY KEY)')


@pytest.fixture(scope="module")
def twice() -> Iterator[Rehearsal]:
    with Rehearsal(PROJECT, "local", settings=NONE | {"databases": TWICE}) as rehearsal:
        prepare(rehearsal)
        connection = {
            "host": "localhost",
            "port": rehearsal.postgres.port,
            "user": rehearsal.postgres.admin_user,
            "sslMode": "verify-full",
            "sslRootCert": str(rehearsal.postgres.root_certificate),
        }
        rehearsal.engine.set_config("connection", connection)
        rehearsal.engine.up("--skip-preview", capture=True)
        yield rehearsal


def test_a_database_may_stand_in_the_list_twice(twice: Rehearsal) -> None:
    with twice.postgres.superuser("shop") as connection:
        published = connection.execute(
            "SELECT pubname, schemaname, tablename FROM pg_publication_tables ORDER BY 1, 2, 3"
        ).fetchall()
        slots = connection.execute(
            "SELECT slot_name, database FROM pg_replication_slots ORDER BY 1"
        ).fetchall()
    assert published == [
        ("second_pub", "public", "orders"),
        ("second_pub", "streamkap", "streamkap_signal"),
        ("streamkap_pub", "Odd Schema", 'Tab"le'),
        ("streamkap_pub", "public", "orders"),
        ("streamkap_pub", "streamkap", "streamkap_heartbeat"),
        ("streamkap_pub", "streamkap", "streamkap_signal"),
    ]
    assert slots == [
        ("second_slot", "shop"),
        ("streamkap_pgoutput_slot", "shop"),
        ("third_slot", "other"),
    ]


def test_each_connector_reads_and_writes_what_it_has_to(twice: Rehearsal) -> None:
    forms = twice.engine.outputs()["connectors"]
    assert [form["username"] for form in forms] == [
        "streamkap_user",
        "second_user",
        "streamkap_user",
    ]
    for form in forms:
        with twice.postgres.connect(form["database"], form["username"], form["password"]) as user:
            user.execute("SELECT * FROM public.orders")
            user.execute(
                f"INSERT INTO {form['signalTableSchema']}.streamkap_signal"
                " VALUES (gen_random_uuid(), 'execute-snapshot')"
            )
            privileges = user.execute(
                "SELECT has_table_privilege('public.orders', 'INSERT, UPDATE, DELETE')"
            ).fetchone()
            assert privileges == (False,)


@pytest.mark.parametrize("run", ["up", "up --refresh", "up --refresh again"])
def test_another_up_changes_nothing(twice: Rehearsal, run: str) -> None:
    """The signal table in the captured schema is where schema-wide grants would fight."""
    again = twice.engine.up("--skip-preview", *run.split()[1:2], capture=True)
    assert again.changed == 0, again.text


def test_a_new_table_of_a_captured_schema_is_added_in_place(twice: Rehearsal) -> None:
    with twice.postgres.connect("shop") as connection:
        connection.execute("CREATE TABLE public.invoices (id int PRIMARY KEY)")
    changed = twice.engine.up("--skip-preview", capture=True)
    assert changed.operations.get("update") == 2, changed.text  # publication, replica identity
    with twice.postgres.superuser("shop") as connection:
        assert connection.execute(
            "SELECT tablename FROM pg_publication_tables WHERE pubname = 'second_pub'"
            " AND schemaname = 'public' ORDER BY 1"
        ).fetchall() == [("invoices",), ("orders",)]
        assert connection.execute(
            "SELECT relreplident FROM pg_class WHERE relname = 'invoices'"
        ).fetchone() == ("f",)
    again = twice.engine.up("--skip-preview", capture=True)
    assert again.changed == 0, again.text
    for outcome in (changed, again):
        assert "publication second_pub needs snapshot: public.invoices: rows from" in outcome.text


def test_server_is_the_same_one_whatever_it_is_called(twice: Rehearsal) -> None:
    """`existing`, which needs the name in Azure, may follow: no login is dropped over it."""

    def logins() -> list[Any]:
        with twice.postgres.superuser() as connection:
            return connection.execute(
                "SELECT oid, rolname, rolpassword FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY 1"
            ).fetchall()

    before = logins()
    for name in ({"name": "psql-shop"}, {"name": "psql-store"}, {}):
        server = NONE["server"] | name
        twice.engine.set_config("server", server)
        renamed = twice.engine.up("--skip-preview", capture=True)
        assert renamed.changed == 0, renamed.text
        assert logins() == before


@pytest.fixture(scope="module")
def refused() -> Iterator[Rehearsal]:
    with Rehearsal(
        PROJECT, "local", settings=NONE, postgres_settings={"wal_level": "replica"}
    ) as rehearsal:
        yield rehearsal


def test_a_server_without_logical_wal_is_refused_in_the_preview(refused: Rehearsal) -> None:
    outcome = refused.engine.preview(capture=True, check=False)
    assert outcome.returncode != 0
    assert "wal_level is replica in effect, needed logical" in outcome.text
    assert "Traceback" not in outcome.text


def test_every_fault_of_the_configuration_is_in_one_message(refused: Rehearsal) -> None:
    refused.engine.set_config("server", {"management": "nobody", "colour": "blue"})
    refused.engine.set_config("databases", [{"name": "shop", "capture": {"tables": ["orders"]}}])
    refused.engine.set_config("conection", {"host": "h"})
    outcome = refused.engine.preview(capture=True, check=False)
    assert outcome.returncode != 0
    for fault in (
        "server.management",
        "server.colour: is no known key",
        "databases[0].capture.tables[0]: 'orders' is not of the form schema.table",
        "conection: is no known key",
    ):
        assert fault in outcome.text
    assert "nothing was changed" in outcome.text
    assert "Traceback" not in outcome.text


def test_a_table_of_an_owner_that_nobody_listed_is_readable_once_it_is_published(
    twice: Rehearsal,
) -> None:
    """Or a connector's snapshot would stall on it; plain `up`, with no refresh."""
    with twice.postgres.connect("shop") as admin:
        admin.execute("CREATE ROLE app NOLOGIN")
        admin.execute("GRANT app TO cdc_admin")
        admin.execute("GRANT CREATE ON SCHEMA public TO app")
        admin.execute("SET ROLE app")
        admin.execute("CREATE TABLE public.unlisted (id int PRIMARY KEY)")
    twice.engine.up("--skip-preview", capture=True)
    form = twice.engine.outputs()["connectors"][1]
    assert "public.unlisted" in form["tables"]
    with twice.postgres.connect("shop", form["username"], form["password"]) as user:
        user.execute("SELECT * FROM public.unlisted")


def test_a_table_that_was_dropped_and_made_again_is_published_again(twice: Rehearsal) -> None:
    with twice.postgres.connect("shop") as admin:
        admin.execute("DROP TABLE public.orders")
        admin.execute("CREATE TABLE public.orders (id int PRIMARY KEY)")
    changed = twice.engine.up("--skip-preview", capture=True)
    assert changed.changed, changed.text
    with twice.postgres.superuser("shop") as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'orders'"
        ).fetchone() == (2,)
    assert twice.engine.up("--skip-preview", capture=True).changed == 0


def test_read_only_snapshots_of_a_fresh_server_need_no_signal_table() -> None:
    databases = [
        {"name": "shop", "capture": {"schemas": ["public"]}, "snapshots": "read-only"},
    ]
    with Rehearsal(PROJECT, "local", settings={"databases": databases}) as rehearsal:
        rehearsal.engine.up("--skip-preview", capture=True)
        form = rehearsal.engine.outputs()["connectors"][0]
        assert (form["readOnly"], form["signalTableSchema"]) == ("Yes", None)
        with rehearsal.postgres.superuser("shop") as connection:
            assert connection.execute(
                "SELECT to_regclass('streamkap.streamkap_signal')"
            ).fetchone() == (None,)
        assert rehearsal.engine.up("--skip-preview", "--refresh", capture=True).changed == 0
