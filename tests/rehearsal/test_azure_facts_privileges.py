"""Azure's rules for privileges, one test each, shown in SQL by the embedded server.

What a test's docstring calls "Azure's rule" is what Azure's documentation says or was measured on
PostgreSQL. Other rules: see test_azure_facts.py. That the administrator of every version is a
member of azure_pg_admin and no superuser, and that a connection without TLS is refused, is shown
in test_embedded.py.

Where plain PostgreSQL is stricter than Azure the rehearsal is, too: its administrator cannot give
itself REPLICATION, and hands out BYPASSRLS only where it has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from azure_postgres_rehearsal import distributions
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

Connection = psycopg.Connection[tuple[Any, ...]]
SETTINGS = {"wal_level": "logical"}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17, settings=SETTINGS, admin_replication=False) as running:
        yield running


@pytest.fixture(scope="module")
def fifteen() -> Iterator[EmbeddedPostgres]:
    try:
        distributions.find(15)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with EmbeddedPostgres(15, settings=SETTINGS) as running:
        yield running


@pytest.fixture
def superuser(postgres: EmbeddedPostgres) -> Iterator[Connection]:
    """What Azure does and the administrator cannot."""
    with postgres.superuser() as connection:
        yield connection
        connection.execute(f"ALTER ROLE {postgres.admin_user} NOREPLICATION NOBYPASSRLS")


@pytest.fixture
def admin(postgres: EmbeddedPostgres) -> Iterator[Connection]:
    with postgres.connect("postgres") as connection:
        yield connection


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"thing_{next(_numbers)}"


@pytest.fixture
def owner(superuser: Connection, name: str) -> str:
    """An application's role, in a schema of its own; the administrator has nothing to do with it.

    Its table is called as itself and holds one row that row-level security shows to its owner.
    """
    superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    superuser.execute(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
    superuser.execute(f"CREATE TABLE {name}.{name} AS SELECT 1 AS id")
    superuser.execute(f"ALTER TABLE {name}.{name} OWNER TO {name}")
    return name


class TestAdministrator:
    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE ROLE {name} SUPERUSER",
            "ALTER SYSTEM SET wal_level = 'replica'",
            "SELECT pg_read_file('postgresql.conf')",
            "COPY pg_class TO PROGRAM 'cat'",
        ],
    )
    def test_it_is_no_superuser(self, admin: Connection, name: str, statement: str) -> None:
        """Azure's rule: the administrator is a member of azure_pg_admin, not a superuser."""
        with pytest.raises(InsufficientPrivilege):
            admin.execute(statement.format(name=name))

    def test_it_needs_replication_once(
        self,
        admin: Connection,
        superuser: Connection,
        postgres: EmbeddedPostgres,
        name: str,
    ) -> None:
        """Azure's rule: ALTER ROLE ... WITH REPLICATION once before it can create or use slots."""
        create = f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')"
        peek = f"SELECT pg_logical_slot_peek_changes('{name}', NULL, NULL)"
        drop = f"SELECT pg_drop_replication_slot('{name}')"
        with pytest.raises(InsufficientPrivilege, match="permission denied to use replication"):
            admin.execute(create)
        superuser.execute(create)
        for statement in (peek, drop):
            with pytest.raises(InsufficientPrivilege, match="permission denied to use replication"):
                admin.execute(statement)
        with pytest.raises(InsufficientPrivilege):  # Azure lets it; plain PostgreSQL does not
            admin.execute("ALTER ROLE CURRENT_USER WITH REPLICATION")
        superuser.execute(drop)

        superuser.execute(f"ALTER ROLE {postgres.admin_user} WITH REPLICATION")
        for statement in (create, drop):
            admin.execute(statement)

    def test_it_creates_roles_with_replication(
        self, admin: Connection, superuser: Connection, postgres: EmbeddedPostgres, name: str
    ) -> None:
        """Azure's rule: the administrator can create roles with REPLICATION (PG >= 16)."""
        superuser.execute(f"ALTER ROLE {postgres.admin_user} WITH REPLICATION")
        admin.execute(f"CREATE ROLE {name} LOGIN REPLICATION")
        assert attribute(admin, name, "rolreplication") is True

    @pytest.mark.full
    def test_it_does_not_on_plain_15(self, fifteen: EmbeddedPostgres, name: str) -> None:
        """Azure's rule: on plain PostgreSQL a non-superuser can do that only from 16 on."""
        with (
            fifteen.connect("postgres") as connection,
            pytest.raises(InsufficientPrivilege, match="must be superuser to create replication"),
        ):
            connection.execute(f"CREATE ROLE {name} LOGIN REPLICATION")

    def test_it_administers_what_it_has_the_option_for(
        self, admin: Connection, owner: str, name: str
    ) -> None:
        """Azure's rule: PG 16+: CREATEROLE needs the ADMIN option on the role it touches."""
        for statement in (f"ALTER ROLE {owner} CREATEDB", f"GRANT {owner} TO CURRENT_USER"):
            with pytest.raises(InsufficientPrivilege):
                admin.execute(statement)
        admin.execute(f"CREATE ROLE {name}_mine")
        admin.execute(f"ALTER ROLE {name}_mine CREATEDB")


class TestPublications:
    @pytest.mark.parametrize("what", ["ALL TABLES", "TABLES IN SCHEMA public"])
    def test_of_more_than_tables(self, admin: Connection, name: str, what: str) -> None:
        """Azure's rule: FOR ALL TABLES, FOR TABLES IN SCHEMA need a superuser (42501)."""
        with pytest.raises(InsufficientPrivilege, match="must be superuser") as refused:
            admin.execute(f"CREATE PUBLICATION {name} FOR {what}")
        assert refused.value.sqlstate == "42501"

    def test_of_a_table(self, admin: Connection, owner: str, name: str) -> None:
        """Azure's rule: creating a publication FOR TABLE needs ownership of each table."""
        with pytest.raises(InsufficientPrivilege):
            admin.execute(f"CREATE PUBLICATION {name} FOR TABLE {owner}.{owner}")
        admin.execute(f"CREATE TABLE {name}_mine (id int PRIMARY KEY)")
        admin.execute(f"CREATE PUBLICATION {name} FOR TABLE {name}_mine")


class TestReading:
    def test_default_privileges(self, admin: Connection, superuser: Connection, owner: str) -> None:
        """Azure's rule: ALTER DEFAULT PRIVILEGES FOR ROLE owner needs membership in that owner."""
        statement = (
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {owner}"
            " GRANT SELECT ON TABLES TO azure_pg_admin"
        )
        refused = "permission denied to change default privileges"
        with pytest.raises(InsufficientPrivilege, match=refused):
            admin.execute(statement)
        superuser.execute(f"GRANT {owner} TO {admin.info.user}")
        admin.execute(statement)

    def test_pg_read_all_data(
        self, admin: Connection, postgres: EmbeddedPostgres, owner: str, name: str
    ) -> None:
        """Azure's rule: `pg_read_all_data`: grantable on 14+."""
        reader = self.reader(admin, name)
        with (
            postgres.connect("postgres", reader, reader) as connection,
            pytest.raises(InsufficientPrivilege),
        ):
            connection.execute(f"SELECT * FROM {owner}.{owner}")
        admin.execute(f"GRANT pg_read_all_data TO {reader}")
        assert self.rows(postgres, reader, owner) == 1

    def test_row_level_security_hides_rows(
        self,
        admin: Connection,
        superuser: Connection,
        postgres: EmbeddedPostgres,
        owner: str,
        name: str,
    ) -> None:
        """Azure's rule: BYPASSRLS: without it row-level security hides rows from snapshots."""
        superuser.execute(f"ALTER TABLE {owner}.{owner} ENABLE ROW LEVEL SECURITY")
        reader = self.reader(admin, name)
        admin.execute(f"GRANT pg_read_all_data TO {reader}")
        assert self.rows(postgres, reader, owner) == 0
        superuser.execute(f"ALTER ROLE {reader} BYPASSRLS")
        assert self.rows(postgres, reader, owner) == 1

    def test_bypassing_it_is_assignable(
        self, admin: Connection, superuser: Connection, postgres: EmbeddedPostgres, name: str
    ) -> None:
        """Azure's rule: BYPASSRLS: assignable on 16+ only."""
        reader = self.reader(admin, name)
        with pytest.raises(InsufficientPrivilege):
            admin.execute(f"ALTER ROLE {reader} BYPASSRLS")
        superuser.execute(f"ALTER ROLE {postgres.admin_user} BYPASSRLS")
        admin.execute(f"ALTER ROLE {reader} BYPASSRLS")
        assert attribute(admin, reader, "rolbypassrls") is True

    @pytest.mark.full
    def test_bypassing_it_is_not_on_15(self, fifteen: EmbeddedPostgres, name: str) -> None:
        """Azure's rule: BYPASSRLS: assignable on 16+ only."""
        with fifteen.superuser() as connection:
            connection.execute(f"ALTER ROLE {fifteen.admin_user} BYPASSRLS")
        with fifteen.connect("postgres") as connection:
            connection.execute(f"CREATE ROLE {name}")
            with pytest.raises(InsufficientPrivilege, match="must be superuser"):
                connection.execute(f"ALTER ROLE {name} BYPASSRLS")

    def reader(self, admin: Connection, name: str) -> str:
        reader = f"{name}_reader"
        admin.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{reader}'")
        return reader

    def rows(self, postgres: EmbeddedPostgres, reader: str, owner: str) -> int:
        with postgres.connect("postgres", reader, reader) as connection:
            return len(connection.execute(f"SELECT * FROM {owner}.{owner}").fetchall())


class TestTransport:
    @pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
    def test_tls(self, postgres: EmbeddedPostgres, version: str) -> None:
        """Azure's rule: TLS 1.2/1.3."""
        with psycopg.connect(
            host=postgres.host,
            port=postgres.port,
            user=postgres.admin_user,
            password=postgres.admin_password,
            dbname="postgres",
            sslmode="require",
            ssl_min_protocol_version=version,
            ssl_max_protocol_version=version,
        ) as connection:
            row = connection.execute(
                "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            ).fetchone()
        assert row == (version,)


def attribute(connection: Connection, role: str, column: str) -> object:
    row = connection.execute(
        f"SELECT {column} FROM pg_roles WHERE rolname = %s", (role,)
    ).fetchone()
    assert row is not None
    return row[0]
