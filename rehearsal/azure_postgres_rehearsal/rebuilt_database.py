"""A database as a record has it: empty, but with everything that decides what `up` may do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql

from azure_postgres_rehearsal.record import Database, Index, Publication, Table, UserType

Connection = psycopg.Connection[tuple[Any, ...]]

# Statements in one transaction. Each table keeps a lock until its end, and there is room for a few
# thousand.
_TOGETHER = 400
_STORED, _VIRTUAL, _NOT_NULL = " GENERATED STORED", " GENERATED VIRTUAL", " NOT NULL"
_FOREIGN = "recorded"
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PARTS = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')


class RebuiltDatabase:
    """Statements that make an empty database what the record says.

    What the stack itself has made is left out: Pulumi's state, which a rehearsal has not, knows it.
    `roles`: those that are there. `superusers`: those of them that are one.
    """

    def __init__(
        self, recorded: Database, roles: set[str], superusers: set[str], major: int
    ) -> None:
        self._recorded = recorded
        self._roles = roles
        self._superusers = superusers
        self._major = major
        self._made = recorded.stackMade
        self.notes: list[str] = []
        # What is still to be made, by name.
        self._tables = {
            (schema, name): table
            for schema, content in recorded.schemas.items()
            for name, table in content.tables.items()
            if _shown(schema, name) not in self._made.tables
        }
        self._kept_schemas = {
            name: schema
            for name, schema in recorded.schemas.items()
            if name not in self._made.schemas or any(key[0] == name for key in self._tables)
        }

    def build(self, connection: Connection) -> None:
        """Make it all, as a superuser."""
        _run(connection, self._schemas(connection))
        self._types(connection)
        _run(connection, self._foreign_server())
        for phase in (
            self._create,
            self._attach,
            self._indexes,
            self._attach_indexes,
            self._identities,
            self._owners,
        ):
            _run(connection, (s for item in self._tables.items() for s in phase(*item)))
        _run(connection, self._publications())

    # Schemas and types

    def _schemas(self, connection: Connection) -> Iterator[sql.Composed]:
        there = {row[0] for row in connection.execute("SELECT nspname FROM pg_namespace")}
        if "public" not in self._kept_schemas:
            yield sql.SQL("DROP SCHEMA {}").format(sql.Identifier("public"))
        for name, schema in self._kept_schemas.items():
            identifier = sql.Identifier(name)
            if name not in there:
                yield sql.SQL("CREATE SCHEMA {}").format(identifier)
            yield sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(
                identifier, sql.Identifier(schema.owner)
            )
            yield from privileges(sql.SQL("SCHEMA"), name, schema.privileges, self._roles)

    def _types(self, connection: Connection) -> None:
        """One may need another, in any order."""
        pending = [
            (sql.Identifier(schema, name), found)
            for schema, content in self._kept_schemas.items()
            for name, found in content.types.items()
        ]
        while pending:
            refused: list[tuple[sql.Identifier, UserType]] = []
            for name, found in pending:
                try:
                    _run(connection, _type(name, found))
                except psycopg.errors.UndefinedObject as error:
                    refused.append((name, found))
                    reason = error
            if len(refused) == len(pending):
                raise reason
            pending = refused

    def _foreign_server(self) -> Iterator[sql.Composed]:
        if any(table.kind == "foreign table" for table in self._tables.values()):
            wrapper = sql.Identifier(_FOREIGN)
            yield sql.SQL("CREATE FOREIGN DATA WRAPPER {}").format(wrapper)
            yield sql.SQL("CREATE SERVER {0} FOREIGN DATA WRAPPER {0}").format(wrapper)

    # Tables

    def _create(self, key: tuple[str, str], table: Table) -> Iterator[sql.Composed]:
        name = sql.Identifier(*key)
        if table.kind in ("view", "materialized view"):
            columns = [
                sql.SQL("NULL::{} AS {}").format(sql.SQL(kind), sql.Identifier(column))
                for column, kind in table.columns.items()
            ]
            yield sql.SQL("CREATE {} {} AS SELECT {}").format(
                sql.SQL(table.kind.upper()), name, sql.SQL(", ").join(columns)
            )
            return
        parts = [self._column(*item) for item in table.columns.items()]
        if table.kind == "table":
            parts += [_key(*item) for item in table.indexes.items() if item[1].primaryKey]
        yield sql.SQL("CREATE {} {} ({}){}").format(
            _KEYWORDS.get(table.kind, sql.SQL("{}TABLE").format(_unlogged(table))),
            name,
            sql.SQL(", ").join(parts),
            self._suffix(table),
        )

    def _suffix(self, table: Table) -> sql.Composable:
        if table.kind == "partitioned table":
            return sql.SQL(" PARTITION BY {}").format(sql.SQL(table.partitionKey))
        if table.kind == "foreign table":
            return sql.SQL(" SERVER {}").format(sql.Identifier(_FOREIGN))
        return sql.SQL("")

    def _column(self, name: str, described: str) -> sql.Composable:
        kind, generated = described, ""
        for suffix in (_STORED, _VIRTUAL):
            if kind.endswith(suffix):
                kind = kind.removesuffix(suffix)
                # Virtual ones came with 18.
                generated = "VIRTUAL" if suffix == _VIRTUAL and self._major >= 18 else "STORED"
        not_null = kind.endswith(_NOT_NULL)
        parts = [sql.Identifier(name), sql.SQL(kind.removesuffix(_NOT_NULL))]
        if generated:
            parts.append(sql.SQL("GENERATED ALWAYS AS (NULL) {}").format(sql.SQL(generated)))
        if not_null:
            parts.append(sql.SQL("NOT NULL"))
        return sql.SQL(" ").join(parts)

    def _attach(self, key: tuple[str, str], table: Table) -> Iterator[sql.Composed]:
        name = sql.Identifier(*key)
        if table.partitionOf:
            yield sql.SQL("ALTER TABLE ONLY {} ATTACH PARTITION {} {}").format(
                _named(table.partitionOf), name, sql.SQL(table.bound)
            )
        for parent in table.inherits:
            yield sql.SQL("ALTER TABLE {} INHERIT {}").format(name, _named(parent))

    def _indexes(self, key: tuple[str, str], table: Table) -> Iterator[sql.Composed]:
        name = sql.Identifier(*key)
        for index, found in table.indexes.items():
            if found.primaryKey and table.kind == "table":
                continue  # made with its table
            if found.primaryKey or found.deferrable:
                yield sql.SQL("ALTER TABLE ONLY {} ADD {}").format(name, _key(index, found))
                continue
            only = "" if table.kind == "materialized view" else "ONLY "
            yield sql.SQL("CREATE UNIQUE INDEX {} ON {}{} ({}){}").format(
                sql.Identifier(index),
                sql.SQL(only),
                name,
                _names(found.columns),
                sql.SQL(" WHERE false" if found.partial else ""),
            )

    def _attach_indexes(self, key: tuple[str, str], table: Table) -> Iterator[sql.Composed]:
        for index, found in table.indexes.items():
            if found.partitionOf:
                yield sql.SQL("ALTER INDEX {} ATTACH PARTITION {}").format(
                    _named(found.partitionOf), sql.Identifier(key[0], index)
                )

    def _identities(self, key: tuple[str, str], table: Table) -> Iterator[sql.Composed]:
        name = sql.Identifier(*key)
        chosen = [index for index, found in table.indexes.items() if found.replicaIdentity]
        if table.replicaIdentity in ("full", "nothing"):
            identity: sql.Composable = sql.SQL(table.replicaIdentity.upper())
        elif table.replicaIdentity == "index" and chosen:
            identity = sql.SQL("USING INDEX {}").format(sql.Identifier(chosen[0]))
        elif table.replicaIdentity == "index":  # the index is gone; so is what it identified
            identity = sql.SQL("NOTHING")
        else:
            return
        yield sql.SQL("ALTER TABLE ONLY {} REPLICA IDENTITY {}").format(name, identity)

    def _owners(self, key: tuple[str, str], table: Table) -> Iterator[sql.Composed]:
        name = sql.Identifier(*key)
        if table.rowSecurity != "off":
            yield sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(name)
        if table.rowSecurity == "forced":
            yield sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(name)
        owner = sql.Identifier(table.owner)
        yield sql.SQL("ALTER TABLE {} OWNER TO {}").format(name, owner)

    # Publications

    def _publications(self) -> Iterator[sql.Composed]:
        for name, found in self._recorded.publications.items():
            if name in self._made.publications:
                continue
            identifier = sql.Identifier(name)
            yield sql.SQL("CREATE PUBLICATION {}{} WITH ({})").format(
                identifier, self._published(found), self._options(found)
            )
            everything = found.allTables or found.schemas
            if everything and found.owner not in self._superusers:
                self.notes.append(
                    f"publication {name} belongs to a superuser here, and to {found.owner} on the "
                    "server: plain PostgreSQL lets nobody else have one of all tables or schemas"
                )
                continue
            yield sql.SQL("ALTER PUBLICATION {} OWNER TO {}").format(
                identifier, sql.Identifier(found.owner)
            )

    def _published(self, found: Publication) -> sql.Composable:
        if found.allTables:
            return sql.SQL(" FOR ALL TABLES")
        parts: list[sql.Composable] = []
        for table, restrictions in found.tables.items():
            if table in self._made.tables:
                continue
            part: sql.Composable = sql.SQL("TABLE ONLY {}").format(_named(table))
            if restrictions.columns:
                part = sql.SQL("{} ({})").format(part, _names(restrictions.columns))
            if restrictions.filter:
                part = sql.SQL("{} WHERE ({})").format(part, sql.SQL(restrictions.filter))
            parts.append(part)
        parts += [
            sql.SQL("TABLES IN SCHEMA {}").format(sql.Identifier(schema))
            for schema in found.schemas
            if schema in self._kept_schemas
        ]
        if not parts:
            return sql.SQL("")
        return sql.SQL(" FOR {}").format(sql.SQL(", ").join(parts))

    def _options(self, found: Publication) -> sql.Composable:
        options: Mapping[str, Any] = {
            "publish": ", ".join(found.publish),
            "publish_via_partition_root": found.viaPartitionRoot,
        }
        if self._major >= 18:
            options = {**options, "publish_generated_columns": found.generatedColumns}
        return sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in options.items()
        )


_KEYWORDS: Mapping[str, sql.Composable] = {
    "partitioned table": sql.SQL("TABLE"),
    "foreign table": sql.SQL("FOREIGN TABLE"),
}


def privileges(
    kind: sql.SQL, name: str, granted: Mapping[str, Sequence[str]], roles: set[str]
) -> Iterator[sql.Composed]:
    """Have exactly these privileges on a schema or database; `public` is everybody."""
    on = sql.SQL("{} {}").format(kind, sql.Identifier(name))
    yield sql.SQL("REVOKE ALL ON {} FROM PUBLIC").format(on)
    for grantee, listed in granted.items():
        if grantee == "public" or grantee in roles:
            to = sql.SQL("PUBLIC") if grantee == "public" else sql.Identifier(grantee)
            yield sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(", ".join(listed)), on, to)


def _type(name: sql.Identifier, found: UserType) -> Iterator[sql.Composed]:
    if found.kind == "enum":
        labels = sql.SQL(", ").join(sql.Literal(label) for label in found.labels)
        yield sql.SQL("CREATE TYPE {} AS ENUM ({})").format(name, labels)
    elif found.kind == "composite":
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
            for column, kind in found.columns.items()
        )
        yield sql.SQL("CREATE TYPE {} AS ({})").format(name, columns)
    elif found.kind == "range":
        yield sql.SQL("CREATE TYPE {} AS RANGE (SUBTYPE = {})").format(name, sql.SQL(found.subtype))
    else:  # an extension's type is a text here
        base = found.base or "text"
        yield sql.SQL("CREATE DOMAIN {} AS {}").format(name, sql.SQL(base))
    yield sql.SQL("ALTER TYPE {} OWNER TO {}").format(name, sql.Identifier(found.owner))


def _key(name: str, index: Index) -> sql.Composable:
    return sql.SQL("CONSTRAINT {} {} ({}){}").format(
        sql.Identifier(name),
        sql.SQL("PRIMARY KEY" if index.primaryKey else "UNIQUE"),
        _names(index.columns),
        sql.SQL(" DEFERRABLE" if index.deferrable else ""),
    )


def _names(columns: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _unlogged(table: Table) -> sql.SQL:
    return sql.SQL("UNLOGGED " if table.persistence == "unlogged" else "")


def _shown(schema: str, name: str) -> str:
    """A table's name as the record's lists have it: in quotes only where SQL needs them."""
    parts = (schema, name)
    return ".".join(p if _PLAIN.fullmatch(p) else '"' + p.replace('"', '""') + '"' for p in parts)


def _named(text: str) -> sql.Identifier:
    """The other way round."""
    parts = [quoted.replace('""', '"') or plain for quoted, plain in _PARTS.findall(text)]
    return sql.Identifier(*parts)


def _run(connection: Connection, statements: Iterable[sql.Composed]) -> None:
    """Run many statements in few round trips, each some hundreds in a transaction."""
    remaining = iter(statements)
    while together := list(islice(remaining, _TOGETHER)):
        connection.execute(sql.SQL(";\n").join(together))
