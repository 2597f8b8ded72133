"""One declared resource, the same for a rule on resources and for one on the whole stack.

What a stack policy is shown are outputs. In the first preview of a raw azure-native resource these
lack what only names it (`configurationName`), and its `name` is unknown. So the inputs, which the
engine has shown to the rules on resources shortly before, are remembered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import PolicyResource, ResourceValidationArgs

from view.kinds import type_of
from view.values import UNKNOWN, read

_INPUTS: dict[str, Mapping[str, Any]] = {}


def remember(args: ResourceValidationArgs) -> None:
    """Keep a resource's inputs for the rules on the whole stack, which come after."""
    _INPUTS[args.urn] = args.props


def forget() -> None:
    """Forget every resource: another stack follows."""
    _INPUTS.clear()


@dataclass(frozen=True, eq=False)
class Declared:
    """A resource: what it is, what it is called, and its properties."""

    kind: str
    name: str
    urn: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    protected: bool = False
    parent: str = ""
    provider: Mapping[str, Any] = field(default_factory=dict)
    """The configuration of the provider that serves it; values are text."""
    dependencies: frozenset[str] = frozenset()
    """URNs."""

    @classmethod
    def alone(cls, args: ResourceValidationArgs) -> Declared:
        """As a rule on resources sees it."""
        return cls(
            type_of(args.resource_type),
            args.name,
            args.urn,
            args.props,
            protected=bool(args.opts and args.opts.protect),
            parent=(args.opts and args.opts.parent) or "",
            provider=args.provider.props if args.provider else {},
        )

    @classmethod
    def in_stack(cls, resource: PolicyResource) -> Declared:
        """As a rule on the whole stack sees it."""
        return cls(
            type_of(resource.resource_type),
            resource.name,
            resource.urn,
            _INPUTS.get(resource.urn, {}),
            resource.props,
            protected=resource.opts.protect,
            parent=(resource.parent.urn if resource.parent else resource.opts.parent) or "",
            provider=resource.provider.props if resource.provider else {},
            dependencies=frozenset(item.urn for item in resource.dependencies),
        )

    def get(self, *path: str) -> Any:
        """A property: what is declared, or else what is known of it as an output."""
        found = read(self.inputs, *path)
        if found is not None and found is not UNKNOWN:
            return found
        output = read(self.outputs, *path)
        return found if output is None else output

    def unpacked(self, key: str) -> Any:
        """A property that travels as JSON text."""
        found = self.get(key)
        try:
            return json.loads(found) if isinstance(found, str) else found
        except ValueError:
            return None

    @property
    def properties(self) -> dict[str, Any]:
        """All of them, plain."""
        return {key: self.get(key) for key in [*self.outputs, *self.inputs]}

    @property
    def database(self) -> Any:
        """The database that it is in: its own word, or its provider's."""
        return self.get("database") or read(self.provider, "database") or "postgres"
