"""The form as a resource of Streamkap's Terraform provider, against its attributes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.connector_support import (
    ODD_NAMES,
    PASSWORD,
    READ_ONLY,
    RESTRICTED,
    TUNNEL,
    form,
    stack,
)

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.connector.formats import Format, written
from azure_postgres_cdc.operations.connector.terraform import quoted
from azure_postgres_cdc.operations.stack import Form


@dataclass(frozen=True)
class Attribute:
    """An attribute of `streamkap_source_postgresql` in the provider 2.2.0."""

    kind: type
    required: bool = False
    allowed: tuple[str, ...] = ()


ATTRIBUTES = {
    "name": Attribute(str, required=True),
    "database_hostname": Attribute(str, required=True),
    "database_port": Attribute(int),
    "database_user": Attribute(str, required=True),
    "database_password": Attribute(str, required=True),
    "database_dbname": Attribute(str, required=True),
    "snapshot_read_only": Attribute(str, allowed=("Yes", "No")),
    "database_sslmode": Attribute(str, allowed=("require", "disable")),
    "schema_include_list": Attribute(str, required=True),
    "table_include_list": Attribute(str, required=True),
    "signal_data_collection_schema_or_database": Attribute(str),
    "column_include_list": Attribute(str),
    "column_exclude_list": Attribute(str),
    "heartbeat_enabled": Attribute(bool),
    "heartbeat_data_collection_schema_or_database": Attribute(str),
    "include_source_db_name_in_table_name": Attribute(bool),
    "slot_name": Attribute(str),
    "publication_name": Attribute(str),
    "binary_handling_mode": Attribute(str, allowed=("bytes", "base64", "base64-url-safe", "hex")),
    "ssh_enabled": Attribute(bool),
    "ssh_host": Attribute(str),
    "ssh_port": Attribute(str),
    "ssh_user": Attribute(str),
}
_BLOCK = re.compile(r'(variable|resource) ((?:"[\w-]+" ?)+)\{\n((?:  .*\n)*)\}\n')
_ATTRIBUTE = re.compile(r"  (\w+) += (.*)")
_ESCAPE = re.compile(r'\\U([0-9a-f]{8})|\\([\\"nrt])|([$%])\3(?=\{)')
_CHARACTERS = {"n": "\n", "r": "\r", "t": "\t"}


def terraform(*forms: Form, show_secrets: bool = False) -> str:
    return written(stack(*forms), Format.TERRAFORM, None, None, show_secrets=show_secrets)


def read(text: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The blocks by kind and labels. Nothing but blocks, blank lines and comments may be there."""
    rest = _BLOCK.sub("", text)
    assert not [line for line in rest.splitlines() if line and not line.startswith("# ")]
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for kind, labels, body in _BLOCK.findall(text):
        pairs = [_pair(line) for line in body.splitlines()]
        key = (kind, *re.findall(r'"([\w-]+)"', labels))
        assert key not in found
        assert len(dict(pairs)) == len(pairs)
        found[key] = dict(pairs)
    return found


def _pair(line: str) -> tuple[str, Any]:
    match = _ATTRIBUTE.fullmatch(line)
    assert match, line
    return match[1], value(match[2])


def value(text: str) -> Any:
    """An expression: a string, a number, a boolean, or what stands elsewhere as `<text>`."""
    if text.startswith('"'):
        inside = text[1:-1]
        assert not re.search(r'(?<!\\)(\\\\)*"', inside), text
        # A template would begin at a single one.
        assert not re.search(r"(?<!\$)(\$\$)*\$\{", re.sub(r"\$\$\{", "", inside)), text
        return _ESCAPE.sub(_unescaped, inside)
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text.isdigit() else f"<{text}>"


def _unescaped(match: re.Match[str]) -> str:
    code, character, template = match.groups()
    if code:
        return chr(int(code, 16))
    return template or _CHARACTERS.get(character, character)


def faults(attributes: Mapping[str, Any]) -> list[str]:
    """What the provider would refuse."""
    found = [f"unknown {name}" for name in attributes if name not in ATTRIBUTES]
    for name, attribute in ATTRIBUTES.items():
        given_ = attributes.get(name)
        if given_ is None:
            found += [f"missing {name}"] if attribute.required else []
        elif type(given_) is not attribute.kind:
            found.append(f"type of {name}")
        elif attribute.allowed and given_ not in attribute.allowed:
            found.append(f"value of {name}")
    return found


def resource(text: str, label: str = "shop") -> dict[str, Any]:
    return read(text)["resource", "streamkap_source_postgresql", label]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        READ_ONLY,
        TUNNEL,
        {"heartbeatTableSchema": None},
        {"sslMode": "disable", "prefixWithDatabaseName": True, "representBinaryDataAs": "hex"},
        {"tables": list(ODD_NAMES)},
        {"tables": [], "schemas": []},
    ],
    ids=["plain", "read-only", "tunnel", "no heartbeat table", "options", "odd", "empty"],
)
def test_provider_takes_every_attribute(changes: dict[str, Any]) -> None:
    assert faults(resource(terraform(form(**changes)))) == []
    assert faults(resource(terraform(form(**changes), show_secrets=True))) == []


def test_what_the_provider_refuses_is_seen() -> None:
    wrong = resource(terraform(form())) | {"ssh_port": 22, "slot": "x", "snapshot_read_only": "no"}
    del wrong["table_include_list"]
    assert faults(wrong) == [
        "unknown slot",
        "value of snapshot_read_only",
        "missing table_include_list",
        "type of ssh_port",
    ]


def test_values_are_the_form_s() -> None:
    assert read(terraform(form(**TUNNEL))) == {
        ("variable", "shop_password"): {"type": "<string>", "sensitive": True},
        ("resource", "streamkap_source_postgresql", "shop"): {
            "name": "shop",
            "database_hostname": "shop.postgres.database.azure.com",
            "database_port": 5432,
            "database_user": "streamkap_user",
            "database_password": "<var.shop_password>",
            "database_dbname": "shop",
            "snapshot_read_only": "No",
            "signal_data_collection_schema_or_database": "streamkap",
            "heartbeat_enabled": True,
            "heartbeat_data_collection_schema_or_database": "streamkap",
            "slot_name": "streamkap_pgoutput_slot",
            "publication_name": "streamkap_pub",
            "database_sslmode": "require",
            "include_source_db_name_in_table_name": False,
            "binary_handling_mode": "bytes",
            "schema_include_list": "public",
            "table_include_list": "public.orders,public.lines",
            "ssh_enabled": True,
            "ssh_host": "jump",
            "ssh_port": "2222",
            "ssh_user": "hop",
        },
    }


def test_snapshots_are_told_the_columns_and_somebody_of_the_rows() -> None:
    text = terraform(form(**RESTRICTED))
    assert resource(text)["column_include_list"].endswith(r",public[.]Odd\x20Table[.](?:id)")
    assert "# The publication has some rows only of public.orders" in text


def test_password_that_was_asked_for_needs_no_variable() -> None:
    text = terraform(form(), show_secrets=True)
    assert list(read(text)) == [("resource", "streamkap_source_postgresql", "shop")]
    assert resource(text)["database_password"] == PASSWORD


def test_each_connector_has_a_block_of_its_own() -> None:
    forms = [
        form(),
        form(replicationSlotName="other"),
        form(name="9 lives", replicationSlotName="c"),
        form(name="9-lives", replicationSlotName="d"),
        form(name="_9_lives", replicationSlotName="e"),
    ]
    labels = [key[-1] for key in read(terraform(*forms)) if key[0] == "resource"]
    assert labels == [
        "shop-streamkap_pgoutput_slot",
        "shop-other",
        "_9_lives",
        "_9-lives",
        "_9_lives_",
    ]


@pytest.mark.parametrize("name", ["public.a,b", "public.e\N{COMBINING ACUTE ACCENT}"])
def test_what_terraform_cannot_say_is_one_line(name: str) -> None:
    with pytest.raises(CdcError, match=r"cannot be written for Terraform.*Remedy: ") as caught:
        terraform(form(tables=["public.orders", name]))
    assert "\n" not in str(caught.value)


def test_no_error_shows_the_password() -> None:
    password = "se\N{COMBINING ACUTE ACCENT}cret"
    with pytest.raises(CdcError, match=r"^database_password cannot be written") as caught:
        terraform(form(password=password), show_secrets=True)
    assert password not in str(caught.value)
    assert "var.shop_password" in terraform(form(password=password))


@given(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0")
        | st.sampled_from('$%{"\\')
    )
)
def test_every_string_is_read_back(text: str) -> None:
    written_ = quoted(text)
    assert "\n" not in written_
    assert value(written_) == text


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on PATH")
def test_terraform_itself_reads_it_so(tmp_path: Path) -> None:
    changes = {"tables": list(ODD_NAMES), "name": "odd", "signalTableSchema": 'a"${b}%{c}\\'}
    text = terraform(form(**changes), show_secrets=True)
    # The same attributes as an object, for the provider is not there.
    head = 'resource "streamkap_source_postgresql" "odd"'
    assert head in text
    (tmp_path / "main.tf").write_text(f"locals {{\n{text.replace(head, 'read =')}}}\n")
    environment = {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    result = subprocess.run(
        ["terraform", "console"],
        cwd=tmp_path,
        env=os.environ | environment,
        input="jsonencode(local.read)\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    assert json.loads(json.loads(result.stdout)) == resource(text, "odd")
