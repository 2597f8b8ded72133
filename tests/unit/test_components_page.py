"""docs/components.md is what the classes say of themselves, and it says all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attribute_docs import attribute_docs
from components_page import PAGE, page, resources

from azure_postgres_cdc.server import CdcServer
from azure_postgres_cdc.server_args import CdcServerArgs
from azure_postgres_cdc.source import CdcSource, CdcSourceArgs

PACKAGE = Path(__file__).parents[2] / "components" / "azure_postgres_cdc"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make docs-pages"


def test_every_resource_of_the_package_is_on_the_page() -> None:
    declared = {
        name
        for file in PACKAGE.rglob("*.py")
        for name in re.findall(r'module="azure-postgres-cdc", name="(\w+)"', file.read_text())
    }
    assert {item.__name__ for item in resources()} == declared
    for name in declared:
        assert page().count(f"`pulumi-python:dynamic/azure-postgres-cdc:{name}`") == 1


@pytest.mark.parametrize("name", [item.__name__ for item in resources()])
def test_what_a_resource_does_when_it_is_deleted_is_said(name: str) -> None:
    section = page().split(f"### {name}\n")[1].split("\n##")[0]
    assert re.search(r"^- Deleting it: .{10,}\.$", section, re.MULTILINE), section


@pytest.mark.parametrize("owner", [CdcServer, CdcSource, CdcServerArgs, CdcSourceArgs])
def test_every_argument_and_output_has_a_meaning(owner: type) -> None:
    wanted = {name for name in owner.__annotations__ if not name.startswith("_")}
    assert wanted
    assert set(attribute_docs(owner)) == wanted
