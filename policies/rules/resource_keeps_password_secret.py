"""Passwords are secrets, which the state and the output of Pulumi hold encrypted.

A validation is shown every secret unwrapped and cannot tell it from plain text. A remediation can:
so this rule puts right what it finds, and at any other level than `remediate` it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Secret

from view.declared import Declared
from view.kinds import OURS, PROVIDER, ROLE, SERVER, VAULT_SECRET
from view.links import SECRETS
from view.remedy import Path, plain_text_at
from view.rule import HIGH, REMEDIATE, Config, resource_rule
from view.values import read, text

NAME = "resource-keeps-password-secret"

_PASSWORDS: Mapping[str, Path] = {
    ROLE: ("password",),
    PROVIDER: ("password",),
    SERVER: ("administratorLoginPassword",),
    VAULT_SECRET: ("properties", "value"),
    OURS: ("connection", "password"),
}


def validate(_resource: Declared, _config: Config) -> Iterator[str]:
    """Nothing: see above."""
    yield from ()


def fix(resource: Declared) -> Mapping[Path, Any]:
    """Make a secret of it. A value that is not known yet is looked at in the update."""
    path = _PASSWORDS[OURS if resource.kind.startswith(OURS) else resource.kind]
    value = text(read(resource.inputs, *path))
    if value is None:
        return {}
    return {found: Secret(value) for found in plain_text_at(resource.inputs, (path,))}


POLICY = resource_rule(
    NAME,
    title="Passwords are secrets",
    why="A password that is no secret is in plain text in the state and in what Pulumi prints.",
    remedy="take the password from `pulumi config set --secret`, or generate it",
    url=SECRETS,
    level=REMEDIATE,
    severity=HIGH,
    kinds=_PASSWORDS,
    validate=validate,
    fix=fix,
)
