"""A record of a real server, as `azure-postgres-cdc record` writes it: read and checked.

docs/rehearsal.md has the format. A record is built into SQL, so it is as much code as the program
beside it, and reviewed like it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT = 1
_FAULTS_SHOWN = 5


class RecordUnreadable(Exception):  # noqa: N818 - reads better where it is raised
    """A record that is none, in one line."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Role(_Part):
    """A role, without its password."""

    attributes: tuple[
        Literal[
            "BYPASSRLS",
            "CREATEDB",
            "CREATEROLE",
            "LOGIN",
            "NOINHERIT",
            "REPLICATION",
            "SUPERUSER",
        ],
        ...,
    ] = ()
    connectionLimit: int = -1  # noqa: N815 - the names of the file
    memberOf: dict[str, tuple[Literal["admin", "inherit", "set"], ...]] = Field(  # noqa: N815
        default_factory=dict
    )


class Slot(_Part):
    """A replication slot, without its position."""

    type: Literal["logical", "physical"]
    plugin: str | None = None
    database: str | None = None
    failover: bool = False


class UserType(_Part):
    """A type that is not PostgreSQL's own. An extension's is of the kind `base`."""

    kind: Literal["enum", "domain", "composite", "range", "base"]
    owner: str
    labels: tuple[str, ...] = ()
    base: str = ""
    subtype: str = ""
    columns: dict[str, str] = Field(default_factory=dict)


class Index(_Part):
    """A unique index on plain columns."""

    columns: tuple[str, ...]
    primaryKey: bool = False  # noqa: N815
    replicaIdentity: bool = False  # noqa: N815
    deferrable: bool = False
    partial: bool = False
    partitionOf: str = ""  # noqa: N815


class Table(_Part):
    """A table, a view, or whatever else has columns."""

    kind: Literal["table", "partitioned table", "view", "materialized view", "foreign table"] = (
        "table"
    )
    owner: str
    persistence: Literal["permanent", "unlogged"] = "permanent"
    replicaIdentity: Literal["default", "full", "nothing", "index"] = "default"  # noqa: N815
    rowSecurity: Literal["off", "on", "forced"] = "off"  # noqa: N815
    bytes: int = 0
    rows: int = 0
    partitionKey: str = ""  # noqa: N815
    partitionOf: str = ""  # noqa: N815
    bound: str = ""
    inherits: tuple[str, ...] = ()
    columns: dict[str, str]
    """What stands after each name in CREATE TABLE: type, NOT NULL, GENERATED STORED or VIRTUAL."""
    indexes: dict[str, Index] = Field(default_factory=dict)


class Schema(_Part):
    """A schema and what is in it."""

    owner: str
    privileges: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    types: dict[str, UserType] = Field(default_factory=dict)
    tables: dict[str, Table] = Field(default_factory=dict)


class Published(_Part):
    """A table in a publication."""

    columns: tuple[str, ...] = ()
    filter: str = ""


class Publication(_Part):
    """A publication."""

    owner: str
    allTables: bool = False  # noqa: N815
    publish: tuple[Literal["insert", "update", "delete", "truncate"], ...]
    viaPartitionRoot: bool = False  # noqa: N815
    generatedColumns: Literal["none", "stored"] = "none"  # noqa: N815
    tables: dict[str, Published] = Field(default_factory=dict)
    schemas: tuple[str, ...] = ()


class MadeInDatabase(_Part):
    """What the stack has made in a database."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    publications: tuple[str, ...] = ()


class Database(_Part):
    """A database that the stack captures."""

    stackMade: MadeInDatabase = MadeInDatabase()  # noqa: N815
    owner: str
    bytes: int = 0
    privileges: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    extensions: dict[str, str] = Field(default_factory=dict)
    schemas: dict[str, Schema]
    publications: dict[str, Publication] = Field(default_factory=dict)


class MadeOnServer(_Part):
    """What the stack has made on the server."""

    roles: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()


class InAzure(_Part):
    """What Azure says of the server."""

    storageGiB: int  # noqa: N815
    storageType: str  # noqa: N815
    autoGrow: bool  # noqa: N815
    highAvailability: bool  # noqa: N815
    inVirtualNetwork: bool  # noqa: N815
    parameters: dict[str, str] = Field(default_factory=dict)
    """Those configured."""
    pendingRestart: tuple[str, ...] = ()  # noqa: N815
    """Those of them that are not in effect yet."""


class Record(_Part):
    """A server with the databases that a stack captures."""

    format: Literal[1]
    stack: str
    postgresql: str = Field(pattern=r"^\d+\.\d+$")
    parameters: dict[str, str]
    """Those in effect."""
    roles: dict[str, Role]
    slots: dict[str, Slot] = Field(default_factory=dict)
    azure: InAzure | None = None
    stackMade: MadeOnServer = MadeOnServer()  # noqa: N815
    databases: dict[str, Database]

    @property
    def major(self) -> int:
        """PostgreSQL's major version."""
        return int(self.postgresql.partition(".")[0])

    @property
    def was_up(self) -> bool:
        """Whether the stack had been up when it was recorded."""
        return bool(self.stackMade.roles)


def read(file: Path) -> Record:
    """Read a record. Raises RecordUnreadable, in one line, where it is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RecordUnreadable(f"{file.name} is no record: {error}. {_REMEDY}") from None
    if isinstance(content, dict) and content.get("format") != FORMAT:
        raise RecordUnreadable(
            f"{file.name} has the format {content.get('format')!r}, and this reads {FORMAT}. "
            f"{_REMEDY}"
        )
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        faults = [_readable(item["loc"], item["msg"]) for item in error.errors()]
        more = len(faults) - _FAULTS_SHOWN
        shown = "; ".join(faults[:_FAULTS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise RecordUnreadable(f"{file.name} is no record: {shown}. {_REMEDY}") from None


_REMEDY = "Remedy: azure-postgres-cdc record, run by someone with access, writes it again"


def _readable(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in location)
    return f"{where}: {message}" if where else message
