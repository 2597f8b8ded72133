"""The factory for servers made with PUT: an embedded PostgreSQL for each."""

from __future__ import annotations

from azure_postgres_rehearsal import distributions
from azure_postgres_rehearsal.embedded import EmbeddedPostgres


class EmbeddedFactory:
    """Makes embedded servers of the versions that this machine has.

    `made`: all of them, in order; `admin_replication`: as on EmbeddedPostgres.
    """

    def __init__(self, *, admin_replication: bool = True) -> None:
        self.majors = distributions.majors()
        self.made: list[EmbeddedPostgres] = []
        self._admin_replication = admin_replication

    def __call__(self, major: int, login: str, password: str) -> EmbeddedPostgres:
        """A running server whose administrator is as asked for."""
        server = EmbeddedPostgres(
            major, admin_user=login, admin_replication=self._admin_replication
        )
        server.admin_password = password
        server.__enter__()
        self.made.append(server)
        return server
