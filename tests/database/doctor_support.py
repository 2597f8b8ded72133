"""A database that is ready for a connector, and doctor's eyes on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider
from azure_postgres_cdc.database.slot import ReplicationSlotProvider
from azure_postgres_cdc.operations.doctor import examine
from azure_postgres_cdc.operations.findings import Finding, Report
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.settings import parse
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from tests.database.conftest import Shop

PASSWORD = "the-Connector-s-own-1"
SALES = "CREATE SCHEMA sales", "CREATE TABLE sales.orders (id int PRIMARY KEY, note text)"


class Connector:
    """One connector on a database: its form, and the settings of its stack."""

    def __init__(self, shop: Shop, **settings: Any) -> None:
        self.shop = shop
        self.user = f"user_{shop.name}"
        self.slot = f"slot_{shop.name}"
        self.settings: dict[str, Any] = {
            "name": shop.name,
            "capture": {"tables": ["public.orders", "sales.orders"]},
            "heartbeat": True,
            "user": self.user,
            "slot": self.slot,
            **settings,
        }
        self.form = form_of(shop.server, shop.name, self.user, self.slot)
        self.storage_gib: float | None = None
        self.export: Callable[[], dict[str, Any]] = dict

    def make_ready(self) -> None:
        """What `pulumi up` would have done, by the page's SQL and our own tables."""
        user = self.user
        self.shop.run(
            f"CREATE ROLE {user} LOGIN REPLICATION PASSWORD '{PASSWORD}' IN ROLE streamkap_role",
            f"ALTER ROLE {user} SET wal_sender_timeout = '10min'",
            superuser=True,
        )
        self.shop.run(
            "CREATE TABLE public.orders (id int PRIMARY KEY, note text)",
            *SALES,
            "CREATE SCHEMA streamkap",
            "GRANT USAGE ON SCHEMA sales, streamkap TO streamkap_role",
            "GRANT SELECT ON public.orders, sales.orders TO streamkap_role",
        )
        for provider in (SignalTableProvider(), HeartbeatTableProvider()):
            self.shop.managed(provider, schema="streamkap", roles=["streamkap_role"]).up()
        self.shop.run(
            "CREATE PUBLICATION streamkap_pub FOR TABLE public.orders, sales.orders,"
            " streamkap.streamkap_signal, streamkap.streamkap_heartbeat"
            " WITH (publish_via_partition_root = true)",
            f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput')",
        )

    def make_recorded(self) -> None:
        """Ready, and its slot recorded, as after `up`."""
        self.make_ready()
        self.shop.managed(
            ReplicationSlotProvider(),
            name=self.slot,
            plugin="pgoutput",
            publication="streamkap_pub",
            record=True,
        ).up()

    def remove(self) -> None:
        """Roles outlive their database."""
        self.shop.run(f"DROP OWNED BY {self.user}", f"DROP ROLE {self.user}", superuser=True)

    def stack(self) -> Stack:
        stack = stack_of(self.shop.server, [self.settings], self.form, export=self.export)
        if self.storage_gib is not None:
            vars(stack)["storage_bytes"] = int(self.storage_gib * 1024**3)
        return stack

    def report(self) -> Report:
        found = examine(self.stack())
        assert not [item for item in found.findings if item.state != "ok" and not item.remedy]
        return found

    def find(self, check: str) -> Finding:
        """What doctor says about one thing."""
        (found,) = [finding for finding in self.report().findings if finding.check == check]
        return found

    def said(self, check: str) -> tuple[str, str]:
        found = self.find(check)
        assert "\n" not in found.evidence + found.remedy
        assert PASSWORD not in found.evidence + found.remedy
        return str(found.state), found.evidence


@pytest.fixture(name="connector")
def ready_connector(shop: Shop) -> Iterator[Connector]:
    """A connector on a database that has what `pulumi up` would have made."""
    found = Connector(shop)
    found.make_ready()
    yield found
    found.remove()


def form_of(server: EmbeddedPostgres, database: str, user: str, slot: str, **fields: Any) -> Form:
    """The output `connectors` of a stack that was up."""
    return Form.parse(
        {
            "hostname": server.host,
            "port": float(server.port),
            "username": user,
            "password": PASSWORD,
            "database": database,
            "sslMode": server.ssl_mode,
            "replicationSlotName": slot,
            "publicationName": "streamkap_pub",
            "readOnly": "No",
            "signalTableSchema": "streamkap",
            "heartbeatTableSchema": "streamkap",
            "tables": "public.orders\nsales.orders\n",
            **fields,
        }
    )


def stack_of(
    server: EmbeddedPostgres, databases: list[dict[str, Any]], *forms: Form, **fields: Any
) -> Stack:
    """A stack with `management: none`."""
    values = {
        "server": {"management": "none"},
        "connection": {
            "host": server.host,
            "port": server.port,
            "user": server.admin_user,
            "sslMode": server.ssl_mode,
        },
        "databases": databases,
    }
    settings, faults = parse(values, Path())
    assert settings is not None, faults
    return Stack(
        name="test",
        root=Path(),
        forms=forms,
        settings=settings,
        admin_password=server.admin_password,
        subscription="",
        **fields,
    )
