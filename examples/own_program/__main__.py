"""The orders team's own program: their on-call, their names, and a CDC source in it."""

import pulumi
from pulumi_azure_native import monitor

from azure_postgres_cdc import CdcServer, CdcSource

config = pulumi.Config()
server = config.require_object("server")
connection = config.require_object("connection")
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

# The team's names for logins and roles: one of each for every database, each with its own slot.
postgres = CdcServer(
    "orders-postgres",
    {
        "management": "existing",
        "resourceGroup": server["resourceGroup"],
        "serverName": server["name"],
        "connection": {**connection, "password": config.require_secret("adminPassword")},
        "connectors": len(databases),
        "users": {f"cdc_{item['name']}": [f"cdc_{item['name']}_reader"] for item in databases},
        "restart": "when-needed",
        "alerts": {"actionGroup": on_call.id},
    },
)

sources = {
    item["name"]: CdcSource(
        f"capture-{item['name']}",
        {
            "server": postgres,
            "database": item["name"],
            "connectors": [
                {
                    "capture": item["capture"],
                    "user": f"cdc_{item['name']}",
                    "role": f"cdc_{item['name']}_reader",
                    "publication": f"cdc_{item['name']}",
                    "slot": f"cdc_{item['name']}",
                    "heartbeat": True,
                }
            ],
        },
    )
    for item in databases
}

pulumi.export("onCall", on_call.id)
pulumi.export("connectors", [form for source in sources.values() for form in source.connectors])
