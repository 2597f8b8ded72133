"""Names: the page's defaults, and names written as in SQL. No resources here."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from azure_postgres_cdc.driver import sql

# The names of the page. The connector recognises the two tables by these names only.
SIGNAL_TABLE = "streamkap_signal"
HEARTBEAT_TABLE = "streamkap_heartbeat"
CONNECTORS_TABLES = (SIGNAL_TABLE, HEARTBEAT_TABLE)
DEFAULT_SCHEMA = "streamkap"
DEFAULT_ROLE = "streamkap_role"
DEFAULT_USER = "streamkap_user"
DEFAULT_PUBLICATION = "streamkap_pub"
DEFAULT_SLOT = "streamkap_pgoutput_slot"

MAX_BYTES = 63
"""PostgreSQL cuts longer names in silence (NAMEDATALEN - 1); here they are refused."""

_NO_ROLES = frozenset({"public", "none", "current_role", "current_user", "session_user"})
_SLOT = re.compile(r"[a-z0-9_]{1,63}")
# All but the ASCII that is no letter, digit, underscore or dollar: a range up to U+10FFFF would
# take milliseconds to compile.
_QUOTED_OR_PLAIN = re.compile(
    r'"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\x00-@\[-^`{-\x7f][^\x00-#%-/:-@\[-^`{-\x7f]*)'
)
# PostgreSQL folds nothing but these in a multi-byte encoding such as UTF-8.
_FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_NEEDS_NO_QUOTES = re.compile(r"[a-z_][a-z0-9_$]*")
_PLAIN_TABLE = re.compile(
    rf"([a-z_][a-z0-9_$]{{0,{MAX_BYTES - 1}}})\.([a-z_][a-z0-9_$]{{0,{MAX_BYTES - 1}}})"
)


def text_fault(text: str) -> str | None:
    """What is wrong with a text that is to name one thing, if anything."""
    if not text:
        return "is empty"
    return "begins or ends with a space" if text != text.strip() else None


def identifier_fault(name: str) -> str | None:
    """What is wrong with the name of a role, schema, publication or database, if anything."""
    if not name:
        return "is empty"
    if "\0" in name:
        return "holds a zero byte"
    size = len(name.encode())
    if size > MAX_BYTES:
        return f"is {size} bytes long; PostgreSQL would cut it to {MAX_BYTES}"
    return None


def is_system_schema(name: str) -> bool:
    """Whether a schema is PostgreSQL's own."""
    return name.startswith("pg_") or name == "information_schema"


def role_fault(name: str) -> str | None:
    """What is wrong with the name of a role that is to be made, if anything."""
    if name.startswith("pg_") or name in _NO_ROLES:
        return "is a name that PostgreSQL keeps for itself"
    return identifier_fault(name)


def signal_schema_fault(name: str) -> str | None:
    """What is wrong with the name of the signal table's schema, if anything."""
    if _NEEDS_NO_QUOTES.fullmatch(name.lower()):
        return identifier_fault(name)
    return (
        "needs quotes in SQL, with which the connector (Debezium) does not start: use letters, "
        "digits and underscores"
    )


def slot_fault(name: str) -> str | None:
    """What is wrong with the name of a replication slot, if anything."""
    if _SLOT.fullmatch(name):
        return None
    return "is no slot name: 1 to 63 lower-case letters, digits and underscores"


def quoted(name: str) -> str:
    """A name as SQL shows it: in quotes only where it needs them."""
    if _NEEDS_NO_QUOTES.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def unquoted(text: str) -> str:
    """The other way round."""
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


class TableName(NamedTuple):
    """A table, always with its schema.

    A named tuple, which is made, sorted and found in a set faster than a dataclass: ten thousand
    tables are.
    """

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `public.orders` or `"Odd Schema"."Tab""le"`, as SQL does.

        Without quotes, a name is folded to lower case. Raises ValueError with the reason.
        """
        return _parsed(text)

    @property
    def identifier(self) -> sql.Identifier:
        """For SQL statements."""
        return sql.Identifier(self.schema, self.name)

    @property
    def plain(self) -> str:
        """As connectors spell it: without SQL's quotes."""
        return f"{self.schema}.{self.name}"

    def __str__(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@cache
def _parsed(text: str) -> TableName:
    """Kept, because the same names are read again and again, wherever a list travels as text."""
    plain = _PLAIN_TABLE.fullmatch(text)
    if plain:
        return TableName(*plain.groups())
    parts = list(_parts(text.strip()))
    if len(parts) != 2:
        raise ValueError(f"{text!r} is not of the form schema.table")
    for part in parts:
        fault = identifier_fault(part)
        if fault:
            raise ValueError(f"{part!r} in {text!r} {fault}")
    return TableName(*parts)


def _parts(text: str) -> Iterable[str]:
    position = 0
    while True:
        match = _QUOTED_OR_PLAIN.match(text, position)
        if match is None:
            raise ValueError(
                f"{text!r} is no name of a table: write schema.table, "
                'with double quotes where SQL needs them ("Odd Schema"."Table")'
            )
        if match["quoted"] is not None:
            yield match["quoted"].replace('""', '"')
        else:
            yield match["plain"].translate(_FOLDED)
        position = match.end()
        if position == len(text):
            return
        if text[position] != ".":
            raise ValueError(f"{text!r} is no name of a table: {text[position:]!r} is unexpected")
        position += 1


def shared_names(administrator: str, users: Mapping[str, Sequence[str]]) -> list[str]:
    """Names that stand for two of: the administrator, login users, group roles."""
    roles = {role for mine in users.values() for role in mine}
    faults = [
        f"{name!r} is both a login user and a group role; they are two roles of PostgreSQL"
        for name in sorted(roles & set(users))
    ]
    if administrator in roles | set(users):
        faults.append(f"{administrator!r} is the administrator; the connector needs its own names")
    return faults


def listed(items: Iterable[object], most: int = 10) -> str:
    """A readable list that does not fill the screen."""
    texts = [str(item) for item in items]
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")
