"""The kinds of values in a stack's settings: names, ports, tables. Each says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from azure_postgres_cdc.names import TableName, identifier_fault, role_fault, slot_fault
from azure_postgres_cdc.slot_options import lsn_like

_SERVER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


class SettingsModel(BaseModel):
    """A mapping of known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _without(fault_of: Callable[[str], str | None]) -> AfterValidator:
    """Takes a name that has no fault."""

    def check(name: str) -> str:
        fault = fault_of(name)
        if fault:
            raise ValueError(fault)
        return name

    return AfterValidator(check)


def _table(text: str) -> str:
    return str(TableName.parse(text))


def _keys_are_tables(value: dict[str, str]) -> dict[str, str]:
    faults = []
    for text in value:
        try:
            TableName.parse(text)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))
    return value


def _lsn(text: str) -> str:
    if not lsn_like(text):
        raise ValueError("is no LSN; copy it from the refusal, such as 0/16B3748")
    return text


def _plain_schema(name: str) -> str:
    if not _PLAIN.fullmatch(name):
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


Text = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, _without(identifier_fault)]
RoleName = Annotated[str, _without(role_fault)]
SlotName = Annotated[str, _without(slot_fault)]
Lsn = Annotated[str, AfterValidator(_lsn)]
Table = Annotated[str, AfterValidator(_table)]
IndexByTable = Annotated[dict[str, Identifier], AfterValidator(_keys_are_tables)]
PlainSchema = Annotated[Identifier, AfterValidator(_plain_schema)]
ServerName = Annotated[str, AfterValidator(_server_name)]
Number = Annotated[float, BeforeValidator(_no_boolean)]
Whole = Annotated[int, BeforeValidator(_no_boolean)]
Port = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=65535)]
SslMode = Literal["require", "verify-ca", "verify-full", "disable"]
# Told apart before they are looked at, so that a fault is one fault.
YesNoOrTables = Annotated[
    Annotated[bool, Tag("?bool")] | Annotated[tuple[Table, ...], Tag("?list")],
    Discriminator(lambda value: "?list" if isinstance(value, (list, tuple)) else "?bool"),
]
