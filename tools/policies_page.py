#!/usr/bin/env python3
"""Write docs/policies.md from the rules' own metadata; `--check` says whether it is current."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "policies"))

from attribute_docs import write_or_check  # noqa: E402
from pulumi_policy import Policy, ResourceValidationPolicy  # noqa: E402

from rules import RULES  # noqa: E402

PAGE = ROOT / "docs" / "policies.md"
HEAD = ROOT / "tools" / "policies_head.md"

_SUBJECTS = {
    "server": "The server in Azure",
    "firewall": "The server in Azure",
    "provider": "Connections and secrets",
    "connection": "Connections and secrets",
    "resource": "Connections and secrets",
    "role": "Roles and grants",
    "database": "Roles and grants",
    "schema": "Roles and grants",
    "table": "Roles and grants",
    "grant": "Roles and grants",
    "signal": "Signal table, publication and slot",
    "publication": "Signal table, publication and slot",
    "slot": "Signal table, publication and slot",
    "connector": "The connector",
}
_LEVELS = {
    "mandatory": "mandatory",
    "advisory": "advisory",
    "remediate": "remediated",
}


def page() -> str:
    """The whole page."""
    groups: dict[str, list[Policy]] = {title: [] for title in _SUBJECTS.values()}
    for rule in RULES:
        groups[_SUBJECTS[rule.NAME.partition("-")[0]]].append(rule.POLICY)
    lines = [HEAD.read_text(encoding="utf-8").rstrip().replace("{rules}", str(len(RULES))), ""]
    for title, policies in groups.items():
        lines += [f"## {title}", ""]
        for policy in policies:
            lines += [*_section(policy), ""]
    return "\n".join(lines)


def _section(policy: Policy) -> Iterator[str]:
    """One rule."""
    level = policy.enforcement_level.value if policy.enforcement_level else ""
    severity = policy.severity.value if policy.severity else ""
    sees = "a resource" if isinstance(policy, ResourceValidationPolicy) else "the stack"
    yield f"### {policy.name}"
    yield ""
    yield f"*{policy.display_name}.* {policy.description}"
    yield ""
    yield f"{_LEVELS[level]} · {severity} · looks at {sees} · [more]({policy.url})"
    yield ""
    yield f"Remedy: {policy.remediation_steps}"
    settings = policy.config_schema.properties if policy.config_schema else {}
    if settings:
        yield ""
    for key, item in settings.items():
        default = json.dumps(item["default"])
        yield f"- `{key}` ({item['type']}, default `{default}`): {item['description']}"


def main() -> int:
    """Write the page, or look whether it is current."""
    return write_or_check(PAGE, page())


if __name__ == "__main__":
    sys.exit(main())
