"""The plugin's process."""

from azure_postgres_rehearsal.plugins.azure_native.plugin import AzureNative
from azure_postgres_rehearsal.plugins.protocol import serve

if __name__ == "__main__":
    serve(AzureNative())
