"""`new-stack`: a complete file, written once, that says what is still to be filled in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.environments_support import GOOD, Project, project_in

from azure_postgres_cdc.server_settings import Alerts, Connection, Create, Login, Restart, Server
from azure_postgres_cdc.settings import Capture, Connector, Database, Grants, Ssh

PROD = """\
# prod: this comment is about prod
secretsprovider: azurekeyvault://kv.vault.azure.net/keys/pulumi
encryptedkey: abcdef
config:
  azure-native:location: westeurope
  azure-native:clientSecret: {secure: v1:s1:t1}
  # the password
  adminPassword:
    secure: v1:s2:t2
  server:
    management: existing
    resourceGroup: rg-prod  # where it is
    name: psql-prod
    alerts: {emails: [prod@example.com]}
  azure-postgres-cdc:connection: {user: cdc_admin, host: psql-prod.example.com}
  databases:
    - name: shop
      # once only
      acknowledge:
        - snapshot of public.orders
      capture:
        tables: [public.orders]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return project_in(tmp_path)


def test_what_it_says(project: Project) -> None:
    assert project.run("new-stack", "qa") == [
        "written: stacks/Pulumi.qa.yaml",
        "still to be filled in:",
        *(
            f"  stacks/Pulumi.qa.yaml:{line}: {key}: {wanted} is still to be filled in"
            for line, key, wanted in (
                (17, "server.resourceGroup", "<the server's resource group>"),
                (18, "server.name", "<the server's name in Azure>"),
                (34, "server.alerts.emails[0]", "<the address of whoever is told>"),
                (55, "connection.user", "<the administrator's login>"),
                (65, "databases[0].name", "<the database>"),
                (69, "databases[0].capture.tables[0]", "<schema.table, as in SQL>"),
            )
        ),
        "then:",
        "  pulumi stack init qa",
        "  pulumi config set --stack qa --secret adminPassword",
        "  azure-postgres-cdc config check --stack qa",
        "  azure-postgres-rehearsal up --stack qa",
    ]


def test_placeholders_are_all_that_is_wrong(project: Project) -> None:
    project.run("new-stack", "qa")
    text = project.read("qa")
    values = {"login": "cdc_admin", "database": "shop", "schema": "public.a", "address": "a@b.c"}
    for word, value in values.items():
        text = re.sub(rf"<[^>]*{word}[^>]*>", value, text)
    project.write("qa", re.sub(r"(?<!in )<[^>]*>", "rg-1", text))
    assert project.run("config", "check", "--stack", "qa")[-1].endswith(": nothing is wrong")


@pytest.mark.parametrize(
    "model", [Server, Restart, Create, Alerts, Login, Connection, Database, Capture, Grants,
              Connector, Ssh],
)  # fmt: skip
def test_every_key_is_in_it(project: Project, model: type) -> None:
    project.run("new-stack", "qa")
    words = set(re.findall(r"\w+", project.read("qa")))
    assert set(model.model_fields) - words == set()  # type: ignore[attr-defined]


def test_what_is_there_is_never_written_over(project: Project) -> None:
    project.write("qa", "mine")
    assert project.run("new-stack", "qa", status=2) == [
        "azure-postgres-cdc: stacks/Pulumi.qa.yaml is there already; nothing was written. Remedy: "
        "choose another name; azure-postgres-cdc config check --stack qa says what it lacks"
    ]
    assert project.read("qa") == "mine"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "ä", "x" * 101, "a\n", "$(x)"])
def test_a_name_that_pulumi_does_not_take_is_one_line(project: Project, name: str) -> None:
    (line,) = project.run("new-stack", "--", name, status=2)
    assert "is no name of a stack: 1 to 100 letters, digits, hyphens" in line
    assert list((project.folder / "stacks").iterdir()) == []


@pytest.mark.parametrize("name", ["a", "qa-eu.2_x", "-a", "x" * 100])
def test_a_name_that_pulumi_takes_is_taken(project: Project, name: str) -> None:
    project.run("new-stack", "--", name)
    assert project.read(name).startswith(f"# Stack {name}. ")


def test_from_another_stack(project: Project) -> None:
    project.write("prod", PROD)
    said = project.run("new-stack", "qa", "--from", "prod")
    assert (
        project.read("qa")
        == """\
# Stack qa, written from prod: what stands in <angle brackets> is still to be filled in.
config:
  azure-native:location: westeurope
  # the password
  azure-postgres-cdc:server:
    management: existing
    resourceGroup: "<resourceGroup; prod has rg-prod>"  # where it is
    name: "<name; prod has psql-prod>"
    alerts: {emails: [prod@example.com]}
  azure-postgres-cdc:connection: {user: cdc_admin, host: "<host; prod has psql-prod.example.com>"}
  azure-postgres-cdc:databases:
    - name: shop
      # once only
      capture:
        tables: [public.orders]
"""
    )
    assert said == [
        "written: stacks/Pulumi.qa.yaml",
        "still to be filled in:",
        "  stacks/Pulumi.qa.yaml:7: server.resourceGroup: <resourceGroup; prod has rg-prod> is "
        "still to be filled in",
        "  stacks/Pulumi.qa.yaml:8: server.name: <name; prod has psql-prod> is still to be filled "
        "in",
        "  stacks/Pulumi.qa.yaml:10: connection.host: <host; prod has psql-prod.example.com> is "
        "still to be filled in",
        "has the name of prod in it:",
        "  stacks/Pulumi.qa.yaml:9: server.alerts.emails[0]: prod@example.com",
        "left out, because it is prod's own: secretsprovider, encryptedkey, "
        "databases[0].acknowledge",
        "then:",
        "  pulumi stack init qa",
        "  pulumi config set --stack qa --secret azure-native:clientSecret",
        "  pulumi config set --stack qa --secret adminPassword",
        "  azure-postgres-cdc config check --stack qa",
        "  azure-postgres-rehearsal up --stack qa",
    ]
    assert "v1:" not in "".join(said) + project.read("qa")
    assert project.read("prod") == PROD


def test_from_a_stack_that_is_not_there_says_which_are(project: Project) -> None:
    project.write("prod", PROD)
    (line,) = project.run("new-stack", "qa", "--from", "staging", status=2)
    assert "there is no stacks/Pulumi.staging.yaml. Remedy: " in line
    assert line.endswith("; there are prod")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config: [\n", "stacks/Pulumi.prod.yaml:2: YAML: "),
        ("config: {adminPassword: {secure: v1:a:b}}\n",
         "stacks/Pulumi.prod.yaml: line 1: adminPassword cannot be left out"),
    ],
)  # fmt: skip
def test_from_a_file_that_cannot_be_copied_writes_nothing(
    project: Project, text: str, said: str
) -> None:
    project.write("prod", text)
    (line,) = project.run("new-stack", "qa", "--from", "prod", status=2)
    assert said in line
    assert not (project.folder / "stacks" / "Pulumi.qa.yaml").exists()


def test_a_secret_over_several_lines_leaves_nothing_behind(project: Project) -> None:
    secret = "  azure-postgres-cdc:adminPassword:\n    secure: |\n      v1:a\n      v1:b\n"
    project.write("prod", GOOD.replace(GOOD[8 : GOOD.index("  azure-postgres-cdc:server")], secret))
    project.run("new-stack", "qa", "--from", "prod")
    text = project.read("qa")
    assert "v1:" not in text
    assert text.splitlines()[2] == "  azure-postgres-cdc:server:"


def test_no_project_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = Project(tmp_path).run("new-stack", "qa", status=2)
    assert line.startswith("azure-postgres-cdc: no Pulumi.yaml here or above. Remedy: ")


def test_a_password_in_plain_text_is_neither_copied_nor_shown(project: Project) -> None:
    project.write("prod", "config:\n  adminPassword: prod-hunter2\n  team:apiToken: prod-hunter2\n")
    said = project.run("new-stack", "qa", "--from", "prod")
    assert "  pulumi config set --stack qa --secret adminPassword" in said
    assert "hunter2" not in "".join(said)
    assert "adminPassword" not in project.read("qa")
