"""The one restart: after the last parameter, and only where the server says that one is pending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.azure.client import FlexibleServer, ServerId
from azure_postgres_cdc.azure.parameters import Requirement
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import CdcError

WHEN_NEEDED = "when-needed"
NEVER = "never"


class ServerRestartProvider(CdcProvider):
    """Reads the parameters back, and restarts the server where its static ones are pending."""

    identity = ("serverId",)

    def make(self, props: Props) -> Props:
        server = FlexibleServer(ServerId.parse(props["serverId"]))
        needed = [Requirement(**item) for item in props["requirements"]]
        _read_back(server, needed)
        pending = _pending(server)
        if pending and props["restart"] == NEVER:
            raise CdcError(_forbidden(props, pending))
        if pending:
            server.restart()
        return props | {"restartedFor": pending}

    def change(self, olds: Props, news: Props) -> Props:
        return olds | self.make(news)

    def id_of(self, props: Mapping[str, Any]) -> str:
        return f"{props['serverId']}/restart"


class ServerRestart(Resource, module="azure-postgres-cdc", name="ServerRestart"):
    """Brings static parameters into effect. Deleting it does nothing.

    `values` are the parameters as declared: when one changes, a restart is looked into again.
    `restart`: `when-needed`, or `never`, which stops with the list of what is pending.
    """

    def __init__(
        self,
        resource_name: str,
        server_id: pulumi.Input[str],
        requirements: Sequence[Requirement],
        values: Mapping[str, pulumi.Input[str]],
        restart: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "serverId": server_id,
            "requirements": [
                {"name": item.name, "value": item.value, "kind": item.kind} for item in requirements
            ],
            "values": dict(values),
            "restart": restart,
        }
        super().__init__(ServerRestartProvider(), resource_name, props, opts)


def _read_back(server: FlexibleServer, needed: Sequence[Requirement]) -> None:
    """Write what did not arrive: a value that equals the default may be dropped on the way
    (pulumi-azure-native, issue 4736)."""
    found = server.configurations()
    for requirement in needed:
        current = _value(found, requirement.name)
        if not requirement.is_met_by(current):
            server.set_configuration(requirement.name, requirement.merged(current))
    found = server.configurations()
    short = [item for item in needed if not item.is_met_by(_value(found, item.name))]
    if short:
        raise CdcError(
            "Azure accepted the parameters but does not have them: "
            + ", ".join(
                f"{item.name} is {_value(found, item.name)!r}, needed {item.value}"
                for item in short
            )
            + ". Remedy: look at the server's activity log, then run pulumi up again"
        )


def _pending(server: FlexibleServer) -> list[str]:
    return sorted(
        name
        for name, item in server.configurations().items()
        if item.properties and item.properties.is_config_pending_restart
    )


def _value(found: Mapping[str, Any], name: str) -> str:
    if name not in found:
        raise CdcError(
            f"the server has no parameter {name}. Remedy: check the server's version; Azure offers "
            "PostgreSQL 11 to 18"
        )
    properties = found[name].properties
    return str((properties.value if properties else "") or "")


def _forbidden(props: Props, pending: Sequence[str]) -> str:
    name = ServerId.parse(props["serverId"]).name
    return (
        f"server {name} must be restarted before {', '.join(pending)} can be in effect, and "
        "server.restart is never. A restart ends every connection to the server for about a "
        "minute. Remedy: restart it yourself and run pulumi up again, or allow it: "
        "server.restart: when-needed"
    )
