"""The types of the resources that the rules know, as `type_of` spells them."""

from __future__ import annotations

import re

_VERSION = re.compile(r"/v\d{8}(?:preview|privatepreview)?(?=:)")
_PACKAGE_VERSION = re.compile(r"^(azure-native)_\w+_v\d{8}\w*(?=:)")
_BRIDGED = re.compile(r"^(\w+):index(?:/\w+)?:(\w+)$")

SERVER = "azure-native:dbforpostgresql:Server"
CONFIGURATION = "azure-native:dbforpostgresql:Configuration"
FIREWALL_RULE = "azure-native:dbforpostgresql:FirewallRule"
AZURE_DATABASE = "azure-native:dbforpostgresql:Database"
METRIC_ALERTS = ("azure-native:monitor:MetricAlert", "azure-native:insights:MetricAlert")
VAULT_SECRET = "azure-native:keyvault:Secret"  # noqa: S105 - a type

ROLE = "postgresql:Role"
GRANT = "postgresql:Grant"
GRANT_ROLE = "postgresql:GrantRole"
DEFAULT_PRIVILEGES = "postgresql:DefaultPrivileges"
PUBLICATION = "postgresql:Publication"
PLAIN_SLOT = "postgresql:ReplicationSlot"
DATABASE = "postgresql:Database"
SCHEMA = "postgresql:Schema"
PROVIDER = "pulumi:providers:postgresql"
STACK = "pulumi:pulumi:Stack"
CONNECTOR = "streamkap:SourcePostgresql"
COMMANDS = ("command:local:Command", "command:remote:Command")

OURS = "pulumi-python:dynamic/azure-postgres-cdc:"
OUR_SERVER = f"{OURS}ExistingServer"
OUR_PARAMETERS = f"{OURS}ServerParameters"
OUR_RESTART = f"{OURS}ServerRestart"
OUR_AUTO_GROW = f"{OURS}StorageAutoGrow"
OUR_FIREWALL_RULE = f"{OURS}FirewallRule"
OUR_LOGINS = f"{OURS}ConnectorLogins"
OUR_ACCESS = f"{OURS}SchemaAccess"
OUR_PUBLICATION = f"{OURS}Publication"
OUR_SLOT = f"{OURS}ReplicationSlot"
OUR_SIGNAL_TABLE = f"{OURS}SignalTable"
OUR_HEARTBEAT_TABLE = f"{OURS}HeartbeatTable"


def type_of(resource_type: str) -> str:
    """A type token without the API version that may be in it, and without the bridge's path.

    `azure-native:dbforpostgresql/v20250801:Configuration` is the same resource as
    `azure-native:dbforpostgresql:Configuration`; `postgresql:index/role:Role` is `postgresql:Role`.
    """
    found = _PACKAGE_VERSION.sub(r"\1", _VERSION.sub("", resource_type))
    return _BRIDGED.sub(r"\1:\2", found)
