"""wal_level is logical: without it no change can be captured."""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
)

from rules.reading import text, type_of

NAME = "server-parameter-sets-wal-level"
CONFIGURATION = "azure-native:dbforpostgresql:Configuration"


def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Look at one resource; a value that is not known yet is looked at in the update."""
    if type_of(args.resource_type) != CONFIGURATION:
        return
    name = text(args.props, "configurationName") or args.name
    value = text(args.props, "value")
    if name != "wal_level" or value is None:
        return
    if value.strip().lower() != "logical":
        report(
            f"wal_level is {value!r}: no change can be captured. Set it to logical and restart "
            "the server.",
            None,
        )


POLICY = ResourceValidationPolicy(
    name=NAME,
    display_name="The server parameter wal_level is logical",
    description="Logical replication, and with it change data capture, needs wal_level = logical.",
    enforcement_level=EnforcementLevel.MANDATORY,
    severity=Severity.CRITICAL,
    remediation_steps="Set the server parameter wal_level to logical and restart the server.",
    url="https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-logical",
    validate=validate,
)
