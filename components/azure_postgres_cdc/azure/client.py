"""One flexible server through Microsoft's own SDK: what is there, and the few things done to it.

Why not pulumi-azure-native for these: it does not restart a server, gives up at the first
ServerIsBusy, writes a parameter that is right already, and ignores one that equals its default.

The SDK is imported where it is used: a run that manages no server in Azure does without.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure_postgres_cdc.azure.identity import management_client
from azure_postgres_cdc.azure.parameters import Parameter
from azure_postgres_cdc.dynamic import note
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.importing import imported

PREMIUM_SSD = "Premium_LRS"
"""The one kind of storage that can grow by itself; what the API says where it says nothing."""

_PROVIDER = "/providers/Microsoft.DBforPostgreSQL/flexibleServers/"
_RESOURCE_ID = re.compile(
    f"/subscriptions/([^/]+)/resourceGroups/([^/]+){_PROVIDER}([^/]+)", re.IGNORECASE
)
# What takes its errors from the SDK.
_OPERATION = "azure_postgres_cdc.azure.operation"
_IDLE = "Ready"
_DOWN = ("Stopped", "Stopping", "Disabled", "Dropping", "Inaccessible")
_NO_START_HELPS = {
    "Disabled": "ask the subscription's owner whether it is disabled (portal, Subscriptions)",
    "Dropping": "it is being deleted; find out by whom (activity log of the resource group)",
    "Inaccessible": "give its identity back the key in the Key Vault that encrypts its storage",
}
_AZURES_DATABASES = {"azure_maintenance", "azure_sys", "postgres"}


@dataclass(frozen=True)
class ServerId:
    """Where a flexible server is in Azure."""

    subscription: str
    resource_group: str
    name: str

    @classmethod
    def parse(cls, resource_id: str) -> ServerId:
        """Take an Azure resource id apart."""
        match = _RESOURCE_ID.fullmatch(resource_id)
        if match is None:
            raise CdcError(f"{resource_id!r} is no resource id of a flexible server")
        return cls(*match.groups())

    def __str__(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}{_PROVIDER}{self.name}"


@dataclass(frozen=True)
class ServerFacts:
    """What a server is."""

    host: str
    state: str
    """Ready, Stopped, Updating and others, in Azure's words."""
    version: int
    """PostgreSQL's major version."""
    high_availability: bool
    storage_gib: int
    storage_type: str
    auto_grow: bool
    in_virtual_network: bool
    """It has a subnet of its own, and no firewall rules."""
    public_access: bool
    """It is reached from outside of its networks, by whom the firewall rules let in."""
    replica_of: str
    """The primary's resource id where this is a read replica; empty otherwise."""


class FlexibleServer:
    """One server. Every error that Azure answers is raised as a CdcError of one line."""

    def __init__(self, server: ServerId) -> None:
        self.id = server
        self._where = (server.resource_group, server.name)
        self._client = management_client(server.subscription)

    @classmethod
    def at(cls, resource_id: str) -> FlexibleServer:
        """The server with this Azure resource id."""
        return cls(ServerId.parse(resource_id))

    # What is there

    def facts(self) -> ServerFacts:
        """The server as Azure describes it."""
        with self._explained("look at"):
            server = self._client.servers.get(*self._where)
        storage, network, ha = server.storage, server.network, server.high_availability
        return ServerFacts(
            host=_text(server.fully_qualified_domain_name),
            state=_text(server.state),
            version=int(_text(server.version) or 0),
            high_availability=ha is not None and _text(ha.mode) not in ("", "Disabled"),
            storage_gib=int((storage and storage.storage_size_gb) or 0),
            storage_type=_text(storage and storage.type) or PREMIUM_SSD,
            auto_grow=storage is not None and storage.auto_grow == "Enabled",
            in_virtual_network=bool(network and network.delegated_subnet_resource_id),
            public_access=not (
                network
                and (
                    network.delegated_subnet_resource_id
                    or _text(network.public_network_access) == "Disabled"
                )
            ),
            replica_of=_text(server.source_server_resource_id),
        )

    def check_not_down(self, state: str) -> None:
        """Raise a CdcError where this state takes no change, however long one waits."""
        if state in _DOWN:
            start = (
                f"start it (az postgres flexible-server start -g {self.id.resource_group} "
                f"-n {self.id.name})"
            )
            raise CdcError(
                f"server {self.id.name} is {state}, and takes no change. Remedy: "
                f"{_NO_START_HELPS.get(state, start)}, then run pulumi up again"
            )

    def replicas(self) -> list[FlexibleServer]:
        """Its read replicas, by name."""
        with self._explained("list the read replicas of"):
            found = [str(item.id) for item in self._client.replicas.list_by_server(*self._where)]
        return [FlexibleServer.at(resource_id) for resource_id in sorted(found)]

    def parameters(self) -> dict[str, Parameter]:
        """Every server parameter by name, as Azure describes it."""
        with self._explained("read the parameters of"):
            listed = self._client.configurations.list_by_server(*self._where)
            return {str(item.name): _parameter(item) for item in listed}

    def firewall_rule(self, name: str) -> tuple[str, str] | None:
        """First and last address of a rule; None where there is none of that name."""
        with self._explained(f"read the firewall rule {name} of"):
            try:
                rule = self._client.firewall_rules.get(*self._where, name)
            except imported("azure.core.exceptions").ResourceNotFoundError:
                return None
            return str(rule.start_ip_address), str(rule.end_ip_address)

    def databases(self) -> set[str]:
        """The names of its databases, Azure's own left out."""
        with self._explained("list the databases of"):
            listed = self._client.databases.list_by_server(*self._where)
            return {str(item.name) for item in listed} - _AZURES_DATABASES

    # What is done

    def set_parameter(self, name: str, merged: Callable[[Parameter], str]) -> None:
        """Write one parameter and wait until Azure is done with it.

        `merged` gets it as it is at the very moment, and says what it shall be: while the server
        was busy, another stack may have added to the same set.
        """

        def begin(group: str, server: str) -> Any:
            now = _parameter(self._client.configurations.get(group, server, name))
            value = merged(now)
            if value == now.value:
                return None
            body: Any = {"properties": {"value": value, "source": "user-override"}}
            return self._client.configurations.begin_update(group, server, name, body)

        self._operate(f"set {name} of", begin, idle_first=True)

    def enable_auto_grow(self) -> None:
        """Let the storage grow by itself."""
        body: Any = {"properties": {"storage": {"autoGrow": "Enabled"}}}
        begin = self._client.servers.begin_update
        self._operate(
            "turn on storage auto-grow of",
            begin,
            body,
            is_needed=lambda: not self.facts().auto_grow,
        )

    def upgrade(self, version: int) -> None:
        """Upgrade PostgreSQL's major version in place, and wait until Azure is done with it."""
        body: Any = {"properties": {"version": str(version)}}
        begin = self._client.servers.begin_update
        self._operate(
            f"upgrade to PostgreSQL {version}",
            begin,
            body,
            is_needed=lambda: self.facts().version < version,
            idle_first=True,
        )

    def set_firewall_rule(self, name: str, first: str, last: str) -> None:
        """Let addresses in."""
        body: Any = {"properties": {"startIpAddress": first, "endIpAddress": last}}
        begin = self._client.firewall_rules.begin_create_or_update
        self._operate(
            f"set the firewall rule {name} of",
            begin,
            name,
            body,
            is_needed=lambda: self.firewall_rule(name) != (first, last),
        )

    def delete_firewall_rule(self, name: str) -> None:
        """Let addresses in no longer."""
        begin = self._client.firewall_rules.begin_delete
        self._operate(
            f"delete the firewall rule {name} of",
            begin,
            name,
            is_needed=lambda: self.firewall_rule(name) is not None,
        )

    def restart(self, failover: str = "", is_due: Callable[[], bool] | None = None) -> None:
        """Restart PostgreSQL and wait until Azure says that it is done.

        `failover`: PlannedFailover or ForcedFailover hands over to the standby meanwhile.
        `is_due` is asked after each wait for another operation, which may have been a restart.
        Not repeated where the connection broke.
        """
        body: Any = {"restartWithFailover": True, "failoverMode": failover} if failover else None
        arguments = (body,) if failover else ()
        self._operate("restart", self._client.servers.begin_restart, *arguments, is_needed=is_due)

    def _operate(
        self,
        action: str,
        begin: Any,
        *arguments: Any,
        is_needed: Callable[[], bool] | None = None,
        idle_first: bool = False,
    ) -> None:
        """Run one operation; after a wait for another one, only where it is still needed.

        Where its end was not seen, wait until the server is idle again. Without `is_needed`,
        whoever asked for it reads back what became of it. `idle_first`: it depends on what the
        server has, and must not even be prepared while another one changes that.
        """
        operation = imported(_OPERATION)
        what = f"{action} server {self.id.name}"
        had_to_wait = False

        def begin_in_turn(*given: Any) -> Any:
            nonlocal had_to_wait
            is_again, had_to_wait = had_to_wait, True  # if this is called again, it had to
            if idle_first or is_again:
                self._check_idle()
            if is_again and is_needed is not None and not is_needed():
                return None
            return begin(*given)

        with self._explained(action):
            try:
                operation.run(begin_in_turn, *self._where, *arguments, what=what)
            except operation.LostSight as lost:
                note(f"{what}: the connection to Azure broke ({lost}); looking what became of it")
                idle = operation.until(self._is_idle, f"server {self.id.name} is busy")
                if not idle or (is_needed is not None and is_needed()):
                    raise

    def _check_idle(self) -> None:
        if not self._is_idle():
            raise imported(_OPERATION).Busy("its state is not Ready")

    def _is_idle(self) -> bool:
        state = _text(self._client.servers.get(*self._where).state)
        self.check_not_down(state)
        return state == _IDLE

    def _explained(self, action: str) -> Any:
        return imported(_OPERATION).explained(action, self.id.name, self.id.resource_group)


def _parameter(item: Any) -> Parameter:
    found = item.properties
    return Parameter(
        name=str(item.name),
        value=_text(found.value),
        data_type=_text(found.data_type),
        allowed=_text(found.allowed_values),
        unit=_text(found.unit),
        is_static=not found.is_dynamic_config,
        is_read_only=bool(found.is_read_only),
        is_pending=bool(found.is_config_pending_restart),
    )


def _text(value: Any) -> str:
    """A value of the SDK's, which may be missing, or a member of an enumeration."""
    return str(getattr(value, "value", value) or "")
