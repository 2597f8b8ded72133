"""The floor of benchmarks/tables.py: one trivial resource of each plugin that ours loads."""

from collections.abc import Sequence
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


Steps = list[pulumi.Resource]

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


def one_after_the_other(kind: str, name: str, steps: Sequence[str], after: Steps) -> Steps:
    """A component whose parts wait for each other, as ours do."""
    component = pulumi.ComponentResource(f"floor:index:{kind}", name)
    for step in steps:
        opts = pulumi.ResourceOptions(parent=component, depends_on=after)
        after = [Nothing(NothingProvider(), f"{name}-{step}", {}, opts)]
    component.register_outputs({})
    return after


# As many resources as ours has for so many databases: what the engine and the SDK take for them.
if databases := config.get_int("databases"):
    ready = one_after_the_other("Server", "server", ("in-effect", "logins", "role", "user"), [])
    for number in range(databases):
        parts = ("access", "signal", "publication", "slot")
        one_after_the_other("Database", f"db{number}", parts, ready)
