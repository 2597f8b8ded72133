"""The orders team's own program: their on-call, their names, and two CDC sources in it."""

import pulumi
from pulumi_azure_native import monitor

from azure_postgres_cdc import CdcServer, CdcSource, ConnectionArgs, ConnectorArgs

config = pulumi.Config()
server = config.require_object("server")
connection: ConnectionArgs = config.require_object("connection")
databases = config.require_object("databases")

# A resource of the team's own; what it puts out goes into ours as it is.
on_call = monitor.ActionGroup(
    "orders-on-call",
    resource_group_name=server["resourceGroup"],
    action_group_name="orders-on-call",
    location="Global",
    group_short_name="orders",
    enabled=True,
    email_receivers=[{"name": "orders", "email_address": "orders-on-call@example.com"}],
)


def team_names(database: str) -> ConnectorArgs:
    """A login, a role, a publication and a slot for each database, called as this team does."""
    return {
        "capture": {"tables": captured[database]},
        "user": f"cdc_{database}",
        "role": f"cdc_{database}_reader",
        "publication": f"cdc_{database}",
        "slot": f"cdc_{database}",
        "heartbeat": True,
    }


captured = {item["name"]: item["capture"]["tables"] for item in databases}
connectors = {database: team_names(database) for database in captured}

postgres = CdcServer(
    "orders-postgres",
    {
        "management": "existing",
        "resourceGroup": server["resourceGroup"],
        "serverName": server["name"],
        "connection": {**connection, "password": config.require_secret("adminPassword")},
        "connectors": len(connectors),
        "users": {item["user"]: [item["role"]] for item in connectors.values()},
        "restart": "when-needed",
        "alerts": {"actionGroup": on_call.id},
    },
)

sources = [
    CdcSource(
        f"capture-{database}",
        {"server": postgres, "database": database, "connectors": [connector]},
    )
    for database, connector in connectors.items()
]

pulumi.export("onCall", on_call.id)
pulumi.export("connectors", [form for source in sources for form in source.connectors])
