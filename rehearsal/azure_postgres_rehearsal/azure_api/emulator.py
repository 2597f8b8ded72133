"""The emulated Azure as a rehearsal uses it: entered, given servers, asked afterwards."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType

from werkzeug.serving import WSGIRequestHandler, make_server

from azure_postgres_rehearsal.azure_api.operations import Journal, Operations
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.server import TYPE, Behaviour, Description, FlexibleServer
from azure_postgres_rehearsal.azure_api.service import create_app

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05  # how soon it notices that it is to end
_NOBODY = "00000000-0000-0000-0000-000000000000"
_SKU = {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}


class EmulatedAzure:
    """One subscription of an emulated Azure, on a free loopback port while it is entered.

    `behaviour` may be changed at any time; `journal` says what was asked of it.
    """

    def __init__(
        self,
        subscription_id: str = _NOBODY,
        *,
        location: str = "westeurope",
        behaviour: Behaviour | None = None,
    ) -> None:
        self.subscription_id = subscription_id
        self.location = location
        self.behaviour = behaviour or Behaviour()
        self.journal = Journal()
        self.operations = Operations()
        self.servers: list[FlexibleServer] = []
        self.endpoint = ""

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
        fully_qualified_domain_name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> FlexibleServer:
        """Put a flexible server in front of a PostgreSQL, and bring that to Azure's defaults.

        The PostgreSQL is restarted once where a static parameter differs from Azure's default.
        """
        domain_name = fully_qualified_domain_name or f"{name}.postgres.database.azure.com"
        server = FlexibleServer(
            id=f"/subscriptions/{self.subscription_id}/resourceGroups/{resource_group}"
            f"/providers/{TYPE}/{name}",
            name=name,
            postgres=postgres,
            description=Description(
                location=self.location,
                sku=sku,
                storage_gb=storage_gb,
                storage_type=storage_type,
                fully_qualified_domain_name=domain_name,
                administrator_login=administrator_login,
                version=str(postgres.major),
            ),
            operations=self.operations,
            journal=self.journal,
            behaviour=self.behaviour,
            auto_grow=auto_grow,
            tags=dict(tags or {}),
        )
        self.servers.append(server)
        return server


class _QuietHandler(WSGIRequestHandler):
    """Logs nothing: no access log, and with it no header and no token."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing."""
