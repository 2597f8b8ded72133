"""Resource types described by their properties, as Terraform's are: checks, defaults and diffs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from azure_postgres_rehearsal.plugins.postgresql.connections import Server
from azure_postgres_rehearsal.plugins.protocol import (
    UNKNOWN,
    Diff,
    Properties,
    ProviderError,
    ResourceType,
    has_unknown,
)

_ZERO: dict[str, Any] = {"string": "", "bool": False, "int": 0, "set": [], "list": []}
_PYTHON_TYPES: dict[str, type[Any]] = {
    "string": str,
    "bool": bool,
    "int": int,
    "set": list,
    "list": list,
}


@dataclass(frozen=True)
class Property:
    """One input. `computed`: where the program says nothing, what the server says stands."""

    name: str
    kind: Literal["string", "bool", "int", "set", "list"] = "string"
    required: bool = False
    default: Any = None
    force_new: bool = False
    computed: bool = False
    allowed: tuple[str, ...] = ()
    minimum: int | None = None
    not_rehearsed: bool = False

    @property
    def fallback(self) -> Any:
        """The value where the program gives none."""
        return _ZERO[self.kind] if self.default is None else self.default

    @property
    def terraform_name(self) -> str:
        """The name that the real provider's messages use."""
        return re.sub("[A-Z]", lambda match: "_" + match[0].lower(), self.name)

    def comparable(self, value: Any) -> Any:
        """Equal for what is the same to the server: a set has no order."""
        return frozenset(value) if self.kind == "set" and isinstance(value, list) else value

    def fault(self, value: Any) -> str | None:
        """What is wrong with a known value."""
        if self.not_rehearsed:
            return f"{self.terraform_name} is not part of the rehearsal"
        # Python counts a bool as an int.
        is_bool = isinstance(value, bool)
        if is_bool != (self.kind == "bool") or not isinstance(value, _PYTHON_TYPES[self.kind]):
            return f"expected type {self.kind} for {self.terraform_name}"
        if isinstance(value, list) and not all(isinstance(i, str) or i is UNKNOWN for i in value):
            return f"expected a {self.kind} of strings for {self.terraform_name}"
        if self.allowed and value not in self.allowed:
            choices = " ".join(f'"{choice}"' for choice in self.allowed)
            return f"expected {self.terraform_name} to be one of [{choices}], got {value}"
        if self.minimum is not None and value < self.minimum:
            return f"expected {self.terraform_name} to be at least ({self.minimum}), got {value}"
        return None


class DeclaredType(ResourceType):
    """A resource type that its properties describe."""

    terraform_type: ClassVar[str]
    properties: ClassVar[tuple[Property, ...]]

    def __init__(self, server: Server | None) -> None:
        self._server = server

    @property
    def server(self) -> Server:
        """The server that the provider is configured for."""
        if self._server is None:
            raise ProviderError("postgresql: the provider is not configured")
        return self._server

    def check(
        self,
        olds: Properties,  # noqa: ARG002 - nothing is filled in from before
        news: Properties,
    ) -> tuple[Properties, list[tuple[str, str]]]:
        known = {item.name for item in self.properties}
        failures = [(name, "Invalid or unknown key") for name in sorted(news.keys() - known)]
        for item in self.properties:
            if item.name not in news:
                if item.required:
                    failures.append((item.name, _missing(item)))
                continue
            fault = None if news[item.name] is UNKNOWN else item.fault(news[item.name])
            if fault:
                failures.append((item.name, fault))
        return news, failures

    def diff(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        old_inputs: Properties,  # noqa: ARG002 - the real provider compares with what is there
        old_outputs: Properties,
        news: Properties,
    ) -> Diff:
        changed = self.changes(old_outputs, news)
        forcing = {item.name for item in self.properties if item.force_new}
        return Diff(changed, [name for name in changed if name in forcing])

    def changes(self, old: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
        """The properties in which what is wanted is not what was there."""
        before, after = self.complete(old), self.complete(news)
        return [
            item.name
            for item in self.properties
            if not (item.computed and item.name not in news)
            and (
                has_unknown(after[item.name])
                or item.comparable(before[item.name]) != item.comparable(after[item.name])
            )
        ]

    def planned(self, inputs: Properties) -> Properties:
        return self.outputs(self.complete(inputs))

    def complete(self, given: Mapping[str, Any]) -> Properties:
        """Every property, with its fallback where none is given."""
        return {item.name: given.get(item.name, item.fallback) for item in self.properties}

    def outputs(self, complete: Mapping[str, Any]) -> Properties:
        """What goes into the state: empty texts and lists are the same as none, and left out."""
        required = {item.name for item in self.properties if item.required}
        return {k: v for k, v in complete.items() if k in required or v not in ("", [])}

    def refreshed_inputs(self, inputs: Properties, outputs: Properties) -> Properties:
        """The inputs that say what is there.

        A refresh brings those up to date that the program gave; an import, which has none, takes
        all that are not at their defaults.
        """
        if inputs:
            return {name: outputs[name] for name in inputs if name in outputs}
        fallbacks = self.complete({})
        return {
            name: value
            for name, value in outputs.items()
            if name in fallbacks and value != fallbacks[name]
        }

    def no_import(self, outputs: Properties) -> None:
        """Refuse an import, which comes without outputs, where the real provider has none."""
        if not outputs:
            raise ProviderError(f"resource {self.terraform_type} doesn't support import")


def _missing(item: Property) -> str:
    if item.name == "name":
        # The real plugin would make one up; nobody should rely on that for a role or a schema.
        return "name is required in a rehearsal: automatic names are not part of it"
    return (
        f'Missing required argument. The argument "{item.terraform_name}" is required, '
        "but no definition was found."
    )
