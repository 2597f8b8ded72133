"""A stack's life without Pulumi: the real CdcSource's resources, driven in the engine's order.

The component declares its resources under Pulumi's mocks; their providers are then called as the
engine calls them: check, diff, create, update, read and delete, one resource after the other, the
removed ones last and the other way round. What the state holds goes through JSON, as on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.database.conftest import _wire as wire
from tests.unit import program

from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider
from azure_postgres_cdc.database.slot import ReplicationSlotProvider
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.plan import ConnectorArgs

PROVIDERS: dict[str, CdcProvider] = {
    "SchemaAccess": SchemaAccessProvider(),
    "SignalTable": SignalTableProvider(),
    "HeartbeatTable": HeartbeatTableProvider(),
    "ReplicaIdentity": ReplicaIdentityProvider(),
    "Publication": PublicationProvider(),
    "ReplicationSlot": ReplicationSlotProvider(),
}
Operations = dict[str, tuple[str, ...]]
"""What is done with each resource: `create`, `update` or `replace` with the properties that
differ, `delete`. What stays the same is not in it."""


@dataclass
class Resource:
    """A resource in the state."""

    kind: str
    protect: bool
    id: str
    inputs: Props
    outputs: Props

    @property
    def provider(self) -> CdcProvider:
        return PROVIDERS[self.kind]


@dataclass
class Stack:
    """The state of one CdcSource, and what can be done with it."""

    connection: Props
    database: str
    state: dict[str, Resource] = field(default_factory=dict)
    between: Callable[[str], None] = lambda _: None
    """Called with the name of each resource that `up` is about to change."""

    def preview(self, connectors: Sequence[ConnectorArgs]) -> Operations:
        """What `up` would do. Raises a CdcError where it must not."""
        done: Operations = {}
        declared = self._declared(connectors)
        for name, (kind, _, inputs) in declared.items():
            if kind == "ReplicationSlot":
                inputs = inputs | {"record": False}
            operation, _ = self._planned(name, kind, inputs)
            if operation:
                done[name] = operation
        return done | self._to_delete(declared)

    def up(self, connectors: Sequence[ConnectorArgs]) -> Operations:
        """Without a preview. What was done before a CdcError is in the state."""
        done: Operations = {}
        declared = self._declared(connectors)
        for name, (kind, protect, inputs) in declared.items():
            operation, checked = self._planned(name, kind, inputs)
            if operation:
                self.between(name)
                self._carry_out(name, kind, operation[0], checked)
                done[name] = operation
            self.state[name].inputs = checked
            self.state[name].protect = protect
        deleted = self._to_delete(declared)
        for name in deleted:
            self.between(name)
            self._delete(name)
        return done | deleted

    def refresh(self) -> None:
        """Read everything. What is gone leaves the state."""
        for name, resource in list(self.state.items()):
            result = resource.provider.read(resource.id, resource.outputs)
            if result.id:
                resource.outputs = wire(result.outs)
            else:
                del self.state[name]

    def destroy(self) -> None:
        for name in reversed(list(self.state)):
            self._delete(name)

    def unprotect(self) -> None:
        for resource in self.state.values():
            resource.protect = False

    def forget(self) -> None:
        """The state is lost."""
        self.state.clear()

    def outputs(self, kind: str) -> Props:
        """Those of the only resource of its kind; none where there is none."""
        found = [resource for resource in self.state.values() if resource.kind == kind]
        return found[0].outputs if found else {}

    def _declared(self, connectors: Sequence[ConnectorArgs]) -> dict[str, tuple[str, bool, Props]]:
        text = json.dumps([self.connection, connectors], sort_keys=True)
        return {
            name: (kind, protect, json.loads(found) | {"database": self.database})
            for name, kind, protect, found in declared(text)
        }

    def _planned(self, name: str, kind: str, inputs: Props) -> tuple[tuple[str, ...], Props]:
        known = self.state.get(name)
        provider = PROVIDERS[kind]
        result = provider.check(known.inputs if known else {}, wire(inputs))
        if result.failures:
            raise CdcError(result.failures[0].reason)
        checked = wire(result.inputs)
        if known is None:
            return ("create",), checked
        difference = provider.diff(known.id, known.outputs, checked)
        if not difference.changes:
            return (), checked
        changed = sorted(
            key
            for key in checked
            if known.outputs.get(key) != checked[key] and key not in provider.only_looked_at
        )
        if difference.replaces:
            self._check_protection(name)
            return ("replace", *changed), checked
        return ("update", *changed), checked

    def _carry_out(self, name: str, kind: str, operation: str, checked: Props) -> None:
        provider = PROVIDERS[kind]
        if operation == "update":
            known = self.state[name]
            known.outputs = wire(provider.update(known.id, known.outputs, checked).outs)
            return
        if operation == "replace":
            self._delete(name)
        result = provider.create(checked)
        self.state[name] = Resource(
            kind, protect=False, id=result.id, inputs=checked, outputs=wire(result.outs)
        )

    def _to_delete(self, declared: Props) -> Operations:
        gone = [name for name in reversed(list(self.state)) if name not in declared]
        for name in gone:
            self._check_protection(name)
        return dict.fromkeys(gone, ("delete",))

    def _check_protection(self, name: str) -> None:
        if self.state[name].protect:
            raise CdcError(f"{name} is protected. Remedy: pulumi state unprotect")

    def _delete(self, name: str) -> None:
        resource = self.state[name]
        self._check_protection(name)
        resource.provider.delete(resource.id, resource.outputs)
        del self.state[name]


@cache
def declared(text: str) -> list[tuple[str, str, bool, str]]:
    """Each of CdcSource's resources: name, kind, protection and inputs, as JSON."""
    connection, connectors = json.loads(text)
    server = program.unmanaged(connection=connection, connectorPassword="the-login's-password")
    found = program.whole(server, connectors)
    return [
        (item.name, kind, item.protect, json.dumps(_inputs(item.inputs)))
        for item in found.declared.values()
        if (kind := item.type.rpartition(":")[2]) in PROVIDERS
    ]


def _inputs(found: Any) -> Props:
    plain: Props = program.plain(dict(found))
    return {key: value for key, value in plain.items() if key != "__provider"}
