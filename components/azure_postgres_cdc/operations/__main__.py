"""`python -m azure_postgres_cdc.operations`: the tool without its console script."""

from azure_postgres_cdc.operations.cli import app

app(prog_name="azure-postgres-cdc")
