"""`config check`: each fault with file, line, key, rule and remedy, and no secret in any."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.environments_support import GOOD, Project, project_in

from azure_postgres_cdc.operations.environments.engine_yaml import compose, construct

PAGE = "docs/configuration.md has every key"
BEGIN = "write the settings below config:, or start with azure-postgres-cdc new-stack"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return project_in(tmp_path)


def test_nothing_is_wrong(project: Project) -> None:
    project.write("dev", GOOD)
    assert project.run("config", "check") == ["stacks/Pulumi.dev.yaml: nothing is wrong"]


def changed(line: str, to: str) -> str:
    assert GOOD.count(line) == 1
    return GOOD.replace(line, to)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            changed("management: existing", "management: adopt"),
            "5: server.management: Input should be 'create', 'existing' or 'none' (found: 'adopt')"
            f". Remedy: correct it here; {PAGE}",
        ),
        (
            changed("    name: psql-1\n", "    nam: psql-1\n"),
            "7: server.nam: is no known key; check its spelling. Remedy: name is a key of "
            f"connector and of databases and of server and of server.create.entra.administrators; "
            f"{PAGE}",
        ),
        (
            changed("    - name: shop\n", "    - name: shop\n      slot: 'A b'\n"),
            "12: databases[0].slot: 'A b' is no slot name: 1 to 63 lower-case "
            f"letters, digits and underscores. Remedy: correct it here; {PAGE}",
        ),
        (
            changed("        tables: [public.orders]\n", "        tablesFile: none.csv\n"),
            "13: databases[0].capture.tablesFile: none.csv cannot be read: No such file or "
            "directory; the path is relative to the project. Remedy: correct it here; " + PAGE,
        ),
        (
            changed("    user: cdc_admin\n", "    port: 5432\n"),
            f"8: connection.user: is missing. Remedy: add user below line 9; {PAGE}",
        ),
        (
            changed("azure-postgres-cdc:connection:", "azure-postgre-cdc:connection:"),
            "8: azure-postgre-cdc:connection: is in the namespace azure-postgre-cdc, and this "
            "project is azure-postgres-cdc: it would not be read. Remedy: write "
            "azure-postgres-cdc:connection",
        ),
        (
            changed("    secure: v1:abc:def", "    hunter2"),
            "2: adminPassword: is in plain text; pulumi config set --secret adminPassword. "
            "Remedy: run that; it keeps adminPassword encrypted",
        ),
        (
            changed("    user: cdc_admin", "    user: {secure: v1:abc:def}"),
            "9: connection.user: holds a secret, which would come back in plain text; the only "
            "secrets are adminPassword and connectorPassword, top-level. Remedy: correct it here; "
            + PAGE,
        ),
        (
            changed("    user: cdc_admin", "    user: cdc_admin\n    user: other"),
            "10: connection.user: is there twice, first on line 9. Remedy: take one of them out",
        ),
        (
            GOOD + "  server: {management: none}\n",
            "14: server: is there twice, first on line 4. Remedy: take one of them out",
        ),
        (
            changed("    user: cdc_admin", "\tuser: cdc_admin"),
            "9: YAML: found character '\\t' that cannot start any token. Remedy: indent with "
            "spaces",
        ),
        (
            changed("    secure: v1:abc:def", "    secure: *hunter2"),
            "3: YAML: found undefined alias .... Remedy: mend the line, or the one before it",
        ),
        (
            GOOD + "    - name: crm\n      capture: {schemas: [public]}\n",
            "14: databases[1].slot: slot streamkap_pgoutput_slot is used 2 times; slot names are "
            f"unique on a server. Remedy: correct it here; {PAGE}",
        ),
        (
            GOOD + "      heartbeat: yes\n",
            "14: databases[0].heartbeat: Input should be a valid boolean (found: 'yes'). "
            f"Remedy: correct it here; {PAGE}",
        ),
        (
            changed("    resourceGroup: rg", "    resourceGroup: <the group>"),
            "6: server.resourceGroup: <the group> is still to be filled in. Remedy: write the "
            "value in its place, without the angle brackets",
        ),
        ("", f"1: config: is missing. Remedy: {BEGIN}"),
        ("# nothing\n", f"1: config: is missing. Remedy: {BEGIN}"),
        ("config:\n", f"1: config: is no mapping. Remedy: {BEGIN}"),
        (
            changed("    user: cdc_admin", "    user: streamkap_user"),
            "9: connection.user: 'streamkap_user' is the administrator; the connector needs its "
            f"own names. Remedy: correct it here; {PAGE}",
        ),
        (
            changed("    name: psql-1", "    name: psql-1\n    firewallRules: {a b: 192.0.2.1}"),
            "8: server.firewallRules.a b: firewall rule 'a b': a name has letters, digits, -, _ "
            f"and . (Azure's rule). Remedy: correct it here; {PAGE}",
        ),
        (
            "config: &a [*a]\n",
            "1: YAML: something is in itself, or in too many other things. Remedy: mend the line, "
            "or the one before it",
        ),
        (
            "config:\n  server: " + 3000 * "[",
            "1: YAML: something is in itself, or in too many other things. Remedy: mend the line, "
            "or the one before it",
        ),
        (
            GOOD + "---\na: 1\n",
            "14: YAML: expected a single document in the stream but found another document. "
            "Remedy: mend the line, or the one before it",
        ),
        (
            GOOD + "  conectorPassword: hunter2\n",
            "14: conectorPassword: is no known key; check its spelling. Remedy: connectorPassword "
            f"is a key of the file; {PAGE}",
        ),
        (
            changed(
                "management: existing",
                "management: create\n    create: {sku: Standard_D2ds_v5, version: 99}",
            ),
            "4: server: PostgreSQL 99 is not served: Azure offers 11 to 18. Remedy: a version of "
            "these (management: none serves 10 to 18)",
        ),
        (
            GOOD + "confg: {}\n",
            "14: confg: is no key of a stack's file. Remedy: one of config, encryptionsalt, "
            "encryptedkey, secretsprovider, environment",
        ),
    ],
)  # fmt: skip
def test_a_fault_says_where_and_what_to_do(project: Project, text: str, fault: str) -> None:
    project.write("dev", text)
    found = project.run("config", "check", "--stack", "dev", status=1)
    assert f"stacks/Pulumi.dev.yaml:{fault}" in found
    assert "hunter2" not in "".join(found)
    assert "v1:abc" not in "".join(found)


def test_one_wrong_line_is_one_fault(project: Project) -> None:
    project.write("dev", changed("management: existing", "management: adopt"))
    assert len(project.run("config", "check", status=1)) == 1


def test_every_fault_of_every_stack_is_there_in_the_order_of_lines(project: Project) -> None:
    project.write("dev", GOOD)
    project.write("qa", GOOD.replace("existing", "adopt").replace("user: cdc_admin", "port: 99999"))
    found = project.run("config", "check", "--all", status=1)
    assert found[0] == "stacks/Pulumi.dev.yaml: nothing is wrong"
    assert [line.partition(": ")[0] for line in found[1:]] == [
        "stacks/Pulumi.qa.yaml:5",
        "stacks/Pulumi.qa.yaml:8",
        "stacks/Pulumi.qa.yaml:9",
    ]


def test_what_only_yaml_1_1_takes_for_a_number_is_right(project: Project) -> None:
    window = '{days: [sunday], start: 22:00, end: "04:00"}'
    project.write(
        "dev", changed("    name: psql-1", f"    name: psql-1\n    restart: {{window: {window}}}")
    )
    assert project.run("config", "check") == ["stacks/Pulumi.dev.yaml: nothing is wrong"]


def test_other_namespaces_are_left_alone(project: Project) -> None:
    project.write("dev", GOOD + "  azure-native:location: westeurope\n  team:anything: [1]\n")
    project.run("config", "check")


def test_a_password_that_is_not_set_yet_is_a_note(project: Project) -> None:
    project.write(
        "dev", "".join(GOOD.splitlines(keepends=True)[:1] + GOOD.splitlines(keepends=True)[3:])
    )
    assert project.run("config", "check") == [
        "stacks/Pulumi.dev.yaml: adminPassword: is not set yet; pulumi config set --stack dev "
        "--secret adminPassword",
        "stacks/Pulumi.dev.yaml: nothing is wrong",
    ]
    project.run("config", "check", "--strict", status=1)


def test_a_key_needs_no_namespace(project: Project) -> None:
    project.write("dev", GOOD.replace("  azure-postgres-cdc:", "  "))
    assert project.run("config", "check") == ["stacks/Pulumi.dev.yaml: nothing is wrong"]


def test_text_that_is_no_utf_8_is_one_fault(project: Project) -> None:
    project.write("dev", "").write_bytes(b"config:\n  a: \xff\n")
    (fault,) = project.run("config", "check", status=1)
    assert fault.startswith("stacks/Pulumi.dev.yaml:2: YAML: it is not UTF-8. Remedy: ")


def test_a_stack_that_is_not_there_is_one_line_with_those_that_are(project: Project) -> None:
    project.write("dev", GOOD)
    assert project.run("config", "check", "--stack", "prod", status=2) == [
        "azure-postgres-cdc: there is no stacks/Pulumi.prod.yaml. Remedy: check the name, or write "
        "it with azure-postgres-cdc new-stack prod; there are dev"
    ]


def test_the_shipped_stacks_have_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    said = Project(root).run("config", "check", "--all")
    for stack in ("dev", "local", "prod", "staging"):
        assert f"stacks/Pulumi.{stack}.yaml: nothing is wrong" in said


def test_values_are_read_as_the_engine_reads_them() -> None:
    """What `pulumi config --json` of 3.220 has said of the same text."""
    text = """\
a: {x: 1}
b: [yes, on, 22:00, 4:30:00, 0123, 0o17, 0x1F, 1_000, 1e3, ~, True, 1., +5, -, "1", =]
"""
    node = compose(text)
    assert node is not None
    assert construct(node)["b"] == [
        "yes", "on", "22:00", "4:30:00", 83, 15, 31, 1000, 1000.0, None, True, 1.0, 5, "-", "1",
        "=",
    ]  # fmt: skip
