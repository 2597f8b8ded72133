"""What every dynamic resource of this package shares.

Tables, the publication and the slot are dynamic resources: Python code that Pulumi runs. Their
providers are pickled by reference and hold nothing, so that a state holds no code and no secret.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown
from pulumi.runtime.rpc import UNKNOWN
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from azure_postgres_cdc.errors import CdcError, DatabaseIsGone, Passing, Unreachable
from azure_postgres_cdc.importing import import_ahead
from azure_postgres_cdc.names import quoted

Props = dict[str, Any]

# Pulumi's own property, which holds the pickled provider.
_OWN_PROPERTY = "__provider"

# A failover takes a minute, and is no reason to leave things half-done.
_PATIENCE_SECONDS = 120


class CdcProvider(ResourceProvider):
    """A provider whose faults reach the user as one line.

    A subclass fills in what follows; `check` and `diff` are settled here.
    """

    serialize_as_secret_always = False

    identity: tuple[str, ...] = ()
    """The properties that name the thing. Changing one means another thing: a replacement. But for
    `database`: what was in it is in it still when it has another name (`renaming.py`)."""

    def configure(self, _req: ConfigureRequest) -> None:
        """Runs in the plugin's process only, where an exception would be a traceback."""
        sys.tracebacklimit = 0
        import_ahead("psycopg", "azure_postgres_cdc.source")

    packed: tuple[str, ...] = ()
    """Properties that travel as JSON text, because the engine takes its time over each item of a
    list: ten thousand names cost seconds, one text with all of them nothing. The methods to be
    filled in see them unpacked."""

    unsettled: tuple[str, ...] = ()
    """Properties that `resolve` fills in with what is still to be done on the server. As long as
    one of them is not empty, `up` has work to do, whatever the state remembers."""

    only_looked_at: tuple[str, ...] = ()
    """Properties that only `resolve` needs: where nothing else changes, there is nothing to do."""

    # To be filled in

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002 - for subclasses
        """Look at the server before anything is changed, at every preview and every up.

        Returns the inputs, completed with what was found. Raises CdcError where `up` must not
        go on. `olds` is empty for a resource that the stack does not know yet.
        """
        return news

    def before_change(self, props: Props) -> None:
        """Look once more where something is about to be created or updated. Raises CdcError where
        that must not be, as `resolve` does; a preview does not come here."""

    # The next three start again where something that goes by stops them, such as a catalog that
    # two sessions change at once or a server that restarts. So each looks at what is there first.

    def make(self, props: Props) -> Props:
        """Create the thing and return its outputs; adopt it where it is there and fits."""
        raise NotImplementedError

    def change(self, olds: Props, news: Props) -> Props:
        """Bring the thing from its old state to the new inputs and return its outputs."""
        return olds | news

    def look(self, props: Props) -> Props | None:
        """The outputs as they are now on the server; None where the thing is gone."""
        return props

    def remove(self, props: Props) -> None:
        """Remove the thing. By default it stays."""

    # Pulumi's protocol

    def check(self, _olds: Props, news: Props) -> CheckResult:
        if has_unknowns(news):
            return CheckResult(news, [])
        try:
            return CheckResult(self._pack(self.resolve(self._plain(_olds), self._plain(news))), [])
        except CdcError as error:
            # Without a property in front, its value (a password, perhaps) is not printed.
            return CheckResult(news, [CheckFailure("", str(error))])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        found = differing(_without_own(_olds), _without_own(_news))
        changed = [key for key in found if key not in self.only_looked_at]
        news = self._plain(_news)
        changed += [key for key in self.unsettled if news.get(key) and key not in changed]
        replaces = [key for key in changed if key in self.identity and key != "database"]
        return DiffResult(
            changes=bool(changed), replaces=replaces, delete_before_replace=bool(replaces)
        )

    def create(self, props: Props) -> CreateResult:
        plain = self._plain(props)
        _patiently(self.before_change, plain)
        return CreateResult(self.id_of(plain), self._pack(_patiently(self.make, plain)))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        olds, news = self._plain(_olds), self._plain(_news)
        _patiently(self.before_change, news)
        return UpdateResult(self._pack(_patiently(self.change, olds, news)))

    def read(self, id_: str, props: Props) -> ReadResult:
        try:
            found = self.look(self._plain(props))
        except DatabaseIsGone:
            # It stays in the state. Without it, the next `up` would make it anew without a word,
            # the slot too, once the database is restored.
            name = quoted(props["database"])
            warn([f"database {name} is gone; what the state has of it stays there until that goes"])
            return ReadResult(id_, props)
        return ReadResult(id_ if found is not None else "", self._pack(found or {}))

    def delete(self, _id: str, _props: Props) -> None:
        props = self._plain(_props)
        try:
            _patiently(self.remove, props)
        except DatabaseIsGone:
            if "database" not in self.identity:  # it is the server's, and was only looked for there
                raise
            warn([f"database {quoted(props['database'])} is gone, and what was in it with it"])

    def id_of(self, props: Mapping[str, Any]) -> str:
        """The resource's id: its naming properties, joined."""
        return "/".join(str(props[key]) for key in self.identity)

    def _plain(self, props: Mapping[str, Any]) -> Props:
        return {
            key: unpack(value) if key in self.packed else value
            for key, value in _without_own(props).items()
        }

    def _pack(self, props: Props) -> Props:
        return {key: pack(value) if key in self.packed else value for key, value in props.items()}


class ConvergingProvider(CdcProvider):
    """One whose `make` brings what is there in line too, so that a change is the same again."""

    def change(self, olds: Props, news: Props) -> Props:
        return olds | self.make(news)


def differing(outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[str]:
    """The inputs whose value is not the recorded one. Outputs that are no inputs do not count."""
    return [key for key, value in inputs.items() if key not in outputs or outputs[key] != value]


def has_unknowns(value: object) -> bool:
    """Whether a value, at any depth, is only known once something else has been created."""
    if isinstance(value, Mapping):
        return any(has_unknowns(item) for item in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(has_unknowns(item) for item in value)
    # The one is how it travels, the other how the SDK shows what it has read.
    return value == UNKNOWN or isinstance(value, Unknown)


def pack(value: object) -> object:
    """A property's value as JSON text; what is packed already, or null, stays as it is."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def unpack(value: Any) -> Any:
    """A property's value out of its JSON text."""
    return json.loads(value) if isinstance(value, str) else value


def warn(lines: Iterable[str]) -> None:
    """Show warnings beside the resource."""
    for line in lines:
        note(f"warning: {line}")


def note(line: str) -> None:
    """Show a line while `up` is under way: Pulumi prints what its plugin writes to this stream."""
    print(line, file=sys.stderr, flush=True)


def _say_again(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    note(f"{str(error).partition('. Remedy:')[0]}; trying again")


_patiently = Retrying(
    retry=retry_if_exception_type((Passing, Unreachable)),
    stop=stop_after_delay(_PATIENCE_SECONDS),
    wait=wait_random_exponential(multiplier=0.2, max=5),
    before_sleep=_say_again,
    reraise=True,
)


def _without_own(props: Mapping[str, Any]) -> Props:
    return {key: value for key, value in props.items() if key != _OWN_PROPERTY}
