"""Resources as a policy is shown them, written down shortly; and what the rules say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    PolicyProviderResource,
    PolicyResource,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
)
from pulumi_policy.deserialize import deserialize_properties, serialize_properties
from pulumi_policy.policy import (
    PolicyCustomTimeouts,
    PolicyResourceOptions,
    _NotApplicableError,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from rules import RULES
from view import declared

UNKNOWN = UNKNOWN_STRING_VALUE
BY_NAME = {rule.NAME: rule for rule in RULES}
OURS = "pulumi-python:dynamic/azure-postgres-cdc:"


@dataclass
class Made:
    """One resource."""

    type: str
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None = None
    """None: the inputs once more, as in the preview of most resources."""
    protect: bool = False
    parent: str = "urn:stack"
    provider: dict[str, Any] = field(default_factory=dict)
    dependencies: Sequence[str] = ()
    urn: str = ""
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The URNs of the resources that a property's value comes from."""

    def __post_init__(self) -> None:
        self.urn = self.urn or f"urn:pulumi:test::test::{self.type}::{self.name}"

    @property
    def _options(self) -> PolicyResourceOptions:
        return PolicyResourceOptions(
            self.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [], self.parent
        )

    @property
    def _provider(self) -> PolicyProviderResource:
        props = unknown_checking_proxy(deepcopy(self.provider))
        return PolicyProviderResource("pulumi:providers:x", props, "urn:provider", "provider")

    def as_arguments(self) -> ResourceValidationArgs:
        """For a rule on resources."""
        props = unknown_checking_proxy(deepcopy(self.inputs))
        return ResourceValidationArgs(
            self.type, props, self.urn, self.name, self._options, self._provider
        )

    def as_resource(self) -> PolicyResource:
        """For a rule on stacks."""
        outputs = self.inputs if self.outputs is None else self.outputs
        props = unknown_checking_proxy(deepcopy(outputs))
        return PolicyResource(
            self.type, props, self.urn, self.name, self._options, self._provider, None, [], {}
        )


def findings(
    name: str, stack: Iterable[Made], config: Mapping[str, Any] | None = None
) -> list[str] | None:
    """What one rule says of a stack; None where it does not apply to any of it."""
    return _Shown(list(stack)).to(name, config)


def verdict(stack: Iterable[Made], config: Mapping[str, Any] | None = None) -> dict[str, list[str]]:
    """What every rule says that has anything to say."""
    shown, found = _Shown(list(stack)), {}
    for name in BY_NAME:
        said = shown.to(name, (config or {}).get(name))
        if said:
            found[name] = said
    return found


class _Shown:
    """A stack as the engine shows it: each resource's inputs first, the whole with outputs then."""

    def __init__(self, made: Sequence[Made]) -> None:
        declared.forget()
        self._alone = [item.as_arguments() for item in made]
        self._together = _linked(made)
        for args in self._alone:
            declared.remember(args)

    def to(self, name: str, config: Mapping[str, Any] | None) -> list[str] | None:
        """What one rule says; None where nothing of it is its business."""
        policy = BY_NAME[name].POLICY
        found: list[str] = []

        def report(message: str, _urn: str | None = None) -> None:
            found.append(message)

        if isinstance(policy, ResourceValidationPolicy):
            applied = [_applies(policy, _with(args, config), report) for args in self._alone]
            return found if any(applied) else None
        args = StackValidationArgs(self._together, config)
        return found if _applies(policy, args, report) else None


def _with(args: ResourceValidationArgs, config: Mapping[str, Any] | None) -> ResourceValidationArgs:
    return ResourceValidationArgs(
        *(args.resource_type, args.props, args.urn, args.name, args.opts, args.provider), config
    )


def remedied(name: str, item: Made, *, encoded: Mapping[str, Any] | None = None) -> Any:
    """The inputs that a rule would rather see, as they travel to the engine; None where it is
    content. `encoded`: the inputs as they travel from there, secrets among them."""
    props = deserialize_properties(deepcopy(dict(encoded or item.inputs)), True)
    args = ResourceValidationArgs(
        item.type,
        unknown_checking_proxy(props),
        item.urn,
        item.name,
        None,
        None,  # type: ignore[arg-type]
    )
    result = BY_NAME[name].POLICY.remediate(args)
    return None if result is None else serialize_properties(result)


def _applies(policy: Any, args: Any, report: Any) -> bool:
    try:
        policy.validate(args, report)
    except _NotApplicableError:
        return False
    return True


def _linked(made: Sequence[Made]) -> list[PolicyResource]:
    found = {item.urn: item.as_resource() for item in made}
    assert len(found) == len(made), "two resources of one name"
    for item in made:
        found[item.urn].parent = found.get(item.parent)
        found[item.urn].dependencies += [found[urn] for urn in item.dependencies if urn in found]
        for key, urns in item.references.items():
            found[item.urn].property_dependencies[key] = [
                found[urn] for urn in urns if urn in found
            ]
    return list(found.values())


# Resources


def server(name: str = "psql", **props: Any) -> Made:
    storage = {"storage": {"storageSizeGB": 128.0, "autoGrow": "Enabled"}}
    inputs = {"serverName": name, "version": "17", **storage, **props}
    return Made("azure-native:dbforpostgresql/v20250801:Server", name, inputs)


def parameter(name: str, value: Any, on: Any = "psql") -> Made:
    inputs = {"configurationName": name, "value": value, "serverName": on}
    # As in the first preview: nothing in the outputs tells which parameter it is.
    outputs = {"name": UNKNOWN, "value": value}
    return Made("azure-native:dbforpostgresql:Configuration", f"parameter-{name}", inputs, outputs)


def alert(metric: str, **props: Any) -> Made:
    inputs = {
        "enabled": True,
        "scopes": [UNKNOWN],
        "criteria": {"allOf": [{"metricName": metric, "threshold": 80.0}]},
        "actions": [{"actionGroupId": UNKNOWN}],
        **props,
    }
    return Made("azure-native:monitor:MetricAlert", f"alert-{metric}", inputs)


def postgres(kind: str, resource_name: str = "", **props: Any) -> Made:
    """A resource of the provider `postgresql`."""
    protect = props.pop("protect", False)
    token = f"postgresql:index/{kind[:1].lower()}{kind[1:]}:{kind}"
    name = resource_name or str(props.get("name", kind))
    return Made(token, name, props, protect=protect, provider={"database": "shop"})


def user(**props: Any) -> Made:
    given = {"name": "cdc_user", "login": True, "replication": True, "roles": ["cdc_role"]}
    return postgres("Role", **(given | props))


def role(**props: Any) -> Made:
    return postgres("Role", **({"name": "cdc_role", "login": False} | props))


def grant(what: str, *privileges: str, **props: Any) -> Made:
    given_name = (what, *privileges, *props.values())
    name = "-".join(str(word) for word in given_name)
    given = {
        "objectType": what,
        "privileges": [*privileges],
        "role": "cdc_role",
        "schema": "public",
    }
    return postgres("Grant", name, **(given | props))


def publication(*tables: Any, **props: Any) -> Made:
    given = {"name": "pub", "publishViaPartitionRootParam": True, "protect": True}
    return postgres("Publication", **(given | {"tables": list(tables)} | props))


def slot(**props: Any) -> Made:
    return postgres("ReplicationSlot", **({"name": "slot", "plugin": "pgoutput"} | props))


def ours(kind: str, resource_name: str = "", **props: Any) -> Made:
    """A resource of this project's."""
    protect = props.pop("protect", False)
    name = resource_name or kind
    return Made(OURS + kind, name, {"database": "shop", **props}, protect=protect)


def form(**settings: Any) -> Made:
    """The stack with one connector's settings as an output."""
    given = {
        "username": "cdc_user",
        "database": "shop",
        "readOnly": "No",
        "replicationSlotName": "slot",
        "publicationName": "pub",
        "sslMode": "require",
    }
    return forms(given | settings)


def forms(*settings: Mapping[str, Any]) -> Made:
    """The stack with its outputs."""
    return Made("pulumi:pulumi:Stack", "stack", {}, {"connectors": [dict(it) for it in settings]})


def sql(statements: str) -> Made:
    """What a team's own program makes tables with."""
    return Made("command:local:Command", "sql", {"create": f"psql -c '{statements}'"})


def slot_by_sql(*arguments: str, **props: str) -> Made:
    """A slot that a team's own program makes."""
    call = f"SELECT pg_create_logical_replication_slot({', '.join(arguments)})"
    return Made("pulumi-python:dynamic/shop:Sql", "slot-sql", {"statements": call, **props})


SIGNAL = (
    "CREATE TABLE streamkap.streamkap_signal (id VARCHAR(255) PRIMARY KEY, "
    "type VARCHAR(32) NOT NULL, data VARCHAR(2000) NULL)"
)
UNRELATED = (
    server(highAvailability={"mode": "Disabled"}),
    postgres("Role", name="app", login=True),
    grant("table", "SELECT", "INSERT", role="app"),
)
"""A program that captures nothing."""
