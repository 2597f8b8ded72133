"""One stack's server resources, driven as Pulumi's engine drives them, in this process.

Check, then create or update, one after the other in the component's order; what was created stays
known to the next `up`, and the first error ends the run.
"""

from __future__ import annotations

import io
import json
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

with warnings.catch_warnings():
    # pulumi_postgresql warns of its own old names when it is imported for the first time.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_postgresql  # noqa: F401

from pulumi.dynamic import CheckResult

from azure_postgres_cdc.azure.existing_server import ExistingServerProvider
from azure_postgres_cdc.azure.network import FirewallRuleProvider, address_range
from azure_postgres_cdc.azure.restart import ServerRestartProvider
from azure_postgres_cdc.azure.server_parameters import (
    ReplicaParametersProvider,
    ServerParametersProvider,
    demand,
)
from azure_postgres_cdc.azure.storage import StorageAutoGrowProvider
from azure_postgres_cdc.database.effective_parameters import EffectiveParametersProvider
from azure_postgres_cdc.dynamic import CdcProvider, Props
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.server_args import (
    DEFAULT_DATABASE,
    CdcServerArgs,
    other_requirements,
    restart_rules,
)
from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.azure_api.operations import Status
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

GROUP = "rg-cdc"
NAME = "cdc-1"

Inputs = Callable[[dict[str, Props]], Props]


@dataclass(frozen=True)
class Up:
    """What one `up` did."""

    error: str
    """The line that it ended with; empty where it went through."""
    lines: list[str]
    """What it said meanwhile."""
    done: list[str]
    """The operations that Azure carried out for it, such as `wal_level=logical`."""
    failed: list[str]
    """The operations that Azure accepted, and that failed."""
    refused: list[str]
    """The codes with which requests for operations were refused."""
    changed: list[str]
    """The resources that were created, updated or replaced."""

    @property
    def restarts(self) -> int:
        """How many restarts there were."""
        return self.done.count("restart")


@dataclass
class _Known:
    """What the engine's state keeps of a resource."""

    id: str
    inputs: Props
    outputs: Props


@dataclass
class Stack:
    """The server's part of a stack; `args` as CdcServer takes them."""

    azure: EmulatedAzure
    postgres: EmbeddedPostgres
    args: dict[str, Any] = field(default_factory=dict)
    state: dict[str, _Known] = field(default_factory=dict)

    def up(self, **changes: Any) -> Up:
        """Run `up`, with other arguments from now on where some are given."""
        self.args |= changes
        journal = self.azure.journal
        operations, refusals = len(journal.accepted), len(journal.refused)
        changed: list[str] = []
        with said() as lines:
            error = self._run(changed)
        accepted = journal.accepted[operations:]
        return Up(
            error,
            lines,
            [_of(o) for o in accepted if o.status is Status.SUCCEEDED],
            [_of(o) for o in accepted if o.status is not Status.SUCCEEDED],
            [refusal.code for refusal in journal.refused[refusals:]],
            changed,
        )

    def preview(self, **changes: Any) -> str:
        """What a preview stops with. Resources that depend on one that is not there are unknown."""
        self.args |= changes
        outputs = {known: found.outputs for known, found in self.state.items()}
        for name, provider, inputs in self._resources():
            with suppress(KeyError):
                known = self.state.get(name)
                olds = _wire(known.inputs if known else {})
                if fault := _fault(provider.check(olds, _wire(inputs(outputs)))):
                    return fault
        return ""

    def refresh(self) -> list[str]:
        """Read every resource; the names of those that the next `up` would change."""
        for name, provider, _ in self._resources():
            known = self.state[name]
            found = provider.read(known.id, known.outputs)
            assert found.id == known.id
            known.outputs = _wire(found.outs)
        return [
            name
            for name, provider, _ in self._resources()
            if provider.diff(
                self.state[name].id, self.state[name].outputs, self.state[name].outputs
            ).changes
        ]

    def _run(self, changed: list[str]) -> str:
        for name, provider, inputs in self._resources():
            outputs = {known: found.outputs for known, found in self.state.items()}
            try:
                fault = self._bring(name, provider, _wire(inputs(outputs)), changed)
            except CdcError as error:
                fault = str(error)
            if fault:
                return fault
        return ""

    def _bring(self, name: str, provider: CdcProvider, program: Props, changed: list[str]) -> str:
        """One resource's turn; why it cannot be, or nothing."""
        known = self.state.get(name)
        checked = provider.check(_wire(known.inputs if known else {}), program)
        if fault := _fault(checked):
            return fault
        inputs = _wire(checked.inputs)
        if known is not None:
            difference = provider.diff(known.id, known.outputs, inputs)
            if not difference.changes:
                return ""
            if not difference.replaces:
                outputs = _wire(provider.update(known.id, known.outputs, inputs).outs)
                self.state[name] = _Known(known.id, inputs, outputs)
                changed.append(name)
                return ""
            provider.delete(known.id, known.outputs)
            del self.state[name]
        created = provider.create(inputs)
        self.state[name] = _Known(created.id, inputs, _wire(created.outs))
        changed.append(name)
        return ""

    def _resources(self) -> Iterator[tuple[str, CdcProvider, Inputs]]:
        """Every resource, in the component's order, and its inputs from the others' outputs."""
        args: CdcServerArgs = {"management": "existing", "connection": {"user": ""}}
        args |= self.args  # type: ignore[typeddict-item]
        rules = restart_rules(args)
        what = demand(
            args.get("connectors", 1),
            pglogical=args.get("pglogical", True),
            others=other_requirements(args),
            version=None,
        )
        place = {
            "subscription": args.get("subscription", self.azure.subscription_id),
            "resourceGroup": args.get("resourceGroup", GROUP),
            "serverName": args.get("serverName", NAME),
        }
        database = {"connection": self._connection, "database": DEFAULT_DATABASE}
        yield "server", ExistingServerProvider(), lambda _: place
        yield "auto-grow", StorageAutoGrowProvider(), _server_id
        yield (
            "replicas",
            ReplicaParametersProvider(),
            lambda found: {**_server_id(found), **what, "restart": rules},
        )
        yield "parameters", ServerParametersProvider(), lambda found: _server_id(found) | what
        yield (
            "restart",
            ServerRestartProvider(),
            lambda found: {
                **_server_id(found),
                "parameters": found["parameters"]["names"],
                "rules": rules,
                "ownServer": False,
                **database,
            },
        )
        for rule, addresses in sorted(args.get("firewallRules", {}).items()):
            yield rule, FirewallRuleProvider(), _firewall_rule(rule, address_range(addresses))
        yield (
            "in effect",
            EffectiveParametersProvider(),
            lambda found: {
                **database,
                "required": found["parameters"]["effective"],
                "wait": True,
            },
        )

    @property
    def _connection(self) -> Props:
        postgres = self.postgres
        return {
            "host": postgres.host,
            "port": postgres.port,
            "user": postgres.admin_user,
            "password": postgres.admin_password,
            "sslMode": postgres.ssl_mode,
        }


def up(azure: EmulatedAzure, postgres: EmbeddedPostgres, **args: Any) -> Up:
    """One `up` of a stack that is not known yet."""
    return Stack(azure, postgres, args).up()


class _Streams(io.TextIOBase):
    """Stands in for stderr while threads have one of their own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.others: Any = None
        self.own = threading.local()

    def write(self, text: str) -> int:
        return int(getattr(self.own, "stream", self.others).write(text))

    def flush(self) -> None:
        self.others.flush()


_streams = _Streams()


@contextmanager
def said() -> Iterator[list[str]]:
    """Gather the lines that this thread writes to stderr meanwhile; Pulumi shows them."""
    lines: list[str] = []
    own = _streams.own.stream = io.StringIO()
    with _streams.lock:
        _streams.users += 1
        if _streams.users == 1:
            _streams.others, sys.stderr = sys.stderr, _streams
    try:
        yield lines
    finally:
        with _streams.lock:
            _streams.users -= 1
            if not _streams.users:
                sys.stderr = _streams.others
        del _streams.own.stream
        lines += own.getvalue().splitlines()


def _fault(checked: CheckResult) -> str:
    if not checked.failures:
        return ""
    # With a property in front, Pulumi would print its value, which may be a secret.
    assert [failure.property for failure in checked.failures] == [""]
    return checked.failures[0].reason


def _server_id(found: Mapping[str, Props]) -> Props:
    return {"serverId": found["server"]["serverId"]}


def _firewall_rule(name: str, addresses: Mapping[str, Any]) -> Inputs:
    return lambda found: {**_server_id(found), "name": name, **addresses}


def _of(operation: Any) -> str:
    return operation.detail if operation.kind != "restart" else "restart"


def _wire(value: Any) -> Any:
    """A value after a round trip through the engine's protocol: floats, and no nulls."""
    return _without_nulls(json.loads(json.dumps(value), parse_int=float))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
