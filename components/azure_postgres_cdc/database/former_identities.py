"""What tables had before an `up` that stopped half-way, kept until another one gets through.

Pulumi keeps nothing of a resource whose creation failed or was killed. The next `up` would take
what the first one had set for what was there before, and never give the former identity back. So
it is written down before the first table is changed: as the comment of a publication of nothing,
which needs no table and no schema, and which is gone once the state knows. Each `owner` (a resource
of a stack: several stacks may capture one database) has a part of its own in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from azure_postgres_cdc.database import ledger
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.identity_change import identities
from azure_postgres_cdc.driver import psycopg, sql
from azure_postgres_cdc.dynamic import note
from azure_postgres_cdc.errors import CdcError, Passing

NAME = "azure_postgres_cdc_former_identities"
"""The publication of nothing."""

_COMMENT = "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = %s"


def read(connection: Connection, owner: str) -> dict[str, str]:
    """Each table that an unfinished `up` was about to change, and the identity that it had."""
    found = _read(connection)
    # An earlier version did not tell the owners apart: whoever comes first takes those over.
    former = {name: identity for name, identity in found.items() if isinstance(identity, str)}
    mine = found.get(owner)
    return former | (mine if isinstance(mine, dict) else {})


def _read(connection: Connection) -> dict[str, Any]:
    for comment in rows(connection, _COMMENT, NAME):
        try:
            found = json.loads(comment or "{}")
        except ValueError:
            break  # somebody has edited it
        if isinstance(found, dict):
            return found
    return {}


@contextmanager
def kept(connection: Connection, owner: str, former: Mapping[str, str]) -> Iterator[None]:
    """Keep them until this is left without an error. In autocommit mode.

    `former`: the identity of each table that is about to be changed.
    """
    known = read(connection, owner)
    wanted = {**known, **former}
    try:
        _write(connection, owner, known, wanted)
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
            _write(connection, owner, wanted, changed)
        raise
    _write(connection, owner, wanted, {})


def _write(
    connection: Connection, owner: str, known: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    """Only where it differs; nothing is kept by no publication."""
    if known == wanted:
        return
    name = sql.Identifier(NAME)
    with connection.transaction():
        ledger.lock(connection)
        found = _read(connection)
        parts = {key: part for key, part in found.items() if isinstance(part, dict)}
        parts = {**parts, owner: dict(wanted)}
        if not wanted:
            del parts[owner]
        if parts == found:
            return
        if not parts:
            connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(name))
            return
        if not rows(connection, "SELECT FROM pg_publication WHERE pubname = %s", NAME):
            connection.execute(sql.SQL("CREATE PUBLICATION {}").format(name))
        text = json.dumps(parts, separators=(",", ":"))
        comment = sql.SQL("COMMENT ON PUBLICATION {} IS {}")
        connection.execute(comment.format(name, sql.Literal(text)))
