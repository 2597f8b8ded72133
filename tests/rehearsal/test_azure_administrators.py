"""Entra administrators of a server: Microsoft's client, raw requests, the stand-in, the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pulumi_azure_native.dbforpostgresql as sdk
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers.models import (
    AdministratorMicrosoftEntraAdd,
    AdministratorMicrosoftEntraPropertiesForAdd,
)
from azure_support import GROUP, NAME, SUBSCRIPTION, Json, call, client_of, code_of, plugin_of
from psycopg import sql

from azure_postgres_rehearsal.azure_api import Authentication, EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.resource_types import POSTGRESQL_VERSIONS
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.azure_native import AzureNative, kinds
from azure_postgres_rehearsal.plugins.protocol import ProviderError

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OBJECT = "0f0e0d0c-0b0a-4908-8706-050403020100"
DEPLOYER = "cdc deployer"


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(17, databases=("postgres", "shop")) as server:
        yield server


@pytest.fixture(scope="module")
def emulated(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as azure:
        azure.add_server(GROUP, NAME, postgres, authentication=Authentication(True, TENANT))
        azure.add_server(GROUP, "cdc-passwords", postgres)
        replica = azure.add_server(
            GROUP,
            "cdc-replica",
            postgres,
            authentication=Authentication(True, TENANT),
            replica_of=azure.servers[0],
        )
        assert replica.definition.authentication.entra
        yield azure


@pytest.fixture
def azure(emulated: EmulatedAzure, postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    yield emulated
    emulated.operations.wait()
    emulated.behaviour.write_seconds = emulated.behaviour.restart_seconds = 0
    emulated.behaviour.shared_databases = False
    administrators = emulated.servers[0].administrators
    with postgres.superuser() as connection:
        for found in administrators.as_list():
            role = sql.Identifier(found["properties"]["principalName"])
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO azuresu").format(role))
            assert administrators.delete(found["name"]) is not None
        connection.execute("ALTER DATABASE postgres OWNER TO cdc_admin")
        connection.execute("ALTER DATABASE shop OWNER TO cdc_admin")
    emulated.journal.accepted.clear()


@pytest.fixture
def server(azure: EmulatedAzure) -> FlexibleServer:
    return azure.servers[0]


@pytest.fixture
def client(azure: EmulatedAzure) -> Iterator[PostgreSQLManagementClient]:
    with client_of(azure) as management:
        yield management


@pytest.fixture
def plugin(azure: EmulatedAzure, monkeypatch: pytest.MonkeyPatch) -> AzureNative:
    return plugin_of(azure, monkeypatch)


def administrator(name: str = DEPLOYER, **given: object) -> Json:
    properties = {
        "principalName": name,
        "principalType": "ServicePrincipal",
        "tenantId": TENANT,
        **given,
    }
    return {"properties": {key: value for key, value in properties.items() if value is not None}}


def row(postgres: EmbeddedPostgres, query: str, *parameters: str) -> Any:
    with postgres.superuser() as connection:
        return connection.execute(query.encode(), parameters).fetchone()


def role(postgres: EmbeddedPostgres, name: str = DEPLOYER) -> Any:
    return row(
        postgres,
        "SELECT rolcanlogin, rolcreaterole, rolcreatedb, rolreplication, rolsuper, "
        "pg_has_role(rolname, 'azure_pg_admin', 'USAGE') FROM pg_roles WHERE rolname = %s",
        name,
    )


def owner(postgres: EmbeddedPostgres, database: str) -> str:
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
    return str(row(postgres, query, database)[0])


class TestMicrosoftsClient:
    def test_an_administrators_life(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure, postgres: EmbeddedPostgres
    ) -> None:
        administrators = client.administrators_microsoft_entra
        wanted = AdministratorMicrosoftEntraAdd(
            properties=AdministratorMicrosoftEntraPropertiesForAdd(
                principal_name=DEPLOYER, principal_type="ServicePrincipal", tenant_id=TENANT
            )
        )
        made = administrators.begin_create_or_update(GROUP, NAME, OBJECT, wanted).result()
        assert (made.name, made.object_id, made.principal_name) == (OBJECT, OBJECT, DEPLOYER)
        assert made.type == "Microsoft.DBforPostgreSQL/flexibleServers/administrators"
        assert role(postgres) == (True, True, True, True, False, True)
        assert administrators.get(GROUP, NAME, OBJECT).tenant_id == TENANT
        assert [a.name for a in administrators.list_by_server(GROUP, NAME)] == [OBJECT]
        administrators.begin_create_or_update(GROUP, NAME, OBJECT, wanted).result()
        administrators.begin_delete(GROUP, NAME, OBJECT).result()
        administrators.begin_delete(GROUP, NAME, OBJECT).result()
        assert role(postgres) is None
        with pytest.raises(ResourceNotFoundError, match="administrators/"):
            administrators.get(GROUP, NAME, OBJECT)
        assert [o.detail for o in azure.journal.of_kind("administrator-write")] == [
            f"ServicePrincipal {DEPLOYER}"
        ] * 2

    def test_a_server_that_is_at_something_else(
        self, client: PostgreSQLManagementClient, azure: EmulatedAzure, server: FlexibleServer
    ) -> None:
        azure.behaviour.restart_seconds = 0.3
        server.restart({})
        with pytest.raises(HttpResponseError) as refused:
            client.administrators_microsoft_entra.begin_create_or_update(
                GROUP, NAME, OBJECT, cast(Any, administrator())
            )
        assert refused.value.status_code == 409
        assert refused.value.error is not None
        assert refused.value.error.code == (
            "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible"
        )


class TestRights:
    def test_databases_may_belong_to_all_administrators(
        self, azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
    ) -> None:
        azure.behaviour.shared_databases = True
        server.administrators.write(OBJECT, administrator())
        server.databases.write("later", {})
        try:
            for database in ("postgres", "shop", "later"):
                assert owner(postgres, database) == "azure_pg_admin"
                assert create_in(postgres, database, DEPLOYER)
            with postgres.connect("shop") as connection:
                connection.execute("CREATE SCHEMA by_the_first; DROP SCHEMA by_the_first")
        finally:
            server.databases.delete("later")

    def test_what_was_seen_on_azure(
        self, server: FlexibleServer, postgres: EmbeddedPostgres
    ) -> None:
        """terraform-provider-postgresql#500, terraform-provider-azurerm#27895."""
        server.administrators.write(OBJECT, administrator())
        server.databases.write("later", {})
        try:
            assert owner(postgres, "postgres") == "azure_pg_admin"
            assert owner(postgres, "shop") == owner(postgres, "later") == "cdc_admin"
            assert create_in(postgres, "postgres", DEPLOYER)
            assert not create_in(postgres, "shop", DEPLOYER)
        finally:
            server.databases.delete("later")

    def test_without_replication_where_the_first_one_has_none(self) -> None:
        with EmbeddedPostgres(17, admin_replication=False) as postgres, EmulatedAzure() as azure:
            made = azure.add_server(
                GROUP, NAME, postgres, authentication=Authentication(True, TENANT)
            )
            made.administrators.write(OBJECT, administrator())
            assert role(postgres) == (True, True, True, False, False, True)


def create_in(postgres: EmbeddedPostgres, database: str, name: str) -> bool:
    with postgres.superuser(database) as connection:
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(name)))
        try:
            connection.execute("CREATE SCHEMA made; CREATE PUBLICATION made; DROP PUBLICATION made")
        except psycopg.errors.InsufficientPrivilege:
            return False
        connection.execute("DROP SCHEMA made")
    return True


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (administrator(principalType="Unknown"), "InvalidParameterValue"),
            (administrator(principalType="user"), "InvalidParameterValue"),
            (administrator(principalType=None), "InvalidParameterValue"),
            (administrator(""), "InvalidParameterValue"),
            (administrator("ü" * 32), "InvalidParameterValue"),
            (administrator(tenantId=OBJECT), "InvalidParameterValue"),
            (administrator(objectId=OBJECT), "NotSupportedByRehearsal"),
            (administrator() | {"location": "westeurope"}, "NotSupportedByRehearsal"),
        ],
    )
    def test_bodies(
        self, azure: EmulatedAzure, server: FlexibleServer, body: Json, code: str
    ) -> None:
        answer = call(azure, "PUT", f"{server.id}/administrators/{OBJECT}", body)
        assert code_of(answer) == (400, code)
        assert server.administrators.as_list() == []

    def test_the_tenant_is_the_servers_by_default(self, server: FlexibleServer) -> None:
        server.administrators.write(OBJECT, administrator(tenantId=None))
        assert server.administrators.as_json(OBJECT)["properties"]["tenantId"] == TENANT

    def test_an_object_id_is_a_guid(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        answer = call(azure, "PUT", f"{server.id}/administrators/deployer", administrator())
        assert code_of(answer) == (400, "InvalidParameterValue")

    def test_entra_has_to_be_switched_on(self, azure: EmulatedAzure) -> None:
        path = f"{azure.servers[1].id}/administrators"
        for method, what in (("PUT", f"/{OBJECT}"), ("GET", f"/{OBJECT}"), ("GET", "")):
            answer = call(azure, method, path + what, administrator())
            assert code_of(answer) == (400, "AadAuthenticationNotEnabled")

    def test_a_replica_has_those_of_its_source(self, azure: EmulatedAzure) -> None:
        path = f"{azure.servers[2].id}/administrators/{OBJECT}"
        assert code_of(call(azure, "PUT", path, administrator())) == (400, "ReadOnlyReplica")

    def test_a_principal_keeps_its_name(self, azure: EmulatedAzure, server: FlexibleServer) -> None:
        path = f"{server.id}/administrators/{OBJECT}"
        call(azure, "PUT", path, administrator())
        assert code_of(call(azure, "PUT", path, administrator("other")))[0] == 400
        call(azure, "PUT", path.upper(), administrator(principalType="Group"))
        assert server.administrators.as_json(OBJECT)["properties"]["principalType"] == "Group"

    def test_a_role_of_that_name(self, server: FlexibleServer) -> None:
        operation = server.administrators.write(OBJECT, administrator("cdc_admin"))
        assert operation.error is not None
        assert operation.error.code == "AadAuthPrincipalCreationFailed"
        assert '42710: role "cdc_admin" already exists' in operation.error.message
        assert server.administrators.as_list() == []

    def test_what_owns_something_stays(
        self, server: FlexibleServer, postgres: EmbeddedPostgres
    ) -> None:
        server.administrators.write(OBJECT, administrator())
        with postgres.superuser("shop") as connection:
            connection.execute(f'CREATE TABLE kept (); ALTER TABLE kept OWNER TO "{DEPLOYER}"')
            operation = server.administrators.delete(OBJECT)
            assert operation is not None
            assert operation.error is not None
            assert operation.error.code == "AadAuthPrincipalDropFailed"
            assert "2BP01" in operation.error.message
            assert role(postgres) is not None
            assert len(server.administrators.as_list()) == 1
            connection.execute("DROP TABLE kept")


class TestPlugin:
    def inputs(self) -> Json:
        properties: Json = administrator()["properties"]
        return properties | {"resourceGroupName": GROUP, "serverName": NAME, "objectId": OBJECT}

    @pytest.mark.parametrize(
        ("name", "version"),
        [
            ("Administrator", "2025-01-01-preview"),
            ("AdministratorsMicrosoftEntra", "2025-08-01"),
        ],
    )
    def test_its_life(
        self, plugin: AzureNative, postgres: EmbeddedPostgres, name: str, version: str
    ) -> None:
        assert version in POSTGRESQL_VERSIONS
        resource = plugin.resource(f"azure-native:dbforpostgresql:{name}")
        inputs, failures = resource.check({}, self.inputs())
        assert failures == []
        assert inputs["azureApiVersion"] == version
        resource_id, outputs = resource.create(inputs)
        assert role(postgres) is not None
        assert resource.read(resource_id, inputs, outputs) == (resource_id, inputs, outputs)
        imported = resource.read(resource_id, {}, {})
        assert imported is not None
        assert imported[1] == inputs
        with pytest.raises(ProviderError, match="cannot create already existing resource"):
            resource.create(inputs)
        resource.delete(resource_id, outputs)
        resource.delete(resource_id, outputs)
        assert resource.read(resource_id, inputs, outputs) is None
        assert role(postgres) is None

    @pytest.mark.parametrize("resource", [sdk.Administrator, sdk.AdministratorsMicrosoftEntra])
    def test_the_inputs_are_the_sdks(self, resource: type) -> None:
        outputs = {
            cast(Any, member).fget._pulumi_name
            for member in vars(resource).values()
            if isinstance(member, property)
        }
        assert outputs == {*kinds.ADMINISTRATOR.outputs, "azureApiVersion", "systemData"}
