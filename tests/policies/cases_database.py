"""The cases of the rules on roles, grants, tables, publications, slots and connectors."""

from __future__ import annotations

from case import Cases
from declaring import (
    SIGNAL,
    UNKNOWN,
    UNRELATED,
    Made,
    form,
    forms,
    grant,
    ours,
    postgres,
    publication,
    role,
    server,
    slot,
    slot_by_sql,
    sql,
    user,
)

CONNECT = grant("database", "CONNECT", schema="", database="shop")
ROLES = (user(), role())
PUB = publication("public.orders")
SIGNALLED = publication("public.orders", "streamkap.streamkap_signal")
WRITES = grant(
    "table", "SELECT", "INSERT", "UPDATE", schema="streamkap", objects=["streamkap_signal"]
)
OUR_PUB = {"name": "pub", "ownTables": [], "capture": '{"tables": ["public.orders"]}'}
NO_CDC = [UNRELATED]


def membership(**props: object) -> Made:
    return postgres("GrantRole", "membership", **props)


def default(*privileges: str, **props: object) -> Made:
    given = {"objectType": "table", "role": "cdc_role", "schema": "public", "owner": "app"}
    return postgres("DefaultPrivileges", **(given | {"privileges": [*privileges]} | props))


def streamkap(**props: object) -> Made:
    """A source of Streamkap's own Terraform provider, bridged."""
    given = {"slotName": "slot", "publicationName": "pub", "databaseDbname": "shop"}
    return Made("streamkap:index/sourcePostgresql:SourcePostgresql", "source", given | props)


def access(**props: object) -> Made:
    given = {"role": "cdc_role", "schemas": ["public"], "writes": ["streamkap"]}
    return ours("SchemaAccess", **(given | props))


def signal_table(**props: object) -> Made:
    return ours("SignalTable", **({"schema": "streamkap", "roles": ["cdc_role"]} | props))


def two(**second: object) -> Made:
    """Two connectors of one database."""
    first = {"database": "shop", "replicationSlotName": "slot", "publicationName": "pub"}
    return forms(first, first | second)


DATABASE = {
    "role-has-replication": Cases(
        passes=[(*ROLES, PUB), (user(replication="true"), PUB, form())],
        fails=[
            (PUB,),
            (user(replication=False), role(), PUB),
            (user(replication=None), PUB, form()),
        ],
        unknown=[(user(replication=UNKNOWN), PUB, form())],
        not_applicable=[*NO_CDC, ROLES],
    ),
    "role-has-login": Cases(
        passes=[(*ROLES, PUB), (user(login=1.0), PUB)],
        fails=[(user(login=False), PUB), (user(login=None), PUB)],
        unknown=[(user(login=UNKNOWN), PUB)],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "role-avoids-administration": Cases(
        passes=[ROLES, [postgres("Role", name="dba", superuser=True)]],
        fails=[
            [user(superuser=True)],
            [user(createDatabase="true")],
            [user(createRole=True)],
        ],
        unknown=[[user(superuser=UNKNOWN)], [user(replication=UNKNOWN, superuser=True)]],
        not_applicable=[[PUB], [server()]],
    ),
    "role-belongs-to-group": Cases(
        passes=[
            (*ROLES, PUB, CONNECT),
            (user(roles=[]), membership(role="cdc_user", grantRole="cdc_role"), PUB, CONNECT),
            (user(roles=[]), PUB, grant("database", "CONNECT", role="cdc_user")),
        ],
        fails=[
            (user(roles=[]), role(), PUB, CONNECT),
            (user(roles=None), PUB, access()),
            (user(roles=["another"]), PUB, CONNECT),
        ],
        unknown=[
            (user(roles=UNKNOWN), PUB, CONNECT),
            (user(roles=[UNKNOWN]), PUB, CONNECT),
            (user(roles=[]), PUB, grant("database", "CONNECT", role=UNKNOWN)),
            (user(roles=[]), membership(role="cdc_user", grantRole=UNKNOWN), PUB, CONNECT),
        ],
        not_applicable=[*NO_CDC, (PUB, CONNECT), (*ROLES, PUB)],
    ),
    "role-declares-membership-once": Cases(
        passes=[(user(roles=None), membership(role="cdc_user", grantRole="cdc_role"))],
        fails=[
            (user(), membership(role="cdc_user", grantRole="cdc_role")),
            (user(), membership(role="cdc_user", grantRole="another")),
        ],
        unknown=[
            (user(), membership(role="cdc_user", grantRole=UNKNOWN)),
            (user(roles=UNKNOWN), membership(role="cdc_user", grantRole="cdc_role")),
        ],
        not_applicable=[*NO_CDC, ROLES],
        fails_beside_unknown=[(user(), membership(role=UNKNOWN, grantRole="cdc_role"))],
    ),
    "database-grants-connect": Cases(
        passes=[
            (*ROLES, PUB, CONNECT),
            (*ROLES, PUB, grant("database", "ALL", schema="")),
            (*ROLES, PUB, access()),
        ],
        fails=[
            (*ROLES, PUB),
            (*ROLES, PUB, grant("database", "CREATE", schema="")),
            (*ROLES, PUB, grant("database", "CONNECT", role="another")),
            (*ROLES, PUB, grant("database", "CONNECT", database="crm")),
            (*ROLES, PUB, access(connect=False)),
        ],
        unknown=[
            (*ROLES, PUB, grant("database", "CONNECT", role=UNKNOWN)),
            (*ROLES, PUB, grant("database", "CONNECT", database=UNKNOWN)),
        ],
        not_applicable=[*NO_CDC, (PUB,), (PUB, user(roles=UNKNOWN))],
    ),
    "schema-grants-usage": Cases(
        passes=[
            (*ROLES, PUB, grant("schema", "USAGE")),
            (*ROLES, SIGNALLED, grant("schema", "CREATE", "USAGE")),
            (*ROLES, PUB, access()),
            (*ROLES, PUB, access(allSchemas=True, schemas=[])),
            (user(roles=["cdc_role", "pg_read_all_data"]), PUB),
        ],
        fails=[
            (*ROLES, PUB),
            (*ROLES, PUB, grant("schema", "CREATE")),
            (*ROLES, PUB, grant("schema", "USAGE", schema="sales")),
            (*ROLES, publication("sales.a", "public.b"), grant("schema", "USAGE")),
            (*ROLES, PUB, access(schemas=["sales"])),
        ],
        unknown=[
            (*ROLES, PUB, grant("schema", "USAGE", schema=UNKNOWN)),
            (*ROLES, publication(UNKNOWN)),
            (*ROLES, publication(tables=UNKNOWN)),
        ],
        not_applicable=[*NO_CDC, (PUB,), (PUB, user(roles=[UNKNOWN]))],
    ),
    "schema-grants-select": Cases(
        passes=[
            (*ROLES, PUB, grant("table", "SELECT")),
            (*ROLES, PUB, grant("table", "SELECT", objects=["orders", "customers"])),
            (*ROLES, PUB, access()),
            (user(), role(roles=["pg_read_all_data"]), PUB),
        ],
        fails=[
            (*ROLES, PUB),
            (*ROLES, PUB, grant("table", "INSERT")),
            (*ROLES, PUB, grant("table", "SELECT", objects=["customers"])),
            (*ROLES, PUB, grant("table", "SELECT", schema="sales")),
        ],
        unknown=[
            (*ROLES, PUB, grant("table", "SELECT", schema=UNKNOWN)),
            (*ROLES, PUB, grant("table", privileges=UNKNOWN)),
        ],
        not_applicable=[*NO_CDC, (PUB,), (PUB, user(roles=UNKNOWN))],
    ),
    "schema-grants-future-tables": Cases(
        passes=[
            (*ROLES, PUB, default("SELECT")),
            (*ROLES, PUB, default("SELECT", schema=None)),
            (*ROLES, PUB, access()),
        ],
        fails=[
            (*ROLES, PUB, grant("table", "SELECT")),
            (*ROLES, PUB, default("SELECT", schema="sales")),
            (*ROLES, PUB, default("SELECT", objectType="sequence")),
        ],
        unknown=[(*ROLES, PUB, default("SELECT", schema=UNKNOWN, role=UNKNOWN))],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "table-grants-only-select": Cases(
        passes=[
            (*ROLES, PUB, grant("table", "SELECT"), WRITES),
            (*ROLES, PUB, access(), signal_table()),
            (*ROLES, PUB, grant("table", "DELETE", role="app")),
            (*ROLES, PUB, grant("table", "SELECT", "INSERT", "UPDATE", schema="streamkap")),
        ],
        fails=[
            (*ROLES, PUB, grant("table", "SELECT", "DELETE")),
            (*ROLES, PUB, grant("table", "ALL")),
            (*ROLES, publication(allTables=True), grant("table", "INSERT", schema="sales")),
            (*ROLES, PUB, default("SELECT", "UPDATE")),
            (*ROLES, PUB, grant("table", "INSERT", objects=["orders", "streamkap_signal"])),
        ],
        unknown=[
            (*ROLES, PUB, grant("table", "INSERT", role=UNKNOWN)),
            (*ROLES, PUB, grant("table", privileges=UNKNOWN)),
            (*ROLES, PUB, grant("table", "SELECT", UNKNOWN)),
            (*ROLES, PUB, grant("table", "INSERT", schema=UNKNOWN)),
        ],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "signal-table-keeps-name": Cases(
        passes=[
            (PUB, sql(SIGNAL)),
            (PUB, signal_table()),
            (SIGNALLED,),
            (PUB, form(readOnly="Yes")),
            (PUB, streamkap(snapshotReadOnly="Yes")),
        ],
        fails=[
            (PUB,),
            (PUB, form()),
            (ours("Publication", **(OUR_PUB | {"ownTables": ["streamkap.streamkap_signal"]})),),
            (PUB, sql(SIGNAL.replace("streamkap_signal", "signals"))),
            (PUB, form(readOnly="Yes"), streamkap(snapshotReadOnly="No")),
        ],
        unknown=[
            (PUB, signal_table(schema=UNKNOWN)),
            (PUB, signal_table(database=UNKNOWN)),
        ],
        not_applicable=[*NO_CDC, ROLES],
        fails_beside_unknown=[(PUB, form(readOnly=UNKNOWN))],
    ),
    "signal-table-keeps-columns": Cases(
        passes=[
            (PUB, sql(SIGNAL)),
            (PUB, signal_table()),
            (PUB, sql(SIGNAL.replace("VARCHAR", "character varying").upper())),
        ],
        fails=[
            (PUB, sql(SIGNAL.replace("2000", "200"))),
            (PUB, sql(SIGNAL.replace("id VARCHAR(255) PRIMARY KEY, ", ""))),
            (PUB, sql(SIGNAL.replace("type VARCHAR(32)", "kind VARCHAR(32)"))),
        ],
        unknown=[(PUB, signal_table(schema=UNKNOWN))],
        not_applicable=[
            *NO_CDC,
            (PUB,),
            (PUB, Made("command:local:Command", "c", {"create": UNKNOWN})),
        ],
    ),
    "signal-table-grants-writing": Cases(
        passes=[
            (*ROLES, SIGNALLED, sql(SIGNAL), WRITES),
            (*ROLES, SIGNALLED, signal_table()),
            (*ROLES, SIGNALLED, sql(SIGNAL), form(readOnly="Yes")),
        ],
        fails=[
            (*ROLES, SIGNALLED, sql(SIGNAL)),
            (*ROLES, SIGNALLED, sql(SIGNAL), grant("table", "SELECT", schema="streamkap")),
            (*ROLES, SIGNALLED, signal_table(roles=["another"])),
        ],
        unknown=[
            (
                *(*ROLES, SIGNALLED, sql(SIGNAL)),
                grant("table", "SELECT", "INSERT", "UPDATE", schema="streamkap", role=UNKNOWN),
            )
        ],
        not_applicable=[*NO_CDC, (*ROLES, SIGNALLED), (SIGNALLED, sql(SIGNAL))],
    ),
    "publication-is-declared": Cases(
        passes=[(PUB, slot()), (ours("Publication", **OUR_PUB), form())],
        fails=[(slot(),), (form(),), (slot(database="crm"), publication("a.b", database="shop"))],
        unknown=[(slot(), publication("a.b", database=UNKNOWN)), (slot(database=UNKNOWN), PUB)],
        not_applicable=[*NO_CDC, ROLES],
    ),
    "publication-holds-signal-table": Cases(
        passes=[
            (SIGNALLED,),
            (publication(allTables=True),),
            (PUB, form(readOnly="Yes")),
            (ours("Publication", **(OUR_PUB | {"ownTables": ["streamkap.streamkap_signal"]})),),
        ],
        fails=[
            (PUB,),
            (PUB, form(readOnly="No")),
            (PUB, form(readOnly="Yes", publicationName="another")),
            (ours("Publication", **OUR_PUB),),
        ],
        unknown=[(publication(tables=UNKNOWN),), (publication("public.orders", UNKNOWN),)],
        not_applicable=[*NO_CDC, (slot(),)],
        fails_beside_unknown=[(PUB, form(readOnly=UNKNOWN))],
    ),
    "publication-holds-heartbeat-table": Cases(
        passes=[
            (
                ours("HeartbeatTable", roles=["cdc_role"]),
                ours("Publication", **(OUR_PUB | {"ownTables": ["streamkap.streamkap_heartbeat"]})),
            ),
            (publication(allTables=True), ours("HeartbeatTable")),
        ],
        fails=[
            (PUB, ours("HeartbeatTable")),
            (PUB, grant("table", "UPDATE", objects=["streamkap_heartbeat"])),
        ],
        unknown=[(publication(tables=UNKNOWN), ours("HeartbeatTable"))],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "publication-publishes-via-root": Cases(
        passes=[
            [PUB],
            [publication("a.b", publishViaPartitionRootParam="true")],
            [ours("Publication", viaPartitionRoot=True)],
            [ours("Publication")],
        ],
        fails=[
            [publication("a.b", publishViaPartitionRootParam=False)],
            [publication("a.b", publishViaPartitionRootParam=None)],
            [ours("Publication", viaPartitionRoot=False)],
        ],
        unknown=[
            [publication("a.b", publishViaPartitionRootParam=UNKNOWN)],
            [ours("Publication", viaPartitionRoot=UNKNOWN)],
        ],
        not_applicable=[[slot()], UNRELATED],
    ),
    "publication-lists-tables": Cases(
        passes=[[PUB], [ours("Publication", **OUR_PUB)]],
        fails=[
            [publication(allTables=True)],
            [publication(allTables="true")],
            [ours("Publication", capture='{"allTables": true}')],
        ],
        unknown=[[publication(allTables=UNKNOWN)], [ours("Publication", capture=UNKNOWN)]],
        not_applicable=[[slot()], UNRELATED],
    ),
    "publication-is-protected": Cases(
        passes=[[PUB], [ours("Publication", protect=True)]],
        fails=[[publication("a.b", protect=False)], [ours("Publication")]],
        unknown=[[publication(UNKNOWN)]],
        not_applicable=[[slot()], UNRELATED],
        fails_beside_unknown=[[publication(UNKNOWN, protect=False)]],
    ),
    "slot-uses-pgoutput": Cases(
        passes=[
            [slot()],
            [slot(plugin="PGOUTPUT")],
            [ours("ReplicationSlot", plugin="pgoutput")],
            [slot_by_sql("'slot'", "'pgoutput'")],
        ],
        fails=[
            [slot(plugin="wal2json")],
            [slot(plugin=None)],
            [slot_by_sql("'slot'", "'test_decoding'")],
        ],
        unknown=[[slot(plugin=UNKNOWN)]],
        not_applicable=[[PUB], UNRELATED],
    ),
    "slot-is-protected": Cases(
        passes=[
            [slot(protect=True)],
            [ours("ReplicationSlot", protect=True)],
            [ours("ReplicationSlot", onDestroy="retain")],
            [slot_by_sql("'slot'", "'pgoutput'")],
        ],
        fails=[
            [slot()],
            [ours("ReplicationSlot", onDestroy="drop")],
            [slot_by_sql("'slot'", "'pgoutput'", delete="SELECT pg_drop_replication_slot('slot')")],
        ],
        unknown=[[slot(protect=True, plugin=UNKNOWN)]],
        not_applicable=[[PUB], UNRELATED],
        fails_beside_unknown=[[ours("ReplicationSlot", onDestroy=UNKNOWN)]],
    ),
    "slot-avoids-plain-resource": Cases(
        passes=[],
        fails=[[slot(protect=True)]],
        unknown=[],
        not_applicable=[[ours("ReplicationSlot")], [PUB]],
        fails_beside_unknown=[[slot(database=UNKNOWN)]],
    ),
    "connector-has-own-slot": Cases(
        passes=[
            (two(replicationSlotName="slot_2", publicationName="pub_2"),),
            (two(database="crm"),),
        ],
        fails=[(two(publicationName="pub_2"),), (form(), streamkap(publicationName="pub_2"))],
        unknown=[(two(replicationSlotName=UNKNOWN),)],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "connector-has-own-publication": Cases(
        passes=[(two(replicationSlotName="slot_2", publicationName="pub_2"),)],
        fails=[(two(replicationSlotName="slot_2"),)],
        unknown=[(two(publicationName=UNKNOWN),)],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "connector-names-declared-slot": Cases(
        passes=[(slot(), form()), (form(),), (slot(), streamkap())],
        fails=[
            (slot(), form(replicationSlotName="another")),
            (slot(name="mine"), streamkap(slotName=None)),
        ],
        unknown=[(slot(), form(replicationSlotName=UNKNOWN)), (slot(name=UNKNOWN), form())],
        not_applicable=[*NO_CDC, (slot(),)],
    ),
    "connector-names-declared-publication": Cases(
        passes=[(PUB, form()), (PUB, streamkap())],
        fails=[(PUB, form(publicationName="another")), (PUB, streamkap(publicationName="x"))],
        unknown=[(PUB, form(publicationName=UNKNOWN)), (publication("a.b", name=UNKNOWN), form())],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "connector-requires-tls": Cases(
        passes=[(form(),), (form(sslMode="verify-full"),), (streamkap(),)],
        fails=[(form(sslMode="disable"),), (streamkap(databaseSslmode="disable"),)],
        unknown=[(form(sslMode=UNKNOWN),)],
        not_applicable=[*NO_CDC, (PUB,)],
    ),
    "grant-avoids-overlap": Cases(
        passes=[
            (PUB, grant("table", "SELECT"), WRITES),
            (PUB, grant("table", "SELECT"), grant("schema", "USAGE")),
            (PUB, grant("table", "SELECT"), grant("table", "INSERT", role="app")),
            (
                *(PUB, grant("table", "SELECT", objects=["a"])),
                grant("table", "INSERT", objects=["b"]),
            ),
            (PUB, CONNECT, grant("database", "CONNECT", schema="", role="app")),
        ],
        fails=[
            (PUB, grant("table", "SELECT"), grant("table", "INSERT", objects=["streamkap_signal"])),
            (PUB, grant("table", "SELECT"), grant("table", "INSERT")),
            (PUB, grant("schema", "USAGE"), grant("schema", "CREATE")),
            (
                *(PUB, grant("table", "SELECT", schema="streamkap")),
                *(signal_table(), grant("schema", "USAGE")),
            ),
        ],
        unknown=[
            (PUB, grant("table", "SELECT"), grant("table", "INSERT", schema=UNKNOWN)),
            (PUB, grant("table", "SELECT"), grant("table", "INSERT", role=UNKNOWN)),
        ],
        not_applicable=[(PUB,), (PUB, CONNECT), (postgres("Role", name="app"),)],
    ),
}
