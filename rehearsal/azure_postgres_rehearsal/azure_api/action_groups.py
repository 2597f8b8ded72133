"""Action groups: whom an alert tells. Nobody is told anything in a rehearsal."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from azure_postgres_rehearsal.azure_api.checks import flag, list_of_objects, only, part, tags, text
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_content, not_supported
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.resource_types import ACTION_GROUPS

_SHORT_NAME = 12
_DIGITS = re.compile(r"[0-9]{1,15}")
_FORMS = {
    "countryCode": _DIGITS,
    "emailAddress": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+"),
    "phoneNumber": _DIGITS,
    "roleId": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE),
}
_SCHEMES = {
    "callbackUrl": ("https",),
    "httpTriggerUrl": ("https",),
    "serviceUri": ("http", "https"),
}

# What each kind of receiver must name, besides its own name; the rest is optional.
_REQUIRED: dict[str, tuple[str, ...]] = {
    "armRoleReceivers": ("roleId",),
    "azureAppPushReceivers": ("emailAddress",),
    "azureFunctionReceivers": ("functionAppResourceId", "functionName", "httpTriggerUrl"),
    "emailReceivers": ("emailAddress",),
    "eventHubReceivers": ("eventHubName", "eventHubNameSpace", "subscriptionId"),
    "logicAppReceivers": ("resourceId", "callbackUrl"),
    "smsReceivers": ("countryCode", "phoneNumber"),
    "voiceReceivers": ("countryCode", "phoneNumber"),
    "webhookReceivers": ("serviceUri",),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "azureFunctionReceivers": ("managedIdentity",),
    "eventHubReceivers": ("managedIdentity", "tenantId"),
    "logicAppReceivers": ("managedIdentity",),
    "webhookReceivers": (
        "identifierUri",
        "managedIdentity",
        "objectId",
        "tenantId",
        "useAadAuth",
    ),
}
_WITHOUT_SCHEMA = ("azureAppPushReceivers", "smsReceivers", "voiceReceivers")


def action_group(resource_id: str, name: str, body: Json) -> Json:
    """The action group that a PUT asks for, as the API shows it."""
    only(body, ("location", "tags", "properties"), "an action group")
    location = text(body, "location")
    if location.lower() != "global":
        raise ApiError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type "
            f"'{ACTION_GROUPS}'. The rehearsal has 'global'.",
        )
    properties = part(body, "properties")
    only(properties, ("enabled", "groupShortName", *_REQUIRED), "an action group")
    short_name = text(properties, "groupShortName")
    if len(short_name) > _SHORT_NAME:
        raise _invalid(f"groupShortName '{short_name}' is longer than {_SHORT_NAME} characters.")
    return {
        "id": resource_id,
        "name": name,
        "type": ACTION_GROUPS,
        "location": location,
        "tags": tags(body),
        "properties": {
            "groupShortName": short_name,
            "enabled": flag(properties, "enabled"),
            **_receivers(properties),
        },
    }


def _receivers(properties: Json) -> dict[str, list[Json]]:
    found = {kind: list_of_objects(properties, kind) for kind in _REQUIRED}
    names: set[str] = set()
    for kind, receivers in found.items():
        for receiver in receivers:
            _check_receiver(kind, receiver)
            name = receiver["name"].lower()
            if name in names:
                raise _invalid(f"Two receivers are called '{receiver['name']}'.")
            names.add(name)
    return found


def _check_receiver(kind: str, receiver: Json) -> None:
    schema = () if kind in _WITHOUT_SCHEMA else ("useCommonAlertSchema",)
    only(receiver, ("name", *_REQUIRED[kind], *_OPTIONAL.get(kind, ()), *schema), kind)
    for name in ("name", *_REQUIRED[kind]):
        _check_value(name, text(receiver, name))
    for name in ("useCommonAlertSchema", "useAadAuth"):
        if not isinstance(receiver.get(name, False), bool):
            raise invalid_content(f"'{name}' must be true or false")
    if receiver.get("useAadAuth"):
        raise not_supported("The rehearsal has no webhook with Entra's tokens.")


def _check_value(name: str, value: str) -> None:
    if name in _FORMS and not _FORMS[name].fullmatch(value):
        raise _invalid(f"{name} '{value}' is not valid.")
    if name in _SCHEMES and not _is_url(value, _SCHEMES[name]):
        # A URL may hold a key, so it is not repeated.
        raise _invalid(f"{name} is not a URL with {' or '.join(_SCHEMES[name])}.")


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    parts = urlsplit(value)
    return parts.scheme in schemes and bool(parts.hostname)


def _invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidActionGroup", message)
