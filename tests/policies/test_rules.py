"""Every rule on its own: its metadata, and its cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from case import Cases, Stack
from cases_database import DATABASE
from cases_roles import ROLES_AND_GRANTS
from cases_server import SERVER
from declaring import BY_NAME, findings
from pulumi_policy import EnforcementLevel, ResourceValidationPolicy

from rules import RULES

CASES: dict[str, Cases] = SERVER | ROLES_AND_GRANTS | DATABASE
SECRETS = "resource-keeps-password-secret"
"""Only a remediation can tell: test_remediation.py has its cases."""


def of(kind: str) -> list[object]:
    return [
        pytest.param(name, stack, id=f"{name}-{number}")
        for name, cases in CASES.items()
        for number, stack in enumerate(getattr(cases, kind), 1)
    ]


@pytest.mark.parametrize(("name", "stack"), of("passes"))
def test_passes(name: str, stack: Stack) -> None:
    assert findings(name, stack) == []


@pytest.mark.parametrize(("name", "stack"), of("fails"))
def test_fails(name: str, stack: Stack) -> None:
    said = findings(name, stack)
    assert said
    assert all(". Remedy: " in line and "\n" not in line for line in said)


@pytest.mark.parametrize(("name", "stack"), of("unknown"))
def test_what_is_unknown_is_no_fault(name: str, stack: Stack) -> None:
    assert findings(name, stack) == []


@pytest.mark.parametrize(("name", "stack"), of("fails_beside_unknown"))
def test_what_is_known_fails_beside_what_is_unknown(name: str, stack: Stack) -> None:
    assert findings(name, stack)


@pytest.mark.parametrize(("name", "stack"), of("not_applicable"))
def test_not_applicable(name: str, stack: Stack) -> None:
    assert findings(name, stack) is None


def test_every_rule_has_every_kind_of_case() -> None:
    assert {*CASES, SECRETS} == set(BY_NAME)
    for name, cases in CASES.items():
        always_fails = name == "slot-avoids-plain-resource"
        assert cases.passes or always_fails, name
        assert cases.fails, name
        assert cases.unknown or cases.fails_beside_unknown, name
        assert cases.not_applicable, name


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_metadata(name: str) -> None:
    rule, policy = BY_NAME[name], BY_NAME[name].POLICY
    assert policy.name == rule.NAME == name
    assert rule.__name__ == f"rules.{name.replace('-', '_')}"
    assert rule.__doc__
    assert policy.display_name
    assert policy.description.endswith(".")
    assert policy.severity
    assert policy.remediation_steps.endswith(".")
    assert str(policy.url).startswith("https://")
    assert policy.tags == ["cdc", name.partition("-")[0]]
    level = policy.enforcement_level
    assert level in (
        EnforcementLevel.MANDATORY,
        EnforcementLevel.ADVISORY,
        EnforcementLevel.REMEDIATE,
    )
    mends = isinstance(policy, ResourceValidationPolicy) and policy.has_remediation()
    assert mends == (level is EnforcementLevel.REMEDIATE)
    for item in policy.config_schema.properties.values() if policy.config_schema else ():
        assert {"type", "default", "description"} <= set(item)


def test_there_are_enough_rules_and_each_is_a_file() -> None:
    folder = Path(RULES[0].__file__ or "").parent
    assert len(RULES) >= 30
    assert {file.stem for file in folder.glob("*.py")} - {"__init__"} == {
        rule.__name__.rpartition(".")[2] for rule in RULES
    }
    assert [rule.NAME for rule in RULES] == sorted(BY_NAME)


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "policies/config").iterdir()))
def test_an_environment_s_configuration_names_rules_and_their_settings(file: Path) -> None:
    for name, settings in json.loads(file.read_text()).items():
        schema = BY_NAME[name].POLICY.config_schema
        known = set(schema.properties) if schema else set()
        given = set(settings) if isinstance(settings, dict) else set()
        assert given <= known | {"enforcementLevel"}
