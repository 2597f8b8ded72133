"""The major-version upgrade of a stack's server, without a lost change. docs/upgrade.md."""
