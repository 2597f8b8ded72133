"""Stands in for pulumi-resource-azure-native, in front of an emulated Azure on this machine.

A thin client: a type becomes a path of the management API, its inputs the body. It keeps what the
real plugin does to `Configuration`, good and bad: creating is a PUT over what is there, deleting
writes the default back, setting the default changes nothing (pulumi/pulumi-azure-native#4736),
nothing restarts the server, and a 409 is the user's to read.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from azure_postgres_rehearsal.plugins.protocol import (
    Diff,
    Plugin,
    Properties,
    ProviderError,
    ResourceType,
    differing,
    serve,
)

_ENDPOINT = "AZURE_RESOURCE_MANAGER_ENDPOINT"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DEFAULT_API_VERSION = "2025-08-01"
_TOKEN = re.compile(r"azure-native:dbforpostgresql(?:/v(\d{4})(\d\d)(\d\d)(preview)?)?:(\w+)")
_SECONDS = 60
_SERVER = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/{serverName}"
)
_NOBODY = "00000000-0000-0000-0000-000000000000"


class AzureError(ProviderError):
    """What Azure answered, in the words of the real plugin."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(f'Code="{error.get("code")}" Message="{error.get("message")}"')
        self.status = status


class ManagementApi:
    """The management API of the emulated Azure. It talks to this machine and to no other."""

    def __init__(self, endpoint: str, subscription_id: str) -> None:
        self._at = _loopback(endpoint)
        self.subscription_id = subscription_id

    def get(self, path: str, version: str) -> Properties:
        """The resource at a path."""
        return self._request("GET", f"{path}?api-version={version}")[0]

    def put(self, path: str, version: str, body: Properties) -> Properties:
        """Write a resource, wait until that is done, and read it."""
        _, headers = self._request("PUT", f"{path}?api-version={version}", body)
        if polling := headers.get("Azure-AsyncOperation"):
            self._wait(polling)
        return self.get(path, version)

    def _wait(self, url: str) -> None:
        polling = urlsplit(url)
        while True:
            answer, headers = self._request("GET", f"{polling.path}?{polling.query}")
            if answer["status"] == "Succeeded":
                return
            if answer["status"] != "InProgress":
                raise AzureError(200, answer.get("error", {}))
            time.sleep(float(headers.get("Retry-After", "1")))

    def _request(
        self, method: str, path: str, body: Properties | None = None
    ) -> tuple[Properties, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection(
            self._at.hostname or "", self._at.port, timeout=_SECONDS
        )
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read() or "{}")
        except OSError as error:
            raise ProviderError(
                f"no emulated Azure at {self._at.geturl()} ({_ENDPOINT}): {error}"
            ) from None
        finally:
            connection.close()
        if response.status >= 400:
            raise AzureError(response.status, answer.get("error", {}))
        return answer, response.headers


@dataclass(frozen=True)
class Kind:
    """One type of the namespace: where it is, and which inputs go into its `properties`."""

    path: str
    properties: tuple[str, ...]
    outputs: frozenset[str]

    @property
    def path_inputs(self) -> list[str]:
        """The inputs that name it. Changing one of them makes another resource."""
        return [name for name in re.findall(r"\{(\w+)\}", self.path) if name != "subscriptionId"]

    def resource_id(self, subscription_id: str, inputs: Properties) -> str:
        """Its ARM id, which is its path."""
        names = {name: quote(inputs[name], safe="") for name in self.path_inputs}
        return self.path.format(subscriptionId=subscription_id, **names)

    def named_in(self, resource_id: str) -> Properties:
        """The inputs that an id names, for an import."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        match = re.fullmatch(pattern, resource_id, re.IGNORECASE)
        if match is None:
            raise ProviderError(f"'{resource_id}' is not of the form {self.path}")
        return {name: match[name] for name in self.path_inputs}


class ArmResource(ResourceType):
    """What the types have in common: names, reading, differences."""

    def __init__(self, api: ManagementApi, kind: Kind, version: str) -> None:
        self._api = api
        self._kind = kind
        self._version = version
        self.computed_outputs = kind.outputs

    def check(
        self,
        olds: Properties,  # noqa: ARG002 - nothing is taken over from the old inputs
        news: Properties,
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """The inputs with the API version added, as the real one does."""
        missing = [name for name in self._kind.path_inputs if name not in news]
        failures = [("", f"missing required property '{name}'") for name in missing]
        return {"azureApiVersion": self._version} | news, failures

    def diff(
        self,
        resource_id: str,  # noqa: ARG002
        old_inputs: Properties,
        old_outputs: Properties,  # noqa: ARG002
        news: Properties,
    ) -> Diff:
        """The inputs that differ; those that name the resource replace it, deleting first."""
        changed = differing(old_inputs, news)
        replaces = [name for name in changed if name in self._kind.path_inputs]
        return Diff(changed, replaces, delete_before_replace=True)

    def read(
        self, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """What Azure has; inputs follow only where their output changed since the last time."""
        try:
            found = self._outputs(self._api.get(resource_id, self._version))
        except AzureError as error:
            if error.status == 404:
                return None
            raise
        settable = {name: found[name] for name in self._kind.properties if name in found}
        if inputs:
            drifted = {n: v for n, v in settable.items() if n in inputs and outputs.get(n) != v}
            return resource_id, inputs | drifted, found
        named = self._kind.named_in(resource_id)
        return resource_id, named | settable | {"azureApiVersion": self._version}, found

    def _id_of(self, inputs: Properties) -> str:
        return self._kind.resource_id(self._api.subscription_id, inputs)

    def _outputs(self, response: Properties) -> Properties:
        return flattened(response) | {"azureApiVersion": self._version}


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
        """Write the default back, with the source that is there, and look whether it took."""
        try:
            now = self._api.get(resource_id, self._version)["properties"]
        except AzureError as error:
            if error.status == 404:
                return
            raise
        default = now["defaultValue"]
        after = self._put(resource_id, {"value": default, "source": now["source"]})["properties"]
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
        return self._outputs(self._put(resource_id, self._settable(inputs)))

    def _put(self, resource_id: str, properties: Properties) -> Properties:
        return self._api.put(resource_id, self._version, {"properties": properties})

    def _settable(self, inputs: Properties) -> Properties:
        return {name: inputs[name] for name in self._kind.properties if name in inputs}


_CONFIGURATION = Kind(
    path=_SERVER + "/configurations/{configurationName}",
    properties=("value", "source"),
    outputs=frozenset(
        {
            "allowedValues",
            "dataType",
            "defaultValue",
            "description",
            "documentationLink",
            "isConfigPendingRestart",
            "isDynamicConfig",
            "isReadOnly",
            "name",
            "source",
            "type",
            "unit",
            "value",
        }
    ),
)
_RESOURCES: dict[str, tuple[type[ArmResource], Kind]] = {
    "Configuration": (Configuration, _CONFIGURATION)
}
_FUNCTIONS = {
    "getConfiguration": _CONFIGURATION,
    "getServer": Kind(path=_SERVER, properties=(), outputs=frozenset()),
}


class AzureNative(Plugin):
    """The provider `azure-native`, as far as a rehearsal needs it."""

    name = "azure-native"
    version = metadata.version("pulumi-azure-native")

    def configure(self, variables: Properties) -> None:
        """Take the subscription from the configuration or the environment, as the real one does."""
        subscription_id = variables.get("subscriptionId") or os.environ.get("ARM_SUBSCRIPTION_ID")
        if not subscription_id:
            raise ProviderError(
                "no subscription: set azure-native:subscriptionId or ARM_SUBSCRIPTION_ID"
            )
        self._api = ManagementApi(os.environ.get(_ENDPOINT, ""), subscription_id)

    def resource(self, token: str) -> ResourceType:
        """The type for a token of any API version."""
        version, name = _parsed(token)
        if name not in _RESOURCES:
            raise ProviderError(f"{token} is not part of the rehearsal")
        resource_type, kind = _RESOURCES[name]
        return resource_type(self._api, kind, version)

    def invoke(self, token: str, args: Properties) -> Properties:
        """Look a resource up, or say who is deploying."""
        if token == "azure-native:authorization:getClientConfig":  # noqa: S105 - no secret
            return {
                "clientId": _NOBODY,
                "objectId": _NOBODY,
                "subscriptionId": self._api.subscription_id,
                "tenantId": _NOBODY,
            }
        version, name = _parsed(token)
        if name not in _FUNCTIONS:
            return super().invoke(token, args)
        kind = _FUNCTIONS[name]
        if missing := [n for n in kind.path_inputs if n not in args]:
            raise ProviderError(f"{token}: missing required property '{missing[0]}'")
        found = self._api.get(kind.resource_id(self._api.subscription_id, args), version)
        return flattened(found) | {"azureApiVersion": version}


def flattened(response: Properties) -> Properties:
    """A resource as the SDK shows it: its `properties` beside its id, name and type."""
    outer = {name: value for name, value in response.items() if name != "properties"}
    inner: Properties = response.get("properties", {})
    return inner | outer


def _parsed(token: str) -> tuple[str, str]:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ProviderError(f"{token} is not part of the rehearsal")
    year, month, day, preview, name = match.groups()
    if not year:
        return _DEFAULT_API_VERSION, name
    return f"{year}-{month}-{day}" + ("-preview" if preview else ""), name


def _loopback(endpoint: str) -> SplitResult:
    """The endpoint, where it is a plain one of this machine; this plugin must not reach Azure."""
    at = urlsplit(endpoint)
    if at.scheme != "http" or at.hostname not in _LOOPBACK or not at.port:
        raise ProviderError(
            f"{_ENDPOINT} is '{endpoint}', and this stand-in for azure-native talks to an emulated "
            "Azure on this machine only: it must be http://127.0.0.1:<port>. Real deployments "
            "use the real plugin."
        )
    return at


if __name__ == "__main__":
    serve(AzureNative())
