"""One declared resource, the same for a rule on resources and for one on the whole stack.

What a stack policy is shown are outputs. In the first preview of a raw azure-native resource these
lack what only names it (`configurationName`), and its `name` is unknown. So the inputs, which the
engine has shown to the rules on resources shortly before, are remembered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import PolicyResource, ResourceValidationArgs

from view import kinds
from view.kinds import type_of
from view.values import UNKNOWN, has_unknown, read, text

_INPUTS: dict[str, Mapping[str, Any]] = {}

# Properties that hold the name of another resource: its kinds, and what its name is called there.
_NAMING: Mapping[str, Mapping[str, str]] = {
    "database": {kinds.DATABASE: "name", kinds.AZURE_DATABASE: "databaseName"},
    "grantRole": {kinds.ROLE: "name"},
    "role": {kinds.ROLE: "name"},
    "roles": {kinds.ROLE: "name"},
    "schema": {kinds.SCHEMA: "name"},
    "serverName": {kinds.SERVER: "serverName"},
}
_LISTS = frozenset({"roles"})


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
    references: Mapping[str, Sequence[PolicyResource]] = field(default_factory=dict)
    """The resources that a property's value comes from."""

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
            references=resource.property_dependencies,
        )

    def get(self, *path: str) -> Any:
        """A property: what is declared, or else what is known of it as an output.

        Where the provider itself is not known yet (its server is still to be made), neither is any
        output, and `role.name` is unknown to whom it is given to. But who has given it is known.
        """
        found = read(self.inputs, *path)
        if found is None or found is UNKNOWN:
            output = read(self.outputs, *path)
            found = found if output is None else output
        return self._filled(path[0], found) if len(path) == 1 else found

    def _filled(self, key: str, value: Any) -> Any:
        """With the names that other resources have lent it, as far as there is no doubt."""
        if key not in _NAMING or not has_unknown(value):
            return value
        names = [_name(item, _NAMING[key]) for item in self.references.get(key, ())]
        known = sorted(name for name in names if name is not None)
        if value is UNKNOWN:
            # How long a list is, nobody knows then.
            return known[0] if len(known) == 1 and key not in _LISTS else UNKNOWN
        if not isinstance(value, list) or value.count(UNKNOWN) != len(known):
            return value
        return [*(item for item in value if item is not UNKNOWN), *known]

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


def _name(resource: PolicyResource, called: Mapping[str, str]) -> str | None:
    kind = type_of(resource.resource_type)
    if kind not in called:
        return None
    declared = read(_INPUTS.get(resource.urn, {}), called[kind])
    return text(declared) or text(read(resource.props, called[kind]))
