"""The kinds of values in a stack's settings: names, ports, tables. Each says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    Tag,
)

from azure_postgres_cdc.names import (
    TableName,
    identifier_fault,
    role_fault,
    signal_schema_fault,
    slot_fault,
    text_fault,
)
from azure_postgres_cdc.slot_options import lsn_like

_SERVER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")


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


def _yes_no_or_tables(value: object) -> object:
    if not isinstance(value, (bool, list, tuple)):
        raise ValueError("is neither true nor false, and no list of tables")
    return value


def _server_name(name: str) -> str:
    if not _SERVER_NAME.fullmatch(name):
        raise ValueError(
            "is no server name: 3 to 63 lower-case letters, digits and inner hyphens (Azure's rule)"
        )
    return name


Text = Annotated[str, _without(text_fault)]
Identifier = Annotated[Text, _without(identifier_fault)]
RoleName = Annotated[Text, _without(role_fault)]
SlotName = Annotated[str, _without(slot_fault)]
Lsn = Annotated[str, AfterValidator(_lsn)]
Table = Annotated[Text, AfterValidator(_table)]
IndexByTable = Annotated[dict[str, Identifier], AfterValidator(_keys_are_tables)]
PlainSchema = Annotated[Text, _without(signal_schema_fault)]
ServerName = Annotated[str, AfterValidator(_server_name)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
# Told apart before they are looked at, so that a fault is one fault.
YesNoOrTables = Annotated[
    Annotated[StrictBool, Tag("?bool")] | Annotated[tuple[Table, ...], Tag("?list")],
    Discriminator(lambda value: "?list" if isinstance(value, (list, tuple)) else "?bool"),
    BeforeValidator(_yes_no_or_tables),
]
