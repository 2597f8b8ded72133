"""What every step of an upgrade works with: the stack, the record, and ways to look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import Connection, connect, rows
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.operations.upgrade import state as records
from azure_postgres_cdc.operations.upgrade.state import ConnectorRecord, State
from azure_postgres_cdc.progress import Say, silent
from azure_postgres_cdc.server_args import NONE

_OIDS = """
SELECT format('%%I.%%I', schemaname, tablename),
       format('%%I.%%I', schemaname, tablename)::regclass::oid::bigint
FROM pg_publication_tables WHERE pubname = %s ORDER BY 1
"""
# Rows of the leaves, where a root is published.
_WRITTEN = """
WITH RECURSIVE published AS (
    SELECT unnest(%s::bigint[])::oid AS relid
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN published p ON p.relid = i.inhparent)
SELECT coalesce(sum(pg_stat_get_tuples_inserted(relid) + pg_stat_get_tuples_updated(relid)
                    + pg_stat_get_tuples_deleted(relid)), 0)::bigint
FROM published
"""


class NotYet(CdcError):  # noqa: N818 - reads better where it is caught
    """Patience has ended, and nothing else is wrong."""


@dataclass
class Upgrade:
    """One run of the command."""

    stack: Stack
    state: State
    file: Path
    say: Say
    """Takes a line for the person who watches."""
    at: Say = silent
    """Takes what it is at, for as long as it is."""
    terminate: bool = False
    """Sessions that can still write are ended."""
    snapshot_afterwards: bool = False
    """What cannot be proved does not stop it, but makes a snapshot necessary."""
    patience: float = 3600
    """Seconds that one step waits for somebody else."""
    pause: float = 1
    """Seconds between two looks."""

    @property
    def forms(self) -> tuple[Form, ...]:
        """The stack's connectors."""
        return self.stack.forms

    @property
    def databases(self) -> list[str]:
        """Their databases."""
        return sorted({form.database for form in self.forms})

    @property
    def is_in_azure(self) -> bool:
        """Whether the server's version is changed through Azure's management API."""
        return self.stack.settings.server.management != NONE

    def forms_in(self, database: str) -> list[Form]:
        """The connectors of one database."""
        return [form for form in self.forms if form.database == database]

    def record(self, form: Form) -> ConnectorRecord:
        """What is remembered of a connector's slot."""
        return self.state.connector(form.slot)

    def save(self) -> None:
        """Bring the record to the disk."""
        records.write(self.state, self.file)

    @contextmanager
    def connect(self, database: str) -> Iterator[Connection]:
        """The administrator's connection, each statement by itself, which the fence lets write."""
        forms = self.forms_in(database) or self.forms  # a database may have left the stack
        login = self.stack.administrator_at(forms[0].hostname if forms else "")
        with connect(login, database, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            yield connection

    def version(self) -> int:
        """The server's major version now."""
        with self.connect(self._any_database()) as connection:
            return capabilities.major(connection.info.server_version)

    def has_database(self, name: str) -> bool:
        """Whether the server has a database that is not the stack's, or not any more."""
        with self.connect(self._any_database()) as connection:
            return bool(rows(connection, "SELECT FROM pg_database WHERE datname = %s", name))

    def _any_database(self) -> str:
        """Raises a CdcError where neither the stack nor the record has any."""
        if not self.forms and not self.state.databases:
            self.stack.forms_of(None)
        return min(self.databases or self.state.databases)

    @property
    def is_upgraded(self) -> bool:
        """Whether the server has the new version."""
        return self.version() >= self.state.to

    def wait(self, is_over: Callable[[], bool], what: str) -> None:
        """Look again and again. Raises NotYet where patience ends; the same run goes on."""
        deadline = time.monotonic() + self.patience
        while not is_over():
            if time.monotonic() > deadline:
                raise NotYet(
                    f"{what} after {self.patience:.0f} s. Nothing is lost. Remedy: the same "
                    "command again, which goes on from here, or azure-postgres-cdc upgrade abort"
                )
            time.sleep(self.pause)

    def doubt(self, form: Form, reason: str) -> None:
        """Go on without a proof, where the user wants that: a snapshot is needed afterwards."""
        what, _, remedy = reason.partition(". Remedy: ")
        if not self.snapshot_afterwards:
            raise CdcError(
                f"{what}. Remedy: {remedy or 'mend it and run the same command again'}; or go on "
                "with --snapshot-afterwards, and snapshot every captured table"
            )
        self.remember_doubt(form, what)

    def remember_doubt(self, form: Form, reason: str) -> None:
        """What has happened already cannot be mended by stopping."""
        record = self.record(form)
        if reason not in record.unproven:
            record.unproven.append(reason)
            self.save()
            self.say(f"NOT PROVED: {reason}; a snapshot will be needed")


class Step(Protocol):
    """One step: true or not, whoever made it so."""

    name: str

    def is_true(self, run: Upgrade) -> bool:
        """Look at the world. Changes nothing."""

    def make_true(self, run: Upgrade) -> None:
        """Do it, or wait for it. Raises a CdcError of one line where it cannot be."""

    def evidence(self, run: Upgrade) -> str:
        """What there is to see once it is true."""


def published_oids(connection: Connection, form: Form) -> dict[str, int]:
    """The published tables and their OIDs, the connector's own left out."""
    own = {str(table) for table in form.own_tables}
    return {name: oid for name, oid in rows(connection, _OIDS, form.publication) if name not in own}


def rows_written(connection: Connection, form: Form) -> int:
    """How many rows of the captured tables were written, ever since the server counts."""
    oids = list(published_oids(connection, form).values())
    return int(rows(connection, _WRITTEN, oids)[0])
