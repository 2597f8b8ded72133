"""What asks a connector for a snapshot: rows of type `execute-snapshot` in the signal table.

Debezium takes the names in `data-collections` for regular expressions, matches each with the whole
of `schema.table` (without SQL's quotes), and reads what matches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from azure_postgres_cdc.names import TableName

SIGNAL_TYPE = "execute-snapshot"
MAX_CHARACTERS = 2000
"""The signal table's `data` is VARCHAR(2000), and counts characters."""

_PLAIN = re.compile(r"\w+\.\w+")
_META = re.compile(r"([\\.\[\](){}*+?^$|])")


def collection(table: TableName) -> str:
    """A table's name in `data-collections`.

    In a name of letters, digits and underscores, the one dot can stand for nothing else than the
    dot between schema and table. Everything else is escaped, so that no other table is meant.
    """
    name = f"{table.schema}.{table.name}"
    return name if _PLAIN.fullmatch(name) else _META.sub(r"\\\1", name)


def is_plain(table: TableName) -> bool:
    """Whether the name means the same as a regular expression and as a name."""
    return collection(table) == f"{table.schema}.{table.name}"


def signals(tables: Sequence[TableName], kind: str, filter_: str | None = None) -> list[str]:
    """The `data` of as few rows as all of the tables take. A filter goes with one table.

    Raises ValueError where one table alone is too long.
    """
    conditions = [{"data-collection": collection(tables[0]), "filter": filter_}] if filter_ else []
    found: list[str] = []
    batch: list[str] = []
    for name in map(collection, tables):
        longer = _data(kind, [*batch, name], conditions)
        if len(longer) > MAX_CHARACTERS and batch:
            found.append(_data(kind, batch, conditions))
            batch = []
        batch.append(name)
        alone = _data(kind, batch, conditions) if len(batch) == 1 else ""
        if len(alone) > MAX_CHARACTERS:
            raise ValueError(f"{len(alone)} characters long, and {MAX_CHARACTERS} is the most")
    return [*found, _data(kind, batch, conditions)] if batch else found


def _data(kind: str, names: Iterable[str], conditions: Sequence[dict[str, Any]]) -> str:
    data: dict[str, Any] = {"type": kind, "data-collections": list(names)}
    if conditions:
        data["additional-conditions"] = list(conditions)
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
