"""What the connector's group role may do: connect, see the captured schemas, read their tables."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql

from azure_postgres_cdc.database.connection import ConnectionArgs
from azure_postgres_cdc.database.schema_access import SchemaAccess


@dataclass(frozen=True)
class RoleAccess:
    """What one group role needs in one database."""

    role: str
    captured: frozenset[str] | None
    """The schemas to read; None for every schema."""
    writes: frozenset[str]
    """The schemas of the signal and heartbeat tables that it writes to."""
    occupied: frozenset[str]
    """The schemas that hold such a table of any connector."""
    owners: tuple[str, ...]
    """Roles that create tables: what they create later is to be readable at once."""


def role_grants(
    prefix: str,
    connection: ConnectionArgs,
    database: str,
    access: RoleAccess,
    opts: pulumi.ResourceOptions,
    plugin_opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Declare the page's grants for one role.

    `postgresql.Grant` means *exactly these privileges*, so no two of them may meet on one table;
    `SchemaAccess` takes the schemas where they would.
    """
    grants: list[pulumi.Resource] = [
        postgresql.Grant(
            f"{prefix}-connect-{access.role}",
            object_type="database",
            database=database,
            role=access.role,
            privileges=["CONNECT"],
            opts=plugin_opts,
        )
    ]
    captured = access.captured or frozenset()
    shared = captured & access.occupied
    if access.captured is not None:
        grants += [
            _schema_grant(prefix, database, access.role, schema, plugin_opts)
            for schema in sorted((captured | access.writes) - shared)
        ]
        for schema in sorted(captured - shared):
            grants += _read_grants(prefix, database, access, schema, plugin_opts)
    if access.captured is None or shared:
        grants.append(
            SchemaAccess(
                f"{prefix}-schemas-{access.role}",
                connection,
                database,
                access.role,
                None if access.captured is None else sorted(shared),
                access.owners,
                opts,
            )
        )
    return grants


def _schema_grant(
    prefix: str, database: str, role: str, schema: str, opts: pulumi.ResourceOptions
) -> postgresql.Grant:
    """CREATE and USAGE on one schema, as on the page."""
    return postgresql.Grant(
        f"{prefix}-schema-{role}-{schema}",
        object_type="schema",
        database=database,
        schema=schema,
        role=role,
        privileges=["CREATE", "USAGE"],
        opts=opts,
    )


def _read_grants(
    prefix: str, database: str, access: RoleAccess, schema: str, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """SELECT on every table of one schema, and on those that the owners will create in it."""
    name = f"{access.role}-{schema}"
    grant = postgresql.Grant(
        f"{prefix}-tables-{name}",
        object_type="table",
        database=database,
        schema=schema,
        role=access.role,
        privileges=["SELECT"],
        opts=opts,
    )
    defaults = [
        postgresql.DefaultPrivileges(
            f"{prefix}-new-tables-{name}-{owner}",
            object_type="table",
            database=database,
            schema=schema,
            owner=owner,
            role=access.role,
            privileges=["SELECT"],
            opts=opts,
        )
        for owner in access.owners
    ]
    return [grant, *defaults]
