"""The plugin's process."""

from azure_postgres_rehearsal.plugins.postgresql.plugin import PostgresqlPlugin
from azure_postgres_rehearsal.plugins.protocol import serve

if __name__ == "__main__":
    serve(PostgresqlPlugin())
