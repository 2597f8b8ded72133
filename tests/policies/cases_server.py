"""The cases of the rules on servers, their parameters, their network and their alerts."""

from __future__ import annotations

from case import Cases
from declaring import (
    UNKNOWN,
    UNRELATED,
    Made,
    alert,
    form,
    ours,
    parameter,
    publication,
    server,
    slot,
    slot_by_sql,
    user,
)
from parts import command, firewall, provider

HA = {"highAvailability": {"mode": "ZoneRedundant"}}
CDC = (publication("public.orders"), form())
PREMIUM_V2 = {"storageSizeGB": 32.0, "type": "PremiumV2_LRS", "autoGrow": "Disabled"}


def with_server(*more: Made, **props: object) -> tuple[Made, ...]:
    """A server that changes are captured from."""
    return (server(**props), *CDC, *more)


def our_server(*more: Made, **props: object) -> tuple[Made, ...]:
    """One that this project manages."""
    given: dict[str, object] = {"connectors": 1.0, "pglogical": True, "others": []}
    demand = ours("ServerParameters", **(given | props))
    found = ours("ExistingServer", serverName="psql")
    return (found, demand, *CDC, *more)


def other(name: str, value: object, *, exactly: bool = False) -> dict[str, object]:
    return {"others": [{"name": name, "value": value, "exactly": exactly}]}


def asked(name: str, value: object, *, exactly: bool = False) -> tuple[Made, ...]:
    """A parameter in this project's settings."""
    return (ours("ServerParameters", connectors=1.0, **other(name, value, exactly=exactly)),)


def alerts(metric: str) -> Cases:
    """The three rules on alerts differ in the metric only."""
    elsewhere = "/subscriptions/0/resourceGroups/rg/providers/x/flexibleServers/other"
    here = elsewhere.replace("other", "PSQL")
    return Cases(
        passes=[with_server(alert(metric)), with_server(alert(metric, scopes=[here]))],
        fails=[
            with_server(),
            with_server(alert("is_db_alive")),
            with_server(alert(metric, enabled=False)),
            with_server(alert(metric, enabled="false")),
            with_server(alert(metric, actions=[])),
            with_server(alert(metric, actions=None)),
            with_server(alert(metric, scopes=[elsewhere])),
            our_server(),
        ],
        unknown=[
            with_server(alert(metric, enabled=UNKNOWN)),
            with_server(alert(metric, actions=UNKNOWN)),
            with_server(alert(metric, scopes=UNKNOWN)),
        ],
        not_applicable=[UNRELATED, CDC],
        fails_beside_unknown=[with_server(alert(metric, actions=[], scopes=UNKNOWN))],
    )


SERVER = {
    "server-parameter-sets-wal-level": Cases(
        passes=[
            [parameter("wal_level", "logical")],
            [parameter("wal_level", " Logical ")],
            [parameter("wal_level", "LOGICAL")],
            asked("wal_level", "logical"),
        ],
        fails=[[parameter("wal_level", "replica")], asked("wal_level", "minimal")],
        unknown=[[parameter("wal_level", UNKNOWN)], [parameter(UNKNOWN, "replica")]],
        not_applicable=[[user()], UNRELATED],
    ),
    "server-declares-wal-level": Cases(
        passes=[
            with_server(parameter("WAL_LEVEL", "logical")),
            with_server(parameter("wal_level", "replica")),  # another rule's business
            with_server(parameter("wal_level", "logical", on=UNKNOWN)),
            our_server(),
        ],
        fails=[
            with_server(),
            with_server(parameter("wal_level", "logical", on="another")),
            (parameter("max_wal_senders", "10"), *CDC),
        ],
        unknown=[
            with_server(parameter("wal_level", UNKNOWN)),
            with_server(parameter(UNKNOWN, "logical")),
        ],
        not_applicable=[UNRELATED, CDC],
    ),
    "server-preloads-pglogical": Cases(
        passes=[
            with_server(parameter("shared_preload_libraries", "pg_cron,PGLOGICAL")),
            our_server(),
        ],
        fails=[
            with_server(),
            with_server(parameter("shared_preload_libraries", "pg_cron")),
            our_server(pglogical=False),
        ],
        unknown=[with_server(parameter("shared_preload_libraries", UNKNOWN))],
        not_applicable=[UNRELATED, CDC],
    ),
    "server-allows-pglogical": Cases(
        passes=[with_server(parameter("azure.extensions", "pgcrypto, pglogical")), our_server()],
        fails=[
            with_server(),
            with_server(parameter("azure.extensions", "")),
            our_server(pglogical=False),
        ],
        unknown=[with_server(parameter("azure.extensions", UNKNOWN))],
        not_applicable=[UNRELATED, CDC],
    ),
    "server-sizes-worker-processes": Cases(
        passes=[
            with_server(parameter("max_worker_processes", "16")),
            with_server(parameter("max_worker_processes", 32.0)),
            our_server(),
        ],
        fails=[
            with_server(),
            with_server(parameter("max_worker_processes", "8")),
            with_server(parameter("max_worker_processes", 15.0)),
            our_server(**other("max_worker_processes", "8", exactly=True)),
        ],
        unknown=[with_server(parameter("max_worker_processes", UNKNOWN))],
        not_applicable=[UNRELATED, CDC],
    ),
    **{
        name: Cases(
            passes=[
                with_server(slot()),
                with_server(slot(), parameter(size, "5"), **HA),
                with_server(parameter(size, 10.0), **HA),
                our_server(slot()),
            ],
            fails=[
                with_server(slot(), parameter(size, "0")),
                with_server(slot(), parameter(size, "4"), **HA),
                with_server(*(slot(name=f"slot_{n}") for n in range(11))),
                our_server(*(slot(name=f"slot_{n}") for n in range(11))),
            ],
            unknown=[with_server(slot(), parameter(size, UNKNOWN), **HA)],
            not_applicable=[UNRELATED, (server(), publication("public.orders"))],
        )
        for name, size in (
            ("server-sizes-replication-slots", "max_replication_slots"),
            ("server-sizes-wal-senders", "max_wal_senders"),
        )
    },
    "server-parameter-restarts-server": Cases(
        passes=[
            with_server(parameter("wal_level", "logical"), ours("ServerRestart")),
            with_server(parameter("wal_level", "logical"), command("az postgres … restart -n x")),
            with_server(
                parameter("wal_level", "logical"),
                Made("pulumi-python:dynamic/ops:RestartServer", "restart", {}),
            ),
            with_server(parameter("wal_sender_timeout", "0")),
        ],
        fails=[
            with_server(parameter("wal_level", "logical")),
            with_server(parameter("max_wal_senders", "10"), command("az postgres … show")),
            our_server(),
        ],
        unknown=[
            with_server(parameter(UNKNOWN, "1")),
            with_server(parameter("wal_level", UNKNOWN), command("restart")),
        ],
        not_applicable=[UNRELATED, with_server(), CDC],
        fails_beside_unknown=[with_server(parameter("wal_level", UNKNOWN))],
    ),
    "server-parameter-stays-writable": Cases(
        passes=[
            [parameter("wal_level", "logical")],
            [parameter("ssl_min_protocol_version", "TLSv1.3")],
            asked("wal_sender_timeout", "0"),
        ],
        fails=[
            [parameter("max_slot_wal_keep_size", "1024")],
            [parameter("synchronous_commit", "off")],
            asked("fsync", "off"),
        ],
        unknown=[[parameter(UNKNOWN, "1024")]],
        not_applicable=[[server()], CDC],
        fails_beside_unknown=[[parameter("max_slot_wal_keep_size", UNKNOWN)]],
    ),
    "server-parameter-exists": Cases(
        passes=[
            [parameter("wal_level", "x")],
            [parameter("pgaudit.log", "all")],
            [parameter("require_secure_transport", "on")],
            asked("track_commit_timestamp", "on"),
        ],
        fails=[[parameter("max_replication_slot", "10")], asked("wal_leve", "logical")],
        unknown=[[parameter(UNKNOWN, "10")]],
        not_applicable=[[server()], CDC],
        fails_beside_unknown=[[parameter("wal_levels", UNKNOWN)]],
    ),
    "server-parameter-fits-range": Cases(
        passes=[
            *([parameter("max_wal_senders", value)] for value in ("5", 100.0)),
            [parameter("wal_level", "Logical")],
            [parameter("max_slot_wal_keep_size", "7")],  # another rule's business
            [parameter("azure.extensions", "anything")],
            asked("wal_sender_timeout", "0"),
        ],
        fails=[
            *([parameter("max_wal_senders", value)] for value in ("4", 101.0, "many")),
            [parameter("ssl_min_protocol_version", "TLSv1.1")],
            [parameter("max_connections", "6000")],
            [parameter("hot_standby_feedback", "maybe")],
            asked("logical_decoding_work_mem", "1"),
        ],
        unknown=[[parameter("max_wal_senders", UNKNOWN)]],
        not_applicable=[[server()], CDC],
    ),
    "server-keeps-storage-auto-grow": Cases(
        passes=[
            [server()],
            [server(storage={"storageSizeGB": 32.0})],
            [server(storage=PREMIUM_V2)],
        ],
        fails=[[server(storage={"autoGrow": "Disabled"})]],
        unknown=[[server(storage={"autoGrow": UNKNOWN})], [server(storage=UNKNOWN)]],
        not_applicable=[CDC, [parameter("wal_level", "logical")]],
    ),
    "server-declares-storage-auto-grow": Cases(
        passes=[
            with_server(),
            our_server(ours("StorageAutoGrow")),
            with_server(storage=PREMIUM_V2),
        ],
        fails=[
            with_server(storage={"storageSizeGB": 32.0}),
            with_server(storage=None),
            our_server(),
        ],
        unknown=[with_server(storage={"autoGrow": UNKNOWN}), with_server(storage=UNKNOWN)],
        not_applicable=[UNRELATED, CDC, (parameter("wal_level", "logical"), *CDC)],
    ),
    "server-runs-supported-version": Cases(
        passes=[[server(version="17")], [server(version=18.0)], [server(version=None)]],
        fails=[[server(version="10")], [server(version=19.0)]],
        unknown=[[server(version=UNKNOWN)]],
        not_applicable=[CDC, [parameter("wal_level", "logical")]],
    ),
    "server-version-serves-snapshots": Cases(
        passes=[
            (server(version="13"), form(readOnly="Yes")),
            (server(version=None), form(readOnly=True)),
        ],
        fails=[
            (server(version="12"), form(readOnly="Yes")),
            (server(version=11.0), form(readOnly=True)),
        ],
        unknown=[(server(version=UNKNOWN), form(readOnly="Yes"))],
        not_applicable=[
            UNRELATED,
            (server(version="11"), form(readOnly="No")),
            (server(version="11"), form(readOnly=UNKNOWN)),
        ],
    ),
    "server-parameter-requires-tls": Cases(
        passes=[
            [parameter("require_secure_transport", "ON")],
            [parameter("wal_level", "off")],
            asked("require_secure_transport", "on"),
        ],
        fails=[
            *([parameter("require_secure_transport", value)] for value in ("OFF", False)),
            asked("require_secure_transport", "off"),
        ],
        unknown=[[parameter("require_secure_transport", UNKNOWN)], [parameter(UNKNOWN, "off")]],
        not_applicable=[CDC, [server()]],
    ),
    "provider-requires-tls": Cases(
        passes=[[provider(sslmode="require")], [provider(sslMode="verify-full")], [provider()]],
        fails=[
            [provider(sslmode="disable")],
            [provider(sslmode="Prefer")],
            [provider(sslMode="allow")],
        ],
        unknown=[[provider(sslmode=UNKNOWN)]],
        not_applicable=[CDC, [Made("pulumi:providers:mysql", "x", {"sslmode": "disable"})]],
    ),
    "connection-requires-tls": Cases(
        passes=[(ours("ReplicationSlot", connection={"host": "x", "sslMode": "require"}),)],
        fails=[(ours("ReplicationSlot", connection={"host": "x", "sslMode": "disable"}),)],
        unknown=[
            (ours("ReplicationSlot", connection={"host": "x", "sslMode": UNKNOWN}),),
            (ours("ReplicationSlot", connection=UNKNOWN),),
        ],
        not_applicable=[UNRELATED, CDC],
        fails_beside_unknown=[
            (ours("ReplicationSlot", connection={"host": UNKNOWN, "sslMode": "disable"}),)
        ],
    ),
    "firewall-rule-names-addresses": Cases(
        passes=[
            [firewall("203.0.113.10", "203.0.113.10")],
            [firewall("10.1.0.0", "10.1.255.255")],
            [ours("FirewallRule", first="203.0.113.10", last="203.0.113.11")],
        ],
        fails=[
            [firewall("0.0.0.0", "255.255.255.255")],  # noqa: S104
            [firewall("0.0.0.0", "0.0.0.0")],  # noqa: S104
            [firewall("10.0.0.0", "10.255.255.255")],
            [ours("FirewallRule", first="1.0.0.0", last="200.0.0.0")],
        ],
        unknown=[[firewall(UNKNOWN, "255.255.255.255")], [firewall("1.1.1.1", UNKNOWN)]],
        not_applicable=[CDC, [server()]],
    ),
    "server-alerts-on-storage": alerts("storage_percent"),
    "server-alerts-on-wal": alerts("txlogs_storage_used"),
    "server-alerts-on-replication-delay": alerts("logical_replication_delay_in_bytes"),
    "server-with-standby-syncs-slots": Cases(
        passes=[
            with_server(
                parameter("hot_standby_feedback", "on"),
                parameter("sync_replication_slots", "ON"),
                **HA,
            ),
            with_server(
                parameter("hot_standby_feedback", "on"),
                parameter("shared_preload_libraries", "PG_FAILOVER_SLOTS,pglogical"),
                version="16",
                **HA,
            ),
            (server(**HA), ours("ServerParameters", connectors=1.0), *CDC),
        ],
        fails=[
            with_server(**HA),
            with_server(parameter("hot_standby_feedback", "on"), **HA),
            with_server(parameter("hot_standby_feedback", "on"), version="16", **HA),
            with_server(parameter("hot_standby_feedback", "on"), version=None, **HA),
            with_server(parameter("sync_replication_slots", "on"), **HA),
            (server(**HA), *asked("sync_replication_slots", "off", exactly=True), *CDC),
        ],
        unknown=[
            with_server(
                parameter("hot_standby_feedback", UNKNOWN),
                parameter("sync_replication_slots", UNKNOWN),
                **HA,
            ),
            with_server(parameter(UNKNOWN, "on"), **HA),
        ],
        not_applicable=[
            UNRELATED,
            with_server(),
            with_server(highAvailability={"mode": UNKNOWN}),
        ],
        fails_beside_unknown=[with_server(parameter("sync_replication_slots", UNKNOWN), **HA)],
    ),
    "slot-survives-failover": Cases(
        passes=[
            with_server(ours("ReplicationSlot", name="slot", failover=True), **HA),
            with_server(ours("ReplicationSlot", name="slot", failover="true"), **HA),
            with_server(slot_by_sql("'slot'", "'pgoutput'", "false", "false", "true"), **HA),
            with_server(slot_by_sql("'slot'", "'pgoutput'", "failover => true"), **HA),
        ],
        fails=[
            with_server(slot(), **HA),
            with_server(ours("ReplicationSlot", name="slot", failover=False), **HA),
            with_server(slot(), version=None, **HA),
            with_server(**HA),  # the connector makes one
            (
                ours("ExistingServer", serverName="psql", failoverSlots=True),
                *(ours("ReplicationSlot", failover=False), *CDC),
            ),
            with_server(slot_by_sql("'slot'", "'pgoutput'"), **HA),
            with_server(slot_by_sql("'slot'", "'pgoutput'", "false", "false", "false"), **HA),
        ],
        unknown=[
            with_server(ours("ReplicationSlot", name="slot", failover=UNKNOWN), **HA),
            with_server(ours("ReplicationSlot", name=UNKNOWN, failover=True), **HA),
        ],
        not_applicable=[
            UNRELATED,
            with_server(slot()),
            (server(**HA), publication("public.orders")),
            with_server(slot(), version="16", **HA),
        ],
    ),
}
