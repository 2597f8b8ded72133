"""A stack's settings, validated at the edge: from YAML to the components' arguments.

Every wrong, missing or unknown key is found, all of them at once, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, StrictBool, ValidationError, model_validator

from azure_postgres_cdc.acknowledge import former_database
from azure_postgres_cdc.connector import FormArgs
from azure_postgres_cdc.consistency import inconsistencies
from azure_postgres_cdc.database.capture import CaptureArgs
from azure_postgres_cdc.database.grants import GrantsArgs
from azure_postgres_cdc.names import DEFAULT_PUBLICATION, DEFAULT_SLOT, TableName
from azure_postgres_cdc.placeholders import with_placeholders
from azure_postgres_cdc.plan import ConnectorArgs, identity_faults
from azure_postgres_cdc.publication_options import CHANGES, PublicationArgs, option_faults
from azure_postgres_cdc.server_args import CREATE, DEFAULT_DATABASE, CdcServerArgs, faults_of_server
from azure_postgres_cdc.server_settings import Connection, Server
from azure_postgres_cdc.setting_types import (
    Identifier,
    IndexByTable,
    Lsn,
    PlainSchema,
    Port,
    RoleName,
    SettingsModel,
    SlotName,
    Table,
    Text,
    YesNoOrTables,
)
from azure_postgres_cdc.slot_options import SlotArgs

UNNAMED = "postgresql"
_FAULTS_SHOWN_OF_A_FILE = 20


class Capture(SettingsModel):
    """`capture`: what is captured, said in exactly one of four ways."""

    tables: tuple[Table, ...] | None = Field(default=None, min_length=1)
    tablesFile: Text | None = None  # noqa: N815
    """A file relative to the project's root: one such name a row, no header."""
    schemas: tuple[Identifier, ...] | None = Field(default=None, min_length=1)
    allTables: Literal[True] | None = None  # noqa: N815

    def arguments(self, root: Path) -> CaptureArgs:
        """The component's argument; a file is read now."""
        if self.tablesFile is not None:
            return {"tables": read_tables(root / self.tablesFile)}
        found = self.model_dump(exclude_none=True)
        return {key: list(value) if key != "allTables" else True for key, value in found.items()}  # type: ignore[return-value]


class Ssh(SettingsModel):
    """`connector.ssh`: the tunnel through which the connector reaches the database."""

    host: Text
    port: Port = 22
    user: Text = "streamkap"


class Connector(SettingsModel):
    """`connector`: the rest of the connector's form."""

    name: Text | None = None
    sslMode: Literal["require", "disable"] = "require"  # noqa: N815
    ssh: Ssh | None = None
    signalSchema: PlainSchema | None = None  # noqa: N815
    heartbeatSchema: Identifier | None = None  # noqa: N815
    prefixWithDatabaseName: StrictBool = False  # noqa: N815
    binaryHandling: Literal["bytes", "base64", "base64-url-safe", "hex"] = "bytes"  # noqa: N815

    def arguments(self) -> FormArgs:
        """The component's argument: what is set."""
        return self.model_dump(exclude_none=True)  # type: ignore[return-value]


class Grants(SettingsModel):
    """`grants`: how much of the page's grants the group role gets."""

    create: StrictBool = True
    tables: Literal["all", "captured"] = "all"
    readAllData: StrictBool = False  # noqa: N815


class Database(SettingsModel):
    """One item of `databases`: a database and one connector on it."""

    name: Identifier
    """The database. A new name is refused until `acknowledge` has the word."""
    capture: Capture
    """What is captured: exactly one of its keys."""
    owners: tuple[Identifier, ...] = ()
    grants: Grants = Grants()
    dropSignalTable: StrictBool = False  # noqa: N815
    snapshots: Literal["signal-table", "read-only"] = "signal-table"
    heartbeat: StrictBool = False
    replicaIdentityFull: YesNoOrTables = False  # noqa: N815
    replicaIdentityIndex: IndexByTable = Field(default_factory=dict)  # noqa: N815
    allowWithoutIdentity: tuple[Table, ...] = ()  # noqa: N815
    columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rowFilters: dict[str, str] = Field(default_factory=dict)  # noqa: N815
    publish: tuple[str, ...] = CHANGES
    publishViaPartitionRoot: StrictBool = True  # noqa: N815
    generatedColumns: Literal["none", "stored"] = "none"  # noqa: N815
    tablesInSchema: StrictBool = False  # noqa: N815
    acknowledge: tuple[str, ...] = ()
    publication: Identifier = DEFAULT_PUBLICATION
    slot: SlotName = DEFAULT_SLOT
    createSlot: StrictBool = True  # noqa: N815
    slotFailover: StrictBool | None = None  # noqa: N815
    onDestroy: Literal["refuse", "drop", "retain"] = "refuse"  # noqa: N815
    acknowledgeLostSlot: Lsn | None = None  # noqa: N815
    user: RoleName | None = None
    """This connector's own login. Default: `server.user`."""
    role: RoleName | None = None
    """The group role that gets this connector's grants. Default: `server.role`."""
    connector: Connector = Connector()
    """The rest of the connector's form."""

    @model_validator(mode="after")
    def _publication_is_possible(self) -> Database:
        tables_known = self.capture.tablesFile is None
        capture = self.capture.arguments(Path()) if tables_known else None
        beside = {"snapshots": self.snapshots, "heartbeat": self.heartbeat}
        args = {**self._publication_arguments(), **beside}
        faults = list(option_faults(args, capture))
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _publication_arguments(self) -> PublicationArgs:
        return {
            "columns": {table: list(names) for table, names in self.columns.items()},
            "rowFilters": dict(self.rowFilters),
            "publish": list(self.publish),
            "publishViaPartitionRoot": self.publishViaPartitionRoot,
            "generatedColumns": self.generatedColumns,
            "tablesInSchema": self.tablesInSchema,
            "acknowledge": list(self.acknowledge),
        }

    def arguments(self, server: Server, root: Path) -> ConnectorArgs:
        """The component's argument, the server's names filled in."""
        full = self.replicaIdentityFull
        return {
            "capture": self.capture.arguments(root),
            "user": self.user or server.user,
            "role": self.role or server.role,
            "publication": self.publication,
            "slot": self.slot,
            "snapshots": self.snapshots,
            "heartbeat": self.heartbeat,
            "replicaIdentityFull": full if isinstance(full, bool) else list(full),
            "replicaIdentityIndex": self.replicaIdentityIndex,
            "allowWithoutIdentity": list(self.allowWithoutIdentity),
            "owners": list(self.owners),
            "grants": cast(GrantsArgs, self.grants.model_dump()),
            "dropSignalTable": self.dropSignalTable,
            "form": self.connector.arguments(),
            **self._publication_arguments(),
            **self._slot_arguments(),
        }

    def _slot_arguments(self) -> SlotArgs:
        found = ("createSlot", "slotFailover", "onDestroy", "acknowledgeLostSlot")
        return cast(SlotArgs, self.model_dump(include=set(found), exclude_none=True))


class Settings(SettingsModel):
    """All of a stack's settings but the secrets."""

    server: Server
    """The flexible server, and what belongs to the whole of it."""
    connection: Connection
    """How to reach PostgreSQL as the administrator."""
    databases: tuple[Database, ...] = ()
    """What is captured: at least one database, but for a server that is only being made."""

    @property
    def name(self) -> str:
        """The server's name. Without one it is not the host's: that may change, the slots stay."""
        return self.server.name or UNNAMED

    @property
    def users(self) -> dict[str, list[str]]:
        """Every connector's login, with the group roles that it needs."""
        found: dict[str, set[str]] = {}
        for item in self.databases:
            roles = found.setdefault(item.user or self.server.user, set())
            roles.add(item.role or self.server.role)
        return {user: sorted(roles) for user, roles in found.items()}

    @property
    def read_all_data(self) -> list[str]:
        """The group roles of which any connector wants it: a role is the whole server's."""
        found = (item for item in self.databases if item.grants.readAllData)
        return sorted({item.role or self.server.role for item in found})

    def server_arguments(self) -> CdcServerArgs:
        """The arguments of CdcServer, secrets left out."""
        names = list(dict.fromkeys(item.name for item in self.databases))
        found: dict[str, Any] = {
            **self.server.arguments(),
            "connection": self.connection.model_dump(exclude_none=True),
            "connectors": len(self.databases),
            "users": self.users,
        }
        if self.read_all_data:
            found["readAllData"] = self.read_all_data
        if self.server.management == CREATE:
            found |= {"database": DEFAULT_DATABASE, "databases": names}
        elif names:
            found["database"] = min(names)  # whatever their order
        return cast(CdcServerArgs, found)

    def former_names(self) -> dict[str, str]:
        """The databases that were renamed, as their words say, and what each was called before."""
        names = {item.name for item in self.databases}
        found = {item.name: former_database(item.acknowledge, item.name) for item in self.databases}
        # One that is captured still was not renamed.
        return {name: old for name, old in found.items() if old and old not in names}

    def connectors_by_database(self, root: Path) -> dict[str, list[ConnectorArgs]]:
        """A database that stands in the list twice is one source with two connectors."""
        found: dict[str, list[ConnectorArgs]] = {}
        for item in self.databases:
            found.setdefault(item.name, []).append(item.arguments(self.server, root))
        return found


def parse(values: Mapping[str, Any], root: Path) -> tuple[Settings | None, list[str]]:
    """The settings, or None and every fault. `root` is what `tablesFile` is relative to."""
    settings, faults = None, []
    try:
        settings = Settings.model_validate(dict(values))
    except ValidationError as error:
        faults = [line for item in error.errors() for line in _readable(item)]
    faults += [*inconsistencies(values), *_files_faults(values, root)]
    if settings is not None:
        faults += [fault for fault in _server_faults(settings) if fault not in faults]
    if settings is not None and not faults:
        faults += _identity_faults(settings, root)
    faults = with_placeholders(values, faults)
    return (None, faults) if faults else (settings, [])


def _identity_faults(settings: Settings, root: Path) -> Iterator[str]:
    """What the sources would refuse: it takes all connectors of a database to see it."""
    if not any(item.replicaIdentityIndex for item in settings.databases):
        return  # nothing else gives a table two, and ten thousand names are left alone
    for name, connectors in settings.connectors_by_database(root).items():
        yield from (f"database {name}: {fault}" for fault in identity_faults(connectors))


def _server_faults(settings: Settings) -> list[str]:
    """What CdcServer would refuse. What is missing has been said before, and so have the names."""
    given = settings.server_arguments()
    assumed = {"resourceGroup": "?", "serverName": "?", "create": {"sku": "Standard_D2ds_v5"}}
    if settings.server.management != CREATE:
        del assumed["create"]
    connection = {"host": "?", **given["connection"]}
    if settings.connection.auth == "password":
        connection["password"] = "?"  # noqa: S105 - stands for one
    args = {**assumed, **given, "connection": connection, "users": {}}
    return [_placed(fault) for fault in faults_of_server(cast(CdcServerArgs, args))]


def _placed(fault: str) -> str:
    """A fault of CdcServer's arguments, with the key that the stack has it under."""
    return fault if fault.startswith("connection.") else f"server: {fault}"


def _files_faults(values: Mapping[str, Any], root: Path) -> Iterator[str]:
    databases = values.get("databases")
    for index, item in enumerate(databases if isinstance(databases, list) else ()):
        capture = item.get("capture") if isinstance(item, Mapping) else None
        file = capture.get("tablesFile") if isinstance(capture, Mapping) else None
        if isinstance(file, str) and file:
            for fault in _file_faults(root / file):
                yield f"databases[{index}].capture.tablesFile: {fault}"


def read_tables(file: Path) -> list[str]:
    """The tables of a file: one name a row, as in SQL, no header; empty rows do not count."""
    return [str(TableName.parse(row)) for _, row in _table_rows(file)]


def _table_rows(file: Path) -> Iterator[tuple[int, str]]:
    text = file.read_text(encoding="utf-8-sig")
    for number, row in enumerate(text.splitlines(), start=1):
        if row.strip():
            yield number, row.strip()


def _file_faults(file: Path) -> list[str]:
    try:
        found = list(_table_rows(file))
    except OSError as error:
        return [
            f"{file.name} cannot be read: {error.strerror}; the path is relative to the project"
        ]
    except UnicodeDecodeError:
        return [f"{file.name} is not UTF-8 text"]
    except ValueError:  # a zero byte in the path
        return [f"{file.name!r} is no name of a file"]
    if not found:
        return [f"{file.name} names no table"]
    faults = []
    for number, row in found:
        try:
            TableName.parse(row)
        except ValueError as error:
            faults.append(f"{file.name}:{number}: {error}")
    more = len(faults) - _FAULTS_SHOWN_OF_A_FILE
    return faults[:_FAULTS_SHOWN_OF_A_FILE] + ([f"and {more} more"] if more > 0 else [])


def _readable(error: Any) -> Iterator[str]:
    """One of pydantic's errors, in the words of the house: which key, what is wrong."""
    where = _path(error["loc"])
    kind, message = error["type"], error["msg"].removeprefix("Value error, ")
    prefix = f"{where}: " if where else ""
    found = error["input"]
    if kind == "too_short" and found:
        return  # pydantic counts what is right only, and each item's own faults are listed
    if kind in _IN_OUR_WORDS:
        yield f"{prefix}{_IN_OUR_WORDS[kind]}"
    elif kind == "value_error":
        plain = isinstance(found, str) and found and repr(found) not in message
        shown = f"{found!r} " if plain else ""
        yield from (f"{prefix}{shown}{line}" for line in message.splitlines())
    else:
        # What is in a mapping or a list is not shown either.
        plain = found is None or isinstance(found, (str, int, float))
        yield f"{prefix}{message}" + (f" (found: {found!r})" if plain else "")


_IN_OUR_WORDS = {
    "missing": "is missing",
    # Its value is not shown: it may be a password in the wrong place.
    "extra_forbidden": "is no known key; check its spelling",
    "model_type": "is no mapping of keys to values",
    "tuple_type": "is no list",
    "dict_type": "is no mapping of names to values",
    "too_short": "is empty",
    "string_too_short": "is empty",
}


def _path(location: tuple[str | int, ...]) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith("?"):  # a tag, not a key
            text += f".{part}" if text else part
    return text
