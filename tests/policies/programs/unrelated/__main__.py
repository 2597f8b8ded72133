"""A program that has a database and nothing to do with capturing changes."""

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
    administrator_login_password=pulumi.Config().require_secret("password"),
    sku={"name": "Standard_B1ms", "tier": "Burstable"},
    storage=azure.dbforpostgresql.StorageArgs(storage_size_gb=32),
)
azure.dbforpostgresql.Configuration(
    "work-mem",
    resource_group_name="rg-shop",
    server_name=server.name,
    configuration_name="work_mem",
    source="user-override",
    value="65536",
)
provider = postgresql.Provider(
    "administrator",
    host=server.fully_qualified_domain_name,
    username="shop_admin",
    password=pulumi.Config().require_secret("password"),
    sslmode="require",
)
app = postgresql.Role(
    "app", name="app", login=True, create_role=True, opts=pulumi.ResourceOptions(provider=provider)
)
postgresql.Grant(
    "write",
    object_type="table",
    database="shop",
    schema="public",
    role=app.name,
    privileges=["SELECT", "INSERT", "UPDATE", "DELETE"],
    opts=pulumi.ResourceOptions(provider=provider),
)
