"""Stands in for `pulumi-resource-postgresql` 3.18, which bridges Terraform's cyrilgdn/postgresql.

Role, GrantRole, Grant, DefaultPrivileges and Schema, with the real plugin's semantics, its fights
and refusals included. Where the real plugin's answer is not known, this one takes the stricter.

    python -m azure_postgres_rehearsal.plugins.postgresql
"""
