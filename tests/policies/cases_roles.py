"""The cases of the rules on roles, memberships and grants."""

from __future__ import annotations

from case import Cases
from declaring import (
    UNKNOWN,
    form,
    grant,
    postgres,
    publication,
    role,
    server,
    user,
)
from parts import (
    CONNECT,
    NO_CDC,
    PUB,
    ROLES,
    SIGNALLED,
    WRITES,
    access,
    default,
    membership,
    signal_table,
)

ROLES_AND_GRANTS = {
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
            (PUB, CONNECT),
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
        not_applicable=[(PUB,), (postgres("Role", name="app"),)],
    ),
}
