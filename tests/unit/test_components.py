"""The components under Pulumi's mocks: what they declare, in which order, and what is secret.

Types, child names and parents are public API: a change of the golden files needs an alias and an
entry in the CHANGELOG. `UPDATE_GOLDEN=1 pytest tests/unit` writes them anew.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, settings, stack

from azure_postgres_cdc import CdcServer, CdcServerArgs, CdcSource
from azure_postgres_cdc.connector import FormArgs, connector_settings
from azure_postgres_cdc.errors import InvalidSettings
from azure_postgres_cdc.plan import ConnectorArgs

GOLDEN = Path(__file__).parent / "golden"
PASSWORD = "the-admin-password"
SERVER_ID = (
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/cdc-1"
)
PARAMETERS = {
    "wal_level": "replica",
    "shared_preload_libraries": "pg_cron,pg_stat_statements",
    "azure.extensions": "",
    "max_worker_processes": "32",
}


@dataclass(frozen=True)
class Declared:
    """What the engine was told of one resource."""

    type: str
    name: str
    parent: str
    after: frozenset[str]
    protect: bool
    retain: bool
    inputs: Mapping[str, Any]

    def __str__(self) -> str:
        marks = [word for word, on in (("protect", self.protect), ("retain", self.retain)) if on]
        return " ".join([self.type, self.name, "<", self.parent or "the stack", *marks])


@dataclass
class Program(mocks.MockMonitor):
    """Pulumi's mock engine, which also keeps parents, dependencies and protection."""

    declared: dict[str, Declared] = field(default_factory=dict)
    outputs: Any = None

    def __post_init__(self) -> None:
        super().__init__(Answers())

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        with thread_s_loop_closed():
            return super().Invoke(request)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        with thread_s_loop_closed():
            response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            assert response.urn not in self.declared, "two resources of one type have one name"
            self.declared[response.urn] = Declared(
                type=request.type,
                name=request.name,
                parent=_name(request.parent),
                after=frozenset(request.dependencies),
                protect=request.protect,
                retain=request.retainOnDelete,
                inputs=mocks.rpc.deserialize_properties(request.object, keep_unknowns=True),
            )
        return response

    def of(self, kind: str) -> list[Declared]:
        return [item for item in self.declared.values() if item.type.endswith(f":{kind}")]

    def one(self, kind: str) -> Declared:
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


@contextmanager
def thread_s_loop_closed() -> Iterator[None]:
    """The mock engine makes an event loop in each of its threads and forgets it."""
    yield
    with suppress(RuntimeError):
        asyncio.get_event_loop_policy().get_event_loop().close()
    asyncio.set_event_loop(None)


class Answers(mocks.Mocks):
    """A server whose parameters are Azure's defaults, and resources that become what they are."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ.endswith(":GeneratedPassword"):
            outputs["password"] = f"generated-for-{args.inputs['user']}"
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        if args.token == "azure-native:dbforpostgresql:getServer":
            return {"id": SERVER_ID, "fullyQualifiedDomainName": "cdc-1.example"}
        assert args.token == "azure-native:dbforpostgresql:getConfiguration"
        return {"value": PARAMETERS[args.args["configurationName"]]}


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


def existing(**changes: Any) -> CdcServerArgs:
    args: CdcServerArgs = {
        "management": "existing",
        "resourceGroup": "rg",
        "serverName": "cdc-1",
        "connection": {"user": "cdc_admin", "password": PASSWORD},
        "database": "shop",
    }
    return {**args, **changes}  # type: ignore[typeddict-item]


def unmanaged(**changes: Any) -> CdcServerArgs:
    args: CdcServerArgs = {
        "management": "none",
        "connection": {"host": "db.example", "user": "cdc_admin", "password": PASSWORD},
        "database": "shop",
    }
    return {**args, **changes}  # type: ignore[typeddict-item]


ORDERS: ConnectorArgs = {"capture": {"tables": ["public.orders"]}}


def whole(
    server: CdcServerArgs | None = None, connectors: Sequence[ConnectorArgs] = (ORDERS,)
) -> Program:
    def program() -> Any:
        made = CdcServer("cdc", server or existing())
        return CdcSource(
            "shop", {"server": made, "database": "shop", "connectors": connectors}
        ).connectors

    return run(program)


@cache
def default() -> Program:
    """One connector on a server of Azure's, with every default."""
    return whole()


@cache
def full() -> Program:
    """One connector with everything that it can have."""
    return whole(existing(), [EVERYTHING])


# What is declared


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


@pytest.mark.parametrize(
    ("name", "server", "connectors"),
    [
        ("minimal", unmanaged(), [ORDERS]),
        ("existing", existing(), [ORDERS]),
        ("everything", existing(users=TWO_USERS), [EVERYTHING, SECOND]),
    ],
)
def test_types_names_and_parents_are_public(
    name: str, server: CdcServerArgs, connectors: list[ConnectorArgs]
) -> None:
    declared = whole(server, connectors).declared.values()
    found = "".join(f"{line}\n" for line in sorted(map(str, declared)))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_two_servers_and_two_databases_live_in_one_stack() -> None:
    """Their children's names must differ: Pulumi tells siblings of one type apart by name only."""

    def program() -> None:
        for server in ("one", "two"):
            made = CdcServer(server, unmanaged())
            for database in ("shop", "crm"):
                connector: ConnectorArgs = {**ORDERS, "slot": f"{database}_slot"}
                CdcSource(
                    f"{server}-{database}",
                    {"server": made, "database": database, "connectors": [connector]},
                )

    assert len(run(program).of("ReplicationSlot")) == 4


def test_caller_s_options_reach_the_component_and_not_its_children() -> None:
    def program() -> None:
        parent = pulumi.ComponentResource("tests:index:Team", "team")
        opts = pulumi.ResourceOptions(parent=parent, protect=True)
        server = CdcServer("cdc", unmanaged(), opts)
        CdcSource("shop", {"server": server, "database": "shop", "connectors": [ORDERS]})

    found = run(program)
    assert found.one("CdcServer").parent == "team"
    assert found.one("EffectiveParameters").parent == "cdc"


def test_dynamic_resources_are_not_pickled_by_value() -> None:
    declared = whole(existing(users=TWO_USERS), [EVERYTHING, SECOND])
    dynamic = [item for item in declared.declared.values() if "dynamic/" in item.type]
    assert len(dynamic) > 10
    for item in dynamic:
        assert item.type.startswith("pulumi-python:dynamic/azure-postgres-cdc:")
        assert len(item.inputs["__provider"]) < 200


# The order (rule 9 of the house)


def before(program: Program, kind: str) -> set[str]:
    return program.all_before(program.one(kind))


def test_azure_s_side_is_one_thing_after_the_other_with_one_restart_at_the_end() -> None:
    found = default()
    names = ["cdc-wal_level", "cdc-shared_preload_libraries", "cdc-azure.extensions"]
    names.append("cdc-max_worker_processes")
    earlier = ["cdc-storage-auto-grow"]
    for name in names:
        (parameter,) = (item for item in found.of("Configuration") if item.name == name)
        assert found.all_before(parameter) >= set(earlier)
        earlier.append(name)
    assert before(found, "ServerRestart") == set(earlier)
    assert before(found, "EffectiveParameters") == {*earlier, "cdc-restart"}
    assert before(found, "AdministratorReplication") == {*earlier, "cdc-restart", "cdc-in-effect"}


def test_database_s_side_is_in_the_order_of_the_page() -> None:
    found = whole(connectors=[{**EVERYTHING, "owners": ["cdc_admin"]}])
    roles = {"cdc-streamkap_role", "cdc-streamkap_user"}
    grants = {item.name for kind in ("Grant", "DefaultPrivileges") for item in found.of(kind)}
    grants.add("shop-schemas-streamkap_role")
    tables = {"shop-sales-streamkap_signal", "shop-beat-streamkap_heartbeat"}
    for role in found.of("Role"):
        assert found.all_before(role) >= {"cdc-restart", "cdc-in-effect", "cdc-administrator"}
    for kind in ("Grant", "DefaultPrivileges", "SchemaAccess"):
        for grant in found.of(kind):
            assert found.all_before(grant) >= {*roles, "shop-beat"}
    for kind in ("SignalTable", "HeartbeatTable"):
        assert before(found, kind) >= grants
    assert before(found, "ReplicaIdentity") >= grants | tables
    assert before(found, "Publication") >= grants | tables | {"shop-replica-identity"}
    assert before(found, "ReplicationSlot") >= {*before(found, "Publication"), "shop-streamkap_pub"}


@pytest.mark.parametrize("server", [existing(), unmanaged()], ids=["existing", "none"])
def test_read_only_connector_waits_for_the_server_too(server: CdcServerArgs) -> None:
    """It has no tables of its own, which the publication otherwise comes after."""
    found = whole(server, [{**ORDERS, "snapshots": "read-only"}])
    assert found.of("SignalTable") == []
    assert before(found, "Publication") >= {
        "cdc-in-effect",
        "cdc-administrator",
        "cdc-streamkap_user",
        "shop-tables-streamkap_role-public",
    }


# What reaches Azure and the database


def test_parameters_are_merged_with_the_server_s_own() -> None:
    assert {
        item.inputs["configurationName"]: item.inputs["value"]
        for item in default().of("Configuration")
    } == {
        "wal_level": "logical",
        "shared_preload_libraries": "pg_cron,pg_stat_statements,pglogical",
        "azure.extensions": "pglogical",
        "max_worker_processes": "32",
    }


def test_without_pglogical_only_two_parameters_are_written() -> None:
    found = whole(existing(pglogical=False))
    assert sorted(item.inputs["configurationName"] for item in found.of("Configuration")) == [
        "max_worker_processes",
        "wal_level",
    ]


def test_unmanaged_server_is_only_looked_at() -> None:
    found = whole(unmanaged())
    assert not [item for item in found.declared.values() if "azure-native" in item.type]
    assert found.of("ServerRestart") == found.of("StorageAutoGrow") == []
    assert found.one("EffectiveParameters").inputs["wait"] is False


def test_host_comes_from_azure_unless_it_is_given() -> None:
    assert default().outputs[0]["hostname"] == "cdc-1.example"
    given = {"host": "10.0.0.4", "user": "cdc_admin", "password": PASSWORD}
    assert whole(existing(connection=given)).outputs[0]["hostname"] == "10.0.0.4"


def test_restart_is_forbidden_unless_it_is_allowed() -> None:
    assert default().one("ServerRestart").inputs["restart"] == "never"
    allowed = existing(restart="when-needed")
    assert whole(allowed).one("ServerRestart").inputs["restart"] == "when-needed"


def test_what_loses_data_is_protected_and_parameters_stay() -> None:
    found = full()
    protected = {item.type.rpartition(":")[2] for item in found.declared.values() if item.protect}
    retained = {item.type.rpartition(":")[2] for item in found.declared.values() if item.retain}
    assert protected == {"SignalTable", "Publication", "ReplicationSlot"}
    assert retained == {"Configuration"}


def test_no_two_grants_meet_on_one_table() -> None:
    """A `Grant` means exactly these privileges: it would revoke the signal table's writes."""
    found = full()
    assert {item.inputs["schema"] for item in found.of("Grant") if "schema" in item.inputs} == {
        "public",
        "beat",
    }
    access = found.one("SchemaAccess").inputs
    assert (access["schemas"], access["allSchemas"]) == (["sales"], False)
    assert {
        (item.inputs["schema"], item.inputs["owner"]) for item in found.of("DefaultPrivileges")
    } == {("public", "app"), ("public", "cdc_admin")}


def test_capture_sets_reach_the_publication_sorted() -> None:
    connector: ConnectorArgs = {
        "capture": {"tables": ["public.b", "Public.A"]},
        "replicaIdentityFull": True,
        "heartbeat": True,
    }
    inputs = whole(connectors=[connector]).one("Publication").inputs
    assert inputs["capture"] == {"tables": ["public.a", "public.b"]}
    assert inputs["fullIdentity"] == inputs["capture"]
    assert inputs["ownTables"] == ["streamkap.streamkap_signal", "streamkap.streamkap_heartbeat"]


def test_own_schema_is_made_unless_it_is_the_application_s() -> None:
    assert [item.inputs["name"] for item in default().of("Schema")] == ["streamkap"]
    captured: ConnectorArgs = {**ORDERS, "form": {"signalSchema": "public"}}
    assert whole(connectors=[captured]).of("Schema") == []


# Secrets


def test_passwords_are_secret_everywhere_and_nothing_else_is() -> None:
    passwords = 0
    for item in full().declared.values():
        for place, value, secret in _leaves(item.inputs):
            if value in (PASSWORD, "generated-for-streamkap_user"):
                assert secret, f"{item.name}: {'.'.join(place)}"
                passwords += 1
            # Pulumi takes the whole connection for a secret where it holds one.
            assert not secret or place[0] in ("connection", "password"), (
                f"{item.name}: {'.'.join(place)}"
            )
    assert passwords >= 9


def _leaves(
    value: Any, place: tuple[str, ...] = (), *, secret: bool = False
) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    if pulumi.runtime.rpc.is_rpc_secret(value):
        yield from _leaves(pulumi.runtime.rpc.unwrap_rpc_secret(value), place, secret=True)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*place, key), secret=secret)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, (*place, "[]"), secret=secret)
    else:
        yield place, value, secret


def test_password_is_generated_for_each_user_or_given_to_all() -> None:
    found = whole(existing(users=TWO_USERS), [ORDERS, SECOND])
    assert [item["password"] for item in found.outputs] == [
        "generated-for-streamkap_user",
        "generated-for-second_user",
    ]
    found = whole(existing(users=TWO_USERS, connectorPassword="given"), [ORDERS, SECOND])
    assert [item["password"] for item in found.outputs] == ["given", "given"]
    assert found.of("GeneratedPassword") == []


# The connector's form


def form(**changes: Any) -> dict[str, Any]:
    options: FormArgs = changes.pop("form", {})
    given: dict[str, Any] = {
        "hostname": "db.example",
        "port": 5432,
        "database": "shop",
        "username": "streamkap_user",
        "password": "the-password",
        "read_only": False,
        "signal_schema": "streamkap",
        "heartbeat_schema": None,
        "slot": "streamkap_pgoutput_slot",
        "publication": "streamkap_pub",
        "schemas": ["public"],
        "tables": ["public.orders"],
        "form": options,
    }
    return connector_settings(**given | changes)


def test_form_is_the_page_s_field_by_field() -> None:
    found = run(form).outputs
    assert found == {
        "name": "shop",
        "hostname": "db.example",
        "port": 5432,
        "connectViaSshTunnel": False,
        "username": "streamkap_user",
        "password": "the-password",
        "database": "shop",
        "readOnly": "No",
        "heartbeats": True,
        "heartbeatTableSchema": None,
        "signalTableSchema": "streamkap",
        "replicationSlotName": "streamkap_pgoutput_slot",
        "publicationName": "streamkap_pub",
        "sslMode": "require",
        "prefixWithDatabaseName": False,
        "representBinaryDataAs": "bytes",
        "schemas": ["public"],
        "tables": ["public.orders"],
    }
    # In the order in which the page asks for it
    assert list(found)[:4] == ["name", "hostname", "port", "connectViaSshTunnel"]


def test_form_s_options_are_all_there() -> None:
    options = {
        "name": "prod",
        "sslMode": "disable",
        "ssh": {"host": "jump", "port": 2222},
        "prefixWithDatabaseName": True,
        "binaryHandling": "hex",
    }
    found = run(lambda: form(form=options, read_only=True, heartbeat_schema="beat")).outputs
    assert found["name"] == "prod"
    assert found["sslMode"] == "disable"
    assert found["connectViaSshTunnel"] is True
    assert found["ssh"] == {"host": "jump", "port": 2222, "user": "streamkap"}
    assert found["prefixWithDatabaseName"] is True
    assert found["representBinaryDataAs"] == "hex"
    assert (found["readOnly"], found["heartbeatTableSchema"]) == ("Yes", "beat")


def test_only_the_password_of_the_form_is_secret() -> None:
    found: set[str] = set()

    def program() -> Any:
        async def look() -> None:
            for key, value in form(form={"ssh": {"host": "jump"}}).items():
                if await pulumi.Output.from_input(value).is_secret():
                    found.add(key)

        return pulumi.Output.from_input(look())

    run(program)
    assert found == {"password"}


def test_form_of_a_read_only_connector_names_no_tables_of_ours() -> None:
    (found,) = whole(connectors=[{**ORDERS, "snapshots": "read-only"}]).outputs
    assert found["readOnly"] == "Yes"
    assert found["signalTableSchema"] is None
    assert found["heartbeatTableSchema"] is None


def test_form_of_all_tables_names_no_schema() -> None:
    (found,) = whole(connectors=[{"capture": {"allTables": True}}]).outputs
    assert (found["schemas"], found["tables"]) == (None, [])


# Faults


def refused(program: Callable[[], object]) -> tuple[str, ...]:
    faults: list[str] = []

    def caught() -> None:
        with pytest.raises(InvalidSettings) as error:
            program()
        faults.extend(error.value.faults)

    assert not [item for item in run(caught).declared.values() if item.type.endswith(":CdcSource")]
    return tuple(faults)


def test_faults_of_a_server_come_at_once() -> None:
    args = unmanaged(
        connection={"user": "cdc_admin", "password": PASSWORD},
        restart="always",
        users={"": ["r"], "u": [], "cdc_admin": ["x" * 64]},
    )
    assert refused(lambda: CdcServer("cdc", args)) == (
        "connection.host is missing; management none needs it",
        "restart is 'always': use when-needed or never",
        "'cdc_admin' is the administrator; the connector needs its own names",
        "user '' is empty",
        "user 'u' is in no group role, which would hold its grants",
        f"role '{'x' * 64}' is 64 bytes long; PostgreSQL would cut it to 63",
    )
    missing: Any = {
        key: value
        for key, value in existing().items()
        if key not in ("resourceGroup", "serverName")
    }
    assert refused(lambda: CdcServer("cdc", missing)) == (
        "resourceGroup is missing; management existing needs it",
        "serverName is missing; management existing needs it",
    )


def test_faults_of_a_source_come_at_once() -> None:
    def program() -> None:
        connectors: list[ConnectorArgs] = [
            {"capture": {}, "slot": "Slot"},
            {**ORDERS, "user": "stranger", "publication": "p"},
            {**ORDERS, "role": "strangers", "publication": "q", "slot": "s"},
        ]
        server = CdcServer("cdc", unmanaged())
        CdcSource("shop", {"server": server, "database": "", "connectors": connectors})

    assert refused(program) == (
        "database '' is empty",
        "connectors[0]: capture needs exactly one of tables, schemas and allTables (found: none)",
        "connectors[0]: slot 'Slot' is no slot name: 1 to 63 lower-case letters, digits and "
        "underscores",
        "connectors[1]: user 'stranger' is none of the server's users",
        "connectors[2]: user 'streamkap_user' is not in role 'strangers' on the server",
    )


def test_arguments_are_left_as_they_are() -> None:
    server, connector = existing(), {**EVERYTHING}
    whole(server, [connector])
    assert server == existing()
    assert connector == EVERYTHING
