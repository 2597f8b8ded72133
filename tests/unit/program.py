"""Programs under Pulumi's mocks: what they declare, and the arguments that they start from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi
import pytest
from pulumi.runtime import mocks, rpc, settings, stack
from tests.unit.fake_azure import ROOT

from azure_postgres_cdc import CdcServer, CdcServerArgs, CdcSource
from azure_postgres_cdc.azure.new_server import CreateArgs
from azure_postgres_cdc.database.connection import ConnectionArgs
from azure_postgres_cdc.errors import InvalidSettings
from azure_postgres_cdc.plan import ConnectorArgs

PASSWORD = "the-admin-password"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
SERVER_ID = f"{ROOT}cdc-1"
NAMES = ["wal_level", "shared_preload_libraries", "max_worker_processes"]
"""The parameters that the stack needs, as ServerParameters tells."""
EFFECTIVE = {"wal_level": "logical", "max_worker_processes": "32"}


@dataclass(frozen=True)
class Declared:
    """What the engine was told of one resource."""

    type: str
    name: str
    parent: str
    after: frozenset[str]
    protect: bool
    retain: bool
    ignored: tuple[str, ...]
    inputs: Mapping[str, Any]

    def __str__(self) -> str:
        marks = [word for word, on in (("protect", self.protect), ("retain", self.retain)) if on]
        return " ".join([self.type, self.name, "<", self.parent or "the stack", *marks])


@dataclass
class Program(mocks.MockMonitor):
    """Pulumi's mock engine, which also keeps parents, dependencies and protection."""

    declared: dict[str, Declared] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    outputs: Any = None

    def __post_init__(self) -> None:
        super().__init__(Answers())

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        self.calls.append(request.tok)
        with thread_s_loop_closed():
            return super().Invoke(request)  # type: ignore[no-untyped-call]

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        with thread_s_loop_closed():
            response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            assert response.urn not in self.declared, "two resources of one type have one name"
            self.declared[response.urn] = Declared(
                type=request.type,
                name=request.name,
                parent=_name(request.parent),
                after=frozenset(request.dependencies),
                protect=request.protect,
                retain=request.retainOnDelete,
                ignored=tuple(request.ignoreChanges),
                inputs=rpc.deserialize_properties(request.object, keep_unknowns=True),
            )
        return response

    def of(self, kind: str) -> list[Declared]:
        """The resources of one type, by its last word."""
        return [item for item in self.declared.values() if item.type.endswith(f":{kind}")]

    def one(self, kind: str) -> Declared:
        """The only resource of its type."""
        (found,) = self.of(kind)
        return found

    def all_before(self, declared: Declared) -> set[str]:
        """The names of everything that has to be there first, at any distance."""
        found: set[str] = set()
        todo = list(declared.after)
        while todo:
            urn = todo.pop()
            if urn in self.declared and urn not in found:
                found.add(urn)
                todo += self.declared[urn].after
        return {self.declared[urn].name for urn in found}

    def before(self, kind: str) -> set[str]:
        """What has to be there before the only resource of its type."""
        return self.all_before(self.one(kind))


@contextmanager
def thread_s_loop_closed() -> Iterator[None]:
    """The mock engine makes an event loop in each of its threads and forgets it."""
    yield
    with suppress(RuntimeError):
        asyncio.get_event_loop_policy().get_event_loop().close()
    asyncio.set_event_loop(None)


class Answers(mocks.Mocks):
    """A server that is there, and resources that become what they are."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        kind = args.typ.rpartition(":")[2]
        match kind:
            case "GeneratedPassword":
                outputs["password"] = f"generated-for-{args.inputs['user']}"
            case "ExistingServer":
                outputs |= {
                    "serverId": SERVER_ID,
                    "host": "cdc-1.example",
                    "storageGiB": 256,
                    "version": 17,
                    "isPrivate": False,
                    "failoverSlots": False,
                }
            case "ServerParameters":
                outputs |= {"names": NAMES, "effective": EFFECTIVE}
            case "Server":
                outputs["fullyQualifiedDomainName"] = "new.example"
                return SERVER_ID, outputs
            case "PrivateEndpoint" | "PrivateZone":
                outputs["name"] = args.name
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[Any]]:
        assert args.token == "azure-native:authorization:getClientConfig"
        config = ("clientId", "objectId", "tenantId")
        return {**dict.fromkeys(config, "?"), "subscriptionId": SUBSCRIPTION}, []


def _name(urn: str) -> str:
    return urn.rpartition("::")[2] if "pulumi:pulumi:Stack" not in urn.split("::")[2:3] else ""


def run(program: Callable[[], Any]) -> Program:
    """Run a program to its end under the mocks; what it returns is in `outputs`, resolved."""
    monitor = Program()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    before = settings.SETTINGS
    try:
        mocks.set_mocks(Answers(), project="tests", stack="unit", monitor=monitor)

        async def whole() -> None:
            result = program()
            if result is not None:
                monitor.outputs = await pulumi.Output.from_input(result).future()

        loop.run_until_complete(stack.run_pulumi_func(whole))
    finally:
        settings.configure(before)
        loop.close()
        asyncio.set_event_loop(None)
    return monitor


def refused(program: Callable[[], object]) -> tuple[str, ...]:
    """The faults because of which a component is not declared."""
    faults: list[str] = []

    def caught() -> None:
        with pytest.raises(InvalidSettings) as error:
            program()
        faults.extend(error.value.faults)

    assert not [item for item in run(caught).declared.values() if item.type.endswith(":CdcSource")]
    return tuple(faults)


def leaves(
    value: Any, place: tuple[str, ...] = (), *, secret: bool = False
) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    """Every value in the inputs of a resource, where it is, and whether it is secret there."""
    if rpc.is_rpc_secret(value):
        yield from leaves(rpc.unwrap_rpc_secret(value), place, secret=True)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*place, key), secret=secret)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, (*place, "[]"), secret=secret)
    else:
        yield place, value, secret


def plain(value: Any) -> Any:
    """Inputs without the marks of what is secret."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def named(program: Program, name: str) -> Any:
    """What reaches the engine of a resource."""
    (item,) = (it for it in program.declared.values() if it.name == name)
    return plain(dict(item.inputs))


# Arguments


def existing(**changes: Any) -> CdcServerArgs:
    """A server that is there."""
    args: CdcServerArgs = {
        "management": "existing",
        "resourceGroup": "rg",
        "serverName": "cdc-1",
        "connection": {"user": "cdc_admin", "password": PASSWORD},
        "database": "shop",
    }
    return cast(CdcServerArgs, {**args, **changes})


def unmanaged(**changes: Any) -> CdcServerArgs:
    """A server that another tool owns."""
    args: CdcServerArgs = {
        "management": "none",
        "connection": {"host": "db.example", "user": "cdc_admin", "password": PASSWORD},
        "database": "shop",
    }
    return cast(CdcServerArgs, {**args, **changes})


def created(**changes: Any) -> CdcServerArgs:
    """A server that the stack makes."""
    args: CdcServerArgs = {
        "management": "create",
        "resourceGroup": "rg",
        "serverName": "cdc-1",
        "create": {"sku": "Standard_D2ds_v5", "location": "westeurope"},
        "connection": {"user": "cdc_admin", "password": PASSWORD},
        "databases": ["shop"],
    }
    return cast(CdcServerArgs, {**args, **changes})


TENANT = "11111111-1111-1111-1111-111111111111"
ENTRA: ConnectionArgs = {"user": "cdc-deployer", "auth": "entra", "tenantId": TENANT}
"""The administrator signs in with a token."""
VAULT = "/subscriptions/s/resourceGroups/rg-vault/providers/Microsoft.KeyVault/vaults/kv-cdc"
SUBNET = (
    "/subscriptions/s/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-cdc"
    "/subnets/databases"
)
CREATE_ENTRA: CreateArgs = {
    "sku": "Standard_E4ds_v5",
    "location": "westeurope",
    "administrator": "cdc_admin",
    "entra": {
        "tenantId": TENANT,
        "administrators": [
            {"objectId": "o-1", "name": "cdc-deployer"},
            {"objectId": "o-2", "name": "dba", "type": "Group"},
        ],
    },
}
CREATE_PRIVATE: CreateArgs = {
    "sku": "Standard_D2ds_v5",
    "location": "westeurope",
    "highAvailability": "ZoneRedundant",
    "privateEndpoint": {"subnet": SUBNET},
}


def created_with_entra(**changes: Any) -> CdcServerArgs:
    """A server that the stack makes, with everything beside it but a private endpoint."""
    return created(
        create=CREATE_ENTRA,
        connection=ENTRA,
        databases=["shop", "crm"],
        firewallRules={
            "streamkap": {"first": "203.0.113.1", "last": "203.0.113.9"},
            "office": "198.51.100.7",
        },
        alerts={"emails": ["cdc@example.com"], "collector": True},
        keyVault=VAULT,
        **changes,
    )


def private(**changes: Any) -> CdcServerArgs:
    """A server that the stack makes behind a private endpoint, with a standby."""
    return created(create=CREATE_PRIVATE, **changes)


OFFICE = {"office": "198.51.100.7", "streamkap": {"first": "203.0.113.1", "last": "203.0.113.9"}}
"""Firewall rules."""


ORDERS: ConnectorArgs = {"capture": {"tables": ["public.orders"]}}
EVERYTHING: ConnectorArgs = {
    "capture": {"schemas": ["public", "sales"]},
    "heartbeat": True,
    "replicaIdentityFull": ["public.orders"],
    "owners": ["cdc_admin", "app"],
    "form": {"signalSchema": "sales", "heartbeatSchema": "beat"},
}
SECOND: ConnectorArgs = {
    "capture": {"allTables": True},
    "user": "second_user",
    "role": "second_role",
    "publication": "second_pub",
    "slot": "second_slot",
    "snapshots": "read-only",
}
TWO_USERS = {"streamkap_user": ["streamkap_role"], "second_user": ["second_role"]}


def whole(
    server: CdcServerArgs | None = None, connectors: Sequence[ConnectorArgs] = (ORDERS,)
) -> Program:
    """One server, and one captured database on it."""

    def program() -> Any:
        made = CdcServer("cdc", server or existing())
        return CdcSource(
            "shop", {"server": made, "database": "shop", "connectors": connectors}
        ).connectors

    return run(program)


def alone(server: CdcServerArgs) -> Program:
    """One server; what is said about its network is in `outputs`."""
    return run(lambda: CdcServer("cdc", server).network)
