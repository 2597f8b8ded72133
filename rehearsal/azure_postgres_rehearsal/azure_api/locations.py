"""Where a resource is: in a region that Azure has, or `global`."""

from __future__ import annotations

from azure_postgres_rehearsal.azure_api import offer
from azure_postgres_rehearsal.azure_api.checks import text
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.operations import Json

_GLOBAL = "global"


def region(body: Json, resource_type: str) -> str:
    """The region that a body names, as Azure writes it: `West Europe` is `westeurope`."""
    location = _given(body)
    if location not in offer.REGIONS:
        raise _not_available(location, resource_type)
    return location


def only_global(body: Json, resource_type: str) -> str:
    """The location of what is in no region."""
    location = _given(body)
    if location != _GLOBAL:
        raise _not_available(
            location, resource_type, " List of available regions for the resource type is 'global'."
        )
    return location


def moved(name: str, group: str, now: str, asked: str) -> ApiError:
    """The refusal to have what is in one region in another one."""
    return ApiError(
        409,
        "InvalidResourceLocation",
        f"The resource '{name}' already exists in location '{now}' in resource group '{group}'. A "
        f"resource with the same name cannot be created in location '{asked}'. Please select a "
        "new resource name.",
    )


def _given(body: Json) -> str:
    if not body.get("location"):
        raise ApiError(
            400, "LocationRequired", "The location property is required for this definition."
        )
    return text(body, "location").replace(" ", "").lower()


def _not_available(location: str, resource_type: str, more: str = "") -> ApiError:
    return ApiError(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type "
        f"'{resource_type}'.{more}",
    )
