"""What the checks of one connector look at."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

from azure_postgres_cdc.database import partition_names, publication_catalog, slot_catalog, tables
from azure_postgres_cdc.database.capture import CaptureArgs
from azure_postgres_cdc.database.connection import Connection, connect
from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.database.slot_catalog import Slot
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.plan import Plan


@dataclass(frozen=True)
class Subject:
    """One connector: what it was given, what the stack wants, and ways to look."""

    stack: Stack
    form: Form
    plan: Plan
    connection: Connection
    """As the connector's user, each statement by itself."""
    administrator: Administrator

    @cached_property
    def captured(self) -> list[TableName]:
        """The tables that the stack's capture set means now, whether they are there or not."""
        return captured_now(self.connection, self.plan.capture, self.form.own_tables)

    @cached_property
    def published_names(self) -> list[TableName]:
        """The names under which their changes arrive: those of partitions, where no root stands for
        them."""
        via_root = self.plan.publication_options.via_partition_root
        found = partition_names.find(self.connection, self.captured, (), via_root=via_root)
        return sorted(partition_names.instead_of_roots(self.captured, found))

    @cached_property
    def slot(self) -> Slot | None:
        """The connector's slot; None where there is none."""
        return slot_catalog.find(self.connection, self.form.slot)

    @property
    def own_slot(self) -> Slot | None:
        """The same; None also where that is somebody else's, to be left alone."""
        return self.slot if self.slot and self.slot.fits(self.form.database) else None

    @cached_property
    def published(self) -> Definition | None:
        """The connector's publication; None where there is none."""
        return publication_catalog.find(self.connection, self.form.publication)

    @property
    def storage_bytes(self) -> int:
        """The size of the server's storage. Raises a CdcError where Azure does not tell it."""
        return self.stack.storage_bytes

    @property
    def version(self) -> int:
        """PostgreSQL's number, such as 170010."""
        return self.connection.info.server_version


class Administrator:
    """The administrator's connection, opened at its first use. A context manager."""

    def __init__(self, login: Mapping[str, Any], database: str) -> None:
        self._login = login
        self._database = database
        self._exits = ExitStack()

    def __enter__(self) -> Administrator:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(CdcError):  # lost meanwhile: whoever has used it has been told
            self._exits.close()

    @cached_property
    def connection(self) -> Connection:
        """Raises a CdcError where there is none to be had."""
        opened = connect(self._login, self._database, autocommit=True)
        return self._exits.enter_context(opened)


def captured_now(
    connection: Connection, capture: CaptureArgs, own: frozenset[TableName]
) -> list[TableName]:
    """What a capture set means at this moment, the connector's own tables left out."""
    if capture.get("tables"):
        found = {TableName.parse(text) for text in capture["tables"]}
    else:
        schemas = capture.get("schemas") or tables.user_schemas(connection)
        found = set(tables.in_schemas(connection, schemas))
    return sorted(found - own)
