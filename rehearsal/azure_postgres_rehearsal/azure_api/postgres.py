"""The embedded PostgreSQL as the emulator needs it: what it is set to, and setting it for real."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import class_row

_RELOAD_SECONDS = 10

# PostgreSQL quotes each name of these lists by itself, so each has to be sent as one literal.
_LISTS_OF_NAMES = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
    }
)


class Postgres(Protocol):
    """A PostgreSQL the emulator can stand in front of."""

    major: int

    def superuser(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """An autocommit connection as superuser."""

    def restart(self) -> None:
        """Stop and start."""

    def upgrade(self, major: int) -> None:
        """Upgrade in place to a later major version; where that fails, the old one runs again."""

    @property
    def upgradable_to(self) -> tuple[int, ...]:
        """The later major versions that it can be upgraded to."""

    @property
    def has_tls(self) -> bool:
        """Whether this build speaks TLS."""

    @property
    def library_dir(self) -> Path:
        """The folder that holds what shared_preload_libraries can load."""

    @property
    def data_dir(self) -> Path:
        """The server's data directory."""


@dataclass(frozen=True)
class Setting:
    """One row of pg_settings."""

    name: str
    in_effect: str
    unit: str | None
    category: str
    description: str
    context: str
    vartype: str
    min_val: str | None
    max_val: str | None
    enumvals: Sequence[str] | None
    boot_val: str | None = None


def read_settings(postgres: Postgres) -> list[Setting]:
    """What pg_settings says; `in_effect` is what a new session starts with."""
    with postgres.superuser() as connection, connection.cursor(row_factory=class_row(Setting)) as c:
        return c.execute(
            "SELECT name, coalesce(reset_val, setting, '') AS in_effect, unit, category, "
            "short_desc AS description, context, vartype, min_val, max_val, enumvals, boot_val "
            "FROM pg_settings ORDER BY name"
        ).fetchall()


def declare_custom(postgres: Postgres, names: Iterable[str]) -> None:
    """Make Azure's own parameters known to the server.

    `ALTER SYSTEM` refuses an unknown custom parameter before PostgreSQL 17; one that the
    configuration file names is known.
    """
    with (postgres.data_dir / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.writelines(f"{name} = ''\n" for name in names)
    _reload(postgres)


def set_parameters(postgres: Postgres, values: dict[str, str]) -> None:
    """Write server parameters and reload; static ones then wait for the next restart."""
    with postgres.superuser() as connection:
        for name, value in values.items():
            parameter = sql.Identifier(name)
            # An empty list would be written as a list of one library without a name.
            statement = (
                sql.SQL("ALTER SYSTEM SET {} = {}").format(parameter, _literals(name, value))
                if value
                else sql.SQL("ALTER SYSTEM RESET {}").format(parameter)
            )
            connection.execute(statement)
    _reload(postgres)


def can_load(postgres: Postgres, library: str) -> bool:
    """Whether the build brings a library, so that PostgreSQL can be made to preload it."""
    return any(path.stem == library for path in postgres.library_dir.glob(f"{library}.*"))


def _literals(name: str, value: str) -> sql.Composable:
    if name not in _LISTS_OF_NAMES:
        return sql.Literal(value)
    return sql.SQL(", ").join(sql.Literal(item.strip(' "')) for item in value.split(","))


def _reload(postgres: Postgres) -> None:
    """Have the server read its configuration, and wait until new sessions see it."""
    with postgres.superuser() as connection:
        before = _loaded_at(connection)
        connection.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + _RELOAD_SECONDS
    while time.monotonic() < deadline:
        with postgres.superuser() as connection:
            if _loaded_at(connection) != before:
                return
        time.sleep(0.01)
    raise TimeoutError(f"PostgreSQL did not reload its configuration within {_RELOAD_SECONDS} s")


def _loaded_at(connection: psycopg.Connection[tuple[Any, ...]]) -> object:
    return connection.execute("SELECT pg_conf_load_time()").fetchone()
