"""Tables that come into a publication of whole schemas with rows that it never passed on.

FOR ALL TABLES and FOR TABLES IN SCHEMA publish a table from its creation, so that a new one needs
nothing. But one that was renamed, moved in from another schema, unlogged while it was loaded, or a
partition until now brings its rows along; and under the name of a captured table there may be
another table now. Whom each name belongs to is remembered by `up`; what has happened to a table
that it has never seen, the catalog tells.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from azure_postgres_cdc.database import first_rows
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.membership import acting_for
from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.names import TableName

_OIDS = """
SELECT n.nspname, array_agg(c.relname::text), array_agg(c.oid::bigint)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') GROUP BY 1
"""
# What is renamed, moved or given to another owner gets another row for its row type. What is
# detached gets other rows for all of its columns (as with a primary key of all of them: rather one
# snapshot too many). What becomes logged gets another file, as with
# TRUNCATE, VACUUM FULL and CLUSTER: of a table that is new, that is reason enough.
_HISTORY = """
SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner),
       has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
       c.relkind = 'r' AND c.relfilenode <> c.oid,
       array_remove(ARRAY[t.xmin::text, columns.xmin], made.xmin::text)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = c.reltype
JOIN pg_attribute made ON made.attrelid = c.oid AND made.attname = 'ctid'
LEFT JOIN LATERAL (
    SELECT min(a.xmin::text) AS xmin FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    HAVING count(DISTINCT a.xmin::text) = 1) columns ON true
WHERE c.oid = ANY(%s::oid[]) ORDER BY 1, 2
"""
# Some of the first rows are enough: what was there before is in front.
_HAS_ROWS = "SELECT EXISTS (SELECT FROM {})"
_HAS_OLDER_ROWS = """
SELECT EXISTS (SELECT FROM (SELECT xmin FROM {} LIMIT 1000) first
               WHERE age(first.xmin) > ANY(SELECT age(x::xid) FROM unnest(%s::text[]) AS x))
"""


class _History(NamedTuple):
    table: TableName
    owner: str
    is_readable: bool
    """By the administrator, as it is."""
    is_rewritten: bool
    events: list[str]
    """The transactions after which it was no longer what it had been made as."""


def numbers(
    connection: Connection, news: Props, wanted: Definition, captured: Collection[TableName]
) -> Props:
    """Whom the names in `tables` belong to: only of what is published with its schema."""
    if not wanted.all_tables and not wanted.schemas:
        return {}
    schemas = sorted({table.schema for table in captured})
    found = {
        str(TableName(schema, table)): oid
        for schema, tables, oids in rows(connection, _OIDS, schemas)
        for table, oid in zip(tables, oids, strict=True)
    }
    own = news["ownTables"]
    return {"tableOids": [0 if name in own else found.get(name, 0) for name in news["tables"]]}


def find(connection: Connection, olds: Props, news: Props, found: Definition) -> set[TableName]:
    """Those that hold, or may hold, rows that never arrived under their names.

    `olds` and `news` say whom the names belonged to at the last `up`, and whom now; `found` is what
    is published.
    """
    if "tableOids" not in olds or "tableOids" not in news:
        return set()
    if all(olds[key] == news[key] for key in ("tables", "tableOids")):
        return set()
    before, now = _by_name(olds), _by_name(news)
    now = {t: oid for t, oid in now.items() if t in found and t not in found.tables}
    known = set(before.values())
    others = {
        table
        for table, oid in now.items()
        if before.get(table, oid) != oid or (table not in before and oid in known)
    }
    unseen = [oid for table, oid in now.items() if table not in before and oid not in known]
    return others | _with_rows_from_before(connection, unseen)


def _by_name(props: Props) -> dict[TableName, int]:
    numbered = zip(props["tables"], props["tableOids"], strict=True)
    return {TableName.parse(name): int(oid) for name, oid in numbered if oid}


def _with_rows_from_before(connection: Connection, unseen: Sequence[int]) -> set[TableName]:
    if not unseen:
        return set()
    histories = [
        _History(TableName(schema, name), *rest)
        for schema, name, *rest in rows(connection, _HISTORY, [*unseen])
    ]
    owners = {history.owner for history in histories if not history.is_readable}
    with connection.transaction(force_rollback=True), acting_for(connection, owners):
        return {item.table for item in histories if _brings_rows(connection, item)}


def _brings_rows(connection: Connection, history: _History) -> bool:
    if not history.is_rewritten and not history.events:
        return False
    query, parameters = (
        (_HAS_ROWS, []) if history.is_rewritten else (_HAS_OLDER_ROWS, [history.events])
    )
    why = "which is new in the publication"
    return first_rows.there_may_be(connection, query, history.table, parameters, why)
