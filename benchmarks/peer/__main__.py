"""The peer of benchmarks/tables.py: the page's script with pulumi-postgresql's own resources.

They have no table, so the signal table is missing, and nothing for a replica identity.
"""

import json
from pathlib import Path

import pulumi
import pulumi_postgresql as postgresql

config = pulumi.Config()
name, databases = config.require("name"), json.loads(config.require("databases"))
tables = Path(config.require("tablesFile")).read_text().split()
provider = postgresql.Provider(
    "peer",
    host=config.require("host"),
    port=config.require_int("port"),
    username=config.require("user"),
    password=config.require_secret("password"),
    sslmode=config.require("sslMode"),
    superuser=False,
)
opts = pulumi.ResourceOptions(provider=provider)
role = postgresql.Role("role", name=f"{name}_role", opts=opts)
login = postgresql.Role(
    "user",
    name=name,
    login=True,
    replication=True,
    password="x",  # noqa: S106 - the server is thrown away
    roles=[role.name],
    opts=opts,
)
for database in databases:
    after = pulumi.ResourceOptions(provider=provider, depends_on=[login])
    grants = [
        postgresql.Grant(
            f"{database}-{kind}",
            database=database,
            role=role.name,
            object_type=kind,
            schema=None if kind == "database" else "app",
            privileges=privileges,
            opts=after,
        )
        for kind, privileges in (
            ("database", ["CONNECT"]),
            ("schema", ["CREATE", "USAGE"]),
            ("table", ["SELECT"]),
        )
    ]
    postgresql.DefaultPrivileges(
        f"{database}-new-tables",
        database=database,
        role=role.name,
        owner=config.require("user"),
        schema="app",
        object_type="table",
        privileges=["SELECT"],
        opts=after,
    )
    publication = postgresql.Publication(
        f"{database}-publication",
        name=name,
        database=database,
        tables=tables,
        publish_via_partition_root_param=True,
        opts=pulumi.ResourceOptions(provider=provider, depends_on=grants),
    )
    postgresql.ReplicationSlot(
        f"{database}-slot",
        name=f"{name}_{database}",
        database=database,
        plugin="pgoutput",
        opts=pulumi.ResourceOptions(provider=provider, depends_on=[publication]),
    )
