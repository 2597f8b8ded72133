"""Databases that changes are captured from: roles, publications and slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from view import kinds
from view.access import ON_TABLES, Access, accesses_of
from view.connectors import Connector
from view.declared import Declared
from view.names import Table
from view.signal import SignalTable, signal_tables_of
from view.slots import Slot, slots_of
from view.values import UNKNOWN, has_unknown, may_be, strings, text, truth

READ_ALL_DATA = "pg_read_all_data"


@dataclass(frozen=True)
class Role:
    """A login user or a group role."""

    resource: Declared
    name: str
    login: bool | None
    replication: bool | None
    groups: frozenset[str]
    """The roles that it is a member of, by its own property."""
    granted: frozenset[str]
    """And by a `GrantRole`."""
    may_have_more: bool
    """Whether some membership is not known yet."""

    @property
    def acts_for(self) -> frozenset[str]:
        """Every role whose privileges it has."""
        return self.groups | self.granted | {self.name}


@dataclass(frozen=True)
class Publication:
    """A publication."""

    resource: Declared
    name: Any
    database: Any
    all_tables: bool
    tables: frozenset[Table]
    """Those that are named."""
    schemas: frozenset[str]
    """The captured schemas, as far as they are known."""
    complete: bool
    """Whether every table's name is known."""

    def holds(self, name: str) -> bool:
        """Whether a table of this name, in whatever schema, is in it, as far as one can tell."""
        named = any(table.name == name for table in self.tables)
        return named or self.all_tables or not self.complete


@dataclass(frozen=True)
class Database:
    """One captured database, and everything in it that the rules ask for."""

    name: Any
    publications: Sequence[Publication]
    slots: Sequence[Slot]
    access: Sequence[Access]
    signal_tables: Sequence[SignalTable]
    heartbeat_tables: Sequence[Declared]
    connectors: Sequence[Connector]

    @property
    def label(self) -> str:
        """For messages."""
        return f"database {text(self.name) or '(not known yet)'}"

    @property
    def schemas(self) -> list[str]:
        """The captured schemas."""
        return sorted({name for item in self.publications for name in item.schemas})

    @property
    def reads_only(self) -> bool:
        """Whether every connector is known to take read-only snapshots."""
        return bool(self.connectors) and all(item.read_only for item in self.connectors)

    def gives(
        self, roles: Iterable[str], what: str, privilege: str, schema: str | None = None
    ) -> bool:
        """Whether one of the roles has a privilege, as far as one can tell."""
        return any(self._given(roles, what, privilege, schema))

    def reads(self, roles: Iterable[str], schema: str) -> bool:
        """Whether the roles have SELECT on the captured tables of a schema."""
        found = list(self._given(roles, ON_TABLES, "SELECT", schema))
        tables = {table for item in self.publications for table in item.tables}
        captured = {table.name for table in tables if table.schema == schema and not table.is_own}
        named = {name for item in found for name in item.objects}
        if UNKNOWN in named or any(not item.objects for item in found):
            return True
        return bool(captured) and captured <= named

    def _given(
        self, roles: Iterable[str], what: str, privilege: str, schema: str | None
    ) -> Iterator[Access]:
        names = list(roles)
        for item in self.access:
            its = any(may_be(item.role, role) for role in names)
            if its and item.gives(what, privilege, schema):
                yield item


def roles_of(resources: Sequence[Declared]) -> list[Role]:
    """Every role, with its memberships."""
    grants = [item for item in resources if item.kind == kinds.GRANT_ROLE]
    return [_role(item, grants) for item in resources if item.kind == kinds.ROLE]


def databases_of(resources: Sequence[Declared], connectors: Sequence[Connector]) -> list[Database]:
    """The databases with a publication, a slot or a connector."""
    publications = [_publication(item) for item in resources if item.kind in _PUBLICATIONS]
    slots = list(slots_of(resources))
    access, signals = list(accesses_of(resources)), list(signal_tables_of(resources))
    heartbeats = [item for item in resources if item.kind == kinds.OUR_HEARTBEAT_TABLE]
    named = [item.database for item in publications] + [item.database for item in slots]
    named += [item.database for item in connectors if item.database]
    names = [name for name in dict.fromkeys(named) if name is not UNKNOWN]
    return [
        Database(
            name,
            [item for item in publications if may_be(item.database, name)],
            [item for item in slots if may_be(item.database, name)],
            [item for item in access if may_be(item.database, name)],
            [item for item in signals if _is_in(item.resource, name)],
            [item for item in heartbeats if _is_in(item, name)],
            [item for item in connectors if item.database in (None, name)],
        )
        for name in names or [UNKNOWN] * bool(named)
    ]


_PUBLICATIONS = (kinds.OUR_PUBLICATION, kinds.PUBLICATION)


def _is_in(resource: Declared, database: Any) -> bool:
    """What makes a table with SQL does not say in which database."""
    found = resource.get("database")
    return found is None or database is UNKNOWN or may_be(found, database)


def _role(resource: Declared, grants: Sequence[Declared]) -> Role:
    name = text(_known(resource.get("name"), resource.name)) or resource.name
    mine = [item for item in grants if may_be(item.get("role"), name)]
    groups = resource.get("roles")
    return Role(
        resource,
        name,
        truth(resource.get("login")),
        truth(resource.get("replication")),
        strings(groups),
        strings([item.get("grantRole") for item in mine]),
        has_unknown(groups) or any(item.get("grantRole") is UNKNOWN for item in mine),
    )


def _publication(resource: Declared) -> Publication:
    ours = resource.kind == kinds.OUR_PUBLICATION
    capture = resource.unpacked("capture") if ours else None
    capture = capture if isinstance(capture, Mapping) else {}
    lists = [resource.get("ownTables"), capture.get("tables")] if ours else [resource.get("tables")]
    everything = capture.get("allTables") if ours else resource.get("allTables")
    tables = frozenset(_tables(lists))
    schemas = {table.schema for table in tables if not table.is_own}
    return Publication(
        resource,
        _known(resource.get("name"), resource.name),
        resource.database,
        bool(truth(everything)),
        tables,
        frozenset(schemas | strings(capture.get("schemas"))),
        not any(has_unknown(item) for item in lists) and everything is not UNKNOWN,
    )


def _tables(lists: Iterable[Any]) -> Iterator[Table]:
    for names in lists:
        yield from map(Table.parse, strings(names))


def _known(value: Any, otherwise: str) -> Any:
    return otherwise if value is None else value
