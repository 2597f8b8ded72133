"""The process of the stand-in for azure-native: started and spoken to as the engine does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from azure_postgres_rehearsal.azure_api import Behaviour, EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

GROUP = "rg-cdc"
NAME = "cdc-local"
TOKEN = "azure-native:dbforpostgresql:Configuration"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
WAL_LEVEL = {
    "resourceGroupName": GROUP,
    "serverName": NAME,
    "configurationName": "wal_level",
    "value": "logical",
    "source": "user-override",
}


def test_the_module_is_the_plugin(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the engine does it: a process that prints its port and speaks gRPC there."""
    with EmulatedAzure(behaviour=Behaviour(write_seconds=0.1)) as azure:
        azure.add_server(GROUP, NAME, postgres)
        monkeypatch.setenv("AZURE_RESOURCE_MANAGER_ENDPOINT", azure.endpoint)
        outputs = _as_the_engine_does(
            lambda stub: stub.Create(
                provider_pb2.CreateRequest(
                    urn=f"urn:pulumi:dev::rehearsal::{TOKEN}::wal-level",
                    properties=_struct(WAL_LEVEL),
                )
            )
        )
    assert outputs.id.endswith(f"/{NAME}/configurations/wal_level")
    assert outputs.properties["isConfigPendingRestart"] is True


def _as_the_engine_does(call: Callable[[Any], Any]) -> Any:
    command = [sys.executable, "-m", "azure_postgres_rehearsal.plugins.azure_native"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = provider_pb2_grpc.ResourceProviderStub(channel)
                stub.Configure(
                    provider_pb2.ConfigureRequest(args=_struct({"subscriptionId": SUBSCRIPTION}))
                )
                answer = call(stub)
                stub.Cancel(empty_pb2.Empty())
        finally:
            process.terminate()
    return answer


def _struct(properties: dict[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(properties)
    return struct
