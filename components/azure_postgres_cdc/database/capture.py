"""What is captured from a database: exactly one of four ways to say it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.membership import statements_for
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, is_system_schema


class CaptureArgs(TypedDict):
    """The capture set: exactly one key. Plain values, because they shape the resources."""

    tables: NotRequired[Sequence[str]]
    """Names as in SQL: `public.orders`, `"Odd Schema"."Tab""le"`."""
    schemas: NotRequired[Sequence[str]]
    """Every table of these schemas, looked up at each `pulumi up`; an extension's only where it is
    the administrator's own, and no connector's `streamkap_signal` or `streamkap_heartbeat`. Names
    as they are, no quotes."""
    allTables: NotRequired[bool]
    """Every table, present and future (FOR ALL TABLES). Needs a superuser on plain PostgreSQL."""


def capture_fault(capture: Mapping[str, Any]) -> str | None:
    """What is wrong with the shape of a capture set, if anything."""
    given = [key for key in ("tables", "schemas", "allTables") if capture.get(key)]
    if len(given) != 1:
        found = ", ".join(given) or "none"
        return f"needs exactly one of tables, schemas and allTables (found: {found})"
    return None


def normalised(capture: CaptureArgs) -> CaptureArgs:
    """The same capture set, sorted and without repetitions: the order of a list means nothing."""
    if capture.get("tables"):
        return {
            "tables": [str(table) for table in sorted(set(map(TableName.parse, capture["tables"])))]
        }
    if capture.get("schemas"):
        return {"schemas": sorted(set(capture["schemas"]))}
    return {"allTables": True}


def captured_schemas(capture: CaptureArgs) -> list[str] | None:
    """The schemas of a capture set; None for all of them."""
    if capture.get("allTables"):
        return None
    if capture.get("schemas"):
        return sorted(set(capture["schemas"]))
    return sorted({TableName.parse(text).schema for text in capture.get("tables", ())})


def among(names: Iterable[TableName], capture: Mapping[str, Any]) -> set[TableName]:
    """Those of some tables that another capture set means, too."""
    schemas = capture.get("schemas", ())
    listed = set(map(TableName.parse, capture.get("tables", ())))
    return {
        table
        for table in names
        if capture.get("allTables") or table.schema in schemas or table in listed
    }


def resolve(
    connection: Connection,
    capture: Mapping[str, Any],
    own: Container[TableName],
    done: Container[TableName] = (),
    setting: str = "capture",
) -> list[TableName]:
    """The tables that a capture set means now, without our own (signal, heartbeat).

    Raises one CdcError that lists every table or schema that cannot be captured. What is `done`
    already (published, say) needs no ownership any more. `setting` is what it is to be mended in.
    """
    if capture.get("allTables"):
        found = tables.in_schemas(connection, tables.user_schemas(connection))
        return [table for table in found if table not in own]
    if capture.get("schemas"):
        wrong = [
            f"schema {name} does not exist"
            for name in tables.missing_schemas(connection, capture["schemas"])
        ]
        wrong += [
            f"schema {name} is PostgreSQL's own"
            for name in capture["schemas"]
            if is_system_schema(name)
        ]
        if wrong:
            raise CdcError(_refusal(connection, wrong, setting))
        wanted = tables.in_schemas(connection, capture["schemas"])
    else:
        wanted = sorted({TableName.parse(text) for text in capture["tables"]})
    wanted = [table for table in wanted if table not in own]
    obstacles = tables.in_the_way(connection, wanted)
    strangers = {table.owner for table in obstacles if table.owner and not table.is_ours}
    statements = statements_for(connection, strangers)
    faults = [
        fault
        for table in obstacles
        if (
            fault := table.fault
            or (None if table.name in done else table.ownership_fault(statements))
        )
    ]
    faults += _partitioned(connection, wanted)
    if faults:
        raise CdcError(_refusal(connection, faults, setting))
    return wanted


def _partitioned(connection: Connection, wanted: Sequence[TableName]) -> list[str]:
    """A fault for each partitioned table, where the server is too old to publish it."""
    version = connection.info.server_version
    if capabilities.has("partitioned tables in a publication", version):
        return []
    return [
        f"{table.name} is partitioned, which PostgreSQL publishes from 13 on (this server is "
        f"{capabilities.major(version)})"
        for table in tables.describe(connection, wanted)
        if table.kind == "p"
    ]


def _refusal(connection: Connection, faults: Sequence[str], setting: str) -> str:
    database = connection.info.dbname
    shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
    return f"database {database} cannot be captured as asked: {shown}. Remedy: correct `{setting}`"
