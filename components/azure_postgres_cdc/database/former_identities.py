"""What tables had before an `up` that stopped half-way, kept until another one gets through.

Pulumi keeps nothing of a resource whose creation failed or was killed. The next `up` would take
what the first one had set for what was there before, and never give the former identity back. So
it is written down before the first table is changed: as the comment of a publication of nothing,
which needs no table and no schema, and which is gone once the state knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.identity_change import identities
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.dynamic import note
from azure_postgres_cdc.errors import CdcError, Passing

NAME = "azure_postgres_cdc_former_identities"
"""The publication of nothing."""

_COMMENT = "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = %s"


def read(connection: Connection) -> dict[str, str]:
    """Each table that an unfinished `up` was about to change, and the identity that it had."""
    for comment in rows(connection, _COMMENT, NAME):
        try:
            found = json.loads(comment or "{}")
        except ValueError:
            break  # somebody has edited it
        if isinstance(found, dict):
            return {str(name): str(identity) for name, identity in found.items()}
    return {}


@contextmanager
def kept(connection: Connection, former: Mapping[str, str]) -> Iterator[None]:
    """Keep them until this is left without an error. In autocommit mode.

    `former`: the identity of each table that is about to be changed.
    """
    known = read(connection)
    wanted = {**known, **former}
    try:
        _write(connection, known, wanted)
    except psycopg.errors.InsufficientPrivilege:
        note("replica identity: without CREATE on the database, what was there before is not kept")
    try:
        yield
    except Passing:  # it is tried again
        raise
    except CdcError:
        with suppress(psycopg.Error):  # that of the changes is the one to be told
            found = identities(connection, wanted)
            changed = {name: wanted[name] for name in found if found[name] != wanted[name]}
            _write(connection, wanted, changed)
        raise
    _write(connection, wanted, {})


def _write(connection: Connection, known: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Only where it differs; nothing is kept by no publication."""
    name = sql.Identifier(NAME)
    if known and not wanted:
        connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(name))
    elif known != wanted:
        with connection.transaction():
            if not rows(connection, "SELECT FROM pg_publication WHERE pubname = %s", NAME):
                connection.execute(sql.SQL("CREATE PUBLICATION {}").format(name))
            text = json.dumps(wanted, separators=(",", ":"))
            comment = sql.SQL("COMMENT ON PUBLICATION {} IS {}")
            connection.execute(comment.format(name, sql.Literal(text)))
