"""The policy pack. Every rule is one file of `rules/`; this is the only PolicyPack()."""

from pulumi_policy import EnforcementLevel, PolicyPack

from rules import server_parameter_sets_wal_level

PolicyPack(
    name="azure-postgres-cdc",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[server_parameter_sets_wal_level.POLICY],
)
