"""Arguments of a program that no type checker has read."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from tests.unit.program import run

from azure_postgres_cdc import CdcServer, CdcSource
from azure_postgres_cdc.argument_shapes import shape_faults
from azure_postgres_cdc.errors import InvalidSettings
from azure_postgres_cdc.plan import ConnectorArgs
from azure_postgres_cdc.server_args import CdcServerArgs
from azure_postgres_cdc.source import CdcSourceArgs

CONNECTOR: dict[str, Any] = {"capture": {"tables": ["public.orders"]}}
SERVER: dict[str, Any] = {
    "management": "none",
    "connection": {"host": "h", "user": "adm", "password": "p"},
}


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"replicaIdentityFull": True, "grants": {"create": False}, "owners": ("app",)}, []),
        ({"replicaIdentityFull": ["public.orders"], "columns": {"public.orders": ["id"]}}, []),
        ({"hearbeat": True}, ["hearbeat: is no known key; heartbeat is one"]),
        ({"zzz": 1}, ["zzz: is no known key; take it out"]),
        ({"heartbeat": "yes"}, ["heartbeat: is neither True nor False"]),
        ({"heartbeat": None}, ["heartbeat: is None; take it out to have the default"]),
        (
            {"replicaIdentityFull": 1},
            ["replicaIdentityFull: is neither True nor False and no list"],
        ),
        ({"replicaIdentityFull": [1]}, ["replicaIdentityFull[0]: is no text"]),
        ({"snapshots": "readonly"}, ["snapshots: is none of signal-table, read-only"]),
        ({"form": {"sslMode": "disabled"}}, ["form.sslMode: is none of require, disable"]),
        ({"columns": {1: ["id"]}}, ["columns: the key 1 is no text"]),
        ({"columns": {"public.orders": "id"}}, ["columns.public.orders: is no list"]),
        ({"role": "role "}, ["role: begins or ends with a space"]),
        ({"publish": "insert"}, ["publish: is no list"]),
        ({"owners": "app"}, ["owners: is no list"]),
        ({"capture": {"tables": "public.orders"}}, ["capture.tables: is no list"]),
        ({"capture": ["public.orders"]}, ["capture: is no mapping of keys to values"]),
        (
            {"form": {"ssh": {"hots": "x"}}},
            ["form.ssh.hots: is no known key; host is one", "form.ssh.host: is missing"],
        ),
        ({"grants": {"creat": True}}, ["grants.creat: is no known key; create is one"]),
    ],
)
def test_a_connector(changes: dict[str, Any], faults: list[str]) -> None:
    assert list(shape_faults(ConnectorArgs, CONNECTOR | changes)) == faults


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"restart": {"window": {"days": ["sunday"], "start": "1", "end": "2"}}}, []),
        ({"restart": "never", "parameters": {"a": {"exactly": 1}}, "serverName": "x"}, []),
        ({"restrt": "never"}, ["restrt: is no known key; restart is one"]),
        ({"alerts": {"emails": "a@x"}}, ["alerts.emails: is no list"]),
        ({"formerUsers": "a"}, ["formerUsers: is no list"]),
        ({"login": "x"}, ["login: is no mapping of keys to values"]),
        ({"connection": {"user": "adm"}}, []),
        ({"connection": {"user": "adm", "password": " p "}}, []),
        ({"connection": {"user": "adm", "password": ""}}, ["connection.password: is empty"]),
        ({"login": {"walSenderTimeout": "300"}}, ["login.walSenderTimeout: is no whole number"]),
        ({"connectors": True}, ["connectors: is no whole number"]),
        ({"alerts": {"walGiB": float("nan")}}, ["alerts.walGiB: is no number"]),
    ],
)
def test_a_server(changes: dict[str, Any], faults: list[str]) -> None:
    assert list(shape_faults(CdcServerArgs, SERVER | changes)) == faults


def test_what_is_known_later_is_taken_where_pulumi_takes_it() -> None:
    found: list[str] = []

    def program() -> None:
        later = pulumi.Output.from_input("x")
        found.extend(shape_faults(CdcServerArgs, {**SERVER, "serverName": later}))
        found.extend(shape_faults(CdcServerArgs, {**SERVER, "database": later}))

    run(program)
    assert found == ["database: is no text"]


def test_what_is_missing() -> None:
    assert list(shape_faults(CdcSourceArgs, {})) == [
        "server: is missing",
        "database: is missing",
        "connectors: is missing",
    ]
    assert list(shape_faults(CdcSourceArgs, [])) == ["args: is no mapping of keys to values"]


def test_the_components_refuse_it_in_one_message() -> None:
    said: list[str] = []

    def program() -> None:
        for make in (
            lambda: CdcServer("psql", {**SERVER, "restrt": "never"}),  # type: ignore[typeddict-unknown-key]
            lambda: CdcSource(
                "shop",
                {"database": "shop", "connectors": CONNECTOR},  # type: ignore[typeddict-item]
            ),
        ):
            with pytest.raises(InvalidSettings) as caught:
                make()
            said.append(str(caught.value))

    run(program)
    assert said == [
        "CdcServer psql has 1 fault; nothing was changed:\n"
        "  - restrt: is no known key; restart is one",
        "CdcSource shop has 2 faults; nothing was changed:\n"
        "  - server: is missing\n  - connectors: is no list",
    ]
    assert pulumi.RunError in InvalidSettings.__mro__  # so that Pulumi prints no traceback
