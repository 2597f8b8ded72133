"""The floor of benchmarks/tables.py: one trivial resource of each plugin that ours loads."""

from typing import Any

import pulumi
import pulumi_postgresql as postgresql
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class NothingProvider(ResourceProvider):
    """Does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("nothing", props)


class Nothing(Resource, module="floor", name="Nothing"):
    """A dynamic resource that is nothing."""


config = pulumi.Config()
provider = postgresql.Provider(
    "floor",
    host=config.require("host"),
    port=config.require_int("port"),
    username=config.require("user"),
    password=config.require_secret("password"),
    sslmode=config.require("sslMode"),
    superuser=False,
)
postgresql.Role(
    "floor", name=config.require("role"), opts=pulumi.ResourceOptions(provider=provider)
)
Nothing(NothingProvider(), "floor", {})

# As many resources as ours has for so many databases: what the engine and the SDK take for them.
for number in range(config.get_int("databases") or 0):
    database = pulumi.ComponentResource("floor:index:Database", f"db{number}")
    before: list[pulumi.Resource] = []
    for step in ("access", "signal", "publication", "slot"):
        opts = pulumi.ResourceOptions(parent=database, depends_on=before)
        before = [Nothing(NothingProvider(), f"db{number}-{step}", {}, opts)]
    database.register_outputs({})
