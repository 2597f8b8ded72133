"""Every key of a stack and of the components, with what does not belong there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.stack_settings import ANYWHERE

from azure_postgres_cdc.argument_shapes import shape_faults
from azure_postgres_cdc.plan import ConnectorArgs, Plan, faults_of
from azure_postgres_cdc.server_args import CdcServerArgs, faults_of_server
from azure_postgres_cdc.settings import parse

NUMBERS = (1, 0, -1, 1.5, 10**30, float("nan"), float("inf"))
TEXTS = ("yes", "5", "", " ")
LISTS: tuple[Any, ...] = ([], ["a"], [[]], [None], [1], [True], [{"a": "b"}])
MAPPINGS: tuple[Any, ...] = ({}, {"a": "b"}, {1: 2}, {"a": None}, {"a": []})
WRONG = (*NUMBERS, *TEXTS, *LISTS, *MAPPINGS, None, True, False)
ANY_TYPE = ("parameters", "replicaIdentityFull")
"""Keys whose values are of several types."""

VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/vault1"
WINDOW = {"days": ["sunday"], "start": "01:00", "end": "03:00", "timeZone": "UTC"}
ALERTS = {
    "emails": ["a@example.com"],
    "storagePercent": [80, 90],
    "storageFreeGiB": 10,
    "walGiB": 5,
    "replicationDelayGiB": 1,
    "collector": True,
    "longestTransactionMinutes": 10,
}
SERVER: dict[str, Any] = {
    "management": "create",
    "resourceGroup": "rg",
    "subscription": "s",
    "create": {
        "sku": "Standard_D2ds_v5",
        "location": "westeurope",
        "version": 17,
        "storageGiB": 128,
        "highAvailability": "Disabled",
        "zone": "1",
        "backupRetentionDays": 7,
        "geoRedundantBackup": False,
        "administrator": "adm",
        "tags": {"a": "b"},
    },
    "restart": {"mode": "when-needed", "window": WINDOW, "allowPending": ["x"]},
    "formerUsers": ["old"],
    "login": {"bypassRls": False, "walSenderTimeout": 300, "connectionLimit": 5},
    "pglogical": True,
    "parameters": {"a": 1, "b": {"exactly": 2}},
    "firewallRules": {"x": "1.2.3.4", "y": {"first": "1.2.3.4", "last": "1.2.3.5"}},
    "alerts": ALERTS,
    "keyVault": VAULT,
}
CONNECTION = {"port": 5432, "user": "adm", "auth": "password", "sslMode": "require"}
FORM = {
    "name": "n",
    "sslMode": "require",
    "ssh": {"host": "h", "port": 22, "user": "s"},
    "signalSchema": "streamkap",
    "heartbeatSchema": "beat",
    "prefixWithDatabaseName": False,
    "binaryHandling": "bytes",
}
CONNECTOR: dict[str, Any] = {
    "capture": {"tables": ["public.orders"]},
    "user": "u",
    "role": "r",
    "publication": "p",
    "slot": "s",
    "snapshots": "signal-table",
    "heartbeat": True,
    "replicaIdentityFull": True,
    "replicaIdentityIndex": {"public.orders": "i"},
    "allowWithoutIdentity": ["public.x"],
    "owners": ["app"],
    "grants": {"create": True, "tables": "all", "readAllData": False},
    "dropSignalTable": False,
    "columns": {"public.orders": ["id"]},
    "rowFilters": {"public.orders": "id > 1"},
    "publish": ["insert", "update"],
    "publishViaPartitionRoot": True,
    "generatedColumns": "none",
    "tablesInSchema": False,
    "acknowledge": ["snapshot of public.orders"],
    "createSlot": True,
    "slotFailover": True,
    "onDestroy": "refuse",
    "acknowledgeLostSlot": "0/1",
}
STACK = {
    "server": {**SERVER, "name": "cdc-1", "user": "u", "role": "r"},
    "connection": {**CONNECTION, "sslRootCert": "ca.pem"},
    "databases": [{"name": "shop", **CONNECTOR, "connector": FORM}],
}
PROGRAM_SERVER = {
    **SERVER,
    "serverName": "cdc-1",
    "connection": {**CONNECTION, "password": "p", "sslRootCert": "ca.pem"},
    "database": "postgres",
    "databases": ["shop"],
    "connectors": 1,
    "users": {"u": ["r"]},
    "readAllData": ["r"],
    "connectorPassword": "password",
}


def stack_faults(settings: dict[str, Any]) -> list[str]:
    return parse(settings, ANYWHERE)[1]


def server_faults(args: Any) -> list[str]:
    return list(shape_faults(CdcServerArgs, args)) or faults_of_server(args)


def connector_faults(args: Any) -> list[str]:
    found = list(shape_faults(ConnectorArgs, args)) or faults_of("shop", [args])
    if not found:
        Plan.of(args, "adm")
    return found


@pytest.mark.parametrize(
    ("whole", "faults_in"),
    [
        (STACK, stack_faults),
        (PROGRAM_SERVER, server_faults),
        ({**CONNECTOR, "form": FORM}, connector_faults),
    ],
    ids=["stack", "CdcServer", "connector"],
)
def test_what_is_of_another_type_is_one_clear_line_and_never_taken(
    whole: dict[str, Any], faults_in: Callable[[dict[str, Any]], list[str]]
) -> None:
    assert faults_in(whole) == []
    taken = []
    for path in paths(whole):
        right = at(path, whole)
        for wrong in WRONG:
            changed = copy.deepcopy(whole)
            at(path[:-1], changed)[path[-1]] = wrong
            found = faults_in(changed)
            assert not any("\n" in line for line in found)
            # In YAML, a key with nothing behind it is as good as none.
            is_right = may_be(right, wrong) or (wrong is None and whole is STACK)
            if not found and not is_right and not set(path) & {*ANY_TYPE}:
                taken.append((path, wrong))
    assert taken == []


def may_be(right: object, wrong: object) -> bool:
    """Whether a value is of the type of another one, or is a number in a number's place."""
    if isinstance(right, bool) or isinstance(wrong, bool):
        return type(right) is type(wrong)
    if isinstance(right, (int, float)):
        return isinstance(wrong, (int, float))
    return isinstance(wrong, type(right))


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a mapping or list, but to itself."""
    if above:
        yield above
    keys = value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    for key in keys:
        yield from paths(value[key], (*above, key))


def at(path: tuple[Any, ...], value: Any) -> Any:
    for key in path:
        value = value[key]
    return value
