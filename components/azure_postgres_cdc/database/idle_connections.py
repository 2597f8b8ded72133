"""Connections that nobody uses at the moment, kept for a few seconds for the next who needs one.

Every resource looks at the server, and a new connection costs several round trips each time. Kept
is only one on which nothing failed, and nobody gets it before the server has answered and forgotten
what was set on it (DISCARD ALL): none that is dead, and none with another one's settings, is used.
That is asked when a connection is kept, so that the answer may be there when it is needed, and not
where somebody has only looked. None stays open for long, in the way of a DROP DATABASE.
"""

from __future__ import annotations

import atexit
import contextlib
import select
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

from azure_postgres_cdc.driver import psycopg

# As text, so that the program does not import psycopg for it.
Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

MOST = 4
"""As many as Pulumi lets resources of this package work at a time. Servers have few to spare."""
SECONDS = 5.0


@dataclass(eq=False)
class _Idle:
    key: Hashable
    connection: Connection
    timer: threading.Timer


_idle: list[_Idle] = []
_lock = threading.Lock()


def take(key: Hashable) -> Connection | None:
    """A connection that was kept under this key, as good as new; in autocommit mode."""
    while True:
        with _lock:
            found = next((item for item in _idle if item.key == key), None)
            if found is None:
                return None
            _idle.remove(found)
        found.timer.cancel()
        if _has_answered(found.connection.pgconn):
            return found.connection
        found.connection.close()


def keep(key: Hashable, connection: Connection, *, forgets: bool) -> None:
    """Keep a connection on which no transaction is open; the oldest makes room for it.

    `forgets`: something may have been set on it.
    """
    connection.autocommit = True
    if forgets:
        try:
            connection.pgconn.send_query(b"DISCARD ALL")
        except psycopg.Error:
            connection.close()
            return
    timer = threading.Timer(SECONDS, _expire, [connection])
    timer.daemon = True
    with _lock:
        _idle.append(_Idle(key, connection, timer))
        too_many = [_idle.pop(0) for _ in range(len(_idle) - MOST)]
    timer.start()
    for item in too_many:
        item.timer.cancel()
        item.connection.close()


@atexit.register
def close_all() -> None:
    """Keep none any longer."""
    with _lock:
        closing = list(_idle)
        _idle.clear()
    for item in closing:
        item.timer.cancel()
        item.connection.close()


def _has_answered(connection: psycopg.pq.abc.PGconn) -> bool:
    """Whether the server has done what it was asked for last, and is still there."""
    deadline = time.monotonic() + SECONDS
    try:
        while connection.is_busy():
            left = deadline - time.monotonic()
            if left < 0:
                return False
            select.select([connection.socket], [], [], left)
            connection.consume_input()
        results = list(iter(connection.get_result, None))
        while select.select([connection.socket], [], [], 0)[0]:
            connection.consume_input()  # fails on one that the server has closed since
    except (psycopg.Error, OSError, ValueError):
        return False
    done = all(result.status == psycopg.pq.ExecStatus.COMMAND_OK for result in results)
    return done and connection.status == psycopg.pq.ConnStatus.OK


def _expire(connection: Connection) -> None:
    with _lock:
        mine = [item for item in _idle if item.connection is connection]
        for item in mine:
            _idle.remove(item)
    if mine:
        with contextlib.suppress(psycopg.Error):
            connection.close()
