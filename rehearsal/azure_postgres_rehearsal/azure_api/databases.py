"""The databases of one server, made and dropped for real in the embedded PostgreSQL."""

from __future__ import annotations

import locale
import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from azure_postgres_rehearsal.azure_api import postgres_databases
from azure_postgres_rehearsal.azure_api.checks import only, part, text
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_parameter, not_found
from azure_postgres_rehearsal.azure_api.operations import (
    DATABASE_CREATE,
    DATABASE_DELETE,
    Json,
    Operation,
)
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.postgres_databases import FoundDatabase
from azure_postgres_rehearsal.azure_api.resource_types import DATABASES
from azure_postgres_rehearsal.azure_api.turn import Turn

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_SYSTEM = frozenset({"azure_maintenance", "azure_sys", "postgres", "template0", "template1"})
_CHARSET = "UTF8"
_COLLATION = "en_US.utf8"
_PLAIN = ("C", "POSIX")
_ANY_CHARSET = ("LATIN1", "SQL_ASCII", _CHARSET)
_LOCALE = re.compile(r"([a-z]{2,3}_[A-Z]{2})\.(?:utf8|utf-8|UTF8|UTF-8)")


@dataclass(frozen=True)
class _Wanted:
    charset: str
    collation: str


class Databases:
    """What is in PostgreSQL, whoever made it; what the API makes belongs to the administrator."""

    def __init__(
        self,
        server_id: str,
        server_postgres: Postgres,
        turn: Turn,
        owner: Callable[[], str],
        is_replica: bool = False,
    ) -> None:
        self._server_id = server_id
        self._postgres = server_postgres
        self._turn = turn
        self._owner = owner
        self._is_replica = is_replica
        # By oid: what was asked for, where this machine does not have it.
        self._collations: dict[int, str] = {}

    def as_list(self) -> list[Json]:
        """Every database, as the API lists them."""
        return [self._shown(found) for found in postgres_databases.read_databases(self._postgres)]

    def as_json(self, name: str) -> Json:
        """One database as the API shows it."""
        found = self._find(name)
        if found is None:
            resource = f"{self._turn.server}/databases/{name}"
            raise not_found(
                f"Microsoft.DBforPostgreSQL/flexibleServers/{resource}",
                self._server_id.split("/")[4],
            )
        return self._shown(found)

    def write(self, name: str, body: Json) -> Operation:
        """Create a database, as PUT does; one that is there stays as it is."""
        self._check_name(name)
        wanted = _wanted(body)
        if self._find(name) is not None:
            self._refuse_to_change(name, wanted)
        return self._turn.run(
            DATABASE_CREATE,
            f"{name} {wanted.charset} {wanted.collation}",
            lambda: self._create(name, wanted),
            lambda: self.as_json(name),
        )

    def delete(self, name: str) -> Operation | None:
        """Drop a database; nothing where there is none."""
        self._check_name(name)
        if self._find(name) is None:
            return None
        return self._turn.run(DATABASE_DELETE, name, lambda: self._drop(name))

    def _create(self, name: str, wanted: _Wanted) -> None:
        if self._find(name) is not None:
            return
        try:
            exact = postgres_databases.create_database(
                self._postgres, name, self._owner(), wanted.charset, wanted.collation
            )
        except psycopg.Error as error:
            raise invalid_parameter("databaseName", postgres_databases.text_of(error)) from error
        if not exact:
            self._collations |= {
                found.oid: wanted.collation
                for found in postgres_databases.read_databases(self._postgres)
                if found.name == name
            }
            self._turn.journal.notice(
                f"this machine has no locale {wanted.collation}: the database {name} is made "
                "with C, so text sorts differently"
            )

    def _drop(self, name: str) -> None:
        try:
            postgres_databases.drop_database(self._postgres, name)
        except psycopg.Error as error:
            raise ApiError(409, "DatabaseDropFailed", postgres_databases.text_of(error)) from error

    def _find(self, name: str) -> FoundDatabase | None:
        databases = postgres_databases.read_databases(self._postgres)
        return next((found for found in databases if found.name == name), None)

    def _shown(self, found: FoundDatabase) -> Json:
        return {
            "id": f"{self._server_id}/databases/{found.name}",
            "name": found.name,
            "type": DATABASES,
            "properties": {
                "charset": found.charset,
                "collation": self._collations.get(found.oid, found.collation),
            },
        }

    def _check_name(self, name: str) -> None:
        if self._is_replica:
            raise ApiError(
                400,
                "ReadOnlyReplica",
                f"'{self._turn.server}' is a read replica: its databases are those of its source.",
            )
        if name.lower() in _SYSTEM:
            raise invalid_parameter("databaseName", f"'{name}' is a system database.")
        if not _NAME.fullmatch(name):
            raise invalid_parameter(
                "databaseName",
                f"'{name}' is not 1 to 63 letters, digits, underscores and hyphens.",
            )

    def _refuse_to_change(self, name: str, wanted: _Wanted) -> None:
        now = self.as_json(name)["properties"]
        if (now["charset"], now["collation"].lower()) != (
            wanted.charset,
            wanted.collation.lower(),
        ):
            raise invalid_parameter(
                "databaseName",
                f"The database '{name}' exists with {now['charset']} and {now['collation']}; "
                "neither can be changed.",
            )


def _wanted(body: Json) -> _Wanted:
    only(body, ("properties",), "a database")
    properties = part(body, "properties")
    only(properties, ("charset", "collation"), "a database")
    given = {"charset": _CHARSET, "collation": _COLLATION} | properties
    wanted = _Wanted(text(given, "charset").upper().replace("-", ""), text(given, "collation"))
    plain = wanted.collation in _PLAIN
    if wanted.charset not in (_ANY_CHARSET if plain else (_CHARSET,)):
        raise invalid_parameter(
            "charset", f"The rehearsal makes no {wanted.charset} with {wanted.collation}."
        )
    if not plain and not _is_locale(wanted.collation):
        raise invalid_parameter("collation", f"There is no collation '{wanted.collation}'.")
    return wanted


def _is_locale(name: str) -> bool:
    """Whether it is a locale that glibc knows, with UTF-8; this machine need not have it."""
    match = _LOCALE.fullmatch(name)
    return name == "C.UTF-8" or (match is not None and match[1].lower() in locale.locale_alias)
