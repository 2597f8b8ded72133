"""Names of the page, and names of tables."""

from __future__ import annotations

import re
from typing import NamedTuple

SIGNAL_TABLE = "streamkap_signal"
HEARTBEAT_TABLE = "streamkap_heartbeat"
OWN_TABLES = frozenset({SIGNAL_TABLE, HEARTBEAT_TABLE})
"""The connector knows them by these names only."""

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


class Table(NamedTuple):
    """A table with its schema; `public` where none is given."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Table:
        """`public.orders`, `"Odd Schema"."Tab""le"` or `orders`."""
        parts = [quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(text)]
        parts = [part.strip() for part in parts]
        return cls(parts[0] if len(parts) > 1 else "public", parts[-1] if parts else "")

    @property
    def is_own(self) -> bool:
        """Whether it is the connector's and not captured for its rows."""
        return self.name in OWN_TABLES

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"
