"""A server as a record has it: parameters, roles, databases, slots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from azure_postgres_rehearsal import distributions
from azure_postgres_rehearsal.azure_api import FlexibleServer, postgres
from azure_postgres_rehearsal.azure_api.definition import Network
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.cluster import SUPERUSER
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.rebuilt_database import RebuiltDatabase, privileges
from azure_postgres_rehearsal.record import InAzure, Record, Role, Slot

_OLDEST, _NEWEST = 15, 18
_LIBRARIES = "shared_preload_libraries"
_ATTRIBUTES = ("SUPERUSER", "CREATEDB", "CREATEROLE", "LOGIN", "REPLICATION", "BYPASSRLS")
_SUBNET = "recorded/virtualNetworks/recorded/subnets/recorded"


def nearest(major: int) -> int:
    """The version to rehearse a recorded one on: itself, or else the next that is here."""

    def is_here(candidate: int) -> bool:
        try:
            distributions.find(candidate)
        except FileNotFoundError:
            return False
        return True

    newer = range(major, _NEWEST + 1)
    older = range(min(major, _NEWEST + 1) - 1, _OLDEST - 1, -1)
    return next(filter(is_here, (*newer, *older)), major)


def options(found: InAzure | None) -> dict[str, Any]:
    """What EmulatedAzure.add_server is to know of the recorded server."""
    if found is None:
        return {}
    given: dict[str, Any] = {
        "storage_gb": found.storageGiB,
        "storage_type": found.storageType,
        "auto_grow": found.autoGrow,
        "high_availability": "ZoneRedundant" if found.highAvailability else "Disabled",
    }
    if found.inVirtualNetwork:
        given["network"] = Network(public_access=False, delegated_subnet=_SUBNET)
    return given


def set_directly(server: EmbeddedPostgres, parameters: Mapping[str, str]) -> None:
    """Bring a PostgreSQL that no Azure manages to the parameters in effect.

    Left out is what this version does not know, and libraries that the build may not have.
    """
    found = {setting.name: setting for setting in postgres.read_settings(server)}
    differing = {
        name: value
        for name, value in parameters.items()
        if name in found
        and found[name].in_effect != value
        and found[name].context != "internal"
        and name != _LIBRARIES
    }
    postgres.set_parameters(server, differing)
    if any(found[name].context == "postmaster" for name in differing):
        server.restart()


def set_in_azure(server: FlexibleServer, record: Record) -> list[str]:
    """Bring an emulated server to the recorded parameters, those that wait for a restart too.

    Returns what could not be. Leaves nothing in the journal but notices.
    """
    pending = set(record.azure.pendingRestart if record.azure else ())
    configured = record.azure.parameters if record.azure else record.parameters
    # PostgreSQL shows libraries of Azure's own in its list, which nobody may write.
    in_effect = {
        name: value
        for name, value in (configured | {n: record.parameters.get(n, "") for n in pending}).items()
        if name not in pending or (value and name != _LIBRARIES)
    }
    notes = _written(server, in_effect)
    if any(item["properties"]["isConfigPendingRestart"] for item in server.parameters.as_list()):
        server.restart({}).done.wait()
    notes += _written(server, {name: configured[name] for name in sorted(pending)})
    server.turn.journal.accepted.clear()
    return notes


def _written(server: FlexibleServer, values: Mapping[str, str]) -> list[str]:
    notes = []
    for name, value in values.items():
        body = {"properties": {"value": value, "source": "user-override"}}
        try:
            if server.configuration(name)["properties"]["value"] != value:
                operation = server.write_configuration(name, body)
                operation.done.wait()
                if operation.error:
                    raise operation.error
        except ApiError as error:
            notes.append(f"{name} is {value!r} on the server, which is not rehearsed: {error}")
    return notes


class RebuiltServer:
    """The roles, databases and slots of a record, made on an embedded server.

    `administrator`: the stack's, which is there already.
    """

    def __init__(self, record: Record, server: EmbeddedPostgres, administrator: str) -> None:
        self._record = record
        self._server = server
        self._administrator = administrator
        self._made = record.stackMade
        self.notes: list[str] = []

    def build(self) -> None:
        """Make it all."""
        with self._server.superuser() as connection:
            there = _names(connection, "SELECT rolname FROM pg_roles")
            for statement in self._roles(there):
                connection.execute(statement)
            roles = _names(connection, "SELECT rolname FROM pg_roles")
            for statement in self._memberships(connection, roles):
                connection.execute(statement)
            databases = _names(connection, "SELECT datname FROM pg_database")
            for name, found in self._record.databases.items():
                identifier = sql.Identifier(name)
                if name not in databases:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
                connection.execute(
                    sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                        identifier, sql.Identifier(found.owner)
                    )
                )
                for grant in privileges(sql.SQL("DATABASE"), name, found.privileges, roles):
                    connection.execute(grant)
        self._databases(roles)
        self._slots()

    # Roles

    def _roles(self, there: set[str]) -> Iterator[sql.Composed]:
        for name, role in self._record.roles.items():
            if name in self._made.roles or name == SUPERUSER:
                continue
            identifier = sql.Identifier(name)
            if name not in there:
                yield sql.SQL("CREATE ROLE {}").format(identifier)
            yield sql.SQL("ALTER ROLE {} {} CONNECTION LIMIT {}").format(
                identifier, sql.SQL(self._attributes(name, role)), sql.Literal(role.connectionLimit)
            )

    def _attributes(self, name: str, role: Role) -> str:
        has = set(role.attributes)
        if name == self._administrator:
            # On Azure it gives itself REPLICATION, which plain PostgreSQL lets nobody do.
            has |= {"LOGIN", "REPLICATION"}
        words = [word if word in has else f"NO{word}" for word in _ATTRIBUTES]
        return " ".join([*words, "NOINHERIT" if "NOINHERIT" in has else "INHERIT"])

    def _memberships(self, connection: Any, roles: set[str]) -> Iterator[sql.Composed]:
        """Exactly the recorded ones; what an embedded server begins with goes."""
        for group, member in connection.execute(_MEMBERSHIPS).fetchall():
            yield sql.SQL("REVOKE {} FROM {} CASCADE").format(
                sql.Identifier(group), sql.Identifier(member)
            )
        for member, role in self._record.roles.items():
            for group, options in role.memberOf.items():
                if member in roles and group in roles and member != SUPERUSER:
                    yield sql.SQL("GRANT {} TO {}{}").format(
                        sql.Identifier(group), sql.Identifier(member), self._options(options)
                    )

    def _options(self, options: tuple[str, ...]) -> sql.SQL:
        if self._server.major < 16:
            return sql.SQL(" WITH ADMIN OPTION" if "admin" in options else "")
        words = [f"{word.upper()} {word in options}" for word in ("admin", "inherit", "set")]
        return sql.SQL(f" WITH {', '.join(words)}")

    # Databases and slots

    def _databases(self, roles: set[str]) -> None:
        superusers = {
            name for name, role in self._record.roles.items() if "SUPERUSER" in role.attributes
        }
        for name, found in self._record.databases.items():
            database = RebuiltDatabase(found, roles, superusers, self._server.major)
            with self._server.superuser(name) as connection:
                database.build(connection)
            self.notes += database.notes
            left_out = sorted(set(found.extensions) - {"plpgsql"})
            if left_out:
                self.notes.append(
                    f"database {name} is rehearsed without its extensions: {', '.join(left_out)}"
                )

    def _slots(self) -> None:
        for name, slot in self._record.slots.items():
            if name not in self._made.slots:
                self._slot(name, slot)

    def _slot(self, name: str, slot: Slot) -> None:
        if slot.type == "logical":
            try:
                return self._logical_slot(name, slot)
            except psycopg.Error as error:
                reason = str(error).partition("\n")[0]
                self.notes.append(f"slot {name} is a physical one here: {reason}")
        with self._server.superuser() as connection:
            connection.execute("SELECT pg_create_physical_replication_slot(%s)", (name,))
        return None

    def _logical_slot(self, name: str, slot: Slot) -> None:
        database = slot.database or "postgres"
        with self._server.superuser() as connection:
            if database not in _names(connection, "SELECT datname FROM pg_database"):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        failover = sql.SQL(", failover => true" if slot.failover else "")
        with self._server.superuser(database) as connection:
            connection.execute(
                sql.SQL("SELECT pg_create_logical_replication_slot({}, {}{})").format(
                    sql.Literal(name), sql.Literal(slot.plugin), failover
                )
            )


_MEMBERSHIPS = """
SELECT DISTINCT g.rolname, m.rolname FROM pg_auth_members a
JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE m.rolname NOT LIKE 'pg\\_%' AND NOT m.rolsuper ORDER BY 1, 2
"""


def _names(connection: Any, query: str) -> set[str]:
    return {row[0] for row in connection.execute(query)}
