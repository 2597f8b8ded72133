"""The only reader of pulumi.Config: a stack's settings and its secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

from azure_postgres_cdc import CdcServerArgs
from azure_postgres_cdc.adoption import servers_of_stack
from azure_postgres_cdc.errors import InvalidSettings
from azure_postgres_cdc.plan import ConnectorArgs
from azure_postgres_cdc.secret_settings import SECRETS, decoded, lacks_password, secret_faults
from azure_postgres_cdc.server_args import NONE
from azure_postgres_cdc.settings import Settings, parse

ROOT = Path(__file__).resolve().parent.parent
"""The project's root: `tablesFile` is relative to it."""


@dataclass(frozen=True)
class StackConfig:
    """What the program needs: validated settings, and the secrets beside them."""

    settings: Settings
    admin_password: pulumi.Output[str] | None
    connector_password: pulumi.Output[str] | None

    @property
    def name(self) -> str:
        """The server's name."""
        return self.settings.name

    def server_args(self) -> CdcServerArgs:
        """The arguments of CdcServer, the secrets filled in."""
        args = self.settings.server_arguments()
        if self.admin_password is not None:
            args["connection"]["password"] = self.admin_password
        if self.connector_password is not None:
            args["connectorPassword"] = self.connector_password
        return args

    def server_options(self) -> pulumi.ResourceOptions:
        """Those of the CdcServer. With `management: none` its name is none of Azure's: given,
        changed or left out, it is the same server still, and so are its roles."""
        in_azure = self.settings.server.management != NONE
        formers = [
            name
            for name, was_in_azure in servers_of_stack().items()
            if name != self.name and not (in_azure and was_in_azure)
        ]
        if len(formers) != 1:
            return pulumi.ResourceOptions()
        return _carried_over("CdcServer", formers[0], self.name)

    def source_options(self, database: str) -> pulumi.ResourceOptions:
        """Those of a database's CdcSource: one that was renamed is the same one still."""
        former = self.settings.former_names().get(database)
        return _carried_over("CdcSource", former, database) if former else pulumi.ResourceOptions()

    def connectors_by_database(self) -> dict[str, list[ConnectorArgs]]:
        """The connectors of each CdcSource."""
        return self.settings.connectors_by_database(ROOT)


def namespace() -> str:
    """What the project's own keys begin with. Made by `pulumi new`, it has a name of its own."""
    return f"{pulumi.get_project()}:"


def load() -> StackConfig:
    """Read and validate the stack's configuration; every fault in one message."""
    given = {
        key.removeprefix(namespace()): value
        for key, value in get_config_env().items()
        if key.startswith(namespace())
    }
    settings, faults = parse(_decoded(given), ROOT)
    faults = [*_secret_faults(given), *faults]
    if settings is None or faults:
        raise InvalidSettings(f"stacks/Pulumi.{pulumi.get_stack()}.yaml", faults)
    config = pulumi.Config()
    admin, connector = (config.get_secret(key) if given.get(key) else None for key in SECRETS)
    return StackConfig(settings=settings, admin_password=admin, connector_password=connector)


def _carried_over(kind: str, former: str, name: str) -> pulumi.ResourceOptions:
    """What a component of this name has is what the one of the former name had.

    The alias of the component alone would do, if a refused `up` had not left one of the new name
    in the state; so each of its resources has one too.
    """
    component = pulumi.create_urn(former, f"azure-postgres-cdc:index:{kind}")

    def alias(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        called = former + args.name.removeprefix(name)
        known_as = (
            pulumi.Alias(name=called)
            if args.name == name
            else pulumi.Alias(called, parent=component)
        )
        aliases = pulumi.ResourceOptions(aliases=[known_as])
        return pulumi.ResourceTransformationResult(
            args.props, pulumi.ResourceOptions.merge(args.opts, aliases)
        )

    return pulumi.ResourceOptions(transformations=[alias])


def _decoded(given: dict[str, str]) -> dict[str, Any]:
    """Every key but the secrets, objects and arrays out of their JSON."""
    return {key: decoded(value) for key, value in given.items() if key not in SECRETS}


def _secret_faults(given: dict[str, str]) -> list[str]:
    secret = {key.removeprefix(namespace()) for key in get_config_secret_keys_env()}
    faults = list(secret_faults(given, secret))
    if lacks_password(given):
        faults.append("adminPassword: is missing; pulumi config set --secret adminPassword")
    return faults
