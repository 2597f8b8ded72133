"""What an upgrade remembers on disk, so that it can be killed at any moment and go on.

It is written before what it makes possible to undo is done. Each step looks at the world all the
same: the record only holds what the world does not tell any more. No secret is in it.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.command_line import writing
from azure_postgres_cdc.operations.stack import Stack


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatabaseRecord(_Record):
    """The fence of one database."""

    read_only_before: str | None = None
    """What default_transaction_read_only was set to for the database. None where it was not."""
    is_to_give_back: bool = False
    """Whether that is known, and the database was, or is about to be, made read-only."""
    fenced_at: str = ""
    """The server's clock once new sessions were read-only. Empty until then."""


class ConnectorRecord(_Record):
    """What was proved of one slot before it was dropped."""

    marker: str = ""
    """Names the marker row."""
    marker_lsn: str = ""
    """The marker's commit is at or past this."""
    position: str = ""
    """`confirmed_flush_lsn`: known once everything was proved, before the slot is dropped."""
    system: str = ""
    timeline: int = 0
    failover: bool = False
    tables: dict[str, int] = Field(default_factory=dict)
    """The OID of every published table: pg_upgrade keeps it, a dump and restore does not."""
    written: int = 0
    """Rows ever written to the captured tables, when the position was written down."""
    quiet: bool = False
    """Nothing was written on the new server before the slot was created there."""
    is_dropped: bool = False
    """This upgrade has dropped the slot: one that is there on the old server is another."""
    is_made_again: bool = False
    """The slot was created on the new server, and recorded: from here on, a loss is one."""
    unproven: list[str] = Field(default_factory=list)
    """Why a snapshot is needed afterwards. Empty as long as everything was proved."""

    @property
    def is_let_go(self) -> bool:
        """Whether the slot may be gone: from here on, that is no loss."""
        return bool(self.position)


class State(_Record):
    """One upgrade of one stack."""

    stack: str
    version: int
    """The major version before."""
    to: int
    read_only_database: bool = False
    keep_slots: bool = False
    """The user's pg_upgrade keeps logical slots (from PostgreSQL 17 on), so none is dropped."""
    databases: dict[str, DatabaseRecord] = Field(default_factory=dict)
    connectors: dict[str, ConnectorRecord] = Field(default_factory=dict)
    """By the name of the slot, which is unique on a server."""
    finished: str = ""
    """How it ended; empty while it goes on."""

    def database(self, name: str) -> DatabaseRecord:
        """What is remembered of a database."""
        return self.databases.setdefault(name, DatabaseRecord())

    def connector(self, slot: str) -> ConnectorRecord:
        """What is remembered of a slot."""
        return self.connectors.setdefault(slot, ConnectorRecord())


def default_file(stack: Stack) -> Path:
    """Beside the stack's file, under a name that Pulumi does not take for a stack."""
    return stack.config_dir / f"upgrade.{stack.name}.json"


def read(file: Path) -> State | None:
    """What is on disk; None where no upgrade was begun."""
    try:
        return State.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError):
        raise CdcError(
            f"{file} is no record of an upgrade: somebody has edited it. Remedy: put it right from "
            "a copy; without it, an upgrade that was begun cannot prove what it has done"
        ) from None


def write(state: State, file: Path) -> None:
    """Replace the file as a whole: whoever is killed meanwhile leaves the old one or the new."""
    fresh = file.with_name(f".{file.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with writing(file), os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(state.model_dump_json(indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
