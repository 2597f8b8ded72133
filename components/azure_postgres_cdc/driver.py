"""psycopg, imported when it is first used.

The process that runs the dynamic resources talks to PostgreSQL. The program, which declares them,
does so only where a role is new to the stack (`adoption.py`): importing psycopg there would cost
every other `pulumi up` a tenth of a second for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure_postgres_cdc.importing import imported

__all__ = ["psycopg", "sql"]


class _Later:
    """Stands for a module until something of it is asked for."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(imported(self._module), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import psycopg
    from psycopg import sql
else:
    psycopg, sql = _Later("psycopg"), _Later("psycopg.sql")
