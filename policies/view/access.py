"""What is granted to whom: raw grants, or this project's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from view import kinds
from view.declared import Declared
from view.names import HEARTBEAT_TABLE, SIGNAL_TABLE
from view.values import UNKNOWN, strings, text, truth

ON_DATABASE, ON_SCHEMA, ON_TABLES, BY_DEFAULT = "database", "schema", "table", "default"
_EVERYTHING = {
    ON_DATABASE: ("CONNECT", "CREATE", "TEMPORARY"),
    ON_SCHEMA: ("USAGE", "CREATE"),
    ON_TABLES: ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
}


@dataclass(frozen=True)
class Access:
    """Privileges of one role on one kind of thing. Any text may be UNKNOWN."""

    resource: Declared
    role: Any
    database: Any
    what: str
    schema: Any
    """None: every schema."""
    privileges: frozenset[str]
    objects: frozenset[str] = frozenset()
    """Tables by their names; empty for all of the schema's."""
    is_exact: bool = False
    """A `postgresql.Grant`: exactly these privileges, all others are revoked."""


def accesses_of(resources: Sequence[Declared]) -> Iterator[Access]:
    """Everything that is granted in the stack."""
    for item in resources:
        reader = _READERS.get(item.kind)
        if reader is not None:
            yield from reader(item)


def _grant(item: Declared) -> Iterator[Access]:
    what = (text(item.get("objectType")) or "").lower()
    privileges = _privileges(item, what)
    yield Access(
        item,
        item.get("role"),
        item.database,
        what,
        item.get("schema"),
        privileges,
        strings(item.get("objects")),
        is_exact=True,
    )


def _default(item: Declared) -> Iterator[Access]:
    if (text(item.get("objectType")) or "").lower() == ON_TABLES:
        privileges = _privileges(item, ON_TABLES)
        role, schema = item.get("role"), item.get("schema")
        yield Access(item, role, item.database, BY_DEFAULT, schema or None, privileges)


def _privileges(item: Declared, what: str) -> frozenset[str]:
    """In capitals; everything where they are not known yet."""
    found = item.get("privileges")
    given = frozenset(name.upper() for name in strings(found))
    if found is UNKNOWN or "ALL" in given:
        return frozenset(_EVERYTHING.get(what, ())) | given
    return given


def _ours(item: Declared) -> Iterator[Access]:
    """This project's resource grants all of it, and again at each `up` what is lacking."""
    role, database = item.get("role"), item.database
    every = truth(item.get("allSchemas"))
    read: list[Any] = [None] if every else sorted(strings(item.get("schemas")))
    if truth(item.get("connect")) is not False:
        yield Access(item, role, database, ON_DATABASE, None, frozenset({"CONNECT"}))
    for schema in [*read, *strings(item.get("writes"))]:
        yield Access(item, role, database, ON_SCHEMA, schema, frozenset({"USAGE"}))
    for schema in read if item.get("tableGrants") != "none" else ():
        for what in (ON_TABLES, BY_DEFAULT):
            yield Access(item, role, database, what, schema, frozenset({"SELECT"}))


def _own_table(name: str) -> Callable[[Declared], Iterator[Access]]:
    def read(item: Declared) -> Iterator[Access]:
        privileges = frozenset({"SELECT", "INSERT", "UPDATE"})
        for role in strings(item.get("roles")):
            yield Access(
                *(item, role, item.database, ON_TABLES, item.get("schema"), privileges),
                objects=frozenset({name}),
            )

    return read


_READERS: dict[str, Callable[[Declared], Iterator[Access]]] = {
    kinds.GRANT: _grant,
    kinds.DEFAULT_PRIVILEGES: _default,
    kinds.OUR_ACCESS: _ours,
    kinds.OUR_SIGNAL_TABLE: _own_table(SIGNAL_TABLE),
    kinds.OUR_HEARTBEAT_TABLE: _own_table(HEARTBEAT_TABLE),
}
