"""What every rule is made with, so that its file says only what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from view.declared import Declared, remember
from view.remedy import Fix, remedied
from view.stack import Stack

MANDATORY = EnforcementLevel.MANDATORY
"""Data would be lost, or the connector would not start."""
ADVISORY = EnforcementLevel.ADVISORY
"""It works, but not as well or as safely as it should."""
REMEDIATE = EnforcementLevel.REMEDIATE
"""The right value is certain: it is put in, and what cannot be mended is mandatory."""

CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW

Config = Mapping[str, Any]
"""The rule's configuration, defaults filled in."""
Finding = tuple[str, str]
"""What is wrong, in one line without the remedy; and the URN of the resource, or nothing."""


def resource_rule(
    name: str,
    *,
    title: str,
    why: str,
    remedy: str,
    url: str,
    level: EnforcementLevel,
    severity: Severity,
    kinds: Iterable[str],
    validate: Callable[[Declared, Config], Iterator[str]],
    fix: Fix | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
) -> ResourceValidationPolicy:
    """A rule on each resource of some kinds, whatever else is in the stack.

    A kind that ends with a colon stands for all that begin like it. `fix` gives the properties
    that the resource should have instead; nothing where it is right.
    """
    exactly = frozenset(kinds)
    beginnings = tuple(kind for kind in exactly if kind.endswith(":"))

    def is_ours(resource: Declared) -> bool:
        return resource.kind in exactly or resource.kind.startswith(beginnings)

    def check(args: ResourceValidationArgs, report: ReportViolation) -> None:
        remember(args)
        resource = Declared.alone(args)
        if not is_ours(resource):
            args.not_applicable("another kind of resource")
        for found in validate(resource, _config(config, args.get_config())):
            report(f"{found}. Remedy: {remedy}", None)

    def mend(args: ResourceValidationArgs) -> Any:
        resource = Declared.alone(args)
        if fix is None or not is_ours(resource):
            return None
        return remedied(args.props, fix(resource))

    return ResourceValidationPolicy(
        name=name,
        display_name=title,
        description=why,
        enforcement_level=level,
        severity=severity,
        remediation_steps=_sentence(remedy),
        url=url,
        tags=["cdc", name.partition("-")[0]],
        validate=check,
        remediate=mend if fix else None,
        config_schema=_schema(config),
    )


def stack_rule(
    name: str,
    *,
    title: str,
    why: str,
    remedy: str,
    url: str,
    level: EnforcementLevel,
    severity: Severity,
    validate: Callable[[Stack, Config], Iterator[Finding]],
    applies: Callable[[Stack], object],
    config: Mapping[str, Mapping[str, Any]] | None = None,
) -> StackValidationPolicy:
    """A rule on the stack as a whole, where it `applies`: it sees what is missing."""

    def check(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = Stack([Declared.in_stack(resource) for resource in args.resources])
        if not stack.is_cdc or not applies(stack):
            args.not_applicable("nothing in the stack that it is about")
        for found, urn in validate(stack, _config(config, args.get_config())):
            report(f"{found}. Remedy: {remedy}", urn or None)

    return StackValidationPolicy(
        name=name,
        display_name=title,
        description=why,
        enforcement_level=level,
        severity=severity,
        remediation_steps=_sentence(remedy),
        url=url,
        tags=["cdc", name.partition("-")[0]],
        validate=check,
        config_schema=_schema(config),
    )


def _config(schema: Mapping[str, Mapping[str, Any]] | None, given: Config) -> Config:
    """The engine fills in the defaults too, but only where it is given a configuration."""
    return {key: item["default"] for key, item in (schema or {}).items()} | dict(given)


def _schema(config: Mapping[str, Mapping[str, Any]] | None) -> PolicyConfigSchema | None:
    return PolicyConfigSchema({key: dict(item) for key, item in config.items()}) if config else None


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
