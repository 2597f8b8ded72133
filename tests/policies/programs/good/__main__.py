"""A team's own program, with no component of ours: raw resources, and all that a source needs."""

import pulumi
import pulumi_azure_native as azure
import pulumi_postgresql as postgresql
from pulumi.dynamic import Resource, ResourceProvider

GROUP, NAME, DATABASE = "rg-shop", "psql-shop", "shop"
SCHEMA = "public"


class Sql(Resource, module="shop", name="Sql"):
    """What the team's own provider runs through psql."""

    def __init__(self, name: str, statements: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__(ResourceProvider(), name, {"statements": statements}, opts)


class Restart(Resource, module="shop", name="ServerRestart"):
    """The team's own provider of a restart."""

    def __init__(self, server: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ResourceProvider(), "restart", {"server": server}, opts)


password = pulumi.Config().require_secret("password")

server = azure.dbforpostgresql.Server(
    "server",
    resource_group_name=GROUP,
    server_name=NAME,
    location="westeurope",
    version="17",
    administrator_login="shop_admin",
    administrator_login_password=password,
    sku={"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"},
    storage=azure.dbforpostgresql.StorageArgs(storage_size_gb=128, auto_grow="Enabled"),
    high_availability={"mode": "ZoneRedundant"},
    opts=pulumi.ResourceOptions(protect=True),
)

last: pulumi.Resource = server
for parameter, value in {
    "wal_level": "LOGICAL",
    "shared_preload_libraries": "pg_stat_statements,PGLOGICAL",
    "azure.extensions": "PGLOGICAL",
    "max_worker_processes": "16",
    "max_replication_slots": "12",
    "max_wal_senders": "12",
    "hot_standby_feedback": "on",
    "sync_replication_slots": "on",
    "require_secure_transport": "on",
}.items():
    last = azure.dbforpostgresql.Configuration(
        f"parameter-{parameter}",
        resource_group_name=GROUP,
        server_name=server.name,
        configuration_name=parameter,
        source="user-override",
        value=value,
        opts=pulumi.ResourceOptions(depends_on=[last]),
    )
restart = Restart(server.id, pulumi.ResourceOptions(depends_on=[last]))
azure.dbforpostgresql.FirewallRule(
    "connector",
    firewall_rule_name="connector",
    resource_group_name=GROUP,
    server_name=server.name,
    start_ip_address="203.0.113.10",
    end_ip_address="203.0.113.11",
    opts=pulumi.ResourceOptions(depends_on=[restart]),
)

on_call = azure.monitor.ActionGroup(
    "on-call",
    action_group_name="on-call",
    resource_group_name=GROUP,
    location="global",
    group_short_name="oncall",
    enabled=True,
    email_receivers=[{"name": "data", "email_address": "data@example.com"}],
)
for metric, threshold in {
    "storage_percent": 80,
    "txlogs_storage_used": 20 * 2**30,
    "logical_replication_delay_in_bytes": 10 * 2**30,
}.items():
    azure.monitor.MetricAlert(
        f"alert-{metric}",
        rule_name=f"alert-{metric}",
        resource_group_name=GROUP,
        location="global",
        severity=1,
        enabled=True,
        scopes=[server.id],
        evaluation_frequency="PT1M",
        window_size="PT5M",
        criteria=azure.monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
            odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            all_of=[
                azure.monitor.MetricCriteriaArgs(
                    criterion_type="StaticThresholdCriterion",
                    name=metric,
                    metric_name=metric,
                    operator="GreaterThan",
                    threshold=threshold,
                    time_aggregation="Maximum",
                )
            ],
        ),
        actions=[{"action_group_id": on_call.id}],
    )

provider = postgresql.Provider(
    "administrator",
    host=server.fully_qualified_domain_name,
    username="shop_admin",
    password=password,
    database=DATABASE,
    sslmode="require",
    superuser=False,
)
inside = pulumi.ResourceOptions(provider=provider, depends_on=[restart])

role = postgresql.Role("role", name="streamkap_role", login=False, opts=inside)
user = postgresql.Role(
    "user",
    name="streamkap_user",
    login=True,
    replication=True,
    password=password,
    roles=[role.name],
    opts=inside,
)
streamkap = postgresql.Schema("streamkap", name="streamkap", database=DATABASE, opts=inside)
signal = Sql(
    "signal-table",
    """
    CREATE TABLE streamkap.streamkap_signal (
      id VARCHAR(255) PRIMARY KEY,
      type VARCHAR(32) NOT NULL,
      data VARCHAR(2000) NULL
    );
    """,
    pulumi.ResourceOptions(depends_on=[streamkap]),
)
postgresql.Grant(
    "connect",
    object_type="database",
    database=DATABASE,
    role=role.name,
    privileges=["CONNECT"],
    opts=inside,
)
for schema in (SCHEMA, "streamkap"):
    postgresql.Grant(
        f"use-{schema}",
        object_type="schema",
        database=DATABASE,
        schema=schema,
        role=role.name,
        privileges=["CREATE", "USAGE"],
        opts=inside,
    )
postgresql.Grant(
    "read",
    object_type="table",
    database=DATABASE,
    schema=SCHEMA,
    role=role.name,
    privileges=["SELECT"],
    opts=inside,
)
postgresql.Grant(
    "signal",
    object_type="table",
    database=DATABASE,
    schema="streamkap",
    objects=["streamkap_signal"],
    role=role.name,
    privileges=["SELECT", "INSERT", "UPDATE"],
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[signal]),
)
postgresql.DefaultPrivileges(
    "read-later",
    object_type="table",
    database=DATABASE,
    schema=SCHEMA,
    owner="app_owner",
    role=role.name,
    privileges=["SELECT"],
    opts=inside,
)
published = postgresql.Publication(
    "publication",
    name="streamkap_pub",
    database=DATABASE,
    tables=["public.customers", "public.orders", "streamkap.streamkap_signal"],
    publish_via_partition_root_param=True,
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[signal], protect=True),
)

# Nothing in `postgresql` makes a slot safely, nor one that survives a failover.
Sql(
    "slot",
    "SELECT pg_create_logical_replication_slot"
    "('streamkap_pgoutput_slot', 'pgoutput', failover => true)",
    pulumi.ResourceOptions(depends_on=[published], protect=True),
)
pulumi.export(
    "connector",
    {
        "hostname": server.fully_qualified_domain_name,
        "username": user.name,
        "password": password,
        "database": DATABASE,
        "readOnly": "No",
        "signalTableSchema": "streamkap",
        "replicationSlotName": "streamkap_pgoutput_slot",
        "publicationName": "streamkap_pub",
        "sslMode": "require",
    },
)
