"""The in-place upgrade to a later major version: what Azure refuses, and what it looks at first.

The checks are Microsoft's documented ones; the codes of what they find are not documented.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from azure_postgres_rehearsal.azure_api import offer
from azure_postgres_rehearsal.azure_api.errors import ApiError, not_supported
from azure_postgres_rehearsal.azure_api.postgres import Postgres

SLOTS_MOVE_FROM = 17
"""From this version on, pg_upgrade itself can keep logical slots."""

_UNSUPPORTED_EXTENSIONS = [
    "dblink",
    "orafce",
    "pg_partman",
    "pgaudit",
    "postgres_fdw",
    "timescaledb",
]


def check_version(postgres: Postgres, version: str) -> None:
    """Refuse a version that is no later one, or that this machine cannot upgrade to."""
    later = [v for v in offer.VERSIONS if int(v) > postgres.major]
    if version not in later:
        raise ApiError(
            400,
            "ParameterOutOfRange",
            f"The value of the 'Version' should be in: [{','.join(later)}]. Verify that the "
            "specified parameter value is correct.",
        )
    if int(version) not in postgres.upgradable_to:
        has = ", ".join(map(str, postgres.upgradable_to)) or "no later version"
        raise not_supported(
            f"The rehearsal cannot upgrade PostgreSQL {postgres.major} to {version}: "
            f"this machine has {has}."
        )


def check_server(postgres: Postgres, pending: Sequence[str], *, slots_move: bool) -> None:
    """Refuse a server in which something stands in the way of the upgrade; all of it is named.

    `pending`: the parameters that wait for a restart.
    """
    with postgres.superuser() as connection:
        found = _in_server(connection, slots_move=slots_move and postgres.major >= SLOTS_MOVE_FROM)
        databases = _names(connection, "SELECT datname FROM pg_database WHERE datallowconn")
    for database in databases:
        with postgres.superuser(database) as connection:
            found += [f"{what} (database {database})" for what in _in_database(connection)]
    if pending:
        found.append(f"parameters that wait for a restart: {', '.join(sorted(pending))}")
    if found:
        raise precheck_failed("; ".join(found))


def precheck_failed(found: str) -> ApiError:
    """What stands in the way of an upgrade."""
    return ApiError(
        400,
        "MajorVersionUpgradePrecheckFailed",
        f"The pre-check of the major version upgrade failed: {found}.",
    )


def _in_server(
    connection: psycopg.Connection[tuple[object, ...]], *, slots_move: bool
) -> list[str]:
    slots = _names(
        connection, "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'logical'"
    )
    prepared = _names(connection, "SELECT gid FROM pg_prepared_xacts")
    found = []
    if slots and not slots_move:
        found.append(f"logical replication slots: {', '.join(slots)}")
    if prepared:
        found.append(f"prepared transactions: {', '.join(prepared)}")
    return found


def _in_database(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    triggers = _names(connection, "SELECT evtname FROM pg_event_trigger")
    extensions = _names(
        connection,
        "SELECT extname FROM pg_extension WHERE extname = ANY(%s)",
        _UNSUPPORTED_EXTENSIONS,
    )
    found = []
    if triggers:
        found.append(f"event triggers: {', '.join(triggers)}")
    if extensions:
        found.append(f"extensions that the upgrade does not support: {', '.join(extensions)}")
    return found


def _names(
    connection: psycopg.Connection[tuple[object, ...]], query: str, *arguments: list[str]
) -> list[str]:
    return sorted(str(row[0]) for row in connection.execute(query.encode(), arguments))
