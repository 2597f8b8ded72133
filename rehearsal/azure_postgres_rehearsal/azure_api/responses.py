"""Requests and responses in ARM's form: paths, JSON bodies, API versions, Retry-After."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from flask import Response, jsonify, request
from werkzeug.exceptions import BadRequest

from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_content
from azure_postgres_rehearsal.azure_api.operations import Json, Operation, Status

Names = dict[str, str]
Handler = Callable[[Names], Response]
Routes = dict[str, dict[str, Handler]]

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{group}"


def path_pattern(template: str) -> re.Pattern[str]:
    """What a path of this form matches; ARM's paths are case-insensitive."""
    expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
    return re.compile(expression, re.IGNORECASE)


def api_version() -> str:
    """The API version that the request names; every request must."""
    version = request.args.get("api-version")
    if not version:
        raise ApiError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    return version


def check_api_version(version: str, known: Collection[str]) -> None:
    """Refuse a version that the resource type does not have."""
    if version.lower() not in known:
        raise ApiError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}'. "
            f"The supported api-versions are '{', '.join(known)}'.",
        )


def body(*, required: bool = True) -> Json:
    """The request's body, a JSON object."""
    if not request.data and not required:
        return {}
    try:
        found: Any = request.get_json(force=True)
    except BadRequest:
        raise invalid_content("it is not JSON") from None
    if not isinstance(found, dict):
        raise invalid_content("it is not a JSON object")
    return found


def as_response(found: Json, status: int = 200) -> Response:
    """An answer with a JSON body."""
    response = jsonify(found)
    response.status_code = status
    return response


def listed(found: list[Json]) -> Response:
    """An answer with a list, all on one page."""
    return as_response({"value": found})


def with_retry_after(response: Response, operation: Operation) -> Response:
    """The answer, saying when to ask again."""
    response.headers["Retry-After"] = "1" if operation.status is Status.IN_PROGRESS else "0"
    return response


def cut() -> Response:
    """An answer that promises more than it holds before the connection ends."""
    # An iterator: with a string, Werkzeug would put its real length in.
    return Response(iter(['{"name": "']), headers={"Content-Length": "1000"})


def is_in_group(resource_id: str, group: str) -> bool:
    """Whether a resource is in that resource group."""
    return resource_id.split("/")[4].lower() == group.lower()
