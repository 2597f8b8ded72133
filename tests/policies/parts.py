"""Parts that the cases of several rules share."""

from __future__ import annotations

from declaring import (
    UNRELATED,
    Made,
    forms,
    grant,
    ours,
    postgres,
    publication,
    role,
    user,
)

CONNECT = grant("database", "CONNECT", schema="", database="shop")
ROLES = (user(), role())
PUB = publication("public.orders")
SIGNALLED = publication("public.orders", "streamkap.streamkap_signal")
WRITES = grant(
    "table", "SELECT", "INSERT", "UPDATE", schema="streamkap", objects=["streamkap_signal"]
)
OUR_PUB = {"name": "pub", "ownTables": [], "capture": '{"tables": ["public.orders"]}'}
NO_CDC = [UNRELATED]


def membership(**props: object) -> Made:
    return postgres("GrantRole", "membership", **props)


def default(*privileges: str, **props: object) -> Made:
    given = {"objectType": "table", "role": "cdc_role", "schema": "public", "owner": "app"}
    return postgres("DefaultPrivileges", **(given | {"privileges": [*privileges]} | props))


def streamkap(**props: object) -> Made:
    """A source of Streamkap's own Terraform provider, bridged."""
    given = {"slotName": "slot", "publicationName": "pub", "databaseDbname": "shop"}
    return Made("streamkap:index/sourcePostgresql:SourcePostgresql", "source", given | props)


def access(**props: object) -> Made:
    given = {"role": "cdc_role", "schemas": ["public"], "writes": ["streamkap"]}
    return ours("SchemaAccess", **(given | props))


def signal_table(**props: object) -> Made:
    return ours("SignalTable", **({"schema": "streamkap", "roles": ["cdc_role"]} | props))


def two(**second: object) -> Made:
    """Two connectors of one database."""
    first = {"database": "shop", "replicationSlotName": "slot", "publicationName": "pub"}
    return forms(first, first | second)


def firewall(first: str, last: str) -> Made:
    inputs = {"startIpAddress": first, "endIpAddress": last}
    return Made("azure-native:dbforpostgresql:FirewallRule", "rule", inputs)


def provider(**props: object) -> Made:
    return Made("pulumi:providers:postgresql", "provider", dict(props))


def command(text: str) -> Made:
    return Made("command:local:Command", "command", {"create": text})
