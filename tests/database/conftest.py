"""A database of one's own, and a dynamic resource driven as the engine drives it.

Everything runs on PostgreSQL 17; `make test-full` repeats it on 15, 16 and 18.
"""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg import sql

with warnings.catch_warnings():
    # pulumi_postgresql warns of its own old names when it is imported for the first time.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_postgresql  # noqa: F401

from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import CdcError
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

ROLE = "streamkap_role"
SETTINGS = {
    "wal_level": "logical",
    "max_worker_processes": "16",
    "max_prepared_transactions": "2",
}
OTHER_MAJORS = (15, 16, 18)

_numbers = itertools.count(1)


class Managed:
    """One dynamic resource and what the engine's state keeps of it.

    Every value goes through JSON as the engine's does: numbers become floats, nulls are dropped.
    """

    def __init__(self, provider: CdcProvider, inputs: Props) -> None:
        self.provider = provider
        self.program = inputs
        self.id = ""
        self.inputs: Props = {}
        self.outputs: Props = {}

    def check(self) -> Props:
        """The inputs as completed by the provider."""
        result = self.provider.check(_wire(self.inputs), _wire(self.program))
        assert not result.failures, [failure.reason for failure in result.failures]
        return _wire(result.inputs)

    def refusal(self, **changes: Any) -> str:
        """What `check` says against these inputs, before anything is changed."""
        result = self.provider.check(_wire(self.inputs), _wire(self.program | changes))
        # With a property in front, Pulumi would print its value, which may be a secret.
        assert [failure.property for failure in result.failures] == [""]
        return self._one_line(result.failures[0].reason)

    def failure(self, action: Callable[[], object]) -> str:
        """What one of the other methods stops with."""
        with pytest.raises(CdcError) as caught:
            action()
        return self._one_line(str(caught.value))

    def preview(self) -> list[str]:
        """The properties that the next `up` would change."""
        return self._differing(self.check())

    def up(self, **changes: Any) -> list[str]:
        """Check, then create, update or replace; the properties that differed."""
        self.program |= changes
        checked = self.check()
        if not self.id:
            self._create(checked)
            return []
        difference = self.provider.diff(self.id, self.outputs, checked)
        changed = self._differing(checked)
        if difference.replaces:
            assert difference.delete_before_replace
            self.destroy()
            self._create(checked)
        elif difference.changes:
            self.outputs = _wire(self.provider.update(self.id, self.outputs, checked).outs)
        self.inputs = checked
        return changed

    def refresh(self) -> list[str]:
        """Read; then what the next `up` would change. Without an id, it would create."""
        result = self.provider.read(self.id, self.outputs)
        self.id = result.id or ""
        if not self.id:
            self.inputs, self.outputs = {}, {}
            return ["id"]
        self.outputs = _wire(result.outs)
        return self._differing(self.inputs)

    def destroy(self) -> None:
        self.provider.delete(self.id, self.outputs)
        self.id, self.inputs, self.outputs = "", {}, {}

    def _create(self, checked: Props) -> None:
        result = self.provider.create(checked)
        self.id, self.inputs, self.outputs = result.id, checked, _wire(result.outs)

    def _one_line(self, text: str) -> str:
        assert "\n" not in text
        assert self.program["connection"]["password"] not in text
        return text

    def _differing(self, checked: Props) -> list[str]:
        names = [
            name
            for name in checked
            if self.outputs.get(name) != checked[name] and name not in self.provider.only_looked_at
        ]
        difference = self.provider.diff(self.id, self.outputs, checked)
        assert difference.changes == bool(names)
        return sorted(names)


class Shop:
    """A database, owned by the administrator."""

    def __init__(self, server: EmbeddedPostgres, name: str) -> None:
        self.server = server
        self.name = name

    @property
    def connection(self) -> Props:
        """As `connection_props` describes the administrator's connection."""
        return {
            "host": self.server.host,
            "port": self.server.port,
            "user": self.server.admin_user,
            "password": self.server.admin_password,
            "sslMode": self.server.ssl_mode,
        }

    def managed(self, provider: CdcProvider, **inputs: Any) -> Managed:
        return Managed(provider, {"connection": self.connection, "database": self.name, **inputs})

    def run(self, *statements: str | sql.Composable, superuser: bool = False) -> None:
        connect = self.server.superuser if superuser else self.server.connect
        with connect(self.name) as connection:
            for statement in statements:
                connection.execute(statement.encode() if isinstance(statement, str) else statement)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.server.superuser(self.name) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def column(self, query: str, *parameters: Any) -> list[Any]:
        return [row[0] for row in self.rows(query, *parameters)]

    def value(self, query: str, *parameters: Any) -> Any:
        return self.rows(query, *parameters)[0][0]

    def privileges(self, table: str, role: str = ROLE) -> set[str]:
        """What is granted on a table to a role, directly."""
        return set(
            self.column(
                "SELECT a.privilege_type FROM pg_class, aclexplode(relacl) a"
                " WHERE pg_class.oid = %s::regclass AND a.grantee = %s::regrole",
                table,
                role,
            )
        )

    def published(self, publication: str = "streamkap_pub") -> list[str]:
        return self.column(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_publication_tables"
            " WHERE pubname = %s ORDER BY 1",
            publication,
        )


def _wire(value: Any) -> Any:
    """A value after a round trip through the engine's protocol."""
    return _without_nulls(json.loads(json.dumps(value), parse_int=float))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


@pytest.fixture(
    scope="session",
    params=[17, *(pytest.param(major, marks=pytest.mark.full) for major in OTHER_MAJORS)],
    ids=lambda major: f"pg{major}",
)
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """One server for all tests of a process, with the roles that they speak of."""
    try:
        embedded = EmbeddedPostgres(request.param, settings=SETTINGS)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with embedded:
        with embedded.superuser() as connection:
            for statement in (
                f"CREATE ROLE {ROLE}",
                "CREATE ROLE other_role",
                # Somebody whom the administrator has no say over, and a team that it is in.
                'CREATE ROLE "App B"',
                "CREATE ROLE team",
                f"GRANT team TO {embedded.admin_user}",
            ):
                connection.execute(statement.encode())
        yield embedded


@pytest.fixture
def shop(server: EmbeddedPostgres) -> Iterator[Shop]:
    """A fresh database; its slots go with it."""
    name = f"shop_{next(_numbers)}"
    with server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield Shop(server, name)
    with server.superuser() as connection:
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE database = %s",
            [name],
        )
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def superuser(shop: Shop) -> Iterator[None]:
    """On Azure the administrator may be allowed what needs a superuser elsewhere."""
    role = sql.Identifier(shop.server.admin_user)
    shop.run(sql.SQL("ALTER ROLE {} SUPERUSER").format(role), superuser=True)
    yield
    shop.run(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(role), superuser=True)
