"""Single changes to a captured stack, each of which spoils one required setting."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from declaring import UNKNOWN, Made

CAPTURED = Path(__file__).resolve().parent / "captured"

Change = Callable[[list[Made]], None]

# What only names a resource: the real azure-native plugin leaves it out of the outputs of a preview
# (the stand-in does not), and `name`, which holds it later, is unknown there.
_ONLY_INPUTS = (
    *("configurationName", "firewallRuleName", "ruleName", "serverName", "actionGroupName"),
    "resourceGroupName",
)


def captured(name: str) -> list[Made]:
    """A good stack, as policies were shown it."""
    found = json.loads((CAPTURED / f"{name}.json").read_text())
    return [_made(item) for item in found]


def _made(item: dict[str, Any]) -> Made:
    outputs = item["outputs"]
    if item["type"].startswith("azure-native:") and outputs and outputs.get("name") == UNKNOWN:
        outputs = {key: value for key, value in outputs.items() if key not in _ONLY_INPUTS}
    return Made(
        item["type"],
        item["name"],
        item["inputs"] or {},
        outputs,
        item["protect"],
        item["parent"] or "",
        item["provider"] or {},
        item["dependencies"],
        item["urn"],
        item["references"],
    )


def named(stack: list[Made], name: str) -> Made:
    """The resource whose URN ends like this."""
    found = [item for item in stack if item.urn.endswith(name)]
    assert len(found) == 1, f"{name}: {[item.name for item in found]}"
    return found[0]


def drop(*names: str) -> Change:
    """Take resources out."""

    def change(stack: list[Made]) -> None:
        for name in names:
            stack.remove(named(stack, name))

    return change


def put(name: str, path: str, value: Any) -> Change:
    """Set a property of a resource; None takes it out."""

    def change(stack: list[Made]) -> None:
        item = named(stack, name)
        for props in (item.inputs, item.outputs):
            if props is not None:
                _put(props, path.split("/"), value)

    return change


def with_parameter(name: str, value: str, on: str = "ha-parameters") -> Change:
    """Ask this project's resource for a parameter that is exactly so."""
    return put(on, "others", [{"name": name, "value": value, "exactly": True}])


def unprotect(name: str) -> Change:
    """Take the option `protect` away."""

    def change(stack: list[Made]) -> None:
        named(stack, name).protect = False

    return change


def add(*items: Made) -> Change:
    """Put resources in."""
    return lambda stack: stack.extend(deepcopy(items))


def settings(output: str, **changed: Any) -> Change:
    """Change a connector's settings in the stack's outputs."""

    def change(stack: list[Made]) -> None:
        outputs = named(stack, _stack(stack)).outputs
        assert outputs is not None
        form = outputs[output]
        (form[0] if isinstance(form, list) else form).update(changed)

    return change


def twin(output: str, **changed: Any) -> Change:
    """A second connector, like the first but for this."""

    def change(stack: list[Made]) -> None:
        outputs = named(stack, _stack(stack)).outputs
        assert outputs is not None
        form = outputs[output]
        outputs["second"] = (form[0] if isinstance(form, list) else form) | changed

    return change


def both(*changes: Change) -> Change:
    """Where a setting is required only with another one."""

    def change(stack: list[Made]) -> None:
        for each in changes:
            each(stack)

    return change


def _stack(stack: list[Made]) -> str:
    return next(item.name for item in stack if item.type == "pulumi:pulumi:Stack")


def _put(props: dict[str, Any], path: list[str], value: Any) -> None:
    *outer, last = path
    for key in outer:
        if not isinstance(props.get(key), dict):
            return
        props = props[key]
    if value is None:
        props.pop(last, None)
    else:
        props[last] = value
