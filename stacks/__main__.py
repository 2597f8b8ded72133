"""The program: one server, then each captured database on it."""

import pulumi

from azure_postgres_cdc import CdcServer, CdcSource
from config import load

settings = load()

server = CdcServer(settings.name, settings.server_args(), settings.server_options())

sources = {
    name: CdcSource(
        name,
        {"server": server, "database": name, "connectors": connectors},
        settings.source_options(name),
    )
    for name, connectors in settings.connectors_by_database().items()
}

pulumi.export("server", settings.name)
pulumi.export("network", server.network)
pulumi.export("connectors", [form for source in sources.values() for form in source.connectors])
