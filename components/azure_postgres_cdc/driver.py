"""psycopg, imported when it is first used.

The process that runs the dynamic resources talks to PostgreSQL. The program, which declares them,
does so only where a role is new to the stack (`adoption.py`): importing psycopg there would cost
every other `pulumi up` a tenth of a second for nothing.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["psycopg", "sql"]

# At a refresh, the engine asks for several resources at once: two threads that import psycopg at
# the same time find it half imported, because its modules import each other.
_one_at_a_time = threading.Lock()


class _Later:
    """Stands for a module until something of it is asked for."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        with _one_at_a_time:
            found = getattr(import_module(self._module), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import psycopg
    from psycopg import sql
else:
    psycopg, sql = _Later("psycopg"), _Later("psycopg.sql")
