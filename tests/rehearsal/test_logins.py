"""The connector's login, for real: its options, and another password without an interruption."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

DATABASES = [
    {
        "name": "shop",
        "capture": {"tables": ["public.orders"]},
        "grants": {"readAllData": True, "create": False},
    }
]
LOGIN = {"bypassRls": True, "walSenderTimeout": 300, "connectionLimit": 20}
ATTRIBUTES = (
    "SELECT rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolconfig FROM pg_roles"
    " WHERE rolname = '{}'"
)


@pytest.fixture(scope="module")
def made() -> Iterator[Rehearsal]:
    server = {"management": "none", "login": LOGIN}
    settings = {"server": server, "databases": DATABASES}
    with Rehearsal(PROJECT, "local", settings=settings) as rehearsal:
        rehearsal.invent_tables()
        with rehearsal.postgres.superuser() as superuser:
            superuser.execute("ALTER ROLE cdc_admin BYPASSRLS")
        rehearsal.engine.up("--skip-preview", capture=True)
        yield rehearsal


def ask(made: Rehearsal, query: str) -> list[tuple[Any, ...]]:
    with made.postgres.superuser("shop") as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def credentials(made: Rehearsal) -> tuple[str, str]:
    form = made.engine.outputs()["connectors"][0]
    return form["username"], form["password"]


def reads(made: Rehearsal, login: tuple[str, str]) -> bool:
    """Whether a connector with this login and password reads the captured table."""
    try:
        with made.postgres.connect("shop", *login) as user:
            user.execute("SELECT * FROM public.orders")
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def never_refused(made: Rehearsal, login: tuple[str, str]) -> Iterator[None]:
    """Read and signal all the time as the connector does; none of it may fail."""
    faults: list[str] = []
    over = threading.Event()

    def work() -> None:
        with made.postgres.connect("shop", *login) as user:
            while not over.is_set():
                try:
                    user.execute("SELECT FROM public.orders")
                    user.execute("UPDATE streamkap.streamkap_signal SET data = data")
                except psycopg.Error as error:
                    faults.append(str(error))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()
    assert faults[:3] == []


def use(made: Rehearsal, user: str, *former: str) -> None:
    server = {"management": "none", "login": LOGIN, "user": user, "formerUsers": [*former]}
    made.engine.set_config("server", server)


def test_login_and_group_role_have_what_was_asked_for(made: Rehearsal) -> None:
    expected = (True, True, True, 20, ["wal_sender_timeout=300s"])
    assert ask(made, ATTRIBUTES.format("streamkap_user")) == [expected]
    assert ask(
        made,
        "SELECT pg_has_role('streamkap_role', 'pg_read_all_data', 'USAGE'),"
        " has_schema_privilege('streamkap_role', 'public', 'USAGE'),"
        " has_schema_privilege('streamkap_role', 'public', 'CREATE')",
    ) == [(True, True, False)]
    granted = "SELECT relname FROM pg_class WHERE relacl::text LIKE '%streamkap_role=%'"
    assert ask(made, granted) == [("streamkap_signal",)]
    assert reads(made, credentials(made))


def test_password_is_changed_without_an_interruption(made: Rehearsal) -> None:
    """A second login in the same group role; the first goes by a later word."""
    first = credentials(made)
    use(made, "streamkap_user_b")
    refused = made.engine.preview(capture=True, check=False)
    assert refused.returncode != 0
    assert "Remedy: server.formerUsers: [streamkap_user] keeps it" in refused.text
    assert "Traceback" not in refused.text
    assert reads(made, first)

    use(made, "streamkap_user_b", "streamkap_user")
    made.engine.up("--skip-preview", capture=True)
    second = credentials(made)
    assert second[0] == "streamkap_user_b"
    assert second[1] != first[1]
    assert reads(made, first)
    assert reads(made, second)
    again = made.engine.up("--skip-preview", "--refresh", capture=True)
    assert again.changed == 0, again.text
    assert reads(made, first)

    use(made, "streamkap_user_b")
    made.engine.up("--skip-preview", capture=True)
    assert not reads(made, first)
    assert reads(made, second)
    assert ask(made, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'streamkap_user%'") == [
        ("streamkap_user_b",)
    ]


def test_change_of_password_can_be_called_off(made: Rehearsal) -> None:
    """The connector goes on with the login that it has, and with its password."""
    second = credentials(made)
    use(made, "streamkap_user_c", second[0])
    made.engine.up("--skip-preview", capture=True)
    use(made, second[0], "streamkap_user_c")
    made.engine.up("--skip-preview", capture=True)
    assert credentials(made) == second
    assert reads(made, second)


def test_rights_are_given_before_others_are_taken(made: Rehearsal) -> None:
    """By whichever word: another group role, grants in place of pg_read_all_data, and back."""
    login = credentials(made)
    server = {"management": "none", "login": LOGIN, "user": login[0]}
    granted = [{**DATABASES[0], "grants": {"create": False}}]
    for databases, role in (
        (granted, "second_role"),
        (DATABASES, "second_role"),
        (granted, "second_role"),
        (granted, "third_role"),
    ):
        made.engine.set_config("server", server | {"role": role})
        made.engine.set_config("databases", databases)
        with never_refused(made, login):
            made.engine.up("--skip-preview", capture=True)
    again = made.engine.up("--skip-preview", "--refresh", capture=True)
    assert again.changed == 0, again.text
    roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE '%\\_role' AND NOT rolcanlogin"
    assert ask(made, roles) == [("third_role",)]
    member = (
        "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'third_role'::regrole"
    )
    assert ask(made, member) == []
