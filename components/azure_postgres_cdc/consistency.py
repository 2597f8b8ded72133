"""What must hold between a stack's settings, looked at whatever else may be wrong with them.

It reads the YAML's own values, because one misspelt key must not hide that a slot is used twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from azure_postgres_cdc.names import (
    DEFAULT_PUBLICATION,
    DEFAULT_ROLE,
    DEFAULT_SLOT,
    DEFAULT_USER,
    shared_names,
)

CAPTURES = ("tables", "tablesFile", "schemas", "allTables")


def inconsistencies(values: Mapping[str, Any]) -> list[str]:
    """Every fault between settings. Parts that are missing or of the wrong kind are passed over."""
    server, connection = _mapping(values.get("server")), _mapping(values.get("connection"))
    given = values.get("databases")
    databases = [_mapping(item) for item in given] if isinstance(given, list) else []
    faults = list(_server_faults(server, connection, has_connection="connection" in values))
    if not given and given != {} and server.get("management") != "create":
        faults.append("databases: is empty" if "databases" in values else "databases: is missing")
    for index, database in enumerate(databases):
        faults += [f"databases[{index}]{fault}" for fault in _database_faults(database)]
    mappings = [database for database in databases if database]
    return [*faults, *_repetitions(mappings), *_name_faults(server, connection, mappings)]


def _server_faults(
    server: Mapping[str, Any], connection: Mapping[str, Any], *, has_connection: bool
) -> Iterator[str]:
    management = server.get("management")
    missing = [key for key in ("resourceGroup", "name") if server.get(key) is None]
    if management == "create" and server.get("create") is None:
        missing.append("create")
    if management in ("existing", "create") and missing:
        yield f"server: management: {management} needs {' and '.join(missing)}"
    if management == "none" and has_connection and connection.get("host") is None:
        yield "connection.host is missing; management: none needs it"


def _database_faults(database: Mapping[str, Any]) -> Iterator[str]:
    capture = database.get("capture")
    if isinstance(capture, Mapping):
        given = [key for key in sorted(CAPTURES) if capture.get(key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            yield (
                ".capture: needs exactly one of tables, tablesFile, schemas and allTables "
                f"(found: {found})"
            )
    grants = _mapping(database.get("grants"))
    if grants.get("readAllData") is True and grants.get("tables") == "captured":
        yield (
            ".grants: readAllData lets the role read every table, tables: captured only some: "
            "take one of them out"
        )
    if database.get("heartbeat") is True and database.get("snapshots") == "read-only":
        yield (
            ": heartbeat needs a read-write connection, but snapshots is read-only: "
            "take one of them out"
        )


def _repetitions(databases: list[Mapping[str, Any]]) -> Iterator[str]:
    slots = Counter(str(item.get("slot", DEFAULT_SLOT)) for item in databases)
    for name, count in slots.items():
        if count > 1:
            yield f"slot {name} is used {count} times; slot names are unique on a server"
    publications = Counter(
        (str(item.get("name")), str(item.get("publication", DEFAULT_PUBLICATION)))
        for item in databases
        if item.get("name")
    )
    for (database, name), count in publications.items():
        if count > 1:
            yield (
                f"publication {name} is used {count} times in database {database}; "
                "each connector needs its own"
            )


def _name_faults(
    server: Mapping[str, Any], connection: Mapping[str, Any], databases: list[Mapping[str, Any]]
) -> list[str]:
    users: dict[str, list[str]] = {}
    for item in databases:
        user = str(item.get("user") or server.get("user", DEFAULT_USER))
        users.setdefault(user, []).append(str(item.get("role") or server.get("role", DEFAULT_ROLE)))
    return [
        *shared_names(str(connection.get("user")), users),
        *_former_user_faults(server.get("formerUsers"), users),
    ]


def _former_user_faults(former: Any, users: Mapping[str, list[str]]) -> Iterator[str]:
    roles = {role for mine in users.values() for role in mine}
    names = former if isinstance(former, list) else ()
    for name in (item for item in names if isinstance(item, str)):
        if name in users:
            yield f"server.formerUsers: {name!r} is in use: a connector's user is no former one"
        if name in roles:
            yield f"server.formerUsers: {name!r} is no login, but a group role"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
