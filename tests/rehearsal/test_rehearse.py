"""`azure-postgres-cdc record` and `rehearse`: what `pulumi up` would do, without any credential."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import PROJECT
from typer.testing import CliRunner

from azure_postgres_rehearsal.cli import app
from azure_postgres_rehearsal.rehearsal import Rehearsal

STACKS = ("dev", "staging", "prod")
ENCRYPTED = "v1:AAAAAAAAAAAAAAAA:bm9ib2R5IGNhbiBkZWNyeXB0IHRoaXM="
# As a stack's file has them where a cloud's key protects its secrets.
PROTECTED = {
    "secretsprovider": "azurekeyvault://nobody.vault.azure.net/keys/none",
    "encryptedkey": "bm90IGEga2V5",
    "encryptionsalt": "v1:AAAA:v1:AAAAAAAA:bm8=",
}
NO_SLOT = "replication-slot-is-forbidden"
PACK = f'''
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy


def validate(args, report):
    if args.resource_type.endswith(":ReplicationSlot"):
        report("no slot here, please")


PolicyPack(name="test", policies=[
    ResourceValidationPolicy(name="{NO_SLOT}", description="A test.", validate=validate,
                             enforcement_level=EnforcementLevel.MANDATORY),
    ResourceValidationPolicy(name="only-advice", description="A test.", validate=validate,
                             enforcement_level=EnforcementLevel.ADVISORY),
])
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """This project with its stacks, whose secrets nobody here can decrypt."""
    shutil.copy(PROJECT / "Pulumi.yaml", tmp_path)
    (tmp_path / ".engine").symlink_to(PROJECT / ".engine")
    shutil.copytree(PROJECT / "stacks", tmp_path / "stacks", ignore=lambda *_: ["__pycache__"])
    (tmp_path / "policies").symlink_to(PROJECT / "policies")
    for stack in STACKS:
        change(tmp_path, stack, adminPassword={"secure": ENCRYPTED})
    return tmp_path


def stack_file(project: Path, stack: str) -> Path:
    return project / "stacks" / f"Pulumi.{stack}.yaml"


def change(project: Path, stack: str, **settings: Any) -> None:
    """Edit a stack's file."""
    file = stack_file(project, stack)
    content = yaml.safe_load(file.read_text())
    content |= PROTECTED
    content["config"] |= settings
    file.write_text(yaml.safe_dump(content))


def tool(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, in an environment with no credential in it."""
    kept = ("PATH", "HOME", "PYTHONPATH", "TMPDIR", "LANG")
    plain = {key: os.environ[key] for key in kept if key in os.environ}
    result = subprocess.run(
        [sys.executable, "-m", "azure_postgres_cdc.operations", *arguments],
        cwd=cwd,
        env={**plain, "COLUMNS": "200", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stdout + result.stderr, result.stdout + result.stderr
    return result


def rehearse(project: Path, stack: str, *arguments: str, status: int = 0) -> str:
    result = tool("rehearse", "--stack", stack, *arguments, cwd=project)
    said = result.stdout + result.stderr
    assert result.returncode == status, said
    assert ENCRYPTED not in said
    assert "SCRAM-SHA-256" not in said
    assert " PASSWORD '********'" in said or "PASSWORD" not in said
    return said


def record(project: Path, stack: str, rehearsal: Rehearsal) -> dict[str, Any]:
    """Record the server of a rehearsal, as somebody with access to a real one does."""
    target = project / "stacks" / f"record.{stack}.json"
    environment = rehearsal.engine.environment
    result = tool(
        "record", "--stack", stack, "--output", str(target),
        cwd=rehearsal.engine.folder, environment=environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert rehearsal.postgres.admin_password not in result.stdout + target.read_text()
    found: dict[str, Any] = json.loads(target.read_text())
    return found


def furnish(rehearsal: Rehearsal) -> None:
    """Tables like those of a real server: another owner, partitions, more than is captured."""
    with rehearsal.administrator("shop") as connection:
        connection.execute(
            "CREATE ROLE app; GRANT app TO cdc_admin; GRANT CREATE ON SCHEMA public TO app;"
            "CREATE TABLE public.customers (id int PRIMARY KEY, name text);"
            "CREATE TABLE public.orders (id int, day date NOT NULL, PRIMARY KEY (id, day))"
            " PARTITION BY RANGE (day);"
            "CREATE TABLE public.orders_26 PARTITION OF public.orders"
            " FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');"
            "CREATE TABLE public.invoices (id int PRIMARY KEY);"
            "ALTER TABLE public.customers OWNER TO app; ALTER TABLE public.orders OWNER TO app;"
        )


@pytest.fixture
def production() -> Iterator[Rehearsal]:
    """Someone's server: some of the parameters are set, one waits for a restart."""
    options = {"auto_grow": True, "storage_gb": 512, "high_availability": "ZoneRedundant"}
    with Rehearsal(PROJECT, "prod", server=options) as rehearsal:
        for name, value in (("wal_level", "logical"), ("max_worker_processes", "32")):
            rehearsal.server.write_configuration(name, written(value)).done.wait()
        rehearsal.server.restart({}).done.wait()
        rehearsal.server.write_configuration("max_wal_senders", written("20")).done.wait()
        furnish(rehearsal)
        yield rehearsal


def written(value: str) -> dict[str, Any]:
    return {"properties": {"value": value, "source": "user-override"}}


def forbid_slots(project: Path) -> None:
    """Have a policy pack of one's own, which nothing of ours satisfies."""
    (project / "policies").unlink()
    (project / "policies").mkdir()
    (project / "policies" / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (project / "policies" / "__main__.py").write_text(PACK)


def test_a_recorded_server_is_rehearsed_as_it_is(project: Path, production: Rehearsal) -> None:
    """A policy is violated as well, which does not keep the rest from being shown."""
    found = record(project, "prod", production)
    assert found["azure"]["pendingRestart"] == ["max_wal_senders"]
    assert found["azure"]["autoGrow"] is True
    assert found["stackMade"] == {}
    change(project, "prod", connectorPassword={"secure": ENCRYPTED})
    forbid_slots(project)
    comment = project / "comment.md"
    said = rehearse(project, "prod", "--policies", "--markdown", str(comment), status=1)
    assert "1 mandatory policy violated by prod (PostgreSQL 17, with the record's tables)" in said
    for already in ("wal_level=", "max_worker_processes=", "auto_grow=", "made-up"):
        assert already not in said
    assert "shared_preload_libraries=pg_stat_statements,pglogical" in said
    # restart: never; and the one that somebody else left waiting is told.
    assert "pulumi up stops here" in said
    assert "max_wal_senders" in said
    assert "restart by hand" in said
    # The owner's, through the membership that is recorded; nothing generated: a secret is there.
    assert 'ALTER DEFAULT PRIVILEGES FOR ROLE "app"' in said
    assert "GeneratedPassword" not in said
    assert "failover => true" in said  # the standby is in the record
    text = comment.read_text()
    assert text.startswith("### ❌ `pulumi up` of stack `prod`, rehearsed\n")
    assert f"| mandatory | `{NO_SLOT}` | `shop-streamkap_pgoutput_slot` |" in text
    assert "| advisory | `only-advice` |" in text
    assert "| **restart by hand** |" in text
    assert "ENCRYPTED PASSWORD '********'" in text
    assert len(text) < 65_536
    assert text.count("<details>") == text.count("</details>") == 3


def test_what_cannot_be_rehearsed_is_one_line(project: Path) -> None:
    (project / "stacks" / "record.prod.json").write_text('{"format": 7}')
    (project / "stacks" / "Pulumi.nested.yaml").write_text(
        yaml.safe_dump(
            {
                "config": {
                    "azure-postgres-cdc:server": {"management": "none"},
                    "azure-postgres-cdc:connection": {"user": "a", "host": {"secure": ENCRYPTED}},
                }
            }
        )
    )
    (project / "policies").unlink()
    runner = CliRunner()
    for arguments, expected in (
        (["--stack", "nobody"], "Pulumi.nobody.yaml"),
        (["--stack", "prod"], "record.prod.json has the format 7, and this reads 1"),
        (["--stack", "nested"], "connection holds a secret inside"),
        (["--stack", "dev", "--policies"], "has no folder policies"),
        (["--stack", "dev", "--project", str(project / "stacks")], "has no Pulumi.yaml"),
    ):
        here = ["--project", str(project)] if "--project" not in arguments else []
        result = runner.invoke(app, ["rehearse", *arguments, *here])
        assert (result.exit_code, result.stdout) == (2, "")
        assert expected in result.stderr
        assert result.stderr.count("\n") == 1
    result = tool("rehearse", "--stack", "dev", "--polices", cwd=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert "No such option" in result.stderr
    assert "Usage: azure-postgres-cdc rehearse " in result.stderr


def test_without_the_extra_it_says_what_to_install(project: Path) -> None:
    blocked = "import sys, runpy; sys.modules['flask'] = None; sys.argv[1:] = ['rehearse'];"
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{blocked} runpy.run_module('azure_postgres_rehearsal', run_name='__main__')",
        ],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "a rehearsal needs flask, which is not installed. Remedy: "
        "pip install 'azure-postgres-cdc[rehearsal]'\n"
    )


# Longer than the everyday run allows


@pytest.mark.full
@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_without_a_record(project: Path, stack: str) -> None:
    said = rehearse(project, stack, "--policies")
    assert f"pulumi up of {stack} would go through" in said
    assert "made-up tables: there is no record" in said
    assert "policies: no violation" in said
    assert ("restart by hand" in said) == (stack != "dev")


@pytest.mark.full
@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_with_its_record(project: Path, stack: str) -> None:
    with Rehearsal(PROJECT, stack) as rehearsal:
        furnish(rehearsal)
        record(project, stack, rehearsal)
    said = rehearse(project, stack, "--policies")
    assert f"pulumi up of {stack} would go through" in said
    assert "with the record's tables" in said
    assert "policies: no violation" in said


@pytest.mark.full
def test_a_stack_that_was_up_shows_what_changes(project: Path) -> None:
    """The record knows what the stack has made, and --base from where it starts."""
    with Rehearsal(PROJECT, "dev") as rehearsal:
        furnish(rehearsal)
        rehearsal.engine.up("--skip-preview", capture=True)
        found = record(project, "dev", rehearsal)
    assert found["stackMade"]["roles"] == ["streamkap_role", "streamkap_user"]
    assert "streamkap_pgoutput_slot" in found["slots"]
    base = project / "deployed.yaml"
    shutil.copy(stack_file(project, "dev"), base)
    (database,) = yaml.safe_load(base.read_text())["config"]["databases"]
    database["capture"]["tables"].append("public.invoices")
    change(project, "dev", databases=[database])
    said = rehearse(project, "dev", "--base", str(base))
    assert "update (" in said
    assert 'ALTER PUBLICATION "streamkap_pub" ADD TABLE ONLY "public"."invoices"' in said
    assert "CREATE ROLE" not in said
    assert "0 Azure operations, 0 restarts" in said
    everything = rehearse(project, "dev")
    assert "CREATE ROLE" in everything
    assert "With --base FILE" in everything


@pytest.mark.full
def test_a_table_that_the_real_server_lacks_fails_as_it_would(
    project: Path, production: Rehearsal
) -> None:
    record(project, "prod", production)
    (database,) = yaml.safe_load(stack_file(project, "prod").read_text())["config"]["databases"]
    database["capture"]["tables"].append("public.no_such")
    change(project, "prod", databases=[database])
    said = rehearse(project, "prod", "--markdown", "comment.md", status=1)
    assert "public.no_such does not exist" in said
    assert "pulumi up of prod would fail" in said
    assert "public.no\\_such does not exist" in (project / "comment.md").read_text()


@pytest.mark.full
def test_the_policies_take_a_configuration(project: Path) -> None:
    forbid_slots(project)
    lenient = project / "policies.dev.json"
    lenient.write_text(json.dumps({NO_SLOT: {"enforcementLevel": "disabled"}}))
    said = rehearse(project, "dev", "--policies", "--policy-config", str(lenient))
    assert NO_SLOT not in said
    assert "only-advice" in said
    lenient.write_text(json.dumps({NO_SLOT: "sometimes"}))
    said = rehearse(project, "dev", "--policies", "--policy-config", str(lenient), status=1)
    assert '"sometimes" is not a valid enforcement level' in said
    assert "policies: not asked to the end, because of the error" in said
    assert "no violation" not in said


@pytest.mark.full
def test_a_server_that_the_stack_makes_is_made_before_the_change(project: Path) -> None:
    """Without a record: what the deployed file has is made up, and then what changes is shown."""
    example = yaml.safe_load((PROJECT / "examples/stacks/Pulumi.create.yaml").read_text())
    settings = {key.partition(":")[2]: value for key, value in example["config"].items()}
    settings["server"]["create"]["location"] = "westeurope"
    change(project, "dev", server=settings["server"], connection=settings["connection"])
    base = project / "deployed.yaml"
    shutil.copy(stack_file(project, "dev"), base)
    databases = yaml.safe_load(base.read_text())["config"]["databases"]
    databases[0]["capture"]["tables"].remove("public.customers")
    change(project, "dev", databases=databases)
    said = rehearse(project, "dev", "--base", str(base))
    assert 'ALTER PUBLICATION "streamkap_pub" DROP TABLE ONLY "public"."customers"' in said
    assert "0 Azure operations, 0 restarts" in said
    assert "create" not in said.partition("resources")[2].partition("statements")[0]


def test_a_configuration_of_the_policies_that_is_no_json(project: Path) -> None:
    broken = project / "policies.dev.json"
    broken.write_text("{bad")
    options = ("--policies", "--policy-config", str(broken))
    result = tool("rehearse", "--stack", "dev", *options, cwd=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"azure-postgres-cdc: {broken} is no JSON: Expecting property")
    assert result.stderr.endswith(". Remedy: mend it; docs/policies.md has the form\n")


def test_a_stack_that_is_not_there_is_one_line_with_those_that_are(project: Path) -> None:
    result = tool("rehearse", "--stack", "nope", cwd=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("azure-postgres-cdc: there is no Pulumi.nope.yaml in ")
    assert result.stderr.endswith("Remedy: check --stack; there are dev, local, prod, staging\n")


def test_a_server_is_made_with_no_databases_yet(project: Path) -> None:
    """`config check` finds nothing wrong with such a file, and neither does the engine."""
    server = {"management": "create", "resourceGroup": "rg", "name": "psql-new"}
    create = {"sku": "Standard_D2ds_v5", "location": "westeurope"}
    change(project, "dev", server={**server, "create": create})
    file = stack_file(project, "dev")
    content = yaml.safe_load(file.read_text())
    del content["config"]["databases"]
    file.write_text(yaml.safe_dump(content))
    checked = tool("config", "check", "--stack", "dev", cwd=project)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (
        0,
        "stacks/Pulumi.dev.yaml: nothing is wrong",
    )
    assert "pulumi up of dev would go through" in rehearse(project, "dev")


def test_what_the_program_refuses_is_the_program_s_to_say(project: Path) -> None:
    """Faults that a server can be made up in spite of: every one of them, as `pulumi up` has it."""
    capture = {"tables": ["a.b.c", "public.1a", "orders"]}
    other = {"name": "yes", "slot": "other", "capture": {"tablesFile": "nowhere.txt"}}
    change(project, "dev", databases=[{"name": "shop", "capture": capture}, other])
    said = tool("rehearse", "--stack", "dev", cwd=project)
    assert said.returncode == 1
    assert "would fail" in said.stdout
    for fault in (
        "'a.b.c' is not of the form schema.table",
        "'public.1a' is no name of a table",
        "'orders' is not of the form schema.table",
        "nowhere.txt cannot be read",
    ):
        assert fault in said.stdout


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"connection": {"user": "pg_x"}}, 'PostgreSQL refused .* role name "pg_x" is reserved'),
        (
            {"server": {"management": "existing", "resourceGroup": "rg", "name": "<the name>"}},
            "the emulated Azure refused .* The server name '<the name>' is invalid: ",
        ),
    ],
)
def test_what_a_server_cannot_be_made_of_is_one_line(
    project: Path, setting: dict[str, Any], reason: str
) -> None:
    change(project, "dev", **setting)
    result = tool("rehearse", "--stack", "dev", cwd=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.match(rf"azure-postgres-cdc: {reason}.*\. Remedy: .* config check ", result.stderr)
    assert result.stderr.count("\n") == 1


def test_names_that_the_output_s_encoding_lacks_are_spelt_out(project: Path) -> None:
    change(project, "dev", databases=[{"name": "shöp", "capture": {"tables": ['public."表"']}}])
    plain = {"PYTHONIOENCODING": "ascii"}
    result = tool("rehearse", "--stack", "dev", cwd=project, environment=plain)
    assert (result.returncode, result.stderr) == (0, "")
    assert 'sh\\xf6p: GRANT SELECT ON TABLE "public"."\\u8868"' in result.stdout
