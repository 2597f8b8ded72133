"""What goes into the connector's form: the page's fields, one by one."""

from __future__ import annotations

from typing import Any

import pulumi
from tests.unit.program import ORDERS, run, whole

from azure_postgres_cdc.connector import FormArgs, connector_settings
from azure_postgres_cdc.dynamic import pack
from azure_postgres_cdc.plan import Plan


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
        "columns": {},
        "row_filters": {},
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


def test_restrictions_are_there_where_the_publication_has_any() -> None:
    columns, filters = {"public.orders": ["id"]}, {"public.orders": "id > 0"}
    found = run(lambda: form(columns=columns, row_filters=filters)).outputs
    assert (found["columns"], found["rowFilters"]) == (columns, filters)


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


def test_form_of_all_tables_names_the_schemas_of_what_is_published() -> None:
    plan = Plan.of({"capture": {"allTables": True}}, "cdc_admin")
    published = ["sales.orders", '"a.b".lines', "sales.lines", "streamkap.streamkap_signal"]
    assert plan.captured_schemas(pack(published)) == ["a.b", "sales"]
    # Before there is anything
    (found,) = whole(connectors=[{"capture": {"allTables": True}}]).outputs
    assert (found["schemas"], found["tables"]) == ([], "")
