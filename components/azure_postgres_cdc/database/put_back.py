"""Tables that somebody took out of the publication and put back between two `up`s.

For a bulk load, say. The publication looks as if nothing had been, and what was changed meanwhile
never arrives. Each entry of a publication has a number of its own, which grows on a server, so that
a younger entry gives it away.

What is kept is the publication's number and that of its youngest entry. Where either was made by
another server (pg_upgrade, a dump), or where `up` has changed entries itself since it looked, there
is nothing to compare with until the next `up`.
"""

from __future__ import annotations

from collections.abc import Sequence

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.names import TableName

Entries = Sequence[float]
"""Out of the state, where every number is one with a point."""

NEW = (0, 0)
"""Stands for those of a publication that this `up` makes: all of one transaction."""

_FIND = """
SELECT p.oid::bigint, coalesce(max(r.oid::bigint), 0)
FROM pg_publication p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid
WHERE p.pubname = %s GROUP BY 1
"""
_YOUNGER = """
SELECT n.nspname, c.relname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s AND {is_younger}
"""


def find(connection: Connection, publication: str) -> list[int]:
    """The publication's number, and its youngest entry's, which is 0 where there is none."""
    (found,) = rows(connection, _FIND, publication)
    return list(found)


def since(connection: Connection, publication: str, known: Entries | None) -> set[TableName]:
    """The tables whose entry is younger than what is known. None: nothing is."""
    if not known:
        return set()
    oid, youngest = map(int, known)
    if (oid, youngest) == NEW:
        query = _YOUNGER.format(is_younger="age(r.xmin) < age(p.xmin)")
        return {TableName(*row) for row in rows(connection, query, publication)}
    now, last = find(connection, publication)
    if now != oid or last <= youngest:
        return set()
    query = _YOUNGER.format(is_younger="r.oid::bigint > %s")
    return {TableName(*row) for row in rows(connection, query, publication, youngest)}
