"""doctor: what can be wrong with a connector, and what is then said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.doctor_support import (
    Connector,
    ready_connector,  # noqa: F401 - a fixture
)

if TYPE_CHECKING:
    from tests.database.conftest import Shop

DROP_SLOT = "SELECT pg_drop_replication_slot('{slot}')"


# What is done, and what is then said. What goes together is done together, so that a database and
# a report do for all of it.
BROKEN = {
    "a role that may nothing": (
        [
            "ALTER ROLE {user} NOREPLICATION",
            "REVOKE streamkap_role FROM {user}",
            "ALTER ROLE {user} RESET ALL",
        ],
        [
            ("role-flags", "failed", "{user} lacks REPLICATION"),
            ("replication-connection", "failed", "cannot connect to"),
            ("role-membership", "failed", "{user} is not in streamkap_role"),
            ("tables-readable", "failed", "no SELECT on public.orders, sales.orders"),
            ("wal-sender-timeout", "warning", "is 60000 ms"),
        ],
    ),
    "a role that may too much, and grants that are gone": (
        [
            "ALTER ROLE {user} CREATEDB CREATEROLE",
            "REVOKE USAGE ON SCHEMA sales FROM streamkap_role",
            "REVOKE SELECT ON sales.orders FROM streamkap_role",
            "REVOKE INSERT ON streamkap.streamkap_signal FROM streamkap_role",
            "REVOKE USAGE ON SEQUENCE streamkap.streamkap_heartbeat_id_seq FROM streamkap_role",
            "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE sales.orders REPLICA IDENTITY NOTHING",
            DROP_SLOT,
        ],
        [
            ("role-flags", "warning", "has CREATEDB, CREATEROLE"),
            ("schema-usage", "failed", "no USAGE on schema sales"),
            ("tables-readable", "failed", "no SELECT on sales.orders"),
            (
                "signal-writable",
                "failed",
                "{user} cannot write to streamkap.streamkap_signal: permission denied",
            ),
            (
                "heartbeat-writable",
                "failed",
                "{user} cannot write to streamkap.streamkap_heartbeat: permission denied",
            ),
            ("row-level-security", "warning", "the user on public.orders:"),
            ("replica-identity", "failed", "sales.orders: no primary key and no replica identity"),
            ("slot", "failed", "there is no slot {slot}: every change since"),
        ],
    ),
    "tables that are gone or others": (
        [
            "ALTER ROLE {user} VALID UNTIL 'tomorrow'",
            "DROP TABLE public.orders",
            "CREATE VIEW public.orders AS SELECT 1 AS id",
            "DROP TABLE sales.orders",
            "ALTER TABLE streamkap.streamkap_signal ALTER data TYPE text",
            "DROP TABLE streamkap.streamkap_heartbeat",
            DROP_SLOT,
            "SELECT pg_create_physical_replication_slot('{slot}')",
        ],
        [
            ("role-flags", "warning", "is valid until"),
            ("captured-tables", "failed", "public.orders is a view"),
            ("captured-tables", "failed", "sales.orders does not exist"),
            (
                "signal-table",
                "failed",
                "it lacks data character varying(2000), it has data text instead",
            ),
            ("heartbeat-table", "failed", "table streamkap.streamkap_heartbeat does not exist"),
            (
                "slot",
                "failed",
                "{slot} is a physical slot of plug-in None on database None, needed a logical one",
            ),
        ],
    ),
    "a publication that holds less": (
        [
            "ALTER PUBLICATION streamkap_pub DROP TABLE sales.orders,"
            " streamkap.streamkap_signal, streamkap.streamkap_heartbeat",
            "ALTER PUBLICATION streamkap_pub SET (publish = 'insert, update')",
            "CREATE TABLE sales.more (id int PRIMARY KEY)",
            "REVOKE UPDATE ON streamkap.streamkap_signal FROM streamkap_role",
        ],
        [
            ("published-tables", "failed", "captured, and not published: sales.orders"),
            ("form-tables", "warning", "sales.orders is in the form and not published"),
            ("new-tables", "ok", "not in the capture list, and not published: sales.more"),
            ("signal-table", "failed", "streamkap.streamkap_signal is not in the publication"),
            ("heartbeat-table", "failed", "streamkap.streamkap_heartbeat is not in the publicat"),
            ("publication-options", "failed", "DELETE, TRUNCATE are not published"),
            (
                "signal-writable",
                "failed",
                "{user} cannot write to streamkap.streamkap_signal: permission denied",
            ),
        ],
    ),
    "a publication that holds more": (
        [
            "CREATE TABLE sales.more (id int PRIMARY KEY)",
            "ALTER PUBLICATION streamkap_pub ADD TABLE sales.more",
            "ALTER PUBLICATION streamkap_pub SET (publish = 'insert, update, delete')",
        ],
        [
            ("published-tables", "warning", "published, and not captured by the stack: sales.more"),
            ("form-tables", "warning", "sales.more is published and not in the form"),
            ("publication-options", "warning", "TRUNCATE is not published"),
        ],
    ),
    "partitions under their own names": (
        [
            "DROP TABLE sales.orders",
            "CREATE TABLE sales.orders (id int) PARTITION BY RANGE (id)",
            "ALTER PUBLICATION streamkap_pub SET (publish_via_partition_root = false)",
        ],
        [
            (
                "publication-options",
                "warning",
                "publish_via_partition_root is off, and partitioned tables are captured",
            ),
        ],
    ),
    "no publication": (
        ["DROP PUBLICATION streamkap_pub", "DROP TABLE streamkap.streamkap_signal"],
        [
            ("publication", "failed", "no publication streamkap_pub"),
            ("signal-table", "failed", "table streamkap.streamkap_signal does not exist"),
        ],
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_found(connector: Connector, shop: Shop, what: str) -> None:
    statements, expected = BROKEN[what]
    names = {"user": connector.user, "slot": connector.slot}
    try:
        shop.run(*(statement.format(**names) for statement in statements), superuser=True)
        found = {finding.check: finding for finding in connector.report().findings}
    finally:
        if "physical" in statements[-1]:
            shop.run(f"SELECT pg_drop_replication_slot('{connector.slot}')")
    for check, state, said in expected:
        assert found[check].state == state, found[check]
        assert said.format(**names) in found[check].evidence
        assert bool(found[check].remedy) == (state != "ok")
        assert "\n" not in found[check].evidence + found[check].remedy
