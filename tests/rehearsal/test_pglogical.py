"""The page's parameters with the real pglogical: Debian's PostgreSQL 15 with its package of it.

The embedded versions have no pglogical, so that elsewhere it is Azure's value and nothing more.

A superuser stands for what `azure_pg_admin` may do on Azure: plain PostgreSQL 15 lets nobody else
create a role with REPLICATION, or an extension that is not trusted. `azure.extensions` is the
value that was written, and forbids no extension here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg import sql
from support import PROJECT

from azure_postgres_rehearsal import distributions
from azure_postgres_rehearsal.consumer import Consumer
from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.rehearsal import Rehearsal

MAJOR = 15
LIBRARY = "pglogical"
SETTINGS = {"databases": [{"name": "shop", "capture": {"tables": ["public.orders"]}}]}


@dataclass
class Made:
    rehearsal: Rehearsal
    first: Outcome

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """A query as the administrator, in the captured database."""
        with self.rehearsal.administrator("shop") as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    """The stack `local`, up on that PostgreSQL."""
    try:
        folder = distributions.find(MAJOR).library_dir
    except FileNotFoundError as error:
        pytest.skip(str(error))
    if not list(folder.glob(f"{LIBRARY}.*")):
        pytest.skip(f"{folder} has no {LIBRARY}: apt-get install postgresql-{MAJOR}-pglogical")
    with Rehearsal(PROJECT, "local", major=MAJOR, settings=SETTINGS) as rehearsal:
        with rehearsal.postgres.superuser() as connection:
            administrator = sql.Identifier(rehearsal.postgres.admin_user)
            connection.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(administrator))
        yield Made(rehearsal, rehearsal.up("--skip-preview", capture=True))


@pytest.fixture(scope="module")
def extension(made: Made) -> str:
    """The extension, created in the captured database; its version."""
    assert made.ask("SELECT name FROM pg_available_extensions WHERE name = 'pglogical'")
    with made.rehearsal.administrator("shop") as connection:
        connection.execute("CREATE EXTENSION pglogical")
    ((version,),) = made.ask("SELECT extversion FROM pg_extension WHERE extname = 'pglogical'")
    return str(version)


def test_up_has_the_server_load_it_with_one_restart(made: Made) -> None:
    assert (
        "shared_preload_libraries of server cdc-local: pg_cron,pg_stat_statements -> "
        "pg_cron,pg_stat_statements,pglogical (after a restart)"
    ) in made.first.text
    assert not [text for text in made.rehearsal.azure.journal.notices if LIBRARY in text]
    assert made.rehearsal.azure.journal.restarts == 1
    assert made.ask("SHOW server_version_num")[0][0].startswith(f"{MAJOR}00")
    # Azure's pg_cron is loaded where Debian's package of it is there, too.
    ((loaded,),) = made.ask("SHOW shared_preload_libraries")
    assert {"pg_stat_statements", LIBRARY} <= set(loaded.split(", "))
    assert made.ask("SHOW azure.extensions") == [("pglogical",)]
    assert made.ask("SHOW wal_level") == [("logical",)]
    # The library's own worker runs, and its parameters are known.
    assert made.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pglogical supervisor'"
    ) == [(1,)]
    assert made.ask("SHOW pglogical.conflict_resolution") == [("apply_remote",)]


def test_the_extension_works(made: Made, extension: str) -> None:
    assert made.ask("SELECT pglogical.pglogical_version()") == [(extension,)]
    assert made.ask("SELECT pglogical.create_node('provider', 'host=nowhere') > 0") == [(True,)]
    made.ask("SELECT pglogical.replication_set_add_table('default', 'public.orders')")
    assert made.ask("SELECT set_name, relname FROM pglogical.tables WHERE relname = 'orders'") == [
        ("default", "orders")
    ]


@pytest.mark.usefixtures("extension")
def test_the_connectors_slot_is_pgoutput_s_all_the_same(made: Made) -> None:
    (form,) = made.rehearsal.engine.outputs()["connectors"]
    with made.rehearsal.postgres.connect("shop", form["username"], form["password"]) as connection:
        consumer = Consumer(connection, form["publicationName"], form["replicationSlotName"])
        consumer.snapshot()
        with made.rehearsal.administrator("shop") as application:
            application.execute("INSERT INTO public.orders VALUES (1, 'captured')")
        consumer.drain()
    assert sum(consumer.captured.values()) == 1
    assert made.ask("SELECT plugin FROM pg_replication_slots") == [("pgoutput",)]


@pytest.mark.usefixtures("extension")
def test_a_second_up_changes_nothing(made: Made) -> None:
    again = made.rehearsal.engine.up("--skip-preview", "--refresh", capture=True)
    assert (again.changed, again.resources) == (0, made.first.resources)
    assert made.rehearsal.azure.journal.restarts == 1
