"""A stack's settings, validated at the edge: from YAML to the components' arguments.

Every wrong, missing or unknown key is found, all of them at once, before anything is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    Tag,
    ValidationError,
)

from azure_postgres_cdc.connector import FormArgs
from azure_postgres_cdc.consistency import inconsistencies
from azure_postgres_cdc.database.capture import CaptureArgs
from azure_postgres_cdc.names import (
    DEFAULT_PUBLICATION,
    DEFAULT_ROLE,
    DEFAULT_SLOT,
    DEFAULT_USER,
    TableName,
    identifier_fault,
    role_fault,
    slot_fault,
)
from azure_postgres_cdc.plan import ConnectorArgs

UNNAMED = "postgresql"
_SERVER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_FAULTS_SHOWN_OF_A_FILE = 20


def _identifier(name: str) -> str:
    fault = identifier_fault(name)
    if fault:
        raise ValueError(fault)
    return name


def _role(name: str) -> str:
    fault = role_fault(name)
    if fault:
        raise ValueError(fault)
    return name


def _slot(name: str) -> str:
    fault = slot_fault(name)
    if fault:
        raise ValueError(fault)
    return name


def _table(text: str) -> str:
    return str(TableName.parse(text))


def _plain_schema(name: str) -> str:
    if not _PLAIN.fullmatch(_identifier(name)):
        raise ValueError(
            "needs quotes in SQL, with which the connector (Debezium) does not start: use letters, "
            "digits and underscores"
        )
    return name


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("is no number")
    return value


def _server_name(name: str) -> str:
    if not _SERVER_NAME.fullmatch(name):
        raise ValueError(
            "is no server name: 3 to 63 lower-case letters, digits and inner hyphens (Azure's rule)"
        )
    return name


Identifier = Annotated[str, AfterValidator(_identifier)]
RoleName = Annotated[str, AfterValidator(_role)]
SlotName = Annotated[str, AfterValidator(_slot)]
Table = Annotated[str, AfterValidator(_table)]
PlainSchema = Annotated[str, AfterValidator(_plain_schema)]
ServerName = Annotated[str, AfterValidator(_server_name)]
# Told apart before they are looked at, so that a fault is one fault.
YesNoOrTables = Annotated[
    Annotated[bool, Tag("?bool")] | Annotated[tuple[Table, ...], Tag("?list")],
    Discriminator(lambda value: "?list" if isinstance(value, (list, tuple)) else "?bool"),
]
Port = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=65535)]
SslMode = Literal["require", "verify-ca", "verify-full", "disable"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Settings):
    """`server`: the flexible server, and the names of the connector's roles on it."""

    management: Literal["existing", "none"]
    resourceGroup: str | None = Field(default=None, min_length=1, max_length=90)  # noqa: N815
    name: ServerName | None = None
    restart: Literal["when-needed", "never"] = "never"
    user: RoleName = DEFAULT_USER
    role: RoleName = DEFAULT_ROLE
    pglogical: StrictBool = True


class Connection(_Settings):
    """`connection`: how to reach PostgreSQL as the administrator."""

    host: str | None = Field(default=None, min_length=1)
    port: Port = 5432
    user: Identifier
    sslMode: SslMode = "require"  # noqa: N815
    sslRootCert: str | None = Field(default=None, min_length=1)  # noqa: N815


class Capture(_Settings):
    """`capture`: what is captured, said in exactly one of four ways."""

    tables: tuple[Table, ...] | None = Field(default=None, min_length=1)
    tablesFile: str | None = Field(default=None, min_length=1)  # noqa: N815
    schemas: tuple[Identifier, ...] | None = Field(default=None, min_length=1)
    allTables: Literal[True] | None = None  # noqa: N815

    def arguments(self, root: Path) -> CaptureArgs:
        """The component's argument; a file is read now."""
        if self.tablesFile is not None:
            return {"tables": read_tables(root / self.tablesFile)}
        found = self.model_dump(exclude_none=True)
        return {key: list(value) if key != "allTables" else True for key, value in found.items()}  # type: ignore[return-value]


class Ssh(_Settings):
    """`connector.ssh`: the tunnel through which the connector reaches the database."""

    host: str = Field(min_length=1)
    port: Port = 22
    user: str = Field(default="streamkap", min_length=1)


class Connector(_Settings):
    """`connector`: the rest of the connector's form."""

    name: str | None = Field(default=None, min_length=1)
    sslMode: Literal["require", "disable"] = "require"  # noqa: N815
    ssh: Ssh | None = None
    signalSchema: PlainSchema | None = None  # noqa: N815
    heartbeatSchema: Identifier | None = None  # noqa: N815
    prefixWithDatabaseName: StrictBool = False  # noqa: N815
    binaryHandling: Literal["bytes", "base64", "base64-url-safe", "hex"] = "bytes"  # noqa: N815

    def arguments(self) -> FormArgs:
        """The component's argument: what is set."""
        return self.model_dump(exclude_none=True)  # type: ignore[return-value]


class Database(_Settings):
    """One item of `databases`: a database and one connector on it."""

    name: Identifier
    capture: Capture
    owners: tuple[Identifier, ...] = ()
    snapshots: Literal["signal-table", "read-only"] = "signal-table"
    heartbeat: StrictBool = False
    replicaIdentityFull: YesNoOrTables = False  # noqa: N815
    publication: Identifier = DEFAULT_PUBLICATION
    slot: SlotName = DEFAULT_SLOT
    user: RoleName | None = None
    role: RoleName | None = None
    connector: Connector = Connector()

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
            "owners": list(self.owners),
            "form": self.connector.arguments(),
        }


class Settings(_Settings):
    """All of a stack's settings but the secrets."""

    server: Server
    connection: Connection
    databases: tuple[Database, ...] = Field(min_length=1)

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
    return (None, faults) if faults else (settings, [])


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
    if kind == "literal_error" and found == "create":
        yield f"{prefix}create is not there yet: make the server first, then use existing"
    elif kind in _IN_OUR_WORDS:
        yield f"{prefix}{_IN_OUR_WORDS[kind]}"
    elif kind == "value_error":
        shown = f"{found!r} " if isinstance(found, str) and repr(found) not in message else ""
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
