"""The audit of replica identities says what PostgreSQL would do to the application."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.database.publication_support import publication

from azure_postgres_cdc.database.connection import connect
from azure_postgres_cdc.database.identity_audit import check_identities
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName

if TYPE_CHECKING:
    from tests.database.conftest import Shop

# What makes table t, and whether PostgreSQL lets it be updated once it is published.
TABLES = {
    "bare": ("CREATE TABLE t (id int)", False),
    "key": ("CREATE TABLE t (id int PRIMARY KEY)", True),
    "deferrable key": ("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE)", False),
    "unique": ("CREATE TABLE t (id int NOT NULL UNIQUE)", False),
    "full": ("CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL", True),
    "nothing": (
        "CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY NOTHING",
        False,
    ),
    "index": (
        "CREATE TABLE t (id int NOT NULL); CREATE UNIQUE INDEX i ON t (id);"
        " ALTER TABLE t REPLICA IDENTITY USING INDEX i",
        True,
    ),
    "dropped index": (
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL); CREATE UNIQUE INDEX i ON t (n);"
        " ALTER TABLE t REPLICA IDENTITY USING INDEX i; DROP INDEX i",
        False,
    ),
    "partitions with keys": (
        "CREATE TABLE t (id int) PARTITION BY RANGE (id);"
        " CREATE TABLE t1 PARTITION OF t (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (10)",
        True,
    ),
    "partition without": (
        "CREATE TABLE t (id int) PARTITION BY RANGE (id);"
        " ALTER TABLE t REPLICA IDENTITY FULL;"
        " CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        False,
    ),
}
T = TableName("public", "t")


@pytest.mark.parametrize("kind", TABLES)
def test_audit_agrees_with_postgresql(shop: Shop, kind: str) -> None:
    statements, updatable = TABLES[kind]
    shop.run(statements)
    if updatable:
        with connect(shop.connection, shop.name) as connection:
            check_identities(connection, [T], set())
    else:
        with connect(shop.connection, shop.name) as connection:
            with pytest.raises(CdcError, match="no primary key and no replica identity"):
                check_identities(connection, [T], set())
            check_identities(connection, [T], {T})
    shop.run("INSERT INTO t VALUES (1)" if "dropped" not in kind else "INSERT INTO t VALUES (1, 1)")
    shop.run(
        "CREATE PUBLICATION everything FOR TABLE t WITH (publish_via_partition_root = true)",
    )
    update = "UPDATE t SET id = 2"
    if updatable:
        shop.run(update)
    else:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            shop.run(update)


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.full)])
def test_many_allowed_tables_are_looked_up_together(shop: Shop, count: int) -> None:
    for first in range(0, count, 500):
        shop.run(
            f"DO $$BEGIN FOR i IN {first}..{first + 499} LOOP"
            " EXECUTE format('CREATE TABLE t%s (id int)', i); END LOOP; END$$"
        )
    tables = [TableName("public", f"t{number}") for number in range(count)]
    with connect(shop.connection, shop.name) as connection:
        began = time.monotonic()
        check_identities(connection, tables, set(tables))
        assert time.monotonic() - began < 2 + count / 2500
        with pytest.raises(CdcError, match=r"^public\.t7: no primary key"):
            check_identities(connection, tables, {*tables} - {tables[7]})


def test_identity_that_another_connector_asks_for_counts_before_it_is_set(shop: Shop) -> None:
    """A preview sees the tables as they are, and a table has one identity for all connectors."""
    shop.run(
        "CREATE TABLE public.bare (id int, note text)",
        "CREATE TABLE public.keyed (id int PRIMARY KEY, note text)",
    )
    capture = {"tables": ["public.bare", "public.keyed"]}
    managed = publication(shop, capture)
    assert "public.bare: no primary key" in managed.refusal()
    managed.program["alsoFull"] = [{"tables": ["public.keyed"]}]
    assert "public.bare: no primary key" in managed.refusal()
    for everything in ({"schemas": ["public"]}, {"allTables": True}):
        managed.program["alsoFull"] = [everything]
        assert managed.preview()
    if shop.server.major >= 15:
        text = managed.refusal(columns={"public.keyed": ["id"]})
        assert "public.keyed has REPLICA IDENTITY FULL, which takes no column list" in text
