"""A whole server with all that goes round it, through the real engine and the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure_support import GROUP, NAME, SUBSCRIPTION
from support import PROJECT

from azure_postgres_rehearsal.azure_api import EmbeddedFactory, EmulatedAzure, Faults
from azure_postgres_rehearsal.engine import ENGINE_BIN, Engine

PASSWORD = "Correct-horse-1"
DESCRIPTION = """
name: azure
runtime: {name: python, options: {}}
"""
SETTINGS = """
config:
  azure-native:location: westeurope
  azure:storage: 128
"""
PROGRAM = f"""
import pulumi
from pulumi_azure_native import dbforpostgresql, monitor

config = pulumi.Config()
server = dbforpostgresql.Server(
    "server",
    resource_group_name="{GROUP}",
    server_name="{NAME}",
    sku={{"name": "Standard_D2ds_v5", "tier": dbforpostgresql.SkuTier.GENERAL_PURPOSE}},
    version=dbforpostgresql.PostgresMajorVersion.POSTGRES_MAJOR_VERSION_17,
    administrator_login="cdc_admin",
    administrator_login_password=config.require_secret("password"),
    storage={{"storage_size_gb": config.require_int("storage"), "auto_grow": "Enabled"}},
    high_availability={{"mode": "ZoneRedundant"}},
    tags={{"owner": "data"}},
)
of_server = {{"resource_group_name": "{GROUP}", "server_name": server.name}}
rule = dbforpostgresql.FirewallRule(
    "gateway",
    firewall_rule_name="gateway",
    start_ip_address="10.0.0.1",
    end_ip_address="10.0.0.9",
    **of_server,
)
database = dbforpostgresql.Database(
    "orders",
    database_name="orders",
    **of_server,
    opts=pulumi.ResourceOptions(depends_on=[rule]),
)
on_call = monitor.ActionGroup(
    "on-call",
    resource_group_name="{GROUP}",
    action_group_name="on-call",
    location="Global",
    enabled=True,
    group_short_name="oncall",
    email_receivers=[{{"name": "data", "email_address": "data@example.com"}}],
    opts=pulumi.ResourceOptions(depends_on=[server]),
)
monitor.MetricAlert(
    "wal",
    resource_group_name="{GROUP}",
    rule_name="wal",
    location="global",
    description="The WAL grows.",
    severity=1,
    enabled=True,
    scopes=[server.id],
    evaluation_frequency="PT1M",
    window_size="PT5M",
    # A dict would not do: the SDK can't translate the names of one whose type is a union.
    criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
        odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
        all_of=[
            monitor.MetricCriteriaArgs(
                criterion_type="StaticThresholdCriterion",
                name="wal",
                metric_name="txlogs_storage_used",
                metric_namespace="Microsoft.DBforPostgreSQL/flexibleServers",
                operator=monitor.Operator.GREATER_THAN,
                threshold=10_000_000_000,
                time_aggregation=monitor.AggregationTypeEnum.MAXIMUM,
            )
        ],
    ),
    actions=[{{"action_group_id": on_call.id}}],
)
pulumi.export("host", server.fully_qualified_domain_name)
"""
BUSY = {
    "method": "PUT",
    "path": "/databases/",
    "status": 409,
    "code": "ServerIsBusy",
    "message": "busy",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(DESCRIPTION)
    (folder / "Pulumi.dev.yaml").write_text(SETTINGS)
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / ENGINE_BIN.parent).symlink_to(PROJECT / ENGINE_BIN.parent)
    return folder


@pytest.mark.full
def test_from_nothing_to_nothing(project: Path, tmp_path: Path) -> None:
    factory = EmbeddedFactory()
    with EmulatedAzure(
        SUBSCRIPTION, resource_groups=[GROUP], postgres_factory=factory, faults=[BUSY]
    ) as azure:
        engine = Engine(
            project,
            "dev",
            tmp_path / "rehearsal",
            {},
            {"password": PASSWORD},
            {
                "AZURE_RESOURCE_MANAGER_ENDPOINT": azure.endpoint,
                "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
            },
        )
        failed = engine.up(capture=True, check=False)
        assert 'Code="ServerIsBusy"' in failed.text
        azure.faults = Faults()
        made = engine.up(capture=True)
        assert "create" in made.operations
        assert engine.outputs() == {"host": f"{NAME}.postgres.database.azure.com"}
        factory.made[0].connect("orders", "cdc_admin", PASSWORD).close()
        assert PASSWORD not in str(engine.state())

        again = engine.up("--refresh", capture=True)
        assert again.changed == 0, again.text

        engine.set_config("storage", 256)
        assert engine.up(capture=True).operations["update"] == 1
        assert azure.servers[0].definition.storage.size_gb == 256
        assert azure.journal.of_kind("server-update")[-1].detail == "storage, password"

        engine.destroy(capture=True)
        assert azure.servers == []
        assert azure.insights.of_type("Microsoft.Insights/metricAlerts") == []
