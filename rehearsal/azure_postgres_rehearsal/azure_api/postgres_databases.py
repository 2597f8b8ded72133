"""Databases of the embedded PostgreSQL: reading, making and dropping them for real."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row

from azure_postgres_rehearsal.azure_api.postgres import Postgres

_ENCODING_AND_LOCALE = (
    "SELECT oid, datname AS name, pg_encoding_to_char(encoding) AS charset, "
    "datcollate AS collation FROM pg_database WHERE NOT datistemplate ORDER BY datname"
)


@dataclass(frozen=True)
class FoundDatabase:
    """One row of pg_database."""

    oid: int
    name: str
    charset: str
    collation: str


def read_databases(postgres: Postgres) -> list[FoundDatabase]:
    """The databases that are there, templates left out."""
    with (
        postgres.superuser() as connection,
        connection.cursor(row_factory=class_row(FoundDatabase)) as cursor,
    ):
        return cursor.execute(_ENCODING_AND_LOCALE).fetchall()


def create_database(
    postgres: Postgres, name: str, owner: str, charset: str, collation: str
) -> bool:
    """Create a database; whether it has the collation asked for.

    A locale belongs to the machine, and a small machine has few: without it, it is made with C.
    """
    with postgres.superuser() as connection:
        try:
            connection.execute(_creation(name, owner, charset, collation))
        except errors.WrongObjectType:  # what PostgreSQL says to a locale it has not
            connection.execute(_creation(name, owner, charset, "C"))
            return False
    return True


def drop_database(postgres: Postgres, name: str) -> None:
    """Drop a database; PostgreSQL refuses while somebody is connected to it."""
    with postgres.superuser() as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def set_password(postgres: Postgres, login: str, password: str) -> None:
    """Give a login another password."""
    with postgres.superuser() as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(login), sql.Literal(password)
            )
        )


def text_of(error: psycopg.Error) -> str:
    """What PostgreSQL said, on one line."""
    return " ".join(str(error).split())


def _creation(name: str, owner: str, charset: str, collation: str) -> sql.Composed:
    return sql.SQL(
        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
    ).format(
        sql.Identifier(name),
        sql.Identifier(owner),
        sql.Literal(charset),
        sql.Literal(collation),
        sql.Literal(collation),
    )
