"""doctor: the publication holds what the stack asks for, in each of the ways to ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.database.doctor_support import (
    Connector,
    ready_connector,  # noqa: F401 - a fixture
)

if TYPE_CHECKING:
    from tests.database.conftest import Shop


def test_new_table_of_a_captured_schema(connector: Connector, shop: Shop) -> None:
    connector.settings["capture"] = {"schemas": ["public", "sales"]}
    assert connector.said("new-tables")[0] == "ok"
    shop.run("CREATE TABLE sales.invoices (id int PRIMARY KEY)")
    assert connector.said("new-tables") == (
        "warning",
        "new in the captured schemas, and not published yet: sales.invoices",
    )
    assert connector.said("published-tables")[0] == "ok"


def test_publication_for_all_tables(connector: Connector, shop: Shop) -> None:
    connector.settings["capture"] = {"allTables": True}
    connector.form = replace(connector.form, tables=())
    shop.run(
        "DROP PUBLICATION streamkap_pub",
        "CREATE PUBLICATION streamkap_pub FOR ALL TABLES WITH (publish_via_partition_root)",
        superuser=True,
    )
    assert connector.said("publication") == ("ok", "streamkap_pub holds all tables")
    assert connector.said("published-tables")[0] == "ok"
    assert connector.said("signal-table")[0] == "ok"
    checks = {finding.check for finding in connector.report().findings}
    assert not checks & {"new-tables", "form-tables"}


def test_publication_of_all_tables_is_not_a_list_of_some(connector: Connector, shop: Shop) -> None:
    shop.run(
        "DROP PUBLICATION streamkap_pub",
        "CREATE PUBLICATION streamkap_pub FOR ALL TABLES WITH (publish_via_partition_root)",
        superuser=True,
    )
    state, evidence = connector.said("published-tables")
    assert (state, evidence.partition(":")[0]) == ("warning", "it is FOR ALL TABLES")


def test_list_of_tables_is_not_all_of_them(connector: Connector, shop: Shop) -> None:
    connector.settings["capture"] = {"allTables": True}
    state, evidence = connector.said("published-tables")
    assert (state, evidence.partition(",")[0]) == ("warning", "it lists tables")
    shop.run("CREATE TABLE public.more (id int PRIMARY KEY)")
    assert connector.said("published-tables") == (
        "failed",
        "captured, and not published: public.more",
    )


def test_captured_schema_that_is_gone(connector: Connector, shop: Shop) -> None:
    """Its tables left the publication with it, and `up` refuses to go on."""
    connector.settings["capture"] = {"schemas": ["public", "sales"]}
    shop.run("DROP SCHEMA sales CASCADE")
    assert connector.said("captured-tables") == ("failed", "schema sales does not exist")


def test_publication_of_schemas(connector: Connector, shop: Shop) -> None:
    shop.run(
        "DROP PUBLICATION streamkap_pub",
        "CREATE PUBLICATION streamkap_pub FOR TABLES IN SCHEMA public, sales, streamkap",
        superuser=True,
    )
    assert connector.said("published-tables")[0] == "ok"
    assert connector.said("heartbeat-table")[0] == "ok"
    assert connector.said("publication-options")[1] == (
        "it holds whole schemas, though tablesInSchema is not set"
    )
    connector.settings |= {"capture": {"schemas": ["public", "sales"]}, "tablesInSchema": True}
    assert connector.said("publication-options")[0] == "ok"
    assert connector.said("published-tables")[0] == "ok"


def test_settings_of_the_publication_count(connector: Connector, shop: Shop) -> None:
    """What the stack asks for is as it should be, and nothing else is."""
    shop.run("ALTER PUBLICATION streamkap_pub SET (publish = 'insert')")
    assert connector.said("publication-options")[0] == "failed"
    connector.settings |= {"publish": ["insert"], "heartbeat": False}
    assert connector.said("publication-options") == (
        "ok",
        "published, as asked for: INSERT; roots stand for partitions",
    )
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY NOTHING")
    assert connector.said("replica-identity")[0] == "ok"
    shop.run("ALTER PUBLICATION streamkap_pub SET (publish = 'insert, truncate')")
    assert connector.said("publication-options") == (
        "warning",
        "TRUNCATE is published, and not asked for",
    )


def test_partition_root_is_as_the_stack_wants_it(connector: Connector, shop: Shop) -> None:
    connector.settings["publishViaPartitionRoot"] = False
    assert connector.said("publication-options")[0] == "ok"  # no partitioned table is captured
    shop.run(
        "DROP TABLE sales.orders",
        "CREATE TABLE sales.orders (id int PRIMARY KEY) PARTITION BY RANGE (id)",
    )
    assert connector.said("publication-options") == (
        "warning",
        "publish_via_partition_root is on, and not asked for",
    )
    shop.run("ALTER PUBLICATION streamkap_pub SET (publish_via_partition_root = false)")
    assert connector.said("publication-options")[0] == "ok"


def test_column_lists_and_row_filters_are_the_stack_s(connector: Connector, shop: Shop) -> None:
    connector.settings["columns"] = {"public.orders": ["note", "id"]}
    connector.settings["rowFilters"] = {"sales.orders": "id > 0"}
    assert connector.said("restrictions") == (
        "failed",
        "public.orders is published with every column, other than asked for, sales.orders lacks "
        "its row filter",
    )
    rest = "streamkap.streamkap_signal, streamkap.streamkap_heartbeat"
    shop.run(
        "ALTER PUBLICATION streamkap_pub SET TABLE public.orders (id, note),"
        f" sales.orders WHERE (id > 0), {rest}"
    )
    assert connector.said("restrictions") == (
        "ok",
        "as asked for: 1 column lists, 1 row filters",
    )
    connector.settings["columns"] = connector.settings["rowFilters"] = {}
    assert connector.said("restrictions") == (
        "failed",
        "public.orders is published with the columns id, note, other than asked for, sales.orders "
        "has a row filter that nobody asked for",
    )


def test_table_with_an_index_need_not_be_full(connector: Connector, shop: Shop) -> None:
    shop.run("ALTER TABLE sales.orders REPLICA IDENTITY FULL")
    connector.settings["replicaIdentityFull"] = True
    assert "not FULL on public.orders" in connector.said("full-identity")[1]
    connector.settings["replicaIdentityIndex"] = {"public.orders": "orders_pkey"}
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY USING INDEX orders_pkey")
    assert connector.said("full-identity")[0] == "ok"


def test_index_that_is_not_the_identity_is_told(connector: Connector, shop: Shop) -> None:
    connector.settings["replicaIdentityIndex"] = {"public.orders": "orders_pkey"}
    assert connector.said("full-identity") == (
        "warning",
        "REPLICA IDENTITY is not USING INDEX orders_pkey on public.orders",
    )
    connector.settings["replicaIdentityIndex"] = {"public.orders": "gone"}
    assert "public.orders has no index gone" in connector.said("full-identity")[1]
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY USING INDEX orders_pkey")
    connector.settings["replicaIdentityIndex"] = {"public.orders": "orders_pkey"}
    assert connector.said("full-identity") == (
        "ok",
        "REPLICA IDENTITY USING INDEX on 1 table, partitions too",
    )


def test_restriction_that_the_identity_does_not_go_with(connector: Connector, shop: Shop) -> None:
    """Whoever has made it: what counts is that the application cannot update."""
    shop.run("CREATE PUBLICATION other FOR TABLE public.orders WHERE (note IS NOT NULL)")
    assert connector.said("replica-identity") == (
        "failed",
        "UPDATE and DELETE fail for the application: the row filter of public.orders in "
        "publication other uses note, which is not in its replica identity",
    )
    shop.run("ALTER TABLE public.orders REPLICA IDENTITY FULL")
    assert connector.said("replica-identity")[0] == "ok"


def test_columns_that_only_differ_in_case(connector: Connector, shop: Shop) -> None:
    """Debezium 3.6 stops at them, even where a column list has only one of them."""
    assert connector.said("column-names") == ("ok", "no columns that only differ in case")
    shop.run('ALTER TABLE public.orders ADD COLUMN "Note" text')
    assert connector.said("column-names") == (
        "failed",
        "columns that only differ in case, with which Debezium stops at its snapshot: "
        'public.orders ("Note", note)',
    )
    shop.run('ALTER TABLE public.orders DROP COLUMN "Note"')
    assert connector.said("column-names")[0] == "ok"


def test_table_that_inherits_from_a_published_one(connector: Connector, shop: Shop) -> None:
    """A snapshot reads its rows with those of the published one."""
    shop.run(
        "CREATE SCHEMA old",
        "CREATE TABLE old.orders () INHERITS (public.orders)",
        "CREATE TABLE old.older () INHERITS (old.orders)",
    )
    assert connector.said("inheriting-tables") == (
        "warning",
        "tables that inherit from a published one are not published: old.older (from "
        "public.orders), old.orders (from public.orders): a snapshot of that one reads their rows, "
        "and their changes never arrive",
    )
    shop.run("ALTER PUBLICATION streamkap_pub ADD TABLE old.orders, old.older")
    checks = [finding.check for finding in connector.report().findings]
    assert "inheriting-tables" not in checks
