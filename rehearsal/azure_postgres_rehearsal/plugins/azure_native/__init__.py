"""Stands in for pulumi-resource-azure-native, in front of an emulated Azure on this machine.

A thin client: a type becomes a path of the management API, its inputs the body. It keeps what the
real plugin does to `Configuration`, good and bad: creating is a PUT over what is there, deleting
writes the default back, setting the default changes nothing (pulumi/pulumi-azure-native#4736),
nothing restarts the server, and a 409 is the user's to read.

All other types are created only where nothing is yet ("cannot create already existing resource"),
and what was made although its operation failed is kept as partly initialised. A Key Vault's secret
is deleted in the vault itself, which keeps it until it is purged: its name is not free again.
Unlike the real one it gives no random names, and takes a location only from the program or from
azure-native:location, never from the resource group.
"""

from azure_postgres_rehearsal.plugins.azure_native.management_api import AzureError, ManagementApi
from azure_postgres_rehearsal.plugins.azure_native.plugin import AzureNative

__all__ = ["AzureError", "AzureNative", "ManagementApi"]
