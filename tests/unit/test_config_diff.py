"""`config diff`: what differs in meaning, and only that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.environments_support import GOOD, Project, project_in


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    found = project_in(tmp_path)
    found.write("dev", GOOD)
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    name: psql-1\n", "    name: psql-1\n    restart: never\n    pglogical: true\n"),
        ("    name: psql-1\n", "    name: psql-1\n    restart: {mode: never}\n"),
        ("    name: psql-1\n", "    name: psql-1\n    login: {connectionLimit: -1}\n"),
        ("    user: cdc_admin\n", "    user: cdc_admin\n    port: 5432\n    sslMode: require\n"),
        ("    - name: shop\n", "    - name: shop\n      slot: streamkap_pgoutput_slot\n"),
        ("    - name: shop\n", "    - name: shop\n      user: streamkap_user\n"),
        ("    - name: shop\n", "    - name: shop\n      connector: {name: shop, ssh: }\n"),
        ("    - name: shop\n", "    - name: shop\n      publish: [truncate, update, delete, insert]\n"),  # noqa: E501
        ("tables: [public.orders]", "tables: [PUBLIC.Orders]"),
        ("tables: [public.orders]", "tablesFile: tables.csv"),
        ("secure: v1:abc:def", "secure: v1:other"),
        ("  azure-postgres-cdc:server:", "  # said in another way\n  server:"),
    ],
)  # fmt: skip
def test_the_same_in_other_words_is_no_difference(project: Project, old: str, new: str) -> None:
    (project.folder / "tables.csv").write_text("public.orders\n")
    assert old in GOOD
    project.write("prod", GOOD.replace(old, new))
    assert project.run("config", "diff", "dev", "prod") == []


PROD = """\
config:
  azure-native:location: westeurope
  server:
    management: create
    resourceGroup: rg-prod
    name: psql-prod
    create: {sku: Standard_D4ds_v5}
    parameters: {wal_sender_timeout: 300000}
    alerts: {emails: [b@example.com, a@example.com]}
  connection:
    user: cdc_admin
  databases:
    - name: shop
      capture:
        tables: [public.customers, public.orders]
      heartbeat: true
      slot: shop_slot
    - name: crm
      capture: {allTables: true}
"""


def test_a_line_a_difference(project: Project) -> None:
    project.write("prod", PROD)
    assert project.run("config", "diff", "dev", "prod", status=1) == [
        "server.alerts.emails: dev: not set | prod: a@example.com, b@example.com",
        "server.create.sku: dev: not set | prod: Standard_D4ds_v5",
        "server.management: dev: existing | prod: create",
        "server.name: dev: psql-1 | prod: psql-prod",
        "server.parameters.wal_sender_timeout: dev: not set | prod: 300000",
        "server.resourceGroup: dev: rg | prod: rg-prod",
        "server.restart.mode: dev: never (default) | prod: when-needed (default)",
        "databases[crm/streamkap_pgoutput_slot]: dev: not set | prod: captured",
        "databases[shop].capture.tables: dev: public.orders | prod: public.customers, "
        "public.orders",
        "databases[shop].heartbeat: dev: false (default) | prod: true",
        "databases[shop].slot: dev: streamkap_pgoutput_slot (default) | prod: shop_slot",
        "adminPassword: dev: set | prod: not set",
        "azure-native:location: dev: not set | prod: westeurope",
    ]


def test_it_says_the_same_for_machines(project: Project) -> None:
    project.write(
        "prod", GOOD.replace("    - name: shop\n", "    - name: shop\n      heartbeat: true\n")
    )
    said = "\n".join(project.run("config", "diff", "dev", "prod", "--json", status=1))
    assert json.loads(said) == [
        {
            "key": "databases[shop].heartbeat",
            "dev": {"value": False, "default": True},
            "prod": {"value": True, "default": False},
        }
    ]


def test_connectors_of_one_database_are_matched_by_slot(project: Project) -> None:
    second = "    - name: shop\n      slot: {slot}\n      publication: p2\n      capture: {{schemas: [{of}]}}\n"  # noqa: E501
    project.write("dev", GOOD + second.format(slot="second", of="a"))
    project.write("prod", GOOD + second.format(slot="second", of="b"))
    assert project.run("config", "diff", "dev", "prod", status=1) == [
        "databases[shop/second].capture.schemas: dev: a | prod: b"
    ]


def test_of_a_long_list_only_what_differs_is_shown(project: Project) -> None:
    names = [f"public.t{number}" for number in range(500)]
    for stack, tables in (("dev", names), ("prod", [*names[1:], "public.new"])):
        project.write(stack, GOOD.replace("[public.orders]", f"[{', '.join(tables)}]"))
    assert project.run("config", "diff", "dev", "prod", status=1) == [
        "databases[shop].capture.tables: dev: 500, only here: public.t0 | prod: 500, only here: "
        "public.new"
    ]


def test_a_secret_is_never_shown(project: Project) -> None:
    more = "  connectorPassword: {secure: v1:x:y}\n  azure-native:clientSecret: hunter2\n"
    project.write("prod", GOOD + more)
    assert project.run("config", "diff", "dev", "prod", status=1) == [
        "azure-native:clientSecret: dev: not set | prod: set",
        "connectorPassword: dev: not set | prod: set",
    ]


def test_a_stack_with_a_fault_cannot_be_compared(project: Project) -> None:
    project.write("prod", GOOD.replace("existing", "adopt"))
    (line,) = project.run("config", "diff", "dev", "prod", status=2)
    assert line.startswith("azure-postgres-cdc: stacks/Pulumi.prod.yaml:5: server.management: ")
    project.write("prod", GOOD.replace("existing", "adopt").replace("user:", "usr:"))
    (line,) = project.run("config", "diff", "dev", "prod", status=2)
    assert "stacks/Pulumi.prod.yaml has 3 faults, the first one " in line
    assert line.endswith("; azure-postgres-cdc config check --stack prod has them all")
