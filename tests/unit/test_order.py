"""The order of a list means nothing: what is declared is the same, so `up` changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.program import PASSWORD, Program, run
from tests.unit.stack_settings import ANYWHERE

from azure_postgres_cdc import CdcServer, CdcSource
from azure_postgres_cdc.settings import parse

IN_ORDER = ("storagePercent",)
"""Two thresholds: the warning's, and the critical one's."""

STACK: dict[str, Any] = {
    "server": {
        "management": "existing",
        "resourceGroup": "rg",
        "name": "cdc-1",
        "restart": {
            "window": {"days": ["sunday", "Monday"], "start": "01:00", "end": "03:00"},
            "allowPending": ["a", "b"],
        },
        "formerUsers": ["old_b", "old_a"],
        "parameters": {"max_wal_senders": 20, "azure.extensions": "pg_cron"},
        "firewallRules": {"x": "1.2.3.4", "y": "1.2.3.5"},
        "alerts": {"emails": ["b@example.com", "a@example.com"], "storagePercent": [70, 80]},
    },
    "connection": {"user": "cdc_admin"},
    "databases": [
        {
            "name": "shop",
            "capture": {"tables": ["public.b", "public.a"]},
            "owners": ["one", "two"],
            "replicaIdentityFull": ["public.b", "public.a"],
            "allowWithoutIdentity": ["public.b", "public.a"],
            "columns": {"public.a": ["id", "x"], "public.b": ["id", "y"]},
            "rowFilters": {"public.a": "id > 1", "public.b": "id > 2"},
            "publish": ["insert", "update"],
            "acknowledge": ["snapshot of public.a", "snapshot of public.b"],
        },
        {
            "name": "shop",
            "capture": {"schemas": ["sales", "public"]},
            "replicaIdentityFull": True,
            "replicaIdentityIndex": {"sales.a": "i", "sales.b": "j"},
            "publication": "second",
            "slot": "second",
            "user": "second_user",
            "role": "second_role",
        },
        {
            "name": "shop",
            "capture": {"schemas": ["sales"]},
            "replicaIdentityFull": ["sales.c"],
            "publication": "third",
            "slot": "third",
        },
        {"name": "Books", "capture": {"schemas": ["x"]}, "slot": "fourth"},
    ],
}


def test_nothing_is_declared_differently_where_every_list_is_turned_round() -> None:
    first, second = declared(STACK), declared(turned_round(STACK))
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} == set()


def turned_round(value: Any) -> Any:
    """Every list and mapping from its end to its beginning."""
    if isinstance(value, dict):
        return {
            key: item if key in IN_ORDER else turned_round(item)
            for key, item in reversed(value.items())
        }
    return [turned_round(item) for item in reversed(value)] if isinstance(value, list) else value


def declared(values: dict[str, Any], root: Path = ANYWHERE) -> dict[str, Any]:
    """What the engine is told of each resource, as it travels."""
    settings, faults = parse(values, root)
    assert settings is not None, faults

    def program() -> None:
        args = settings.server_arguments()
        args["connection"]["password"] = PASSWORD
        server = CdcServer(settings.name, args)
        for name, connectors in settings.connectors_by_database(root).items():
            CdcSource(name, {"server": server, "database": name, "connectors": connectors})

    found: Program = run(program)
    return {urn: item.inputs for urn, item in found.declared.items()}
