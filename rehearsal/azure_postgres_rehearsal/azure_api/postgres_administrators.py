"""Administrators in the embedded PostgreSQL: roles like the one it was made with, for real."""

from __future__ import annotations

from psycopg import sql

from azure_postgres_rehearsal.azure_api.postgres import Postgres

ADMINISTRATORS = "azure_pg_admin"
"""The role that makes a role an administrator."""


def create_administrator(postgres: Postgres, name: str, like: str) -> None:
    """Make an administrator that has what the one named `like` has, tables of its own left out.

    REPLICATION is taken over from there: whoever asks for a server on which nobody has it to begin
    with gets an administrator without it as well.
    """
    with postgres.superuser() as connection:
        row = connection.execute(
            "SELECT rolreplication FROM pg_roles WHERE rolname = %s", (like,)
        ).fetchone()
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB {} IN ROLE {}").format(
                sql.Identifier(name),
                sql.SQL("REPLICATION" if row and row[0] else "NOREPLICATION"),
                sql.Identifier(ADMINISTRATORS),
            )
        )


def accept_token(postgres: Postgres, name: str, token: str) -> None:
    """Have PostgreSQL take the token as the role's password, and no other any more."""
    with postgres.superuser() as connection:
        # What is sent is no token but what proves one, so that no log of PostgreSQL can show it.
        verifier = connection.pgconn.encrypt_password(
            token.encode(), name.encode(), b"scram-sha-256"
        ).decode()
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(verifier))
        )


def drop_administrator(postgres: Postgres, name: str) -> None:
    """Drop the role; PostgreSQL refuses while something belongs to it."""
    with postgres.superuser() as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def share_databases(postgres: Postgres, owner: str, only: str = "") -> None:
    """Give the databases of one administrator, or one of them, to all administrators."""
    with postgres.superuser() as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s", (owner,)
        ).fetchall()
        for (database,) in found:
            if only in ("", database):
                connection.execute(
                    sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                        sql.Identifier(database), sql.Identifier(ADMINISTRATORS)
                    )
                )
