"""The behaviour of the types: what creating, reading, changing and deleting do in Azure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from azure_postgres_rehearsal.plugins.azure_native.kinds import Kind
from azure_postgres_rehearsal.plugins.azure_native.management_api import (
    AzureError,
    ManagementApi,
    OperationFailedError,
)
from azure_postgres_rehearsal.plugins.protocol import (
    Diff,
    InitError,
    Properties,
    ProviderError,
    ResourceType,
    differing,
)

_VAULT_API = "7.6"


class ArmResource(ResourceType):
    """What the types have in common: names, reading, differences."""

    def __init__(self, api: ManagementApi, kind: Kind, version: str, location: str = "") -> None:
        self._api = api
        self._kind = kind
        self._version = version
        self._defaults = {"location": location} if location and "location" in kind.outer else {}
        self.computed_outputs = kind.outputs
        self.secret_outputs = kind.secret

    def check(self, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        """The inputs with the API version and the location added, as the real one does."""
        defaults = self._defaults
        if "location" in self._kind.outer and "location" in olds:
            defaults = {"location": olds["location"]}
        inputs = {"azureApiVersion": self._version} | defaults | news
        required = [*self._kind.path_inputs, *(n for n in self._kind.outer if n == "location")]
        faults = [_missing(name) for name in required if name not in inputs]
        faults += [
            f"'{name}' should be of type 'string' but got a number"
            for name in sorted({*required, *self._kind.texts} & inputs.keys())
            if isinstance(inputs[name], int | float) and not isinstance(inputs[name], bool)
        ]
        return inputs, [("", fault) for fault in faults]

    def diff(
        self,
        resource_id: str,  # noqa: ARG002
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
    ) -> Diff:
        """The inputs that differ; those that name the resource replace it, deleting first.

        An input that is new and says what Azure has already replaces nothing.
        """
        changed = [
            name
            for name in differing(old_inputs, news)
            if name != "location" or _region(old_inputs.get(name)) != _region(news.get(name))
        ]
        replaces = [
            name
            for name in (*self._kind.path_inputs, *sorted(self._kind.replacing))
            if name.partition(".")[0] in changed
            and part(old_inputs, name) != part(news, name)
            and not (part(old_inputs, name) is None and part(old_outputs, name) == part(news, name))
        ]
        return Diff(changed, replaces, delete_before_replace=True)

    def read(
        self, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """What Azure has; inputs follow only where their output changed since the last time.

        So do those that the program never gave: the next `up` takes them out again.
        """
        found = self._find(resource_id)
        if found is None:
            return None
        settable = {name: self._as_input(name, found) for name in self._inputs if name in found}
        if inputs:
            before = {n: self._as_input(n, outputs) for n in self._inputs if n in outputs}
            return resource_id, followed(inputs, before, settable), found
        named = self._kind.named_in(resource_id)
        return resource_id, named | settable | {"azureApiVersion": self._version}, found

    def look_up(self, token: str, args: Properties) -> Properties:
        """What Azure has under the names in `args`: the type's function `get…`."""
        if missing := [name for name in self._kind.path_inputs if name not in args]:
            raise ProviderError(f"{token}: missing required property '{missing[0]}'")
        return self._outputs(self._api.get(self._id_of(args), self._version))

    @property
    def _inputs(self) -> tuple[str, ...]:
        return self._kind.properties + self._kind.outer

    def _as_input(self, name: str, found: Properties) -> Any:
        return without(found.get(name), self._kind.read_only.get(name, frozenset()))

    def _find(self, resource_id: str) -> Properties | None:
        try:
            return self._outputs(self._api.get(resource_id, self._version))
        except AzureError as error:
            if error.status == 404:
                return None
            raise

    def _put(self, resource_id: str, body: Properties) -> Properties:
        """Write it. What was accepted and failed is in the state all the same, whatever is there:
        the next `up` updates it."""
        try:
            return self._outputs(self._api.put(resource_id, self._version, body))
        except OperationFailedError as error:
            try:
                found = self._outputs(self._api.get(resource_id, self._version))
            except AzureError as unread:
                text = f"resource created but read failed {unread}: {error}"
                raise InitError(text, resource_id, {}) from None
            raise InitError(str(error), resource_id, found) from None

    def _id_of(self, inputs: Properties) -> str:
        return self._kind.resource_id(self._api.subscription_id, inputs)

    def _outputs(self, response: Properties) -> Properties:
        names = {wire: name for name, wire in self._kind.renamed.items()}
        nested = "properties" in self._kind.outer
        found: Properties = renamed(response if nested else flattened(response), names)
        for name in self._kind.contained.keys() & found.keys():
            found[name] = [flattened(item) for item in found[name]]
        return found | {"azureApiVersion": self._version}


class Configuration(ArmResource):
    """A server parameter: always there, so creating and updating are the same write."""

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Write over what is there, without asking whether anyone set it."""
        outputs = self._write(self._id_of(inputs), inputs)
        return outputs["id"], outputs

    def update(
        self,
        resource_id: str,
        old_outputs: Properties,  # noqa: ARG002 - written whatever was there
        news: Properties,
    ) -> Properties:
        """Write the new value."""
        return self._write(resource_id, news)

    def delete(
        self,
        resource_id: str,
        outputs: Properties,  # noqa: ARG002 - what counts is what Azure has
    ) -> None:
        """Write the default back, with the source that is there, and look whether it took.

        Where the server is gone this fails, as everything on a parameter does.
        """
        now = self._api.get(resource_id, self._version)["properties"]
        default = now["defaultValue"]
        body = {"properties": {"value": default, "source": now["source"]}}
        after = self._api.put(resource_id, self._version, body)["properties"]
        if after["value"] != default:
            raise ProviderError(
                f"failed to reset Postgres Configuration to default value '{default}': "
                f"{after['value']}"
            )

    def _write(self, resource_id: str, inputs: Properties) -> Properties:
        now = self._api.get(resource_id, self._version)
        if inputs.get("value") == now["properties"]["defaultValue"]:
            # pulumi/pulumi-azure-native#4736: the state has the default, Azure never hears of it.
            return self._outputs(now) | self._settable(inputs)
        return self._put(resource_id, {"properties": self._settable(inputs)})

    def _settable(self, inputs: Properties) -> Properties:
        return {name: inputs[name] for name in self._kind.properties if name in inputs}


class OwnResource(ArmResource):
    """A resource that comes with creating it and goes with deleting it."""

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """PUT it, unless it is there: nothing is adopted silently."""
        resource_id = self._id_of(inputs)
        if self._find(resource_id) is not None:
            raise ProviderError(f"cannot create already existing resource '{resource_id}'")
        outputs = self._put(resource_id, self._body(inputs))
        return outputs["id"], outputs

    def update(
        self,
        resource_id: str,
        old_outputs: Properties,  # noqa: ARG002 - a PUT says everything
        news: Properties,
    ) -> Properties:
        """PUT it as it shall be."""
        return self._put(resource_id, self._body(news))

    def delete(
        self,
        resource_id: str,
        outputs: Properties,  # noqa: ARG002 - the id says it all
    ) -> None:
        """Remove it; what is gone already, with what it was in or alone, is no error."""
        try:
            self._api.delete(resource_id, self._version)
        except AzureError as error:
            if error.status != 404:
                raise

    def _body(self, inputs: Properties) -> Properties:
        body = {name: inputs[name] for name in self._kind.outer if name in inputs}
        inner = {name: inputs[name] for name in self._kind.properties if name in inputs}
        for name, outside in self._kind.contained.items():
            if name in inner:
                inner[name] = [contained(item, outside) for item in inner[name]]
        # Of some types the SDK shows the properties as they are, and then they are in the body.
        whole: Properties = renamed({"properties": inner} | body, self._kind.renamed)
        return whole


class VaultSecret(OwnResource):
    """A Key Vault's secret: the management API can't delete it, so the vault itself is asked."""

    def delete(
        self,
        resource_id: str,
        outputs: Properties,  # noqa: ARG002 - the id says it all
    ) -> None:
        """Delete it in the vault, which keeps it, and its name, until somebody purges it."""
        names = self._kind.named_in(resource_id)
        path = f"/_rehearsal/vaults/{names['vaultName']}/secrets/{names['secretName']}"
        try:
            self._api.delete(path, _VAULT_API)
        except AzureError as error:
            if error.status != 404:
                raise


def _missing(name: str) -> str:
    where = (
        ". Either set it explicitly or configure it with "
        "'pulumi config set azure-native:location <value>'."
    )
    return f"missing required property '{name}'" + (where if name == "location" else "")


def part(properties: Properties, path: str) -> Any:
    """What is at `backup.geoRedundantBackup`; None where nothing is."""
    value: Any = properties
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def flattened(response: Properties) -> Properties:
    """A resource as the SDK shows it: its `properties` beside its id, name and type."""
    outer = {name: value for name, value in response.items() if name != "properties"}
    inner: Properties = response.get("properties", {})
    return inner | outer


def contained(item: Properties, outside: Collection[str]) -> Properties:
    """An object as it is in a body: all but some of it in its `properties`."""
    outer = {name: value for name, value in item.items() if name in outside}
    inner = {name: value for name, value in item.items() if name not in outside}
    return outer | {"properties": inner}


def without(value: Any, hidden: Collection[str]) -> Any:
    """The value without some of its parts, at any depth."""
    if isinstance(value, dict):
        return {n: without(item, hidden) for n, item in value.items() if n not in hidden}
    return [without(item, hidden) for item in value] if isinstance(value, list) else value


def followed(given: Any, before: Any, now: Any) -> Any:
    """An input that follows what changed in Azure, and keeps what did not or is never shown."""
    if isinstance(given, list) and isinstance(before, list) and isinstance(now, list):
        pairs = [followed(*three) for three in zip(given, before, now, strict=False)]
        return pairs + now[len(pairs) :]
    if not (isinstance(given, dict) and isinstance(before, dict) and isinstance(now, dict)):
        return now
    kept = {name: item for name, item in given.items() if name in now or name not in before}
    changed = {
        name: followed(given[name], before[name], item)
        if name in given and name in before
        else item
        for name, item in now.items()
        if before.get(name) != item
    }
    return kept | changed


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The value with some of its names, at any depth, written otherwise."""
    if isinstance(value, dict):
        return {names.get(name, name): renamed(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return value


def _region(name: Any) -> Any:
    """A region's name as Azure compares it: `West Europe` is `westeurope`."""
    return name.replace(" ", "").lower() if isinstance(name, str) else name
