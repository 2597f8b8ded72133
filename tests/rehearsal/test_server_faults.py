"""Faults that stop `up`: one line each, a usable server, and the next `up` goes on.

The table below is part of docs/faults.md. What `up` sits out is in test_server_patience.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from server_fault_support import (
    CUT_OFF,
    FastForward,
    Fault,
    check_documented,
    check_one_line_and_the_next_up,
)

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

DENIED = {"status": 403, "code": "AuthorizationFailed", "message": "'ci' may not do this."}
EXPIRED = {"status": 401, "code": "ExpiredAuthenticationToken", "message": "The token expired."}
FAILS = {"kind": "fail-operation", "code": "InternalServerError", "message": "Unexpected error."}
STOPPED = {"kind": "server-state", "state": "Stopped"}
CUT = {"kind": "cut"}
LAST_WRITE = {"method": "PATCH", "path": "/configurations/max_worker_processes$"}
RESTART = {"method": "POST", "path": "/restart$"}
RULE = {"method": "PUT", "path": "/firewallRules/connector$"}
AUTO_GROW = {"method": "PATCH", "path": "/cdc-1$"}
LOOK = {"method": "GET", "path": "/cdc-1$"}

AT = "server cdc-1 in resource group rg-cdc"
BUSY = "Cannot complete operation while server 'cdc-1' is busy processing another operation"
LOGIN = "az login, or set AZURE_CLIENT_ID and its companions, or use a managed or workload identity"
LOG = "look at the server's activity log in the portal, then run pulumi up again"
CONTRIBUTOR = "ask for the role Contributor on the server"
START = "start it (az postgres flexible-server start -g rg-cdc -n cdc-1), then run pulumi up again"
WAIT = (
    "another operation went on for more than 15 min; look at the server's activity log for whose "
    "it is, wait for it, then run pulumi up again"
)


FAULTS = [
    # Permission and login
    Fault(
        "no permission to look (403)",
        [DENIED | LOOK],
        f"cannot look at {AT}: AuthorizationFailed: 'ci' may not do this",
        CONTRIBUTOR,
        "auto_grow",
    ),
    Fault(
        "no permission to write (403)",
        [DENIED | LAST_WRITE],
        f"cannot set max_worker_processes of {AT}: AuthorizationFailed: 'ci' may not do this",
        CONTRIBUTOR,
        "max_worker_processes",
    ),
    Fault(
        "no permission to restart (403)",
        [DENIED | RESTART],
        f"cannot restart {AT}: AuthorizationFailed: 'ci' may not do this",
        CONTRIBUTOR,
        "restart",
    ),
    Fault(
        "no permission for firewall rules (403)",
        [DENIED | RULE],
        f"cannot set the firewall rule connector of {AT}: AuthorizationFailed: 'ci' may not do "
        "this",
        CONTRIBUTOR,
        "connector",
    ),
    Fault(
        "expired token",
        [EXPIRED | LOOK],
        "cannot look at server cdc-1: Azure did not accept the credential: "
        "ExpiredAuthenticationToken: The token expired",
        LOGIN,
        "auto_grow",
    ),
    Fault(
        "token that expires before the restart",
        [EXPIRED | RESTART],
        "cannot restart server cdc-1: Azure did not accept the credential: "
        "ExpiredAuthenticationToken: The token expired",
        LOGIN,
        "restart",
    ),
    Fault(
        "token that expires while an operation runs",
        [EXPIRED | {"path": "/azureAsyncOperation/"}],
        "cannot turn on storage auto-grow of server cdc-1: Azure did not accept the credential: "
        "ExpiredAuthenticationToken: The token expired",
        LOGIN,
        "wal_level",
    ),
    # The server's state
    Fault(
        "server stopped",
        [STOPPED],
        "server cdc-1 is Stopped, and takes no change",
        START,
        "auto_grow",
    ),
    Fault(
        "server stopped meanwhile",
        [STOPPED | LAST_WRITE],
        f"cannot set max_worker_processes of {AT}: ServerUnavailableForOperation: The operation "
        "cannot be performed as server 'cdc-1' is currently in state 'Stopped'",
        "start the server, then run pulumi up again",
        "max_worker_processes",
    ),
    Fault(
        "server updating for too long",
        [{"kind": "server-state", "state": "Updating", "times": "always"} | AUTO_GROW],
        f"cannot turn on storage auto-grow of {AT}: ServerIsBusy: {BUSY}. Try again later",
        WAIT,
        "auto_grow",
    ),
    Fault(
        "server busy for too long",
        [{"status": 409, "code": "ServerBusy", "message": "Busy.", "times": "always"} | LAST_WRITE],
        f"cannot set max_worker_processes of {AT}: ServerBusy: Busy",
        WAIT,
        "max_worker_processes",
    ),
    # Operations that fail, and connections that break
    Fault(
        "operation failing half-way, nothing done",
        [FAILS | LAST_WRITE],
        f"cannot set max_worker_processes of {AT}: InternalServerError: Unexpected error",
        LOG,
        "max_worker_processes",
    ),
    Fault(
        "operation failing half-way, all done",
        [FAILS | LAST_WRITE | {"applied": True}],
        f"cannot set max_worker_processes of {AT}: InternalServerError: Unexpected error",
        LOG,
        "restart",
    ),
    Fault(
        "restart failing, nothing done",
        [FAILS | RESTART],
        f"cannot restart {AT}: InternalServerError: Unexpected error",
        LOG,
        "restart",
    ),
    Fault(
        "restart failing, all done",
        [FAILS | RESTART | {"applied": True}],
        f"cannot restart {AT}: InternalServerError: Unexpected error",
        LOG,
        "connector",
    ),
    Fault(
        "no connection to Azure",
        [CUT | LOOK | {"times": 4}],
        f"cannot look at {AT}: {CUT_OFF}",
        "check the way to Azure's management API (network, proxy), then run pulumi up again",
        "auto_grow",
    ),
    Fault(
        "answer cut off, nothing done (auto-grow)",
        [CUT | AUTO_GROW, FAILS | AUTO_GROW],
        "cannot turn on storage auto-grow of server cdc-1: the connection to Azure broke and the "
        f"operation did not take effect: {CUT_OFF}",
        LOG,
        "auto_grow",
    ),
    Fault(
        "answer cut off, nothing done (restart)",
        [CUT | RESTART, FAILS | RESTART],
        "cannot restart server cdc-1: the connection to Azure broke and the operation did not "
        f"take effect: {CUT_OFF}",
        LOG,
        "restart",
    ),
    Fault(
        "answer cut off, nothing done (firewall rule)",
        [CUT | RULE, FAILS | RULE],
        "cannot set the firewall rule connector of server cdc-1: the connection to Azure broke "
        f"and the operation did not take effect: {CUT_OFF}",
        LOG,
        "connector",
    ),
    Fault(
        "Azure out of order",
        [{"status": 500, "code": "InternalServerError", "message": "Oops.", "times": 4} | RESTART],
        f"cannot restart {AT}: InternalServerError: Oops",
        LOG,
        "restart",
    ),
]


# The SDK leaves the socket of an answer that is cut off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_one_line_and_the_next_up_goes_on(
    fault: Fault,
    azure: EmulatedAzure,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault.do == WAIT:
        FastForward(monkeypatch)
    check_one_line_and_the_next_up(fault, azure, postgres, tmp_path / "faults.yaml")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_is_documented(fault: Fault) -> None:
    check_documented(fault.name, f"`{fault.see}`", fault.do)
