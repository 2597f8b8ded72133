"""docs/components.md is what the classes say of themselves, and it says all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pulumi
import pytest
from attribute_docs import attribute_docs
from components_page import PAGE, page, resources
from tests.unit.program import run

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


def test_the_program_on_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```python\n(.*?)```", page(), re.DOTALL)
    assert found
    monkeypatch.setattr(pulumi.Config, "require_secret", lambda *_: pulumi.Output.secret("a word"))

    def program() -> pulumi.Output[list[dict[str, object]]]:
        names: dict[str, object] = {}
        exec(found[1], names)  # noqa: S102 - the page's own
        source = names["source"]
        assert isinstance(source, CdcSource)
        return pulumi.Output.all(*source.connectors)

    declared = run(program)
    assert declared.one("CdcServer").name == "cdc-1"
    assert declared.one("CdcSource").name == "shop"
    assert declared.outputs[0]["tables"] == ""
