"""doctor: every check, as it should be and as it should not, on a real PostgreSQL."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.database.doctor_support import (
    PASSWORD,
    Connector,
    ready_connector,  # noqa: F401 - a fixture
)
from tests.database.slot_support import reader

from azure_postgres_cdc.operations.checks import CHECKS, name_of
from azure_postgres_cdc.operations.checks import slot as slot_checks
from azure_postgres_cdc.operations.checks import storage as storage_checks
from azure_postgres_cdc.operations.doctor import examine

if TYPE_CHECKING:
    from tests.database.conftest import Shop


# What nobody can know here: there is no Azure, and no record of the slot's past.
NOT_HERE = {"storage": "unknown", "continuity": "unknown"}


def test_everything_is_as_it_should_be(connector: Connector, shop: Shop) -> None:
    with reader(shop, connector.slot):
        report = connector.report()
    found = {finding.check: str(finding.state) for finding in report.findings}
    every = {name_of(check) for checks in CHECKS.values() for check in checks}
    nothing_to_say = {"full-identity", "restrictions", "partitions-attached", "inheriting-tables"}
    assert set(found) == {"connection", *every} - nothing_to_say
    expected = dict.fromkeys(found, "ok") | NOT_HERE
    if not shop.server.has_tls:
        expected["tls"] = "warning"
    assert found == expected
    assert not any(finding.remedy for finding in report.findings if finding.state == "ok")


def test_doctor_leaves_nothing_behind(connector: Connector, shop: Shop) -> None:
    assert connector.find("signal-writable").state == "ok"
    assert connector.find("heartbeat-writable").state == "ok"
    assert shop.column("SELECT id FROM streamkap.streamkap_signal") == []
    assert shop.column("SELECT text FROM streamkap.streamkap_heartbeat") == ["test_heartbeat"]
    changes = (
        "SELECT chr(get_byte(data, 0)) FROM pg_logical_slot_peek_binary_changes("
        "%s, NULL, NULL, 'proto_version', '1', 'publication_names', 'streamkap_pub')"
    )
    assert shop.column(changes, connector.slot) == []


# What takes more than a statement


def test_policy_that_hides_nothing_from_the_role_is_in_order(
    connector: Connector, shop: Shop
) -> None:
    """As `up` sees it, and as the remedy says."""
    shop.run("ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY")
    assert connector.find("row-level-security").state == "warning"
    shop.run("CREATE POLICY every_row ON public.orders FOR SELECT TO streamkap_role USING (true)")
    assert connector.find("row-level-security").state == "ok"


def test_login_that_is_refused_is_all_that_is_found(connector: Connector, shop: Shop) -> None:
    shop.run(f"ALTER ROLE {connector.user} PASSWORD 'another'", superuser=True)
    (found,) = connector.report().findings
    assert (found.check, str(found.state)) == ("connection", "failed")
    assert f"as {connector.user}: " in found.evidence
    assert found.evidence.endswith("; nothing else was looked at")
    # A refresh sees no password: only a superuser may read it, and then only its hash.
    assert found.remedy == (
        "where the login was dropped or has expired, run pulumi up --refresh; where its password "
        f"was changed, have the administrator run ALTER ROLE {connector.user} PASSWORD with the "
        "one of pulumi stack output connectors --show-secrets; or, to keep the new one, pulumi "
        "config set --secret connectorPassword, then pulumi up"
    )
    shop.run(f"ALTER ROLE {connector.user} PASSWORD '{PASSWORD}' NOLOGIN", superuser=True)
    (found,) = connector.report().findings
    assert found.remedy == "run pulumi up --refresh, which lets it log in again"


def test_login_that_worked_a_moment_ago_is_tried_again(connector: Connector, shop: Shop) -> None:
    assert connector.said("connection")[0] == "ok"
    for statement, reason in (
        ("NOLOGIN", "is not permitted to log in"),
        ("LOGIN CONNECTION LIMIT 0", "too many connections for role"),
    ):
        shop.run(f"ALTER ROLE {connector.user} {statement}", superuser=True)
        finding = connector.find("connection")
        assert finding.state == "failed"
        assert reason in finding.evidence
    assert "ALTER ROLE ... CONNECTION LIMIT" in finding.remedy


def test_connect_that_is_missing_is_the_connector_s(connector: Connector, shop: Shop) -> None:
    shop.run(f"REVOKE CONNECT ON DATABASE {shop.name} FROM PUBLIC", superuser=True)
    finding = connector.find("connection")
    assert finding.state == "failed"
    assert finding.remedy == "run pulumi up --refresh, which grants CONNECT again"


def test_server_that_is_read_only_has_its_own_remedy(connector: Connector, shop: Shop) -> None:
    shop.run(f"ALTER ROLE {connector.user} SET default_transaction_read_only = on", superuser=True)
    for check in ("signal-writable", "heartbeat-writable"):
        finding = connector.find(check)
        assert finding.state == "failed"
        assert finding.evidence.endswith("cannot execute INSERT in a read-only transaction [25006]")
        assert finding.remedy.startswith("connect to the primary")


def test_server_out_of_reach_is_a_failure_unless_a_tunnel_leads_there(connector: Connector) -> None:
    connector.form = replace(connector.form, port=1)
    assert connector.said("connection")[0] == "failed"
    connector.form = replace(connector.form, ssh_host="bastion.example")
    state, evidence = connector.said("connection")
    assert state == "unknown"
    assert "comes through the SSH tunnel at bastion.example" in evidence


def test_a_tunnel_that_is_not_used_is_told(connector: Connector) -> None:
    connector.form = replace(connector.form, ssh_host="bastion.example")
    state, evidence = connector.said("connection")
    assert state == "ok"
    assert "not through the SSH tunnel at bastion.example" in evidence


def test_connection_without_tls_is_told(connector: Connector, shop: Shop) -> None:
    server = shop.server
    connector.form = replace(
        connector.form, hostname=str(server.folder), username="azuresu", ssl_mode="disable"
    )
    assert connector.said("tls") == (
        "warning",
        "the connection is not encrypted (sslMode: disable)",
    )
    assert "has SUPERUSER" in connector.said("role-flags")[1]


def test_settings_that_were_not_up_yet(connector: Connector) -> None:
    connector.settings["slot"] = "another"
    found = connector.report().findings
    assert [(item.slot, item.check, item.evidence) for item in found] == [
        (connector.slot, "settings", "it was up, and is not in the settings any more"),
        ("another", "settings", "in the settings, and not up yet"),
    ]


def test_full_identity_is_checked_on_partitions_too(connector: Connector, shop: Shop) -> None:
    shop.run(
        "DROP TABLE sales.orders",
        "CREATE TABLE sales.orders (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE sales.orders_1 PARTITION OF sales.orders FOR VALUES FROM (0) TO (10)",
    )
    connector.settings["replicaIdentityFull"] = ["sales.orders"]
    assert connector.said("full-identity") == (
        "warning",
        "REPLICA IDENTITY is not FULL on sales.orders_1: deleted rows arrive with their key only",
    )
    shop.run("ALTER TABLE sales.orders_1 REPLICA IDENTITY FULL")
    assert connector.said("full-identity")[0] == "ok"


def test_connector_without_tables_of_its_own_has_no_such_checks(connector: Connector) -> None:
    connector.form = replace(
        connector.form, read_only=True, signal_schema=None, heartbeat_schema=None
    )
    topics = {finding.topic for finding in connector.report().findings}
    assert "own tables" not in topics
    assert connector.said("version")[0] == "ok"


def test_slot_that_nobody_reads(
    connector: Connector, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, evidence = connector.said("slot-active")
    assert state == "warning"
    assert evidence.startswith("nobody has read the slot")
    state, evidence = connector.said("lag")
    assert state == "ok"
    assert "in seconds not known, as nobody reads the slot" in evidence
    monkeypatch.setattr(slot_checks, "LAG_WARNING_BYTES", 1)
    monkeypatch.setattr(slot_checks, "RETAINED_WARNING_BYTES", 1)
    shop.run("INSERT INTO public.orders VALUES (1)")
    assert connector.said("lag")[0] == "warning"
    state, evidence = connector.said("retained-wal")
    assert state == "warning"
    assert evidence.endswith(" of WAL is held for the slot")


def test_slot_that_the_connector_is_to_make(connector: Connector, shop: Shop) -> None:
    shop.run(f"SELECT pg_drop_replication_slot('{connector.slot}')")
    assert connector.said("slot")[0] == "failed"
    connector.settings["createSlot"] = False
    state, evidence = connector.said("slot")
    assert state == "warning"
    assert "createSlot: false leaves making it to the connector" in evidence


def test_slot_that_is_read(connector: Connector, shop: Shop) -> None:
    with reader(shop, connector.slot):
        assert connector.said("slot-active")[1].startswith("read by the connection with pid ")
        assert connector.said("lag")[0] == "ok"
        assert connector.said("time-to-full")[0] == "ok"


def test_lag_in_seconds_is_what_the_server_says_of_the_reader(
    connector: Connector, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which the connector's user may not see, so that it would always seem to have caught up."""
    with reader(shop, connector.slot) as process:
        process.send_signal(signal.SIGSTOP)
        try:
            shop.run("INSERT INTO public.orders SELECT g FROM generate_series(1, 1000) g")
            state, evidence = connector.said("lag")
            assert state == "ok"
            assert " KiB not confirmed, " in evidence
            assert re.search(r"when it last answered, \d+ seconds ago$", evidence)
            monkeypatch.setattr(slot_checks, "LAG_WARNING_SECONDS", 0.001)
            assert connector.said("lag")[0] == "warning"
        finally:
            process.send_signal(signal.SIGCONT)
        stack = replace(connector.stack(), admin_password="wrong")
        (found,) = [item for item in examine(stack).findings if item.check == "lag"]
        assert found.evidence.endswith("; in seconds not known")


def test_slot_that_postgresql_has_given_up(connector: Connector, shop: Shop) -> None:
    shop.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", superuser=True)
    try:
        shop.run("SELECT pg_reload_conf()", superuser=True)
        for number in range(4):
            shop.run(f"INSERT INTO public.orders VALUES ({number})")
            shop.run("SELECT pg_switch_wal()", "CHECKPOINT", superuser=True)
        assert connector.said("slot-limits")[1].startswith("max_slot_wal_keep_size is 1 MB: ")
        state, evidence = connector.said("slot-valid")
    finally:
        shop.run("ALTER SYSTEM RESET max_slot_wal_keep_size", superuser=True)
        shop.run("SELECT pg_reload_conf()", superuser=True)
    assert state == "failed"
    assert evidence.startswith("PostgreSQL has invalidated the slot (wal_removed): changes since ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_connections", "150"),
        # Hidden from the connector's user.
        ("shared_preload_libraries", "'auto_explain'"),
    ],
)
def test_parameter_that_waits_for_a_restart(
    connector: Connector, shop: Shop, name: str, value: str
) -> None:
    shop.run(f"ALTER SYSTEM SET {name} = {value}", superuser=True)
    try:
        shop.run("SELECT pg_reload_conf()", superuser=True)
        deadline = time.monotonic() + 10
        while connector.said("pending-restart")[0] == "ok":
            assert time.monotonic() < deadline
        found = connector.find("pending-restart")
    finally:
        shop.run(f"ALTER SYSTEM RESET {name}", superuser=True)
        shop.run("SELECT pg_reload_conf()", superuser=True)
    assert f"before a restart: {name}" in found.evidence


# Storage


@pytest.mark.parametrize(
    ("gib", "state"), [(100_000, "ok"), (0.01, "failed")], ids=["room", "full"]
)
def test_storage_is_measured_against_what_azure_says(
    connector: Connector, gib: float, state: str
) -> None:
    connector.storage_gib = gib
    found, evidence = connector.said("storage")
    assert found == state
    assert "used: databases " in evidence


def test_time_to_full_is_forecast_for_a_slot_that_nobody_reads(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector.storage_gib = 1_000_000_000
    state, evidence = connector.said("time-to-full")
    assert state == "unknown"
    assert evidence.endswith(" old, too young for a forecast")
    monkeypatch.setattr(storage_checks, "YOUNG_SECONDS", 0)
    state, evidence = connector.said("time-to-full")
    assert state == "ok"
    assert "nobody reads the slot, and " in evidence
    assert " of WAL are written a day: the storage is full in about " in evidence
    connector.storage_gib = 0.001
    assert connector.said("time-to-full")[0] == "failed"


def test_retained_wal_is_a_share_of_the_storage(
    connector: Connector, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector.storage_gib = 100
    assert connector.said("retained-wal")[1].endswith(" of the storage")
    monkeypatch.setattr(slot_checks, "RETAINED_WARNING_SHARE", 0)
    shop.run("INSERT INTO public.orders VALUES (1)")
    assert connector.said("retained-wal")[0] == "warning"


def test_without_the_administrator_its_part_is_unknown(connector: Connector) -> None:
    stack = connector.stack()
    stack = replace(stack, admin_password="wrong")
    (found,) = [item for item in examine(stack).findings if item.check == "worker-processes"]
    assert str(found.state) == "unknown"
    assert "password authentication failed" in found.evidence
    assert "adminPassword" in found.remedy


def test_more_tables_take_no_more_round_trips(
    connector: Connector, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0
    original = psycopg.Connection.execute

    def counting(self: object, *arguments: object, **options: object) -> object:
        nonlocal counted
        counted += 1
        return original(self, *arguments, **options)  # type: ignore[arg-type]

    connector.report()  # from here on, connections are kept and used again
    monkeypatch.setattr(psycopg.Connection, "execute", counting)
    connector.settings["capture"] = {"schemas": ["public", "sales"]}
    connector.report()
    few, counted = counted, 0
    shop.run(
        "DO $$ BEGIN FOR i IN 1..300 LOOP"
        " EXECUTE format('CREATE TABLE sales.t%s (id int PRIMARY KEY)', i); END LOOP; END $$"
    )
    counted = 0
    connector.report()
    assert counted == few


def test_membership_without_its_privileges_is_told_from_none(connector: Connector) -> None:
    user = connector.user
    if connector.shop.server.major >= 16:
        connector.shop.run(f"GRANT streamkap_role TO {user} WITH INHERIT FALSE", superuser=True)
        remedy = f"pulumi up, or GRANT streamkap_role TO {user} WITH INHERIT TRUE"
    else:
        connector.shop.run(f"ALTER ROLE {user} NOINHERIT", superuser=True)
        remedy = f"pulumi up --refresh, or ALTER ROLE {user} INHERIT"
    assert connector.said("role-membership") == (
        "failed",
        f"{user} is in streamkap_role, which holds the grants, but without INHERIT: it has none of "
        "its privileges",
    )
    assert connector.find("role-membership").remedy == remedy


def test_login_at_its_connection_limit_is_told_what_to_raise(connector: Connector) -> None:
    connector.shop.run(f"ALTER ROLE {connector.user} CONNECTION LIMIT 0", superuser=True)
    assert connector.said("connection")[0] == "failed"
    assert "server.login.connectionLimit" in connector.find("connection").remedy


def test_schema_that_is_gone_is_not_said_to_be_usable(connector: Connector) -> None:
    connector.shop.run("DROP SCHEMA streamkap CASCADE")
    assert connector.said("schema-usage") == ("ok", "USAGE on public, sales")
    assert connector.said("signal-table") == (
        "failed",
        "table streamkap.streamkap_signal does not exist",
    )
