"""Stands in for pulumi-resource-azure-native, in front of an emulated Azure on this machine.

A thin client: a type becomes a path of the management API, its inputs the body. It keeps what the
real plugin does to `Configuration`, good and bad: creating is a PUT over what is there, deleting
writes the default back, setting the default changes nothing (pulumi/pulumi-azure-native#4736),
nothing restarts the server, and a 409 is the user's to read.

All other types are created only where nothing is yet ("cannot create already existing resource").
What was accepted and failed is kept as partly initialised, whatever is there. A Key Vault's secret
is deleted in the vault itself, which keeps it until it is purged: its name is not free again.
Unlike the real one it gives no random names, takes a location from the program, the state or
azure-native:location, never from the resource group, and asks once where that one tries three times
more (HTTP 408, 429, 5xx and the code AnotherOperationInProgress).
"""

from azure_postgres_rehearsal.plugins.azure_native.management_api import AzureError, ManagementApi
from azure_postgres_rehearsal.plugins.azure_native.plugin import AzureNative

__all__ = ["AzureError", "AzureNative", "ManagementApi"]
