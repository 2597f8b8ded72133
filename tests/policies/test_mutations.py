"""Each required setting of two good stacks is spoilt in turn; the rule meant for it notices."""

from __future__ import annotations

import json

import pytest
from declaring import BY_NAME, SIGNAL, grant, slot, verdict
from mutations import (
    Change,
    add,
    both,
    captured,
    drop,
    put,
    settings,
    twin,
    unprotect,
    with_parameter,
)
from parts import default, membership

EVERYTHING = {"objectType": "table", "schema": "public", "role": "streamkap_role"}
ALLOWS_ALL = json.dumps({"allTables": True})
OPEN_END = "255.255.255.255"

OUR_PUBLICATION, OUR_SLOT, OUR_USER = (
    "shop-streamkap_pub",
    "streamkap_pgoutput_slot",
    "Role::psql-shop-ha-streamkap_user",
)
OUR_SIGNAL, OUR_ACCESS = "shop-streamkap-streamkap_signal", "shop-schemas-streamkap_role"
OURS: list[tuple[str, Change]] = [
    ("server-declares-wal-level", drop("ha-parameters")),
    ("server-parameter-sets-wal-level", with_parameter("wal_level", "replica")),
    ("server-preloads-pglogical", put("ha-parameters", "pglogical", False)),
    ("server-allows-pglogical", put("ha-parameters", "pglogical", False)),
    ("server-sizes-worker-processes", with_parameter("max_worker_processes", "8")),
    ("server-sizes-replication-slots", with_parameter("max_replication_slots", "4")),
    ("server-sizes-wal-senders", with_parameter("max_wal_senders", "4")),
    ("server-parameter-restarts-server", drop("ha-restart")),
    ("server-parameter-stays-writable", with_parameter("max_slot_wal_keep_size", "1024")),
    ("server-parameter-exists", with_parameter("wal_sender_timeouts", "0")),
    ("server-parameter-fits-range", with_parameter("wal_sender_timeout", "-5")),
    ("server-parameter-requires-tls", with_parameter("require_secure_transport", "off")),
    ("server-with-standby-syncs-slots", with_parameter("hot_standby_feedback", "off")),
    ("server-with-standby-syncs-slots", with_parameter("sync_replication_slots", "off")),
    ("slot-survives-failover", put(OUR_SLOT, "failover", False)),
    ("server-keeps-storage-auto-grow", put("ha-server", "storage/autoGrow", "Disabled")),
    ("server-declares-storage-auto-grow", put("ha-server", "storage/autoGrow", None)),
    ("server-runs-supported-version", put("ha-server", "version", "10")),
    (
        "server-version-serves-snapshots",
        both(settings("connectors", readOnly="Yes"), put("ha-server", "version", "12")),
    ),
    ("firewall-rule-names-addresses", put("firewall-deployment", "last", OPEN_END)),
    (
        "server-alerts-on-storage",
        drop("alert-storage-warning", "alert-storage-critical", "alert-storage-free"),
    ),
    ("server-alerts-on-wal", drop("alert-wal")),
    ("server-alerts-on-wal", put("alert-wal", "enabled", False)),
    ("server-alerts-on-replication-delay", drop("alert-replication-delay")),
    ("server-alerts-on-replication-delay", put("alert-replication-delay", "actions", None)),
    ("provider-requires-tls", put("ha-postgresql", "sslmode", "disable")),
    ("connection-requires-tls", put(OUR_SLOT, "connection/sslMode", "disable")),
    ("connector-requires-tls", settings("connectors", sslMode="disable")),
    ("role-has-login", put(OUR_USER, "login", False)),
    ("role-has-replication", put(OUR_USER, "replication", False)),
    ("role-avoids-administration", put(OUR_USER, "createRole", True)),
    ("role-belongs-to-group", put(OUR_USER, "roles", [])),
    (
        "role-declares-membership-once",
        add(membership(role="streamkap_user", grantRole="streamkap_role")),
    ),
    ("schema-grants-usage", put(OUR_ACCESS, "schemas", [])),
    ("schema-grants-select", put(OUR_ACCESS, "tableGrants", "none")),
    ("schema-grants-future-tables", drop(OUR_ACCESS)),
    ("database-grants-connect", put(OUR_ACCESS, "connect", False)),
    ("table-grants-only-select", add(grant("table", "DELETE", role="streamkap_role"))),
    (
        "grant-avoids-overlap",
        add(grant("table", "SELECT", role="streamkap_role", schema="streamkap")),
    ),
    ("signal-table-keeps-name", drop(OUR_SIGNAL)),
    ("signal-table-grants-writing", put(OUR_SIGNAL, "roles", [])),
    ("publication-is-declared", drop(OUR_PUBLICATION)),
    ("publication-is-protected", unprotect(OUR_PUBLICATION)),
    (
        "publication-holds-signal-table",
        put(OUR_PUBLICATION, "ownTables", ["streamkap.streamkap_heartbeat"]),
    ),
    (
        "publication-holds-heartbeat-table",
        put(OUR_PUBLICATION, "ownTables", ["streamkap.streamkap_signal"]),
    ),
    ("publication-publishes-via-root", put(OUR_PUBLICATION, "viaPartitionRoot", False)),
    ("publication-lists-tables", put(OUR_PUBLICATION, "capture", ALLOWS_ALL)),
    ("slot-is-protected", unprotect(OUR_SLOT)),
    ("slot-uses-pgoutput", put(OUR_SLOT, "plugin", "wal2json")),
    ("slot-avoids-plain-resource", add(slot(protect=True))),
    ("connector-names-declared-slot", settings("connectors", replicationSlotName="another")),
    ("connector-names-declared-publication", settings("connectors", publicationName="another")),
    ("connector-has-own-slot", twin("connectors", publicationName="another")),
    ("connector-has-own-publication", twin("connectors", replicationSlotName="another")),
]

SLOT = "SELECT pg_create_logical_replication_slot('streamkap_pgoutput_slot', 'pgoutput')"
CREATE = SIGNAL.replace("VARCHAR(2000)", "TEXT")
RAW: list[tuple[str, Change]] = [
    ("server-declares-wal-level", drop("parameter-wal_level")),
    ("server-parameter-sets-wal-level", put("parameter-wal_level", "value", "replica")),
    ("server-preloads-pglogical", drop("parameter-shared_preload_libraries")),
    ("server-preloads-pglogical", put("parameter-shared_preload_libraries", "value", "pg_cron")),
    ("server-allows-pglogical", drop("parameter-azure.extensions")),
    ("server-sizes-worker-processes", drop("parameter-max_worker_processes")),
    ("server-sizes-worker-processes", put("parameter-max_worker_processes", "value", "8")),
    ("server-sizes-replication-slots", put("parameter-max_replication_slots", "value", "4")),
    ("server-sizes-wal-senders", put("parameter-max_wal_senders", "value", 4.0)),
    ("server-parameter-restarts-server", drop("::restart")),
    (
        "server-parameter-stays-writable",
        put("parameter-max_wal_senders", "configurationName", "max_slot_wal_keep_size"),
    ),
    (
        "server-parameter-exists",
        put("parameter-max_wal_senders", "configurationName", "max_wal_sender"),
    ),
    ("server-parameter-fits-range", put("parameter-max_wal_senders", "value", "1000")),
    ("server-parameter-requires-tls", put("parameter-require_secure_transport", "value", "off")),
    ("server-with-standby-syncs-slots", drop("parameter-hot_standby_feedback")),
    ("server-with-standby-syncs-slots", drop("parameter-sync_replication_slots")),
    ("slot-survives-failover", put("::slot", "statements", SLOT)),
    ("slot-survives-failover", drop("::slot")),
    ("server-keeps-storage-auto-grow", put("::server", "storage/autoGrow", "Disabled")),
    ("server-declares-storage-auto-grow", put("::server", "storage/autoGrow", None)),
    ("server-declares-storage-auto-grow", put("::server", "storage", None)),
    ("server-runs-supported-version", put("::server", "version", 19.0)),
    ("firewall-rule-names-addresses", put("connector", "endIpAddress", OPEN_END)),
    ("server-alerts-on-storage", drop("alert-storage_percent")),
    ("server-alerts-on-wal", drop("alert-txlogs_storage_used")),
    ("server-alerts-on-wal", put("alert-txlogs_storage_used", "actions", [])),
    ("server-alerts-on-replication-delay", drop("alert-logical_replication_delay_in_bytes")),
    (
        "server-alerts-on-replication-delay",
        put("alert-logical_replication_delay_in_bytes", "enabled", "false"),
    ),
    ("provider-requires-tls", put("administrator", "sslmode", "prefer")),
    ("connector-requires-tls", settings("connector", sslMode="disable")),
    ("role-has-login", put("::user", "login", None)),
    ("role-has-replication", put("::user", "replication", None)),
    ("role-avoids-administration", put("::user", "superuser", True)),
    ("role-belongs-to-group", put("::user", "roles", None)),
    (
        "role-declares-membership-once",
        add(membership(role="streamkap_user", grantRole="another_role")),
    ),
    ("database-grants-connect", drop("::connect")),
    ("database-grants-connect", put("::connect", "privileges", ["TEMPORARY"])),
    ("schema-grants-usage", drop("use-public")),
    ("schema-grants-usage", put("use-public", "privileges", ["CREATE"])),
    ("schema-grants-select", drop("::read")),
    ("schema-grants-select", put("::read", "objects", ["orders"])),
    ("schema-grants-future-tables", drop("read-later")),
    ("table-grants-only-select", put("::read", "privileges", ["SELECT", "UPDATE"])),
    ("table-grants-only-select", add(default("DELETE", role="streamkap_role"))),
    (
        "grant-avoids-overlap",
        add(grant("table", "SELECT", role="streamkap_role", schema="streamkap", database="shop")),
    ),
    (
        "signal-table-keeps-name",
        both(drop("signal-table"), put("publication", "tables", ["public.orders"])),
    ),
    (
        "signal-table-keeps-name",
        both(
            put("signal-table", "statements", "CREATE TABLE x.my_signals (id int)"),
            put("publication", "tables", ["public.orders", "x.my_signals"]),
        ),
    ),
    ("signal-table-keeps-columns", put("signal-table", "statements", CREATE)),
    ("signal-table-grants-writing", drop("::signal")),
    ("signal-table-grants-writing", put("::signal", "privileges", ["SELECT", "UPDATE"])),
    ("publication-is-declared", drop("publication")),
    ("publication-is-protected", unprotect("publication")),
    (
        "publication-holds-signal-table",
        put("publication", "tables", ["public.customers", "public.orders"]),
    ),
    (
        "publication-holds-heartbeat-table",
        add(grant("table", "UPDATE", schema="streamkap", objects=["streamkap_heartbeat"])),
    ),
    ("publication-publishes-via-root", put("publication", "publishViaPartitionRootParam", None)),
    ("publication-lists-tables", put("publication", "allTables", True)),
    (
        "slot-is-protected",
        both(unprotect("::slot"), put("::slot", "delete", "SELECT pg_drop_replication_slot('x')")),
    ),
    ("slot-uses-pgoutput", put("::slot", "statements", SLOT.replace("pgoutput')", "wal2json')"))),
    ("slot-avoids-plain-resource", add(slot(name="streamkap_pgoutput_slot", protect=True))),
    ("connector-names-declared-slot", settings("connector", replicationSlotName="another")),
    ("connector-names-declared-publication", settings("connector", publicationName="another")),
    ("connector-has-own-slot", twin("connector", publicationName="another")),
    ("connector-has-own-publication", twin("connector", replicationSlotName="another")),
]
MUTATIONS = [("ours", *item) for item in OURS] + [("raw", *item) for item in RAW]

NOT_MUTATED = {"resource-keeps-password-secret"}
"""What is captured has its secrets unwrapped; test_remediation.py and test_engine.py have it."""


@pytest.mark.parametrize("name", ["ours", "raw"])
def test_a_good_stack_has_no_violation(name: str) -> None:
    assert verdict(captured(name)) == {}


@pytest.mark.parametrize(
    ("name", "rule", "change"),
    MUTATIONS,
    ids=[f"{name}-{number}-{rule}" for number, (name, rule, _) in enumerate(MUTATIONS)],
)
def test_a_spoilt_setting_is_noticed(name: str, rule: str, change: Change) -> None:
    stack = captured(name)
    change(stack)
    assert rule in verdict(stack)


def test_there_are_mutations_enough_and_of_every_rule() -> None:
    assert len(MUTATIONS) >= 40
    assert {rule for _, rule, _ in MUTATIONS} | NOT_MUTATED == set(BY_NAME)
