"""PostgreSQL's logical replication messages (pgoutput, protocol version 1), decoded.

Source: PostgreSQL's manual, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

Value = bytes | None
Row = tuple[Value, ...]
"""Values in text format; None is NULL."""


class Unchanged(bytes):
    """A large value that the change left alone and that the message therefore leaves out."""


UNCHANGED = Unchanged()


@dataclass(frozen=True)
class Relation:
    """A table as the messages that follow speak of it."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    keys: tuple[int, ...]
    """Positions of the columns that identify a row: all of them with REPLICA IDENTITY FULL."""
    identity: str
    """`d`, `n`, `f` or `i`, as pg_class.relreplident."""


@dataclass(frozen=True)
class Change:
    """One row inserted, updated or deleted."""

    kind: str
    """`insert`, `update` or `delete`."""
    relation: Relation
    old: Row | None
    new: Row | None


@dataclass(frozen=True)
class Truncation:
    """Tables emptied at once."""

    relations: tuple[Relation, ...]


class Decoder:
    """Decodes one message after the other; it remembers the tables that were described."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}

    def decode(self, message: bytes) -> Change | Truncation | None:
        """The change that a message tells of; None for one that tells of none."""
        reader = _Reader(message)
        match reader.letter():
            case "R":
                relation = _relation(reader)
                self._relations[relation.oid] = relation
            case "I":
                relation = self._relations[reader.integer("I")]
                reader.letter()
                return Change("insert", relation, None, reader.row())
            case "U":
                return self._update(reader)
            case "D":
                relation = self._relations[reader.integer("I")]
                reader.letter()
                return Change("delete", relation, reader.row(), None)
            case "T":
                count = reader.integer("I")
                reader.integer("B")
                oids = [reader.integer("I") for _ in range(count)]
                return Truncation(tuple(self._relations[oid] for oid in oids))
            case "B" | "C" | "O" | "Y" | "M":
                pass
            case other:
                raise ValueError(f"pgoutput sent a message of the unknown kind {other!r}")
        return None

    def _update(self, reader: _Reader) -> Change:
        relation = self._relations[reader.integer("I")]
        old = None
        kind = reader.letter()
        if kind in "KO":
            old = reader.row()
            reader.letter()
        return Change("update", relation, old, reader.row())


class _Reader:
    def __init__(self, message: bytes) -> None:
        self._message = message
        self._position = 0

    def integer(self, format_: str) -> int:
        found: int = struct.unpack_from(f"!{format_}", self._message, self._position)[0]
        self._position += struct.calcsize(f"!{format_}")
        return found

    def letter(self) -> str:
        return chr(self.integer("B"))

    def string(self) -> str:
        end = self._message.index(0, self._position)
        found = self._message[self._position : end].decode()
        self._position = end + 1
        return found

    def row(self) -> Row:
        return tuple(self._value() for _ in range(self.integer("H")))

    def _value(self) -> Value:
        kind = self.letter()
        if kind == "n":
            return None
        if kind == "u":
            return UNCHANGED
        length = self.integer("I")
        found = self._message[self._position : self._position + length]
        self._position += length
        return found


def _relation(reader: _Reader) -> Relation:
    oid, schema, name, identity = (
        reader.integer("I"),
        reader.string(),
        reader.string(),
        reader.letter(),
    )
    columns, keys = [], []
    for position in range(reader.integer("H")):
        if reader.integer("B") & 1:
            keys.append(position)
        columns.append(reader.string())
        reader.integer("I")
        reader.integer("i")
    return Relation(oid, schema, name, tuple(columns), tuple(keys), identity)
