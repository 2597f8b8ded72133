"""A team's own program as the peers' examples have it: half of what a source needs."""

import pulumi
import pulumi_azure_native as azure
import pulumi_postgresql as postgresql

server = azure.dbforpostgresql.Server(
    "server",
    resource_group_name="rg-shop",
    server_name="psql-shop",
    location="westeurope",
    version="17",
    administrator_login="shop_admin",
    administrator_login_password="Plain-text-1",
    sku={"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"},
    storage=azure.dbforpostgresql.StorageArgs(storage_size_gb=128, auto_grow="Disabled"),
    high_availability={"mode": "ZoneRedundant"},
)
azure.dbforpostgresql.Configuration(
    "workers",
    resource_group_name="rg-shop",
    server_name=server.name,
    configuration_name="max_worker_process",
    source="user-override",
    value="16",
)
azure.dbforpostgresql.Configuration(
    "level",
    resource_group_name="rg-shop",
    server_name=server.name,
    configuration_name="wal_level",
    source="user-override",
    value="replica",
)
azure.dbforpostgresql.FirewallRule(
    "everybody",
    firewall_rule_name="everybody",
    resource_group_name="rg-shop",
    server_name=server.name,
    start_ip_address="0.0.0.0",  # noqa: S104
    end_ip_address="255.255.255.255",
)
provider = postgresql.Provider(
    "administrator",
    host=server.fully_qualified_domain_name,
    username="shop_admin",
    password="Plain-text-1",
    database="shop",
    sslmode="disable",
    superuser=False,
)
inside = pulumi.ResourceOptions(provider=provider)
user = postgresql.Role(
    "user", name="streamkap_user", login=True, replication=True, superuser=True, opts=inside
)
postgresql.Grant(
    "use",
    object_type="schema",
    database="shop",
    schema="public",
    role="streamkap_role",
    privileges=["USAGE"],
    opts=inside,
)
for name, privilege in {"read": "SELECT", "write": "INSERT"}.items():
    postgresql.Grant(
        name,
        object_type="table",
        database="shop",
        schema="public",
        role="streamkap_role",
        privileges=[privilege],
        opts=inside,
    )
postgresql.Publication(
    "publication", name="streamkap_pub", database="shop", tables=["public.orders"], opts=inside
)
postgresql.ReplicationSlot(
    "slot", name="streamkap_slot", database="shop", plugin="wal2json", opts=inside
)
pulumi.export(
    "connectors",
    [
        {
            "username": user.name,
            "database": "shop",
            "readOnly": "No",
            "replicationSlotName": "streamkap_pgoutput_slot",
            "publicationName": "streamkap_publication",
            "sslMode": "disable",
        }
    ],
)
azure.keyvault.Secret(
    "password",
    resource_group_name="rg-shop",
    vault_name="kv-shop",
    secret_name="password",
    properties={"value": "Plain-text-1"},
)
