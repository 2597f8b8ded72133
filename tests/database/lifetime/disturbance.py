"""What comes between two statements of an `up`: its process or its session ends, a table goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from azure_postgres_cdc.database import connection as connections
from azure_postgres_cdc.database import idle_connections


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the process runs any more, and its sessions end."""


class Disturbance:
    """Does something before a statement, once, counted from when it is asked for."""

    def __init__(self) -> None:
        self._left = -1
        self._action: Callable[[Any], None] = lambda _: None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have every connection of the module's counted."""
        opened = connections._open

        def counting(*args: Any, **options: Any) -> Any:
            found = opened(*args, **options)
            execute = found.execute

            def counted(query: Any, *parameters: Any, **more: Any) -> Any:
                if query != "DISCARD ALL":
                    self._count(found)
                return execute(query, *parameters, **more)

            found.execute = counted  # type: ignore[method-assign]
            return found

        monkeypatch.setattr(connections, "_open", counting)

    def kill(self, after: int) -> None:
        def action(_: Any) -> None:
            raise Killed

        self._left, self._action = after, action

    def terminate(self, after: int) -> None:
        """The session is ended by somebody."""

        def action(connection: psycopg.Connection[Any]) -> None:
            # As the server does it: the next statement finds out.
            connection.cancel()
            connection.pgconn.finish()

        self._left, self._action = after, action

    def meanwhile(self, after: int, what: Callable[[], None]) -> None:
        def action(_: Any) -> None:
            what()

        self._left, self._action = after, action

    def calm(self) -> None:
        self._left = -1
        idle_connections.close_all()

    def _count(self, connection: Any) -> None:
        if self._left == 0:
            self._left = -1
            self._action(connection)
        elif self._left > 0:
            self._left -= 1
