"""A database that is looked at hundreds of times, by one and the same connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from tests.database.conftest import Shop

if TYPE_CHECKING:
    from azure_postgres_rehearsal.embedded import EmbeddedPostgres


class Home(Shop):
    """A superuser's connection in autocommit mode stands for everybody."""

    def __init__(
        self, server: EmbeddedPostgres, name: str, kept: psycopg.Connection[tuple[Any, ...]]
    ) -> None:
        super().__init__(server, name)
        self.kept = kept

    def run(self, *statements: str | sql.Composable, superuser: bool = False) -> None:
        """In one transaction; not a superuser is the administrator."""
        role = "NONE" if superuser else self.server.admin_user
        with self.kept.transaction():
            self.kept.execute(f"SET LOCAL ROLE {role}".encode())
            for statement in statements:
                self.kept.execute(statement.encode() if isinstance(statement, str) else statement)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.kept.execute(query.encode(), parameters or None).fetchall()


@contextmanager
def home(server: EmbeddedPostgres, name: str) -> Iterator[Home]:
    """A fresh database; its slots go with it."""
    with server.superuser() as connection:
        connection.autocommit = True
        connection.execute(f"CREATE DATABASE {name} OWNER {server.admin_user}".encode())
        try:
            with server.superuser(name) as kept:
                kept.autocommit = True
                yield Home(server, name, kept)
        finally:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE database = %s",
                [name],
            )
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
