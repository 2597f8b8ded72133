"""The rule on wal_level: metadata, pass, fail, unknown, not applicable; and through the engine."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy import EnforcementLevel, ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from azure_postgres_rehearsal.engine import Engine
from rules import server_parameter_sets_wal_level as rule

POLICIES = Path(__file__).resolve().parents[2] / "policies"
CONFIGURATION = "azure-native:dbforpostgresql:Configuration"


def violations(resource_type: str, props: Mapping[str, Any], name: str = "x") -> list[str]:
    found: list[str] = []
    args = ResourceValidationArgs(resource_type, props, "urn", name, None, None)  # type: ignore[arg-type]
    rule.validate(args, lambda message, _urn=None: found.append(message))
    return found


def test_metadata() -> None:
    assert rule.POLICY.name == rule.NAME
    assert rule.POLICY.enforcement_level is EnforcementLevel.MANDATORY
    assert rule.POLICY.severity
    assert rule.POLICY.remediation_steps
    assert str(rule.POLICY.url).startswith("https://")


@pytest.mark.parametrize("value", ["logical", "LOGICAL", " Logical "])
@pytest.mark.parametrize("version", ["", "/v20250801", "/v20260101preview"])
def test_logical_in_any_case_and_of_any_version_passes(value: str, version: str) -> None:
    kind = f"azure-native:dbforpostgresql{version}:Configuration"
    assert violations(kind, {"configurationName": "wal_level", "value": value}) == []


@pytest.mark.parametrize("version", ["", "/v20250801", "/v20260101preview"])
def test_replica_fails(version: str) -> None:
    kind = f"azure-native:dbforpostgresql{version}:Configuration"
    found = violations(kind, {"configurationName": "wal_level", "value": "replica"})
    assert len(found) == 1
    assert "'replica'" in found[0]


def test_a_resource_without_a_configuration_name_is_known_by_its_own() -> None:
    assert violations(CONFIGURATION, {"value": "replica"}, name="wal_level")


def test_an_unknown_value_is_looked_at_later() -> None:
    props = {"configurationName": "wal_level", "value": UNKNOWN_STRING_VALUE}
    assert violations(CONFIGURATION, unknown_checking_proxy(props)) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (CONFIGURATION, "max_worker_processes"),
        ("azure-native:dbformysql:Configuration", "wal_level"),
        ("postgresql:index/role:Role", "wal_level"),
    ],
)
def test_other_resources_are_not_its_business(kind: str, name: str) -> None:
    assert violations(kind, {"configurationName": name, "value": "replica"}) == []


@pytest.mark.parametrize(("value", "returncode"), [("Logical", 0), ("replica", 255)])
def test_a_teams_own_program_through_the_real_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, returncode: int
) -> None:
    engine_bin = POLICIES.parent / ".engine" / "bin"
    monkeypatch.setenv("PATH", str(engine_bin), prepend=os.pathsep)
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: own\nruntime: {name: python, options: {}}\n")
    (project / "Pulumi.test.yaml").write_text("config: {}\n")
    program = f"""
        from pulumi_azure_native.dbforpostgresql import Configuration
        Configuration("c", configuration_name="wal_level", resource_group_name="rg",
                      server_name="psql", source="user-override", value="{value}")
    """
    (project / "__main__.py").write_text(textwrap.dedent(program))
    environment = {
        "AZURE_RESOURCE_MANAGER_ENDPOINT": "http://127.0.0.1:9",
        "ARM_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
    }
    engine = Engine(project, "test", tmp_path / "engine", {}, {}, environment)
    outcome = engine.preview("--policy-pack", str(POLICIES), capture=True, check=False)
    assert outcome.returncode == returncode, outcome.text
    assert (rule.NAME in outcome.text) == bool(returncode)
