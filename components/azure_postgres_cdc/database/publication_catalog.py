"""What a publication says: as the catalog has it, and as it is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import tables
from azure_postgres_cdc.database.connection import Connection, rows, together
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.names import TableName
from azure_postgres_cdc.publication_options import CHANGES

ALL_TABLES = "all tables"
IN_SCHEMAS = "tables in schemas"
LISTED = "listed tables"

# As JSON, because not every version has every column.
_FIND = "SELECT to_jsonb(p) FROM pg_publication p WHERE pubname = %s"
_OWNER = "SELECT pg_get_userbyid(pubowner) FROM pg_publication WHERE pubname = %s"
_MEMBERS = """
FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = %s
"""
# As arrays: ten thousand rows would take their time.
_TABLES = f"SELECT n.nspname, array_agg(c.relname::text) {_MEMBERS} GROUP BY 1"
_RESTRICTED = """
SELECT n.nspname, c.relname,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum = ANY(r.prattrs)),
       pg_get_expr(r.prqual, r.prrelid)
{members} AND (r.prattrs IS NOT NULL OR r.prqual IS NOT NULL)
"""
_SCHEMAS = """
SELECT n.nspname FROM pg_publication p JOIN pg_publication_namespace s ON s.pnpubid = p.oid
JOIN pg_namespace n ON n.oid = s.pnnspid WHERE p.pubname = %s
"""


@dataclass(frozen=True)
class Definition:
    """A publication without its name."""

    all_tables: bool
    tables: frozenset[TableName]
    """FOR TABLE."""
    schemas: frozenset[str]
    """FOR TABLES IN SCHEMA."""
    columns: Mapping[TableName, tuple[str, ...]]
    """Column lists, sorted."""
    filters: Mapping[TableName, str]
    """Row filters, as the server shows them."""
    publish: tuple[str, ...]
    via_partition_root: bool
    generated_columns: str

    @classmethod
    def of(cls, props: Props) -> Definition:
        """Out of a resource's properties; an earlier version's state lacks some of them."""
        schemas = frozenset(props.get("schemas", ()))
        all_tables = props.get("allTables", False)
        # FOR ALL TABLES lists none: there, they are for the connector's form.
        listed = map(TableName.parse, () if all_tables else props.get("tables", ()))
        return cls(
            all_tables=all_tables,
            tables=frozenset(table for table in listed if table.schema not in schemas),
            schemas=schemas,
            columns=column_lists(props.get("columns", {})),
            filters=by_table(props.get("shownFilters", {})),
            publish=tuple(props.get("publish", CHANGES)),
            via_partition_root=props.get("viaPartitionRoot", False),
            generated_columns=props.get("generatedColumns", "none"),
        )

    @property
    def kind(self) -> str:
        if self.all_tables:
            return ALL_TABLES
        return IN_SCHEMAS if self.schemas else LISTED

    def __contains__(self, table: object) -> bool:
        """Whether a table's changes are published."""
        return isinstance(table, TableName) and (
            self.all_tables or table in self.tables or table.schema in self.schemas
        )

    def properties(self, connection: Connection, own: Iterable[TableName]) -> Props:
        """As a resource's properties; what is in the published schemas is listed with the rest.

        `own`: the connector's own tables.
        """
        schemas = tables.user_schemas(connection) if self.all_tables else sorted(self.schemas)
        members = self.tables.union(tables.in_schemas(connection, schemas))
        members |= {table for table in own if self.all_tables or table.schema in self.schemas}
        return {
            "allTables": self.all_tables,
            "tables": texts(members),
            "schemas": sorted(self.schemas),
            "columns": {str(table): list(self.columns[table]) for table in sorted(self.columns)},
            "shownFilters": {str(table): self.filters[table] for table in sorted(self.filters)},
            "publish": list(self.publish),
            "viaPartitionRoot": self.via_partition_root,
            "generatedColumns": self.generated_columns,
        }


def find(connection: Connection, name: str) -> Definition | None:
    """A publication of the database; None where there is none of that name."""
    # Column lists and row filters came with the same version.
    by_schema = capabilities.has("FOR TABLES IN SCHEMA", connection.info.server_version)
    found, members, restricted, schemas = together(
        connection,
        (_FIND, name),
        (_TABLES, name),
        (_RESTRICTED.format(members=_MEMBERS), name) if by_schema else None,
        (_SCHEMAS, name) if by_schema else None,
    )
    if not found:
        return None
    row: dict[str, Any] = found[0]
    return Definition(
        all_tables=row["puballtables"],
        tables=frozenset(TableName(schema, table) for schema, names in members for table in names),
        schemas=frozenset(schemas),
        columns={
            TableName(s, t): tuple(sorted(columns)) for s, t, columns, _ in restricted if columns
        },
        filters={TableName(s, t): shown for s, t, _, shown in restricted if shown},
        publish=tuple(kind for kind in CHANGES if row.get(f"pub{kind}")),
        via_partition_root=row.get("pubviaroot", False),
        generated_columns="stored" if row.get("pubgencols") == "s" else "none",
    )


def owner_of(connection: Connection, name: str) -> list[str]:
    """The role that may change a publication; nobody where there is none."""
    return rows(connection, _OWNER, name)


def texts(names: Iterable[TableName]) -> list[str]:
    """Names as a resource's properties hold them: sorted, as SQL shows them."""
    return [str(table) for table in sorted(names)]


def parsed(names: Iterable[str]) -> set[TableName]:
    """The other way round."""
    return {TableName.parse(text) for text in names}


def by_table(texts_by_name: Mapping[str, str]) -> dict[TableName, str]:
    """Row filters out of a resource's properties."""
    return {TableName.parse(name): text for name, text in texts_by_name.items()}


def column_lists(columns_by_name: Mapping[str, Iterable[str]]) -> dict[TableName, tuple[str, ...]]:
    """Lists of columns out of a resource's properties."""
    return {TableName.parse(name): tuple(given) for name, given in columns_by_name.items()}
