"""Importing a library where it is first used, by one thread at a time.

psycopg and Microsoft's libraries take a tenth of a second to a second, which most runs do without.
The engine works at several resources at once, each in a thread of its own; and where modules import
each other, a second thread finds them half imported, or Python gives up ("deadlock detected").
"""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib import import_module
from typing import Any

# Again by the same thread, where one of our modules imports another one in this way.
_one_at_a_time = threading.RLock()


def imported(module: str) -> Any:
    """The module of this name, whole."""
    with _one_at_a_time:
        return import_module(module)


def import_ahead(*modules: str) -> None:
    """Begin to import what will be needed, and go on meanwhile.

    Whoever needs what cannot be imported is told then, and there.
    """

    def begin() -> None:
        with suppress(Exception):
            for module in modules:
                imported(module)

    threading.Thread(target=begin, daemon=True).start()
