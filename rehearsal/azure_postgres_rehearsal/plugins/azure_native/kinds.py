"""The types of the namespaces that a rehearsal knows: where each is, and what its inputs are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from azure_postgres_rehearsal.plugins.protocol import Properties, ProviderError

_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_SERVER = _GROUP + "/providers/Microsoft.DBforPostgreSQL/flexibleServers/{serverName}"
_POSTGRESQL_VERSION = "2025-08-01"


@dataclass(frozen=True)
class Kind:
    """One type: its path and the API version that the SDK means where its token names none.

    `properties`: the inputs that go into the body's `properties`; `outer`: those beside them.
    `outputs`: what only Azure knows. `replacing`: inputs that can't be changed, besides the names;
    of a part that can't, the part's name stands behind a dot. `texts`: inputs that are no numbers.
    `read_only`: parts of an output, at any depth, that are no input, by the output's name.
    `renamed`: the SDK's names, at any depth, that are written otherwise in a body.
    `contained`: inputs that are lists of objects, and the names that stay outside the
    `properties` which each object has in a body.
    """

    path: str
    default_version: str
    properties: tuple[str, ...] = ()
    outer: tuple[str, ...] = ()
    outputs: frozenset[str] = frozenset()
    replacing: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    read_only: dict[str, frozenset[str]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    contained: dict[str, frozenset[str]] = field(default_factory=dict)

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


CONFIGURATION = Kind(
    path=_SERVER + "/configurations/{configurationName}",
    default_version=_POSTGRESQL_VERSION,
    properties=("value", "source"),
    texts=frozenset({"value", "source"}),
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
FIREWALL_RULE = Kind(
    path=_SERVER + "/firewallRules/{firewallRuleName}",
    default_version=_POSTGRESQL_VERSION,
    properties=("startIpAddress", "endIpAddress"),
    outputs=frozenset({"name", "type"}),
)
DATABASE = Kind(
    path=_SERVER + "/databases/{databaseName}",
    default_version=_POSTGRESQL_VERSION,
    properties=("charset", "collation"),
    outputs=frozenset({"charset", "collation", "name", "type"}),
)
ADMINISTRATOR = Kind(
    path=_SERVER + "/administrators/{objectId}",
    default_version="2025-01-01-preview",
    properties=("principalName", "principalType", "tenantId"),
    outputs=frozenset({"name", "objectId", "principalName", "principalType", "tenantId", "type"}),
)
SERVER = Kind(
    path=_SERVER,
    default_version=_POSTGRESQL_VERSION,
    properties=(
        "administratorLogin",
        "administratorLoginPassword",
        "authConfig",
        "availabilityZone",
        "backup",
        "cluster",
        "createMode",
        "dataEncryption",
        "highAvailability",
        "maintenanceWindow",
        "network",
        "pointInTimeUTC",
        "replica",
        "replicationRole",
        "sourceServerResourceId",
        "storage",
        "version",
    ),
    outer=("identity", "location", "sku", "tags"),
    outputs=frozenset(
        {
            "authConfig",
            "availabilityZone",
            "backup",
            "fullyQualifiedDomainName",
            "highAvailability",
            "name",
            "network",
            "privateEndpointConnections",
            "replicaCapacity",
            "replicationRole",
            "state",
            "storage",
            "type",
        }
    ),
    replacing=frozenset(
        {
            "administratorLogin",
            "availabilityZone",
            "backup.geoRedundantBackup",
            "location",
            "pointInTimeUTC",
            "sourceServerResourceId",
        }
    ),
    texts=frozenset({"administratorLogin", "availabilityZone", "version"}),
    secret=frozenset({"administratorLoginPassword"}),
    read_only={
        "highAvailability": frozenset({"state"}),
        "replica": frozenset({"capacity", "replicationState"}),
    },
)
METRIC_ALERT = Kind(
    path=_GROUP + "/providers/Microsoft.Insights/metricAlerts/{ruleName}",
    default_version="2018-03-01",
    properties=(
        "actions",
        "autoMitigate",
        "criteria",
        "description",
        "enabled",
        "evaluationFrequency",
        "scopes",
        "severity",
        "targetResourceRegion",
        "targetResourceType",
        "windowSize",
    ),
    outer=("location", "tags"),
    outputs=frozenset({"isMigrated", "lastUpdatedTime", "name", "type"}),
    replacing=frozenset({"location"}),
    renamed={"odataType": "odata.type"},
)
ACTION_GROUP = Kind(
    path=_GROUP + "/providers/Microsoft.Insights/actionGroups/{actionGroupName}",
    default_version="2024-10-01-preview",
    properties=(
        "armRoleReceivers",
        "automationRunbookReceivers",
        "azureAppPushReceivers",
        "azureFunctionReceivers",
        "emailReceivers",
        "enabled",
        "eventHubReceivers",
        "groupShortName",
        "incidentReceivers",
        "itsmReceivers",
        "logicAppReceivers",
        "smsReceivers",
        "voiceReceivers",
        "webhookReceivers",
    ),
    outer=("identity", "location", "tags"),
    outputs=frozenset({"name", "type"}),
    replacing=frozenset({"location"}),
)
SECRET = Kind(
    path=_GROUP + "/providers/Microsoft.KeyVault/vaults/{vaultName}/secrets/{secretName}",
    default_version="2024-11-01",
    # The SDK shows the secret's `properties` as they are. Their `value` is never read back, and no
    # more a secret to the engine than the program says: the SDK marks none.
    outer=("properties", "tags"),
    outputs=frozenset({"location", "name", "properties", "type"}),
    read_only={
        "properties": frozenset({"created", "secretUri", "secretUriWithVersion", "updated"})
    },
)
