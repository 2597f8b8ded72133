"""What a stand-in plugin consists of, in plain Python: a `Plugin` with its `ResourceType`s."""

# ruff: noqa: ARG002 - the engine passes what some plugins need and others don't

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from azure_postgres_rehearsal.plugins.wire import Properties, differing


class ProviderError(Exception):
    """What the user reads, as it is: no traceback is added."""


class InitError(ProviderError):
    """The resource was made or changed, and something failed afterwards.

    The engine records it with these outputs as partly initialised instead of forgetting it.
    """

    def __init__(self, text: str, resource_id: str, outputs: Properties) -> None:
        super().__init__(text)
        self.resource_id = resource_id
        self.outputs = outputs


@dataclass(frozen=True)
class Diff:
    """Names of the properties that changed, and of those that force a replacement."""

    changed: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    delete_before_replace: bool = False


class ResourceType(ABC):
    """One kind of resource. Values are plain; in `check`, `diff` and `planned` any may be UNKNOWN.

    A plugin that ignores an argument may do so: the engine passes what some need.
    """

    secret_outputs: frozenset[str] = frozenset()
    """Properties that are secret whatever the program says."""
    computed_outputs: frozenset[str] = frozenset()
    """Outputs that nobody knows before the resource is made: unknown in a preview of that."""

    def check(
        self,
        olds: Properties,
        news: Properties,
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """The inputs to work with, and what is wrong with them as (property, reason)."""
        return news, []

    def diff(
        self,
        resource_id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
    ) -> Diff:
        """What changes: by default the inputs that differ, none of them forcing a replacement."""
        return Diff(differing(old_inputs, news))

    def planned(self, inputs: Properties) -> Properties:
        """The outputs that a preview can show, besides the computed ones."""
        return inputs

    @abstractmethod
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Make it; its id and its outputs."""

    @abstractmethod
    def read(
        self, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """Its id, inputs and outputs as they are now; None where it is gone.

        An import comes here too, with no inputs and no outputs.
        """

    @abstractmethod
    def update(self, resource_id: str, old_outputs: Properties, news: Properties) -> Properties:
        """Bring it in line; its outputs."""

    @abstractmethod
    def delete(self, resource_id: str, outputs: Properties) -> None:
        """Remove it. What is gone already is no error."""


class Plugin(ABC):
    """A provider: its configuration, its resource types and its functions."""

    name: str
    version: str
    secret_config: frozenset[str] = frozenset()
    """Configuration that is secret whatever the program says."""

    @abstractmethod
    def configure(self, variables: Properties) -> None:
        """Take the configuration. All but strings may arrive as JSON text ("5432", "true")."""

    @abstractmethod
    def resource(self, token: str) -> ResourceType:
        """The type for a token such as `postgresql:index/role:Role`; ProviderError if unknown."""

    def invoke(self, token: str, args: Properties) -> Properties:
        """Run a function (a data source)."""
        raise ProviderError(f"{self.name}: the function {token} is not part of the rehearsal")

    def close(self) -> None:  # noqa: B027 - those without connections have nothing to close
        """Let go of connections; called once, at the end."""
