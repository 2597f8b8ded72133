"""The policy pack. Every rule is one file of `rules/`; this is the only PolicyPack()."""

from pulumi_policy import EnforcementLevel, PolicyPack

from rules import RULES

PolicyPack(
    name="azure-postgres-cdc",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[rule.POLICY for rule in RULES],
)
