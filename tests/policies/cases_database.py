"""The cases of the rules on tables, publications, slots and connectors."""

from __future__ import annotations

from case import Cases
from declaring import (
    SIGNAL,
    UNKNOWN,
    UNRELATED,
    Made,
    form,
    grant,
    ours,
    publication,
    slot,
    slot_by_sql,
    sql,
)
from parts import (
    NO_CDC,
    OUR_PUB,
    PUB,
    ROLES,
    SIGNALLED,
    WRITES,
    signal_table,
    streamkap,
    two,
)

DATABASE = {
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
}
