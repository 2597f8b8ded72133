"""The components under Pulumi's mocks: what they declare, in which order, and what is secret.

Types, child names and parents are public API: a change of the golden files needs an alias and an
entry in the CHANGELOG. `UPDATE_GOLDEN=1 pytest tests/unit` writes them anew.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pulumi
import pytest
from tests.unit.program import (
    EVERYTHING,
    ORDERS,
    PASSWORD,
    SECOND,
    TWO_USERS,
    Program,
    created,
    created_with_entra,
    existing,
    leaves,
    private,
    refused,
    run,
    unmanaged,
    whole,
)

from azure_postgres_cdc import CdcServer, CdcServerArgs, CdcSource
from azure_postgres_cdc.database.idle_connections import MOST
from azure_postgres_cdc.dynamic import unpack
from azure_postgres_cdc.plan import ConnectorArgs

GOLDEN = Path(__file__).parent / "golden"


@cache
def full() -> Program:
    """One connector with everything that it can have."""
    return whole(existing(), [EVERYTHING])


# What is declared


@pytest.mark.parametrize(
    ("name", "server", "connectors"),
    [
        ("minimal", unmanaged(), [ORDERS]),
        ("existing", existing(), [ORDERS]),
        ("everything", existing(users=TWO_USERS), [EVERYTHING, SECOND]),
        ("create", created_with_entra(), [ORDERS]),
        ("private", private(), [ORDERS]),
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


@pytest.mark.parametrize("kind", ["unmanaged", "existing", "created_with_entra", "private"])
def test_two_servers_and_two_databases_live_in_one_stack(kind: str) -> None:
    """Their children's names must differ: Pulumi tells siblings of one type apart by name only."""
    server_args = {
        "unmanaged": unmanaged,
        "existing": existing,
        "created_with_entra": created_with_entra,
        "private": private,
    }[kind]

    def program() -> None:
        for server in ("one", "two"):
            made = CdcServer(server, server_args())
            for database in ("shop", "crm"):
                connector: ConnectorArgs = {**ORDERS, "slot": f"{database}_slot"}
                CdcSource(
                    f"{server}-{database}",
                    {"server": made, "database": database, "connectors": [connector]},
                )

    found = run(program)
    assert len(found.of("ReplicationSlot")) == 4
    for item in found.declared.values():
        assert item.name.startswith(("one", "two"))


def test_caller_s_options_reach_the_component_and_not_its_children() -> None:
    def program() -> None:
        parent = pulumi.ComponentResource("tests:index:Team", "team")
        opts = pulumi.ResourceOptions(parent=parent, protect=True)
        server = CdcServer("cdc", unmanaged(), opts)
        CdcSource("shop", {"server": server, "database": "shop", "connectors": [ORDERS]})

    found = run(program)
    assert found.one("CdcServer").parent == "team"
    assert found.one("EffectiveParameters").parent == "cdc"


@pytest.mark.parametrize(
    "server", [existing(users=TWO_USERS), created_with_entra(users=TWO_USERS)], ids=["e", "c"]
)
def test_dynamic_resources_are_not_pickled_by_value(server: CdcServerArgs) -> None:
    declared = whole(server, [EVERYTHING, SECOND])
    dynamic = [item for item in declared.declared.values() if "dynamic/" in item.type]
    assert len(dynamic) > 10
    for item in dynamic:
        assert item.type.startswith("pulumi-python:dynamic/azure-postgres-cdc:")
        assert len(item.inputs["__provider"]) < 200


# The order (rule 9 of the house)


def test_database_s_side_is_in_the_order_of_the_page() -> None:
    found = whole(connectors=[{**EVERYTHING, "owners": ["cdc_admin"]}])
    roles = {"cdc-streamkap_role", "cdc-streamkap_user"}
    grants = {item.name for item in found.of("SchemaAccess")}
    tables = {"shop-sales-streamkap_signal", "shop-beat-streamkap_heartbeat"}
    for role in found.of("Role"):
        assert found.all_before(role) >= {"cdc-restart", "cdc-in-effect", "cdc-logins"}
    for grant in found.of("SchemaAccess"):
        assert found.all_before(grant) >= roles
    for kind in ("SignalTable", "HeartbeatTable"):
        assert found.before(kind) >= grants
    assert found.before("ReplicaIdentity") >= grants | tables
    assert found.before("Publication") >= grants | tables | {"shop-replica-identity"}
    assert found.before("ReplicationSlot") >= {*found.before("Publication"), "shop-streamkap_pub"}


@pytest.mark.parametrize(
    "server", [existing(), unmanaged(), created()], ids=["existing", "none", "create"]
)
def test_read_only_connector_waits_for_the_server_too(server: CdcServerArgs) -> None:
    """It has no tables of its own, which the publication otherwise comes after."""
    found = whole(server, [{**ORDERS, "snapshots": "read-only"}])
    assert found.of("SignalTable") == []
    assert found.before("Publication") >= {
        "cdc-in-effect",
        "cdc-logins",
        "cdc-streamkap_user",
        "shop-schemas-streamkap_role",
    }


# What reaches the database


def test_what_loses_data_is_protected() -> None:
    found = full()
    protected = {item.type.rpartition(":")[2] for item in found.declared.values() if item.protect}
    assert protected == {"SignalTable", "Publication", "ReplicationSlot"}
    assert [item.name for item in found.declared.values() if item.retain] == []


def test_no_two_grants_meet_on_one_table() -> None:
    """A `Grant` means exactly these privileges: it would revoke the signal table's writes."""
    found = full()
    assert found.of("Grant") == []
    access = found.one("SchemaAccess").inputs
    assert (access["schemas"], access["allSchemas"]) == (["public", "sales"], False)
    assert (access["writes"], access["ownSchemas"]) == (["beat", "sales"], ["beat"])
    assert access["connect"] is True
    assert (access["owners"], access["discoverOwners"]) == (["app", "cdc_admin"], False)
    assert access["tableGrants"] == "all"


def test_capture_sets_reach_the_publication_sorted() -> None:
    connector: ConnectorArgs = {
        "capture": {"tables": ["public.b", "Public.A"]},
        "replicaIdentityFull": True,
        "heartbeat": True,
    }
    inputs = whole(connectors=[connector]).one("Publication").inputs
    assert unpack(inputs["capture"]) == {"tables": ["public.a", "public.b"]}
    assert inputs["fullIdentity"] == inputs["capture"]
    assert inputs["ownTables"] == ["streamkap.streamkap_signal", "streamkap.streamkap_heartbeat"]


def test_identities_of_all_connectors_are_one_resource() -> None:
    first: ConnectorArgs = {**ORDERS, "replicaIdentityIndex": {"Public.Orders": "orders_key"}}
    second: ConnectorArgs = {**SECOND, "replicaIdentityIndex": {"sales.a": "a_key"}}
    found = whole(existing(users=TWO_USERS), [first, second])
    inputs = found.one("ReplicaIdentity").inputs
    assert unpack(inputs["indexes"]) == {"public.orders": "orders_key", "sales.a": "a_key"}
    assert unpack(inputs["captures"]) == []
    # The audit at preview comes before the index is chosen.
    indexes = [unpack(item.inputs["identityIndexes"]) for item in found.of("Publication")]
    assert sorted(indexes, key=str) == [{"public.orders": "orders_key"}, {"sales.a": "a_key"}]
    # A table has one identity, whichever connector has asked for it.
    others = [unpack(item.inputs["alsoIndexes"]) for item in found.of("Publication")]
    assert sorted(others, key=str) == sorted(indexes, key=str)
    found = whole(existing(users=TWO_USERS), [EVERYTHING, SECOND])
    full = [unpack(item.inputs.get("alsoFull")) for item in found.of("Publication")]
    assert sorted(full, key=str) == [None, [{"tables": ["public.orders"]}]]
    assert whole().of("ReplicaIdentity") == []


def test_publication_gets_its_options_and_the_slot_that_reads_it() -> None:
    connector: ConnectorArgs = {
        "capture": {"schemas": ["public"]},
        "slot": "other_slot",
        "columns": {"Public.Orders": ["total", "id"]},
        "rowFilters": {"public.orders": "id > 0"},
        "publish": ["delete", "insert"],
        "publishViaPartitionRoot": False,
        "generatedColumns": "stored",
        "acknowledge": ["snapshot of public.orders"],
    }
    inputs = whole(connectors=[connector]).one("Publication").inputs
    assert unpack(inputs["columns"]) == {"public.orders": ["id", "total"]}
    assert unpack(inputs["rowFilters"]) == {"public.orders": "id > 0"}
    found = {
        key: inputs[key]
        for key in (
            *("slot", "publish", "viaPartitionRoot", "generatedColumns"),
            *("tablesInSchema", "acknowledge"),
        )
    }
    assert found == {
        "slot": "other_slot",
        "publish": ["insert", "delete"],
        "viaPartitionRoot": False,
        "generatedColumns": "stored",
        "tablesInSchema": False,
        "acknowledge": ["snapshot of public.orders"],
    }


def test_own_schema_is_made_unless_it_is_the_application_s() -> None:
    assert whole().one("SchemaAccess").inputs["ownSchemas"] == ["streamkap"]
    captured: ConnectorArgs = {**ORDERS, "form": {"signalSchema": "public"}}
    assert whole(connectors=[captured]).one("SchemaAccess").inputs["ownSchemas"] == []


# Secrets


SECRETS = (PASSWORD, "generated-for-streamkap_user", "generated-for-cdc-server-administrator")
# Pulumi takes the whole connection, or a vault's secret, for a secret where it holds one.
HIDDEN = ("connection", "password", "administratorLoginPassword", "properties")


@pytest.mark.parametrize(
    ("server", "least"),
    [(existing(), 9), (created(), 10), (created_with_entra(), 3)],
    ids=["existing", "create", "create with entra"],
)
def test_passwords_are_secret_everywhere_and_nothing_else_is(
    server: CdcServerArgs, least: int
) -> None:
    passwords = 0
    for item in whole(server, [EVERYTHING]).declared.values():
        for place, value, secret in leaves(item.inputs):
            if value in SECRETS:
                assert secret, f"{item.name}: {'.'.join(place)}"
                passwords += 1
            assert not secret or place[0] in HIDDEN, f"{item.name}: {'.'.join(place)}"
    assert passwords >= least


def test_password_is_generated_for_each_user_or_given_to_all() -> None:
    found = whole(existing(users=TWO_USERS), [ORDERS, SECOND])
    assert [item["password"] for item in found.outputs] == [
        "generated-for-streamkap_user",
        "generated-for-second_user",
    ]
    found = whole(existing(users=TWO_USERS, connectorPassword="given"), [ORDERS, SECOND])
    assert [item["password"] for item in found.outputs] == ["given", "given"]
    assert found.of("GeneratedPassword") == []


def test_former_login_keeps_its_password_and_its_roles() -> None:
    server = existing(
        users={"second": ["streamkap_role"]},
        formerUsers=["streamkap_user"],
        login={"connectionLimit": 9, "walSenderTimeout": 0, "bypassRls": True},
    )
    found = whole(server, [{**ORDERS, "user": "second"}])
    roles = {item.inputs["name"]: item for item in found.of("Role") if item.inputs["login"]}
    assert roles["streamkap_user"].ignored == ("password", "roles")
    assert "password" not in roles["streamkap_user"].inputs
    assert roles["second"].ignored == ()
    # The former one's is kept, for the case that the change is called off.
    assert {item.inputs["user"] for item in found.of("GeneratedPassword")} == {*roles}
    assert {form["username"] for form in found.outputs} == {"second"}
    assert {item.inputs["user"] for item in found.of("WalSenderTimeout")} == {*roles}
    for role in roles.values():
        assert (role.inputs["connectionLimit"], role.inputs["bypassRowLevelSecurity"]) == (9, True)
        assert "cdc-logins" in found.all_before(role)
    assert found.one("SchemaAccess").inputs["users"] == []  # no row is hidden from them


def test_role_that_reads_all_data_is_a_member_by_itself() -> None:
    connector: ConnectorArgs = {**ORDERS, "grants": {"readAllData": True}}
    found = whole(existing(readAllData=["streamkap_role"]), [connector])
    roles = {item.inputs["name"]: item.inputs for item in found.of("Role")}
    assert roles["streamkap_role"]["roles"] == ["pg_read_all_data"]
    assert found.one("ReadAllData").inputs["role"] == "streamkap_role"
    assert "cdc-streamkap_role-reads-all-data" in found.before("SchemaAccess")
    assert found.of("GrantRole") == []
    assert found.one("SchemaAccess").inputs["tableGrants"] == "none"


@pytest.mark.parametrize("word", [False, True])
def test_signal_table_s_rows_go_by_a_word_only(*, word: bool) -> None:
    found = whole(connectors=[{**ORDERS, "heartbeat": True, "dropSignalTable": word}])
    assert found.one("SignalTable").inputs["dropWithRows"] is word
    assert found.one("HeartbeatTable").inputs["dropWithRows"] is True


# Faults


def test_faults_of_a_server_come_at_once_and_nothing_is_declared() -> None:
    args = unmanaged(
        connection={"user": "cdc_admin", "password": PASSWORD},
        restart="never",
        users={"x" * 65: ["r"], "u": [], "cdc_admin": ["x" * 64]},
    )
    assert refused(lambda: CdcServer("cdc", args)) == (
        "restart needs Azure's management API, which management none leaves alone",
        "connection.host is missing; management none needs it",
        "'cdc_admin' is the administrator; the connector needs its own names",
        f"user '{'x' * 65}' is 65 bytes long; PostgreSQL would cut it to 63",
        "user 'u' is in no group role, which would hold its grants",
        f"role '{'x' * 64}' is 64 bytes long; PostgreSQL would cut it to 63",
    )


def test_faults_of_a_source_come_at_once() -> None:
    def program() -> None:
        connectors: list[ConnectorArgs] = [
            {"capture": {}, "slot": "Slot"},
            {**ORDERS, "user": "stranger", "publication": "p"},
            {**ORDERS, "role": "strangers", "publication": "q", "slot": "s"},
            {**ORDERS, "grants": {"readAllData": True}, "publication": "r", "slot": "t"},
        ]
        server = CdcServer("cdc", unmanaged())
        CdcSource("shop", {"server": server, "database": "x" * 64, "connectors": connectors})

    assert refused(program) == (
        f"database '{'x' * 64}' is 64 bytes long; PostgreSQL would cut it to 63",
        "connectors[0]: capture needs exactly one of tables, schemas and allTables (found: none)",
        "connectors[0]: slot 'Slot' is no slot name: 1 to 63 lower-case letters, digits and "
        "underscores",
        "connectors[1]: user 'stranger' is none of the server's users",
        "connectors[2]: user 'streamkap_user' is not in role 'strangers' on the server",
        "connectors[3]: role 'streamkap_role' is not in the server's readAllData",
    )


@pytest.mark.parametrize("make", [existing, created_with_entra, private, unmanaged])
def test_arguments_are_left_as_they_are(make: object) -> None:
    assert callable(make)
    server, connector = make(), {**EVERYTHING}
    whole(server, [connector])  # type: ignore[list-item]
    assert server == make()
    assert connector == EVERYTHING


# Many databases


def test_a_few_databases_at_a_time_and_none_depends_on_another() -> None:
    """So that a connection to a database is used by all of its resources."""
    names = [f"db{number}" for number in range(MOST + 3)]

    def program() -> None:
        server = CdcServer("cdc", unmanaged(connectors=len(names)))
        for name in names:
            connector: ConnectorArgs = {**ORDERS, "slot": f"{name}_slot"}
            CdcSource(name, {"server": server, "database": name, "connectors": [connector]})

    found = run(program)
    order = [item.name for item in found.declared.values()]
    for first, later in zip(names, names[MOST:], strict=False):
        assert order.index(f"{first}-{first}_slot") < order.index(f"{later}-schemas-streamkap_role")
    for access in found.of("SchemaAccess"):
        others = {name for name in found.all_before(access) if name.startswith("db")}
        assert others == set()
        assert access.inputs["database"] in names
