"""What goes into the connector's form, field by field, under the page's names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import pulumi


class SshArgs(TypedDict):
    """The SSH server in your network through which the connector reaches the database."""

    host: str
    """Its host name or address."""
    port: NotRequired[int]
    """Its port. Default 22."""
    user: NotRequired[str]
    """Whom the connector logs in as there. Default `streamkap`."""


class FormArgs(TypedDict):
    """What the form asks for beyond the database itself. Every key has the page's default."""

    name: NotRequired[str]
    """The connector's name. Default: the database's name."""
    sslMode: NotRequired[Literal["require", "disable"]]
    """`require` (default) or `disable`: whether the connector's own connection is encrypted."""
    ssh: NotRequired[SshArgs]
    """Connect through an SSH tunnel. Default: none."""
    signalSchema: NotRequired[str]
    """The schema of `streamkap_signal`: a name that needs no quotes in SQL, because the connector
    does not start with another. Default `streamkap`."""
    heartbeatSchema: NotRequired[str]
    """The schema of `streamkap_heartbeat`. Default: the signal table's."""
    prefixWithDatabaseName: NotRequired[bool]
    """Topics are named DatabaseName_TopicName. Default false."""
    binaryHandling: NotRequired[Literal["bytes", "base64", "base64-url-safe", "hex"]]
    """How binary columns are represented: `bytes` (default), `base64`, `base64-url-safe` or
    `hex`."""


def connector_settings(
    *,
    hostname: pulumi.Input[str],
    port: pulumi.Input[int],
    database: str,
    username: str,
    password: pulumi.Input[str],
    read_only: bool,
    signal_schema: str | None,
    heartbeat_schema: str | None,
    slot: str,
    publication: str,
    schemas: pulumi.Input[Sequence[str]],
    tables: pulumi.Input[str],
    columns: Mapping[str, Sequence[str]],
    row_filters: Mapping[str, str],
    form: FormArgs,
) -> dict[str, Any]:
    """The form's fields in the page's order. Only the password is a secret.

    `columns` and `row_filters`: what the publication is restricted to, which snapshots have to be
    told of besides; they are no fields of the form.
    """
    ssh = form.get("ssh")
    return {
        "name": form.get("name", database),
        "hostname": hostname,
        "port": port,
        "connectViaSshTunnel": ssh is not None,
        **({"ssh": {"port": 22, "user": "streamkap", **ssh}} if ssh else {}),
        "username": username,
        "password": pulumi.Output.secret(password),
        "database": database,
        "readOnly": "Yes" if read_only else "No",
        "heartbeats": True,
        "heartbeatTableSchema": heartbeat_schema,
        "signalTableSchema": signal_schema,
        "replicationSlotName": slot,
        "publicationName": publication,
        "sslMode": form.get("sslMode", "require"),
        "prefixWithDatabaseName": form.get("prefixWithDatabaseName", False),
        "representBinaryDataAs": form.get("binaryHandling", "bytes"),
        "schemas": schemas,
        "tables": tables,
        **({"columns": columns} if columns else {}),
        **({"rowFilters": row_filters} if row_filters else {}),
    }


def bulk_upload(names: Iterable[str]) -> str:
    """The file that the form takes its tables from: one `schema.table` a row, no header.

    One text, because the engine takes its time over each item of a list.
    """
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([name] for name in names)
    return file.getvalue()


def uploaded(text: str) -> tuple[str, ...]:
    """The names out of such a file."""
    return tuple(row[0] for row in csv.reader(io.StringIO(text, newline="")) if row)
