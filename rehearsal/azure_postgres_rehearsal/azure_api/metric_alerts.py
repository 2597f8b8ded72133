"""Metric alerts: what Azure would watch. Nothing is measured in a rehearsal, nothing fires."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from azure_postgres_rehearsal.azure_api.checks import (
    choice,
    flag,
    list_of_objects,
    only,
    part,
    tags,
    text,
    whole_number,
)
from azure_postgres_rehearsal.azure_api.errors import (
    ApiError,
    invalid_content,
    not_supported,
)
from azure_postgres_rehearsal.azure_api.metrics import AGGREGATIONS, NAMESPACE
from azure_postgres_rehearsal.azure_api.operations import Json
from azure_postgres_rehearsal.azure_api.resource_types import METRIC_ALERTS

_SINGLE = "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"
_MINUTES = {
    "PT1M": 1,
    "PT5M": 5,
    "PT15M": 15,
    "PT30M": 30,
    "PT1H": 60,
    "PT6H": 360,
    "PT12H": 720,
    "P1D": 1440,
}
_FREQUENCIES = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H")
_OPERATORS = ("Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual")
_CRITERIA = 5
_PROPERTIES = (
    "actions",
    "autoMitigate",
    "criteria",
    "description",
    "enabled",
    "evaluationFrequency",
    "scopes",
    "severity",
    "targetResourceRegion",
    "targetResourceType",
    "windowSize",
)

Exists = Callable[[str], bool]
"""Whether there is a resource with that id."""


def metric_alert(
    resource_id: str, name: str, body: Json, *, is_server: Exists, is_action_group: Exists
) -> Json:
    """The alert that a PUT asks for, as the API shows it."""
    only(body, ("location", "tags", "properties"), "a metric alert")
    if (location := text(body, "location")).lower() != "global":
        raise _bad(f"A metric alert's location is 'global', not '{location}'.")
    properties = part(body, "properties")
    only(properties, _PROPERTIES, "a metric alert")
    frequency = choice(properties, "evaluationFrequency", None, _FREQUENCIES)
    window = choice(properties, "windowSize", None, tuple(_MINUTES))
    if _MINUTES[window] < _MINUTES[frequency]:
        raise _bad(f"windowSize {window} is shorter than evaluationFrequency {frequency}.")
    if "severity" not in properties:
        raise _bad("'severity' is required.")
    whole_number(properties, "severity", 0, range(5))
    flag(properties, "enabled")
    _check_scopes(properties, is_server)
    _check_criteria(part(properties, "criteria"))
    _check_actions(properties, is_action_group)
    return {
        "id": resource_id,
        "name": name,
        "type": METRIC_ALERTS,
        "location": location,
        "tags": tags(body),
        "properties": {
            **properties,
            "actions": properties.get("actions", []),
            "autoMitigate": flag(properties, "autoMitigate", default=True),
            "lastUpdatedTime": datetime.now(UTC).isoformat(timespec="seconds"),
            "isMigrated": False,
        },
    }


def _check_scopes(properties: Json, is_server: Exists) -> None:
    scopes = properties.get("scopes")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise invalid_content("'scopes' must be a list of ids")
    if len(scopes) != 1:
        raise _bad(
            "Scopes property is invalid. Only single resource is allowed for criteria type "
            "SingleResourceMultipleMetricCriteria. If you want to create an alert on multiple "
            "resources, use MultipleResourceMultipleMetricCriteria odata.type."
        )
    if not is_server(scopes[0]):
        raise ApiError(
            404,
            "ResourceNotFound",
            f"The rehearsal watches flexible servers, and there is none with the id '{scopes[0]}'.",
        )


def _check_criteria(criteria: Json) -> None:
    kind = text(criteria, "odata.type")
    if kind != _SINGLE:
        raise not_supported(f"The rehearsal has criteria of the type {_SINGLE}, not {kind}.")
    only(criteria, ("odata.type", "allOf"), "criteria")
    found = list_of_objects(criteria, "allOf")
    if not 1 <= len(found) <= _CRITERIA:
        raise _bad(f"'allOf' holds 1 to {_CRITERIA} criteria, not {len(found)}.")
    for criterion in found:
        _check_criterion(criterion)
    names = [criterion["name"].lower() for criterion in found]
    if len(set(names)) != len(names):
        raise _bad("Criteria have names of their own.")


def _check_criterion(criterion: Json) -> None:
    only(
        criterion,
        (
            "criterionType",
            "name",
            "metricName",
            "metricNamespace",
            "operator",
            "threshold",
            "timeAggregation",
            "skipMetricValidation",
        ),
        "a criterion",
    )
    choice(criterion, "criterionType", None, ("StaticThresholdCriterion",))
    text(criterion, "name")
    namespace = criterion.get("metricNamespace", NAMESPACE)
    if namespace.lower() != NAMESPACE.lower():
        raise _bad(f"A flexible server has no metrics in the namespace '{namespace}'.")
    metric = text(criterion, "metricName")
    if metric not in AGGREGATIONS:
        raise _bad(f"Couldn't find a metric named {metric}. It has {', '.join(AGGREGATIONS)}.")
    choice(criterion, "operator", None, _OPERATORS)
    aggregation = text(criterion, "timeAggregation")
    if aggregation not in AGGREGATIONS[metric]:
        raise _bad(f"{metric} can be aggregated as {', '.join(AGGREGATIONS[metric])}.")
    threshold = criterion.get("threshold")
    if not isinstance(threshold, int | float) or isinstance(threshold, bool):
        raise invalid_content("'threshold' must be a number")


def _check_actions(properties: Json, is_action_group: Exists) -> None:
    for action in list_of_objects(properties, "actions"):
        only(action, ("actionGroupId", "webHookProperties"), "an action")
        group = text(action, "actionGroupId")
        if not is_action_group(group):
            raise _bad(f"The action group '{group}' was not found.")


def _bad(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)
