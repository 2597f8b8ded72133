"""What is granted to whom: raw grants, or this project's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from view import kinds
from view.declared import Declared
from view.names import HEARTBEAT_TABLE, SIGNAL_TABLE
from view.values import UNKNOWN, has_unknown, may_be, strings, text, truth

ON_DATABASE, ON_SCHEMA, ON_TABLES, BY_DEFAULT = "database", "schema", "table", "default"
_ALL = {
    ON_DATABASE: ("CONNECT", "CREATE", "TEMPORARY"),
    ON_SCHEMA: ("USAGE", "CREATE"),
    ON_TABLES: ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
}
"""What ALL stands for."""


@dataclass(frozen=True)
class Access:
    """Privileges of one role on one kind of thing. Any text may be UNKNOWN."""

    resource: Declared
    role: Any
    database: Any
    what: Any
    schema: Any
    """None: every schema."""
    privileges: frozenset[str]
    objects: frozenset[Any] = frozenset()
    """Tables by their names, UNKNOWN among them; empty for all of the schema's."""
    is_exact: bool = False
    """A `postgresql.Grant`: exactly these privileges, all others are revoked."""
    may_have_more: bool = False
    """Whether some privilege is not known yet."""

    def names(self, table: str) -> bool:
        """Whether it names a table, as far as one can tell."""
        return table in self.objects or UNKNOWN in self.objects

    def gives(self, what: str, privilege: str, schema: str | None = None) -> bool:
        """Whether it is a privilege on this kind of thing there, as far as one can tell."""
        return (
            may_be(self.what, what)
            and (privilege in self.privileges or self.may_have_more)
            and (self.schema is None or may_be(self.schema, schema))
        )


def accesses_of(resources: Sequence[Declared]) -> Iterator[Access]:
    """Everything that is granted in the stack."""
    for item in resources:
        reader = _READERS.get(item.kind)
        if reader is not None:
            yield from reader(item)


def _grant(item: Declared) -> Iterator[Access]:
    what = item.get("objectType")
    yield Access(
        item,
        item.get("role"),
        item.database,
        what if what is UNKNOWN else (text(what) or "").lower(),
        item.get("schema"),
        *_privileges(item),
    )


def _default(item: Declared) -> Iterator[Access]:
    if may_be(item.get("objectType"), ON_TABLES):
        privileges, _, _, more = _privileges(item)
        role, schema = item.get("role"), item.get("schema") or None
        yield Access(
            *(item, role, item.database, BY_DEFAULT, schema, privileges), may_have_more=more
        )


def _privileges(item: Declared) -> tuple[frozenset[str], frozenset[Any], bool, bool]:
    """In capitals; the tables; that they are exactly so; whether some are not known yet."""
    found = item.get("privileges")
    given = frozenset(name.upper() for name in strings(found))
    if "ALL" in given:
        given |= frozenset(_ALL.get(text(item.get("objectType")) or "", ()))
    return given, frozenset(_listed(item.get("objects"))), True, has_unknown(found)


def _ours(item: Declared) -> Iterator[Access]:
    """This project's resource grants all of it, and again at each `up` what is lacking."""
    role, database = item.get("role"), item.database
    every = truth(item.get("allSchemas"))
    read: list[Any] = [None] if every else _listed(item.get("schemas"))
    if truth(item.get("connect")) is not False:
        yield Access(item, role, database, ON_DATABASE, None, frozenset({"CONNECT"}))
    for schema in [*read, *_listed(item.get("writes"))]:
        yield Access(item, role, database, ON_SCHEMA, schema, frozenset({"USAGE"}))
    for schema in read if item.get("tableGrants") != "none" else ():
        for what in (ON_TABLES, BY_DEFAULT):
            yield Access(item, role, database, what, schema, frozenset({"SELECT"}))


def _listed(names: Any) -> list[Any]:
    """The names; where some are not known yet, UNKNOWN stands for them."""
    return [*sorted(strings(names)), *([UNKNOWN] if has_unknown(names) else [])]


def _own_table(name: str) -> Callable[[Declared], Iterator[Access]]:
    def read(item: Declared) -> Iterator[Access]:
        privileges = frozenset({"SELECT", "INSERT", "UPDATE"})
        for role in _listed(item.get("roles")):
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
