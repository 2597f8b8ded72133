"""The form as a resource of Streamkap's own Terraform provider.

The attributes, their types and defaults are those of version 2.2.0 (resource
`streamkap_source_postgresql`). Every attribute that the form decides is written, defaults too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.connector.debezium import included_columns
from azure_postgres_cdc.operations.connector.page import rows_unsaid
from azure_postgres_cdc.operations.stack import Form

PROVIDER = "streamkap-com/streamkap"
VERSION = "2.2.0"
RESOURCE = "streamkap_source_postgresql"

_REMEDY = "Remedy: fill in the form, with --format form and --format csv"
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class Reference:
    """A value that stands elsewhere, such as `var.password`."""

    text: str


Value = str | int | bool | Reference

_SECRET: dict[str, Value] = {"type": Reference("string"), "sensitive": True}


def blocks(forms: Mapping[str, Form], *, show_secrets: bool) -> str:
    """A resource for each form, by its name; its password is a variable unless asked for.

    Raises a CdcError where a name cannot be said in Terraform.
    """
    texts = [f"# For the provider {PROVIDER}, version {VERSION}.\n"]
    for label, form in zip(_labels(forms), forms.values(), strict=True):
        password: Value = form.password
        if not show_secrets:
            variable = f"{label}_password"
            texts.append(_block("variable", [variable], _SECRET))
            password = Reference(f"var.{variable}")
        resource = _block("resource", [RESOURCE, label], _attributes(form, password))
        texts.append("".join(f"# {line}\n" for line in rows_unsaid(form)) + resource)
    return "\n".join(texts)


def _attributes(form: Form, password: Value) -> dict[str, Value]:
    attributes: dict[str, Value | None] = {
        "name": form.name,
        "database_hostname": form.hostname,
        "database_port": form.port,
        "database_user": form.username,
        "database_password": password,
        "database_dbname": form.database,
        "snapshot_read_only": "Yes" if form.read_only else "No",
        "signal_data_collection_schema_or_database": form.signal_schema,
        "heartbeat_enabled": form.heartbeats,
        "heartbeat_data_collection_schema_or_database": form.heartbeat_schema,
        "slot_name": form.slot,
        "publication_name": form.publication,
        "database_sslmode": form.ssl_mode,
        "include_source_db_name_in_table_name": form.prefix_with_database_name,
        "binary_handling_mode": form.binary_handling,
        "schema_include_list": _list(form.schemas),
        "table_include_list": _list(form.tables),
        "column_include_list": ",".join(included_columns(form)) if form.columns else None,
        "ssh_enabled": form.ssh_host is not None,
    }
    if form.ssh_host is not None:
        attributes |= {
            "ssh_host": form.ssh_host,
            "ssh_port": str(form.ssh_port),  # a string in 2.2.0
            "ssh_user": form.ssh_user,
        }
    return {name: value for name, value in attributes.items() if value is not None}


def _list(names: Sequence[str]) -> str:
    """The provider takes a list as one text with commas, which has no way to quote one."""
    for name in names:
        if "," in name:
            raise CdcError(
                f"{name!r} cannot be written for Terraform: the provider separates names by "
                f"commas. {_REMEDY}"
            )
    return ",".join(names)


def _block(kind: str, labels: Sequence[str], attributes: Mapping[str, Value]) -> str:
    width = max(map(len, attributes))
    lines = [
        f"  {name:{width}} = {_expression(name, value)}\n" for name, value in attributes.items()
    ]
    head = " ".join([kind, *(f'"{label}"' for label in labels)])
    return f"{head} {{\n{''.join(lines)}}}\n"


def _expression(name: str, value: Value) -> str:
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not unicodedata.is_normalized("NFC", value):
        # Its name, not its value, which may be the password.
        raise CdcError(
            f"{name} cannot be written for Terraform: a character of it is written as a letter and "
            f"an accent, which Terraform would make one of (NFC). {_REMEDY}"
        )
    return quoted(value)


def quoted(text: str) -> str:
    """A string as HCL reads it: `${` and `%{` would begin a template."""
    return '"' + re.sub(r"([$%])(?=\{)", r"\1\1", "".join(_escaped(text))) + '"'


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        if character in _ESCAPES:
            yield _ESCAPES[character]
        elif character.isprintable():
            yield character
        else:
            yield f"\\U{ord(character):08x}"


def _labels(names: Iterable[str]) -> list[str]:
    """Names for Terraform: ASCII letters, digits, underscores and hyphens, no digit first."""
    labels: list[str] = []
    for name in names:
        label = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        label = label if re.match(r"[A-Za-z_]", label) else f"_{label}"
        while label in labels:
            label += "_"
        labels.append(label)
    return labels
