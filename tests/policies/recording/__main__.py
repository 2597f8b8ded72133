"""A policy pack without rules: it writes what it is shown into the file that RECORDED names."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

INPUTS: dict[str, Any] = {}


def raw(value: Any) -> Any:
    """Out of the proxies; an unknown value stays as it travels."""
    if isinstance(value, Mapping):
        return {key: raw(item) for key, item in value["__target"].items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [raw(item) for item in value["__target"]]
    return value


def resource(args: ResourceValidationArgs, _report: ReportViolation) -> None:
    INPUTS[args.urn] = raw(args.props)


def stack(args: StackValidationArgs, _report: ReportViolation) -> None:
    found = [
        {
            "type": item.resource_type,
            "name": item.name,
            "urn": item.urn,
            "parent": item.parent.urn if item.parent else item.opts.parent,
            "protect": item.opts.protect,
            "provider": raw(item.provider.props) if item.provider else None,
            "dependencies": [each.urn for each in item.dependencies],
            "references": {
                key: [each.urn for each in found]
                for key, found in item.property_dependencies.items()
            },
            "inputs": INPUTS.get(item.urn),
            "outputs": raw(item.props),
        }
        for item in args.resources
    ]
    Path(os.environ["RECORDED"]).write_text(json.dumps(found, indent=1, sort_keys=True))


PolicyPack(
    name="recording",
    enforcement_level=EnforcementLevel.ADVISORY,
    policies=[
        ResourceValidationPolicy("resources", "writes down each resource", resource),
        StackValidationPolicy("stack", "writes down the stack", stack),
    ],
)
