"""Databases of the emulated Azure, with PostgreSQL's catalog as the witness."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.postgresqlflexibleservers.models import Database, DatabaseProperties
from azure_support import GROUP, NAME, SUBSCRIPTION, Json, call, client_of, code_of, plugin_of

from azure_postgres_rehearsal.azure_api import EmulatedAzure, FlexibleServer
from azure_postgres_rehearsal.azure_api.postgres_databases import create_database
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.plugins.protocol import ProviderError, ResourceType


@pytest.fixture(scope="module")
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    with EmulatedAzure(SUBSCRIPTION) as emulated:
        emulated.add_server(GROUP, NAME, postgres)
        yield emulated


@pytest.fixture
def server(azure: EmulatedAzure, postgres: EmbeddedPostgres) -> Iterator[FlexibleServer]:
    yield azure.servers[0]
    with postgres.superuser() as connection:
        for name in set(databases(postgres)) - {"postgres"}:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def resource(
    azure: EmulatedAzure,
    server: FlexibleServer,  # noqa: ARG001 - what a test makes is removed again
    monkeypatch: pytest.MonkeyPatch,
) -> ResourceType:
    return plugin_of(azure, monkeypatch).resource("azure-native:dbforpostgresql:Database")


def databases(postgres: EmbeddedPostgres) -> dict[str, tuple[str, str]]:
    """Owner and encoding by name."""
    with postgres.superuser() as connection:
        rows = connection.execute(
            "SELECT datname, datdba::regrole::text, pg_encoding_to_char(encoding) "
            "FROM pg_database WHERE NOT datistemplate"
        ).fetchall()
    return {name: (owner, encoding) for name, owner, encoding in rows}


def properties(**given: str) -> Json:
    return {"properties": given}


def test_microsofts_client_makes_and_drops_one(
    azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
) -> None:
    wanted = Database(properties=DatabaseProperties(charset="UTF8", collation="en_US.utf8"))
    with client_of(azure) as client:
        made = client.databases.begin_create(GROUP, NAME, "orders", wanted).result()
        assert made.id == f"{server.id}/databases/orders"
        assert made.properties is not None
        assert (made.properties.charset, made.properties.collation) == ("UTF8", "en_US.utf8")
        assert databases(postgres)["orders"] == (postgres.admin_user, "UTF8")
        client.databases.begin_create(GROUP, NAME, "orders", wanted).result()
        found = [database.name for database in client.databases.list_by_server(GROUP, NAME)]
        assert found == ["orders", "postgres"]
        client.databases.begin_delete(GROUP, NAME, "orders").result()
        client.databases.begin_delete(GROUP, NAME, "orders").result()
        with pytest.raises(ResourceNotFoundError):
            client.databases.get(GROUP, NAME, "orders")
    assert "orders" not in databases(postgres)
    assert len(azure.journal.of_kind("database-delete")) == 1


def test_the_administrator_can_use_it(
    azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
) -> None:
    assert call(azure, "PUT", f"{server.id}/databases/Orders-1", properties())[0] == 202
    with postgres.connect("Orders-1") as connection:
        connection.execute("CREATE SCHEMA mine")
    assert call(azure, "GET", f"{server.id}/databases/Orders-1")[2]["properties"] == {
        "charset": "UTF8",
        "collation": "en_US.utf8",
    }


def test_a_database_made_in_sql_is_shown(
    azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
) -> None:
    create_database(postgres, "by_hand", postgres.admin_user, "LATIN1", "C")
    assert call(azure, "GET", f"{server.id}/databases/by_hand")[2]["properties"] == {
        "charset": "LATIN1",
        "collation": "C",
    }


def test_one_in_use_is_not_dropped(
    azure: EmulatedAzure, server: FlexibleServer, postgres: EmbeddedPostgres
) -> None:
    call(azure, "PUT", f"{server.id}/databases/orders", properties())
    with (
        client_of(azure) as client,
        postgres.connect("orders"),
        pytest.raises(HttpResponseError, match="is being accessed by other users"),
    ):
        client.databases.begin_delete(GROUP, NAME, "orders").result()
    assert "orders" in databases(postgres)


@pytest.mark.parametrize(
    "given",
    [
        {"charset": "LATIN1"},
        {"charset": "KLINGON", "collation": "C"},
        {"collation": "xx_XX.utf8"},
        {"collation": "English"},
        {"collation": ""},
    ],
)
def test_other_charsets_and_collations_are_refused(
    azure: EmulatedAzure, server: FlexibleServer, given: dict[str, str]
) -> None:
    answer = call(azure, "PUT", f"{server.id}/databases/orders", properties(**given))
    assert code_of(answer) == (400, "InvalidParameterValue")


@pytest.mark.parametrize("name", ["postgres", "azure_sys", "template1", "n" * 64, "a%20b", "-a"])
def test_names(azure: EmulatedAzure, server: FlexibleServer, name: str) -> None:
    for method in ("PUT", "DELETE"):
        answer = call(azure, method, f"{server.id}/databases/{name}", properties())
        assert code_of(answer) == (400, "InvalidParameterValue")


def test_what_is_there_is_not_changed(azure: EmulatedAzure, server: FlexibleServer) -> None:
    path = f"{server.id}/databases/orders"
    call(azure, "PUT", path, properties(collation="C"))
    for given in ({}, {"collation": "C", "charset": "SQL_ASCII"}):
        answer = call(azure, "PUT", path, properties(**given))
        assert code_of(answer) == (400, "InvalidParameterValue")
    assert call(azure, "PUT", path, properties(collation="C", charset="utf8"))[0] == 202


def test_through_the_plugin(resource: ResourceType, postgres: EmbeddedPostgres) -> None:
    inputs, failures = resource.check(
        {}, {"resourceGroupName": GROUP, "serverName": NAME, "databaseName": "orders"}
    )
    assert failures == []
    resource_id, outputs = resource.create(inputs)
    assert (outputs["charset"], outputs["collation"]) == ("UTF8", "en_US.utf8")
    assert resource.read(resource_id, inputs, outputs) == (resource_id, inputs, outputs)
    with pytest.raises(ProviderError, match="cannot create already existing resource"):
        resource.create(inputs)
    with pytest.raises(ProviderError, match=r'Code="InvalidParameterValue".*neither can be'):
        resource.update(resource_id, outputs, inputs | {"collation": "C"})
    resource.delete(resource_id, outputs)
    assert "orders" not in databases(postgres)
