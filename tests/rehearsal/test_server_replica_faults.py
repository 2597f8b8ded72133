"""A read replica comes before its primary; what goes wrong on it leaves the primary alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from server_fault_support import RIGHT, WHOLE_UP, check_up, in_effect, one_server
from server_support import GROUP, Stack

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

REPLICA = "cdc-1-replica"
ON_REPLICA = [f"{REPLICA}: max_worker_processes=16", f"{REPLICA}: restart"]
WHOLE = [WHOLE_UP[0], *ON_REPLICA, *WHOLE_UP[1:]]
DENIED = {"status": 403, "code": "AuthorizationFailed", "message": "'ci' may not do this."}
FAILS = {"kind": "fail-operation", "code": "InternalServerError", "message": "Unexpected error."}
WRITE = {"method": "PATCH", "path": f"/{REPLICA}/configurations/"}
RESTART = {"method": "POST", "path": f"/{REPLICA}/restart$"}
AT = f"server {REPLICA} in resource group rg-cdc"
LOG = "look at the server's activity log in the portal, then run pulumi up again"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[EmbeddedPostgres]]:
    with EmbeddedPostgres(17) as primary, EmbeddedPostgres(17) as replica:
        yield [primary, replica]


@pytest.fixture
def azure(servers: list[EmbeddedPostgres]) -> Iterator[EmulatedAzure]:
    primary, replica = servers
    with one_server(primary) as emulated:
        emulated.add_server(GROUP, REPLICA, replica, replica_of=emulated.servers[0])
        yield emulated


def carried_out(azure: EmulatedAzure) -> list[str]:
    """Every operation that succeeded, those on the replica with its name."""
    return [
        (f"{it.server}: " if it.server == REPLICA else "") + (it.detail or it.kind)
        for it in azure.journal.accepted
        if it.error is None
    ]


@pytest.mark.parametrize(
    ("fault", "line", "goes_on_with"),
    [
        (
            DENIED | WRITE,
            f"cannot set max_worker_processes of {AT}: AuthorizationFailed: 'ci' may not do this. "
            "Remedy: ask for the role Contributor on the server",
            0,
        ),
        (
            FAILS | RESTART,
            f"cannot restart {AT}: InternalServerError: Unexpected error. Remedy: {LOG}",
            1,
        ),
        (
            {"kind": "server-state", "state": "Stopped"} | WRITE,
            f"cannot set max_worker_processes of {AT}: ServerUnavailableForOperation: The "
            f"operation cannot be performed as server '{REPLICA}' is currently in state 'Stopped'. "
            "Remedy: start the server, then run pulumi up again",
            0,
        ),
    ],
    ids=["no permission", "restart failing", "replica stopped"],
)
def test_the_primary_waits_and_the_next_up_goes_on(
    azure: EmulatedAzure,
    servers: list[EmbeddedPostgres],
    fault: dict[str, object],
    line: str,
    goes_on_with: int,
) -> None:
    stack = Stack(azure, servers[0], dict(RIGHT))
    azure.faults = Faults([fault])
    assert stack.up().error == line
    assert azure.faults.left == []
    assert carried_out(azure) == WHOLE[: 1 + goes_on_with]
    assert in_effect(servers[0], "max_worker_processes") == ["8"]
    assert stack.up().error == ""
    assert carried_out(azure) == WHOLE
    assert in_effect(servers[1], "max_worker_processes") == ["16"]
    check_up(stack)


def test_a_busy_replica_is_waited_for(
    azure: EmulatedAzure, servers: list[EmbeddedPostgres]
) -> None:
    busy = {"status": 409, "code": "ServerIsBusy", "message": "Busy."}
    azure.faults = Faults([busy | WRITE, busy | RESTART])
    up = Stack(azure, servers[0], dict(RIGHT)).up()
    assert up.error == ""
    assert up.refused == ["ServerIsBusy"] * 2
    assert [line.partition(":")[0] for line in up.lines if "waiting" in line] == [
        f"set max_worker_processes of server {REPLICA}",
        f"restart server {REPLICA}",
    ]
    assert carried_out(azure) == WHOLE
