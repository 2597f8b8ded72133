"""The ids of resources that the emulator has none of, or that are elsewhere: only their form."""

from __future__ import annotations

import re

from azure_postgres_rehearsal.azure_api.checks import text
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_parameter
from azure_postgres_rehearsal.azure_api.operations import Json

_NETWORK = "/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/"
_VIRTUAL_NETWORK = _NETWORK + "virtualNetworks/[^/]+"
VIRTUAL_NETWORK = re.compile(_VIRTUAL_NETWORK, re.IGNORECASE)
SUBNET = re.compile(_VIRTUAL_NETWORK + "/subnets/[^/]+", re.IGNORECASE)
PRIVATE_DNS_ZONE = re.compile(_NETWORK + "privateDnsZones/[^/]+", re.IGNORECASE)
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def resource_id(given: Json, name: str, form: re.Pattern[str]) -> str:
    """An id of that form, which must be there."""
    value = text(given, name)
    if not form.fullmatch(value):
        raise invalid_parameter(name, f"'{value}' is not the id of such a resource.")
    return value


def same(one: str, other: str) -> bool:
    """Whether two ids are of the same resource; their case does not matter."""
    return one.lower() == other.lower()


def invalid_reference(referenced: str, by: str) -> ApiError:
    """A resource that another one names and that is not there, in Azure's words."""
    return ApiError(
        400,
        "InvalidResourceReference",
        f"Resource {referenced} referenced by resource {by} was not found. Please make sure that "
        "the referenced resource exists, and that both resources are in the same region.",
    )


def no_parent(child_type: str, parent_id: str) -> ApiError:
    """A resource in something that is not there, in Azure's words."""
    return ApiError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on resource(s) of type '{child_type.partition('/')[2]}', "
        f"because the parent resource '{parent_id}' could not be found.",
    )
