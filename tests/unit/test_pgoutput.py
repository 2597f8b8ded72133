"""pgoutput's messages, made by hand from PostgreSQL's manual, and a copy kept from them."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from azure_postgres_rehearsal.consumer import Table
from azure_postgres_rehearsal.pgoutput import (
    UNCHANGED,
    Change,
    Decoder,
    Relation,
    Row,
    Truncation,
    Value,
)

OID = 16391


def relation(
    identity: str = "d", keys: tuple[int, ...] = (0,), oid: int = OID, name: str = "orders"
) -> bytes:
    message = b"R" + struct.pack("!I", oid) + b"public\0" + name.encode() + b"\0"
    message += identity.encode() + struct.pack("!H", 2)
    for position, column in enumerate((b"id", "größe".encode())):
        flags = 1 if position in keys else 0
        message += struct.pack("!B", flags) + column + b"\0" + struct.pack("!Ii", 23, -1)
    return message


def row(*values: Value) -> bytes:
    message = struct.pack("!H", len(values))
    for value in values:
        if value is None:
            message += b"n"
        elif value is UNCHANGED:
            message += b"u"
        else:
            message += b"t" + struct.pack("!I", len(value)) + value
    return message


def insert(*values: Value) -> bytes:
    return b"I" + struct.pack("!I", OID) + b"N" + row(*values)


def update(new: Row, old: Row | None = None, kind: bytes = b"K") -> bytes:
    message = b"U" + struct.pack("!I", OID)
    if old is not None:
        message += kind + row(*old)
    return message + b"N" + row(*new)


def delete(old: Row, kind: bytes = b"K") -> bytes:
    return b"D" + struct.pack("!I", OID) + kind + row(*old)


def truncate(*oids: int, options: int = 0) -> bytes:
    return (
        b"T"
        + struct.pack("!IB", len(oids), options)
        + b"".join(struct.pack("!I", oid) for oid in oids)
    )


@pytest.fixture
def decoder() -> Decoder:
    found = Decoder()
    assert found.decode(relation()) is None
    return found


ORDERS = Relation(OID, "public", "orders", ("id", "größe"), (0,), "d")


# Decoding


def test_insert(decoder: Decoder) -> None:
    change = decoder.decode(insert(b"1", "groß".encode()))
    assert change == Change("insert", ORDERS, None, (b"1", "groß".encode()))


def test_null_is_not_the_empty_string(decoder: Decoder) -> None:
    change = decoder.decode(insert(None, b""))
    assert isinstance(change, Change)
    assert change.new == (None, b"")
    assert change.new is not None
    assert change.new[1] is not UNCHANGED


def test_update_without_an_old_row(decoder: Decoder) -> None:
    assert decoder.decode(update((b"1", b"x"))) == Change("update", ORDERS, None, (b"1", b"x"))


def test_update_with_the_old_key(decoder: Decoder) -> None:
    assert decoder.decode(update((b"2", b"x"), (b"1", None))) == Change(
        "update", ORDERS, (b"1", None), (b"2", b"x")
    )


def test_update_with_the_whole_old_row(decoder: Decoder) -> None:
    decoder.decode(relation("f", (0, 1)))
    change = decoder.decode(update((b"1", b"y"), (b"1", b"x"), b"O"))
    assert isinstance(change, Change)
    assert (change.old, change.new) == ((b"1", b"x"), (b"1", b"y"))
    assert (change.relation.identity, change.relation.keys) == ("f", (0, 1))


def test_unchanged_value_is_marked(decoder: Decoder) -> None:
    change = decoder.decode(update((b"1", UNCHANGED)))
    assert isinstance(change, Change)
    assert change.new is not None
    assert change.new[1] is UNCHANGED


def test_delete(decoder: Decoder) -> None:
    assert decoder.decode(delete((b"1", None))) == Change("delete", ORDERS, (b"1", None), None)
    assert decoder.decode(delete((b"1", b"x"), b"O")) == Change(
        "delete", ORDERS, (b"1", b"x"), None
    )


def test_truncate_of_several_tables(decoder: Decoder) -> None:
    decoder.decode(relation(oid=7, name="lines"))
    found = decoder.decode(truncate(OID, 7, options=3))
    assert isinstance(found, Truncation)
    assert [item.name for item in found.relations] == ["orders", "lines"]


def test_table_that_is_described_anew_replaces_the_old_description(decoder: Decoder) -> None:
    decoder.decode(relation("f", (0, 1), name="renamed"))
    change = decoder.decode(insert(b"1", b"x"))
    assert isinstance(change, Change)
    assert change.relation == Relation(OID, "public", "renamed", ("id", "größe"), (0, 1), "f")


@pytest.mark.parametrize("kind", [b"B", b"C", b"O", b"Y", b"M"])
def test_messages_that_change_nothing(decoder: Decoder, kind: bytes) -> None:
    assert decoder.decode(kind + bytes(24)) is None


def test_unknown_message_is_an_error(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="a message of the unknown kind 'S'"):
        decoder.decode(b"S" + bytes(8))


def test_table_that_was_never_described_is_an_error() -> None:
    with pytest.raises(KeyError):
        Decoder().decode(insert(b"1", b"x"))


# Keeping a copy


class Copy:
    """A copy, and the messages that reach it."""

    def __init__(self, *rows: Row, identity: str = "d", keys: tuple[int, ...] = (0,)) -> None:
        self._table = Table(rows)
        self._decoder = Decoder()
        self._decoder.decode(relation(identity, keys))

    def apply(self, *messages: bytes) -> Counter[Row]:
        for message in messages:
            change = self._decoder.decode(message)
            assert isinstance(change, Change)
            self._table.apply(change)
        return +self._table.rows

    def clear(self) -> Counter[Row]:
        self._table.clear()
        return +self._table.rows


A, B, C = (b"1", b"a"), (b"2", b"b"), (b"3", b"c")


def test_copy_follows_inserts_updates_and_deletes() -> None:
    copy = Copy(A)
    assert copy.apply(insert(*B)) == Counter([A, B])
    assert copy.apply(update((b"1", b"z"))) == Counter([(b"1", b"z"), B])
    assert copy.apply(delete((b"1", None))) == Counter([B])
    assert copy.apply(delete((b"2", None))) == Counter()


def test_copy_follows_a_changed_key() -> None:
    copy = Copy(A, B)
    assert copy.apply(update((b"3", b"a"), (b"1", None))) == Counter([(b"3", b"a"), B])
    assert copy.apply(update((b"3", b"z")), delete((b"2", None))) == Counter([(b"3", b"z")])
    # The key that became free is taken again.
    assert copy.apply(insert(b"1", b"new")) == Counter([(b"3", b"z"), (b"1", b"new")])


def test_copy_keeps_what_a_message_leaves_out() -> None:
    copy = Copy((b"1", b"large"))
    assert copy.apply(update((b"2", UNCHANGED), (b"1", None))) == Counter([(b"2", b"large")])


def test_copy_tells_null_from_empty() -> None:
    copy = Copy((b"1", None), (b"2", b""))
    assert copy.apply(update((b"1", b"")), update((b"2", None))) == Counter(
        [(b"1", b""), (b"2", None)]
    )


def test_copy_of_a_full_table_goes_by_whole_rows() -> None:
    copy = Copy(A, B, identity="f", keys=(0, 1))
    assert copy.apply(update((b"1", b"z"), A, b"O")) == Counter([(b"1", b"z"), B])
    assert copy.apply(update((b"1", UNCHANGED), (b"1", b"z"), b"O")) == Counter([(b"1", b"z"), B])
    assert copy.apply(delete(B, b"O")) == Counter([(b"1", b"z")])


def test_copy_counts_rows_that_are_there_twice() -> None:
    copy = Copy(A, A, identity="f", keys=(0, 1))
    assert copy.apply(insert(*A)) == Counter({A: 3})
    assert copy.apply(delete(A, b"O")) == Counter({A: 2})
    assert copy.apply(update(B, A, b"O")) == Counter({A: 1, B: 1})
    assert copy.apply(delete(A, b"O"), delete(B, b"O")) == Counter()


def test_copy_of_a_table_with_a_compound_key() -> None:
    copy = Copy((b"1", b"a"), (b"1", b"b"), keys=(0, 1))
    assert copy.apply(delete((b"1", b"a"))) == Counter([(b"1", b"b")])


def test_copy_is_emptied_by_a_truncate() -> None:
    copy = Copy(A, B)
    copy.apply(insert(*C))
    assert copy.clear() == Counter()
    assert copy.apply(insert(*A)) == Counter([A])


def test_change_of_a_row_that_was_never_captured_is_noticed() -> None:
    with pytest.raises(ValueError, match="a row that was never captured"):
        Copy(A, identity="f", keys=(0, 1)).apply(delete(B, b"O"))
    with pytest.raises(KeyError):
        Copy(A).apply(delete((b"9", None)))
