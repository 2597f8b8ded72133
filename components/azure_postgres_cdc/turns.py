"""A few databases at a time: the next one begins when one of them is done.

Pulumi goes on with all databases at once, from resource to resource. Each of them needs a
connection to its own database, which only the next resource of the same database can use again:
with fifty databases in step, every resource would open its own.
"""

from __future__ import annotations

import pulumi

from azure_postgres_cdc.database.idle_connections import MOST


class Turns:
    """The order in which the databases of one server have their turn."""

    def __init__(self) -> None:
        self._ends: list[pulumi.Resource] = []

    def begin(self, database: str) -> pulumi.Input[str]:
        """The database's name, once it is its turn.

        Waited for, and no dependency in the state: one database has nothing to do with another.
        """
        if len(self._ends) < MOST:
            return database
        before = self._ends[-MOST]

        async def in_turn() -> str:
            await before.urn.future()
            return database

        return in_turn()

    def end(self, last: pulumi.Resource) -> None:
        """The database is done with this resource."""
        self._ends.append(last)
