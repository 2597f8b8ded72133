"""A publication as a stack declares it, and the tables that most tests of it begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure_postgres_cdc.database.publication import PublicationProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

SIGNAL = "streamkap.streamkap_signal"


def make_tables(shop: Shop) -> None:
    """Three tables of the application's, and a signal table."""
    shop.run(
        "CREATE SCHEMA streamkap",
        f"CREATE TABLE {SIGNAL} (id text PRIMARY KEY, type text NOT NULL, data text)",
        *(f"CREATE TABLE public.{name} (id int PRIMARY KEY)" for name in ("a", "b", "c")),
    )


def publication(shop: Shop, capture: dict[str, Any], **inputs: Any) -> Managed:
    """As the resource's constructor writes its properties."""
    return shop.managed(
        PublicationProvider(),
        **{
            "name": "streamkap_pub",
            "capture": capture,
            "ownTables": [],
            "fullIdentity": {},
            "allowWithoutIdentity": [],
            "role": "not made yet",
            **inputs,
        },
    )


def listed(*names: str) -> dict[str, list[str]]:
    return {"tables": sorted(names)}


def exists(shop: Shop, name: str = "streamkap_pub") -> bool:
    return bool(shop.rows("SELECT FROM pg_publication WHERE pubname = %s", name))
