"""The stand-in for pulumi-resource-postgresql: its resources in detail, and its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from postgresql_plugin_support import (
    DEFAULTS,
    GRANT,
    GRANT_ROLE,
    ROLE,
    SCHEMA,
    Engine,
    clean,
    plugin_engine,  # noqa: F401 - a fixture
    plugin_server,  # noqa: F401 - a fixture
    provider_config,
    run,
    sales_grant,
    tables,
    value,
)
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.postgresql.connections import Settings
from azure_postgres_rehearsal.plugins.postgresql.plugin import PostgresqlPlugin
from azure_postgres_rehearsal.plugins.protocol import (
    UNKNOWN,
    Diff,
    InitError,
    Properties,
    ProviderError,
)
from azure_postgres_rehearsal.plugins.wire import decode, encode

# Roles and schemas in detail


def test_role_attributes_reach_the_catalog_and_come_back(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    run(server, "CREATE ROLE cdc_role")
    role = engine.create(
        ROLE,
        name="Odd name",
        createDatabase=True,
        inherit=False,
        connectionLimit=3,
        statementTimeout=5000,
        idleInTransactionSessionTimeout=7000,
        searchPaths=["sales", "public"],
        roles=["cdc_role"],
    )
    query = "SELECT rolconfig FROM pg_roles WHERE rolname = 'Odd name'"
    assert value(server, query) == [
        "search_path=sales, public",
        "statement_timeout=5000",
        "idle_in_transaction_session_timeout=7000",
    ]
    assert engine.diff_after_refresh(role) == []
    engine.update(role, statementTimeout=None, searchPaths=None, connectionLimit=None, login=True)
    assert value(server, query) == ["idle_in_transaction_session_timeout=7000"]
    assert engine.diff_after_refresh(role) == []
    assert value(server, "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'Odd name'") == -1
    engine.update(role, name="renamed")
    assert role.outputs["name"] == "renamed"


def test_deleting_a_role_hands_its_tables_to_the_administrator(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    tables(server)
    role = engine.create(ROLE, name="app_a")
    run(server, "ALTER TABLE sales.orders OWNER TO app_a", superuser=True)
    engine.delete(role)
    owner = value(server, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'orders'")
    assert owner == server.admin_user


def test_role_that_is_gone_is_read_as_gone(engine: Engine, server: EmbeddedPostgres) -> None:
    role = engine.create(ROLE, name="cdc_role")
    run(server, "DROP ROLE cdc_role")
    assert not engine.refresh(role)


@pytest.mark.usefixtures("engine")
def test_claim_to_be_superuser_fails_once_a_login_role_is_read(server: EmbeddedPostgres) -> None:
    claiming = Engine(server, superuser="true")
    claiming.create(ROLE, name="cdc_role")
    with pytest.raises(InitError, match="is not a SUPERUSER") as caught:
        claiming.create(ROLE, name="cdc_user", login=True, password="s3cret")
    assert caught.value.resource_id == "cdc_user"


def test_schema_with_a_table_that_pulumi_does_not_know_stays(
    engine: Engine, server: EmbeddedPostgres
) -> None:
    schema = engine.create(SCHEMA, name="cdc", database="shop")
    run(server, "CREATE TABLE cdc.unknown (id int)")
    with pytest.raises(
        ProviderError, match="error deleting schema: pq: cannot drop schema cdc because"
    ):
        engine.delete(schema)
    engine.update(schema, dropCascade=True)
    engine.delete(schema)
    assert value(server, "SELECT to_regnamespace('cdc')") is None


def test_schema_owner_is_changed_in_place(engine: Engine, server: EmbeddedPostgres) -> None:
    schema = engine.create(SCHEMA, name="cdc", database="shop")
    assert engine.diff(schema).changed == []
    run(server, "CREATE ROLE app_a", f"GRANT app_a TO {server.admin_user} WITH SET TRUE")
    engine.update(schema, owner="app_a")
    assert value(
        server, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'cdc'"
    ) == ("app_a")


# Checks and diffs


@pytest.mark.parametrize(
    ("token", "inputs", "property_name", "words"),
    [
        (ROLE, {"name": "a", "colour": "red"}, "colour", "Invalid or unknown key"),
        (ROLE, {}, "name", "name is required"),
        (ROLE, {"name": "a", "login": "yes"}, "login", "expected type bool"),
        (ROLE, {"name": "a", "connectionLimit": True}, "connectionLimit", "expected type int"),
        (ROLE, {"name": "a", "connectionLimit": -2}, "connectionLimit", "at least (-1), got -2"),
        (ROLE, {"name": "a", "passwordWo": "x"}, "passwordWo", "not part of the rehearsal"),
        (GRANT_ROLE, {"role": "a"}, "grantRole", 'The argument "grant_role" is required'),
        (GRANT, sales_grant(objectType="view"), "objectType", "expected object_type to be one of"),
        (GRANT, sales_grant(objectType="column"), "objectType", "not part of the rehearsal"),
        (GRANT, sales_grant(privileges=[1]), "privileges", "expected a set of strings"),
        (DEFAULTS, sales_grant(), "owner", 'The argument "owner" is required'),
        (SCHEMA, {"name": "a", "policies": []}, "policies", "not part of the rehearsal"),
    ],
)
def test_check_names_the_property_and_the_rule(
    token: str, inputs: Properties, property_name: str, words: str
) -> None:
    _, failures = PostgresqlPlugin().resource(token).check({}, inputs)
    assert [name for name, _ in failures] == [property_name]
    assert words in failures[0][1]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"privileges": ["CONNECT"]}, "CONNECT is not an allowed privilege for object type table"),
        ({"schema": ""}, "parameter 'schema' is mandatory"),
        ({"columns": ["id"]}, "cannot specify `columns`"),
        ({"objectType": "schema", "objects": ["a"]}, "cannot specify `objects`"),
        ({"role": "PUBLIC"}, 'pq: role "PUBLIC" does not exist'),
    ],
)
def test_grant_refuses_at_once(
    engine: Engine, server: EmbeddedPostgres, wanted: Properties, words: str
) -> None:
    tables(server)
    with pytest.raises(ProviderError) as caught:
        engine.create(GRANT, **(sales_grant("public") | wanted))
    assert words in str(caught.value)


def test_grant_to_everybody(engine: Engine, server: EmbeddedPostgres) -> None:
    tables(server)
    grant = engine.create(GRANT, **sales_grant("public"))
    assert engine.diff_after_refresh(grant) == []
    assert (
        value(
            server,
            "SELECT grantee FROM pg_class, aclexplode(relacl) WHERE relname = 'orders'"
            " AND grantee = 0",
        )
        == 0
    )
    engine.delete(grant)


@pytest.mark.parametrize("kind", ["sequence", "function"])
def test_grant_on_other_objects(engine: Engine, server: EmbeddedPostgres, kind: str) -> None:
    tables(server)
    run(server, "CREATE SEQUENCE sales.counter", "CREATE FUNCTION sales.f() RETURNS int RETURN 1")
    engine.create(ROLE, name="cdc_role")
    privilege = "EXECUTE" if kind == "function" else "USAGE"
    grant = engine.create(GRANT, **sales_grant(objectType=kind, privileges=[privilege]))
    assert engine.diff_after_refresh(grant) == []
    engine.delete(grant)
    assert engine.diff_after_refresh(grant) == ["privileges"]


@pytest.mark.parametrize("name", ["role", "database", "schema", "objectType", "withGrantOption"])
@pytest.mark.parametrize("other", ["other", UNKNOWN])
def test_all_but_the_privileges_replaces_a_grant(name: str, other: Any) -> None:
    kind = PostgresqlPlugin().resource(GRANT)
    change = {name: True if (name, other) == ("withGrantOption", "other") else other}
    replaced = kind.diff("id", sales_grant(), sales_grant(), sales_grant() | change)
    assert replaced == Diff([name], [name])


def test_privileges_are_a_set_and_change_in_place() -> None:
    kind = PostgresqlPlugin().resource(GRANT)
    both = sales_grant(privileges=["SELECT", "INSERT"])
    turned = sales_grant(privileges=["INSERT", "SELECT"])
    assert kind.diff("id", both, both, turned) == Diff()
    assert kind.diff("id", both, both, sales_grant()) == Diff(["privileges"], [])


def test_connection_that_fails_does_not_tell_the_password(server: EmbeddedPostgres) -> None:
    wrong = Engine(server, password="wrong-s3cret")
    with pytest.raises(ProviderError) as caught:
        wrong.create(ROLE, name="cdc_role")
    assert str(caught.value).startswith(f"error connecting to PostgreSQL server {server.host}")
    assert "wrong-s3cret" not in str(caught.value)
    with pytest.raises(ProviderError, match='unsupported sslmode "prefer"'):
        Engine(server, sslmode="prefer")


@pytest.mark.parametrize(
    ("config", "reached"),
    [
        ({"database": "100%25 a%3Fb%23c"}, {"dbname": "100% a?b#c"}),
        ({"database": "a?b"}, {"dbname": "a"}),
        ({"database": "a#b"}, {"dbname": "a"}),
        ({"host": "[::1]"}, {"host": "::1", "port": "5432"}),
        ({"host": "fd00::1", "port": "6000"}, {"host": "fd00::1:6000", "port": "5432"}),
        ({"username": "My Group@x"}, {"user": "My Group@x", "password": "p:@/w ?#%+"}),
        ({"username": "a:b"}, {"user": "a", "password": "b:p:@/w ?#%+"}),
    ],
)
def test_what_the_driver_makes_of_the_url(config: Properties, reached: dict[str, str]) -> None:
    """Held against lib/pq 1.10.9."""
    given = {"host": "h", "port": "5432", "username": "u", "password": "p:@/w ?#%+"} | config
    settings = Settings.from_variables(given)
    parameters = settings.parameters(settings.database)
    assert {name: parameters[name] for name in reached} == reached


def test_database_with_a_percent_sign_is_no_url(server: EmbeddedPostgres) -> None:
    with pytest.raises(ProviderError, match="invalid URL escape"):
        Engine(server, database="100%").create(ROLE, name="cdc_role")


def test_backslash_of_a_password_becomes_two(engine: Engine, server: EmbeddedPostgres) -> None:
    role = engine.create(ROLE, name="cdc_user", login=True, password="a\\b")
    server.connect("shop", "cdc_user", "a\\\\b").close()
    engine.update(role, password="c\\d")
    server.connect("shop", "cdc_user", "c\\\\d").close()


def test_timeout_with_a_unit_cannot_be_read(engine: Engine, server: EmbeddedPostgres) -> None:
    role = engine.create(ROLE, name="cdc_user")
    run(server, "ALTER ROLE cdc_user SET statement_timeout = '5min'")
    with pytest.raises(ProviderError, match=r'strconv\.Atoi: parsing "5min": invalid syntax'):
        engine.refresh(role)


# The process


def test_process_speaks_the_protocol_and_keeps_secrets(server: EmbeddedPostgres) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "azure_postgres_rehearsal.plugins.postgresql", "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}") as channel:
            converse(provider_pb2_grpc.ResourceProviderStub(channel), server)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
        clean(server)


def converse(stub: provider_pb2_grpc.ResourceProviderStub, server: EmbeddedPostgres) -> None:
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == "3.18.2"
    config = encode(provider_config(server), {"password"})
    checked = stub.CheckConfig(provider_pb2.CheckRequest(news=encode(provider_config(server))))
    assert decode(checked.inputs)[1] == {"password"}
    stub.Configure(provider_pb2.ConfigureRequest(args=config, acceptSecrets=True))
    urn = f"urn:pulumi:test::project::{ROLE}::user"
    wanted = {"name": "cdc_user", "login": True, "password": "s3cret"}
    inputs = stub.Check(provider_pb2.CheckRequest(urn=urn, news=encode(wanted))).inputs
    assert decode(inputs)[1] == {"password"}
    preview = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=inputs, preview=True))
    assert preview.id == ""
    assert decode(preview.properties)[1] == {"password"}
    assert value(server, "SELECT 1 FROM pg_roles WHERE rolname = 'cdc_user'") is None
    created = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=inputs))
    assert created.id == "cdc_user"
    assert decode(created.properties)[1] == {"password"}
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(provider_pb2.CreateRequest(urn=urn, properties=inputs))
    assert caught.value.details() == (
        'error creating role cdc_user: pq: role "cdc_user" already exists'
    )
    read = stub.Read(
        provider_pb2.ReadRequest(
            id=created.id, urn=urn, inputs=inputs, properties=created.properties
        )
    )
    assert read.inputs == inputs
    assert read.properties == created.properties
    with server.superuser() as connection:
        connection.execute("GRANT pg_monitor TO cdc_user")
    read = stub.Read(
        provider_pb2.ReadRequest(
            id=created.id, urn=urn, inputs=inputs, properties=created.properties
        )
    )
    difference = stub.Diff(
        provider_pb2.DiffRequest(
            id=created.id, urn=urn, old_inputs=inputs, olds=read.properties, news=inputs
        )
    )
    assert difference.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert difference.detailedDiff["roles"].kind == provider_pb2.PropertyDiff.DELETE
    stub.Delete(provider_pb2.DeleteRequest(id=created.id, urn=urn, properties=created.properties))
    gone = stub.Read(provider_pb2.ReadRequest(id=created.id, urn=urn, properties=read.properties))
    assert gone.id == ""


def test_process_ends_with_its_parent() -> None:
    program = (
        "import subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-m',"
        " 'azure_postgres_rehearsal.plugins.postgresql'], stdout=subprocess.PIPE, text=True);"
        "child.stdout.readline(); print(child.pid)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert eventually_gone(int(parent.stdout))


def eventually_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
