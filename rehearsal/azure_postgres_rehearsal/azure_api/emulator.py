"""The emulated Azure as a rehearsal uses it: entered, given servers, asked afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

from werkzeug.serving import WSGIRequestHandler, make_server

from azure_postgres_rehearsal.azure_api.behaviour import Behaviour
from azure_postgres_rehearsal.azure_api.definition import (
    Authentication,
    Definition,
    HighAvailability,
    Network,
    Storage,
)
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.faults import Faults, Source
from azure_postgres_rehearsal.azure_api.identities import Identities
from azure_postgres_rehearsal.azure_api.insights_routes import InsightsRoutes
from azure_postgres_rehearsal.azure_api.key_vault import Vault
from azure_postgres_rehearsal.azure_api.key_vault_routes import KeyVaultRoutes
from azure_postgres_rehearsal.azure_api.operations import Journal, Operations
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.private_dns_routes import PrivateDnsRoutes
from azure_postgres_rehearsal.azure_api.private_dns_zone_groups import ZONE
from azure_postgres_rehearsal.azure_api.private_endpoint_routes import PrivateEndpointRoutes
from azure_postgres_rehearsal.azure_api.provisioning import PostgresFactory, Provisioning
from azure_postgres_rehearsal.azure_api.replication import check_source
from azure_postgres_rehearsal.azure_api.resource_types import PRIVATE_DNS_ZONES, SERVERS
from azure_postgres_rehearsal.azure_api.server import FlexibleServer, check_name
from azure_postgres_rehearsal.azure_api.server_request_parts import check_standby
from azure_postgres_rehearsal.azure_api.service import create_app

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05  # how soon it notices that it is to end
_NOBODY = "00000000-0000-0000-0000-000000000000"
_PUBLIC = Network()
_PASSWORDS = Authentication()
_SKU = {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}


def azures_domain_name(name: str, postgres: Postgres) -> str:  # noqa: ARG001 - others need it
    """The name that a server has on Azure; it leads nowhere in a rehearsal."""
    return f"{name}.postgres.database.azure.com"


class EmulatedAzure:
    """One subscription of an emulated Azure, on a free loopback port while it is entered.

    `behaviour` may be changed at any time; `journal` says what was asked of it.
    `resource_groups`: those that are there before any server is; a server's own is there anyway.
    `postgres_factory`: makes the PostgreSQL of a server that is made with PUT.
    `faults`: what goes wrong; a list of rules or the path of a file, described in `faults.py`.
    `domain_name`: the fullyQualifiedDomainName of a server, from its name and its PostgreSQL.
    """

    def __init__(
        self,
        subscription_id: str = _NOBODY,
        *,
        location: str = "westeurope",
        behaviour: Behaviour | None = None,
        resource_groups: Iterable[str] = (),
        postgres_factory: PostgresFactory | None = None,
        domain_name: Callable[[str, Postgres], str] = azures_domain_name,
        faults: Source = (),
    ) -> None:
        self.subscription_id = subscription_id
        self.location = location
        self.behaviour = behaviour or Behaviour()
        self.journal = Journal()
        self.operations = Operations()
        self.servers: list[FlexibleServer] = []
        self.provisioning = Provisioning(self, postgres_factory)
        self.faults = Faults(faults)
        self.endpoint = ""
        self.insights = InsightsRoutes(self)
        self.private_dns = PrivateDnsRoutes(self)
        self.private_endpoints = PrivateEndpointRoutes(self)
        self.key_vault = KeyVaultRoutes(self)
        self.identities = Identities(self)
        self._resource_groups = {group.lower() for group in resource_groups}
        self._domain_name = domain_name

    def __enter__(self) -> EmulatedAzure:
        app = create_app(self)
        self._http = make_server(_HOST, 0, app, threaded=True, request_handler=_QuietHandler)
        self.endpoint = f"http://{_HOST}:{self._http.server_port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(_POLL_SECONDS,), name="emulated-azure"
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self.operations.close()
        self.provisioning.close()

    def add_server(
        self,
        resource_group: str,
        name: str,
        postgres: Postgres,
        *,
        sku: Mapping[str, str] = _SKU,
        storage_gb: int = 128,
        storage_type: str = "Premium_LRS",
        auto_grow: bool = False,
        administrator_login: str = "cdc_admin",
        network: Network = _PUBLIC,
        authentication: Authentication = _PASSWORDS,
        high_availability: str = "Disabled",
        replica_of: FlexibleServer | None = None,
        fully_qualified_domain_name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> FlexibleServer:
        """Put a flexible server in front of a PostgreSQL, and bring that to Azure's defaults.

        The PostgreSQL is restarted once where a static parameter differs from Azure's default.
        `authentication`: whether it has administrators of Microsoft Entra, and of which tenant.
        `high_availability`: Disabled, SameZone or ZoneRedundant; there is no real standby.
        `replica_of`: the server that it shows itself as a read replica of; nothing is streamed.
        """
        check_name(name)
        definition = Definition(
            location=self.location,
            version=str(postgres.major),
            administrator_login=administrator_login,
            sku=sku,
            storage=Storage(storage_gb, storage_type, auto_grow),
            network=network,
            authentication=authentication,
            high_availability=HighAvailability(high_availability),
            tags=dict(tags or {}),
        )
        check_standby(definition)
        if replica_of is not None:
            check_source(self.servers, replica_of, definition.version)
        server = self.make_server(resource_group, name, postgres, definition, replica_of)
        if fully_qualified_domain_name is not None:
            server.fully_qualified_domain_name = fully_qualified_domain_name
        self.servers.append(server)
        return server

    def make_server(
        self,
        group: str,
        name: str,
        postgres: Postgres,
        definition: Definition,
        replica_of: FlexibleServer | None = None,
    ) -> FlexibleServer:
        """A server of that definition, not listed yet."""
        self._resource_groups.add(group.lower())
        return FlexibleServer(
            f"/subscriptions/{self.subscription_id}/resourceGroups/{group}"
            f"/providers/{SERVERS}/{name}",
            postgres,
            definition,
            self._domain_name(name, postgres),
            operations=self.operations,
            journal=self.journal,
            behaviour=self.behaviour,
            replica_of=replica_of,
            token=self.identities.current,
        )

    def add_vault(self, resource_group: str, name: str) -> Vault:
        """Have a Key Vault, with no secret in it."""
        vault = self.key_vault.add(resource_group, name)
        self._resource_groups.add(resource_group.lower())
        return vault

    def add_private_dns_zone(
        self, resource_group: str, name: str = ZONE, *, subscription_id: str = ""
    ) -> str:
        """Have a private DNS zone that others made, perhaps in another subscription; its id."""
        subscription = subscription_id or self.subscription_id
        if subscription == self.subscription_id:
            self._resource_groups.add(resource_group.lower())
        return self.private_dns.add(
            f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
            f"/providers/{PRIVATE_DNS_ZONES}/{name}"
        ).id

    def identity_environment(self, principal_name: str) -> dict[str, str]:
        """The environment in which Microsoft's libraries are that principal.

        They find a managed identity as on App Service, over the loopback. Its tokens for PostgreSQL
        are taken by every server whose Entra administrator has that name.
        """
        return self.identities.environment(principal_name)

    def rotate_tokens(self) -> None:
        """Replace every token that was handed out: no server takes the old ones any more."""
        self.identities.rotate()

    def check_resource_group(self, group: str) -> None:
        """Refuse a resource group that is not there."""
        if group.lower() not in self._resource_groups:
            raise ApiError(
                404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found."
            )


class _QuietHandler(WSGIRequestHandler):
    """Logs nothing: no access log, and with it no header and no token."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing."""
