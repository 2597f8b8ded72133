"""Everything that can happen to a stack and its database, in any order.

Sequences of changed settings, of what others do in the database, and of what the engine does, are
made up, and after each step what must always be true is looked up: `lifetime/checked.py` has it.
Everyday runs try a few sequences, `make test-full` many, always the same ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tenacity import stop_after_attempt, wait_none
from tests.database.lifetime.disturbance import Disturbance
from tests.database.lifetime.home import home
from tests.database.lifetime.life import Life
from tests.database.lifetime.steps import Step, steps

from azure_postgres_cdc import dynamic
from azure_postgres_cdc.database import connection as connections
from azure_postgres_cdc.database import identity_change, slot_creation

if TYPE_CHECKING:
    from azure_postgres_rehearsal.embedded import EmbeddedPostgres

FEW, MANY = 6, 80
START = (
    "CREATE SCHEMA sales",
    "GRANT CREATE, USAGE ON SCHEMA public, sales TO app",
    "CREATE TABLE public.a (id int PRIMARY KEY, b int NOT NULL, note text)",
    "CREATE UNIQUE INDEX a_key ON public.a (id, b)",
    "INSERT INTO public.a VALUES (-1, 0, 'old')",
    "CREATE TABLE public.r (id int NOT NULL, b int NOT NULL, note text, PRIMARY KEY (id, b))"
    " PARTITION BY LIST (b)",
    "CREATE TABLE sales.p0 PARTITION OF public.r FOR VALUES IN (0)",
    "INSERT INTO public.r VALUES (-2, 0, 'old')",
)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def roles(server: EmbeddedPostgres) -> Iterator[None]:
    """The connector's user, and an owner for whom the administrator may act."""
    with server.superuser() as connection:
        for statement in (
            "CREATE ROLE streamkap_user LOGIN IN ROLE streamkap_role",
            "CREATE ROLE app",
            f"GRANT app TO {server.admin_user} WITH ADMIN OPTION",
        ):
            connection.execute(statement.encode())
    yield
    with server.superuser() as connection:
        connection.execute(b"DROP ROLE app")
        connection.execute(b"DROP ROLE streamkap_user")
        connection.execute(f"ALTER ROLE {server.admin_user} NOSUPERUSER".encode())


@pytest.fixture
def disturbance(monkeypatch: pytest.MonkeyPatch) -> Disturbance:
    """Locks, retries and time limits that wait no longer than a test can."""
    monkeypatch.setattr(dynamic._patiently, "stop", stop_after_attempt(3))
    monkeypatch.setattr(dynamic._patiently, "wait", wait_none())
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(identity_change, "LOCK_TIMEOUTS", (20, 20))
    monkeypatch.setattr(identity_change, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(slot_creation, "_CREATE_TIMEOUT_SECONDS", 1)
    found = Disturbance()
    found.install(monkeypatch)
    return found


def live(
    server: EmbeddedPostgres, disturbance: Disturbance, sequence: list[Step], *, superuser: bool
) -> None:
    """A database of its own, and then one step after the other."""
    try:
        with home(server, f"life_{next(_numbers)}") as shop:
            shop.run(*START)
            kind = "SUPERUSER" if superuser else "NOSUPERUSER"
            shop.run(f"ALTER ROLE {server.admin_user} {kind}", superuser=True)
            life = Life(shop, disturbance)
            for step in sequence:
                life.step(step)
            life.do_again()  # ends, as many begin, with a stack made anew
    finally:
        disturbance.calm()


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
def test_any_order(server: EmbeddedPostgres, disturbance: Disturbance, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[*HealthCheck],
    )
    @given(st.lists(steps, min_size=10, max_size=25), st.booleans())
    def any_order(sequence: list[Step], superuser: bool) -> None:
        live(server, disturbance, sequence, superuser=superuser)

    any_order()
