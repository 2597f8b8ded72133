"""A server's faults as the real engine shows them: our line, once, and no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import PROJECT, pgbench

from azure_postgres_rehearsal.azure_api.faults import Faults
from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.rehearsal import Rehearsal

FAILS = {"kind": "fail-operation", "code": "InternalServerError", "message": "Unexpected error."}
DENIED = {"status": 403, "code": "AuthorizationFailed", "message": "'ci' may not do this."}
EXPIRED = {"status": 401, "code": "ExpiredAuthenticationToken", "message": "The token expired."}
LAST_WRITE = {"method": "PATCH", "path": "/configurations/max_worker_processes$"}
RESTART = {"method": "POST", "path": "/restart$"}
LOOK = {"method": "GET", "path": "/cdc-local$"}

AT = "server cdc-local in resource group rehearsal"
LOG = "look at the server's activity log in the portal, then run pulumi up again"
FIXED = (
    "server cdc-local: max_slot_wal_keep_size is fixed at '-1' by Azure. The WAL that a slot "
    "retains cannot be capped there. Remedy: take it out, and declare alerts"
)
WRITES = ["wal_level", "shared_preload_libraries", "azure.extensions", "max_worker_processes"]


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal(PROJECT, "local") as found:
        pgbench(found, "--initialize")
        yield found


def ask(rehearsal: Rehearsal, **server: Any) -> None:
    """Change settings of `server`."""
    rehearsal.engine.set_config("server", rehearsal.settings["server"] | server)


def refused(rehearsal: Rehearsal, *arguments: str) -> str:
    """The one line that `up` stops with, without what Pulumi puts in front."""
    return line_of(rehearsal.engine.up(*arguments, capture=True, check=False))


def line_of(outcome: Outcome) -> str:
    assert outcome.returncode
    assert "Traceback" not in outcome.text
    diagnostics = outcome.text.partition("Diagnostics:\n")[2].partition("\nResources:")[0]
    errors = [line.strip() for line in diagnostics.splitlines() if line.startswith("    error: ")]
    (line,) = (error for error in errors if error != "error: update failed")
    paragraph = next(it for it in diagnostics.split("\n\n") if line in it)
    resource, *texts = paragraph.splitlines()
    assert resource.startswith("  pulumi-python:dynamic/azure-postgres-cdc:")
    assert [text.strip() for text in texts if text.strip()] == [line]
    line = line.removeprefix("error: ").removeprefix("CdcError: ")
    return line.partition(" has a problem: ")[2] or line


def written(rehearsal: Rehearsal) -> list[str]:
    """The parameters that Azure was asked to write, successful or not."""
    journal = rehearsal.azure.journal
    return [it.detail.partition("=")[0] for it in journal.of_kind("configuration-write")]


def check_usable(rehearsal: Rehearsal) -> None:
    assert rehearsal.server.state == "Ready"
    with rehearsal.postgres.connect("shop") as connection:
        connection.execute("INSERT INTO pgbench_history (tid) VALUES (1)")


def test_a_parameter_that_azure_fixes_stops_the_preview(rehearsal: Rehearsal) -> None:
    ask(rehearsal, parameters={"max_slot_wal_keep_size": 1024})
    assert refused(rehearsal) == FIXED
    assert rehearsal.azure.journal.accepted == []
    check_usable(rehearsal)


def test_one_fault_after_the_other_and_each_up_goes_on(rehearsal: Rehearsal) -> None:
    rehearsal.azure.faults = Faults([FAILS | LAST_WRITE])
    assert refused(rehearsal, "--skip-preview") == (
        f"cannot set max_worker_processes of {AT}: InternalServerError: Unexpected error. "
        f"Remedy: {LOG}"
    )
    assert written(rehearsal) == WRITES
    check_usable(rehearsal)

    rehearsal.azure.faults = Faults([DENIED | RESTART])
    assert refused(rehearsal, "--skip-preview") == (
        f"cannot restart {AT}: AuthorizationFailed: 'ci' may not do this. "
        "Remedy: ask for the role Contributor on the server"
    )
    assert written(rehearsal) == [*WRITES, "max_worker_processes"]
    assert rehearsal.azure.journal.restarts == 0
    check_usable(rehearsal)

    rehearsal.azure.faults = Faults([{"kind": "cut"} | RESTART])
    through = rehearsal.engine.up("--skip-preview", capture=True)
    assert "restart server cdc-local: the connection to Azure broke (" in through.text
    assert "Incomplete download" not in through.text  # Microsoft's log
    assert written(rehearsal) == [*WRITES, "max_worker_processes"]
    assert rehearsal.azure.journal.restarts == 1
    with rehearsal.postgres.superuser() as connection:
        assert connection.execute("SHOW wal_level").fetchall() == [("logical",)]
        assert connection.execute("SHOW max_worker_processes").fetchall() == [("16",)]
    assert rehearsal.engine.up("--skip-preview", capture=True).changed == 0


@pytest.mark.full
@pytest.mark.parametrize(
    ("faults", "server", "line"),
    [
        (
            [EXPIRED | LOOK],
            {},
            "cannot look at server cdc-local: Azure did not accept the credential: "
            "ExpiredAuthenticationToken: The token expired. Remedy: az login, or set "
            "AZURE_CLIENT_ID and its companions, or use a managed or workload identity",
        ),
        (
            [{"kind": "server-state", "state": "Stopped"} | LOOK],
            {},
            "server cdc-local is Stopped, and takes no change. Remedy: start it (az postgres "
            "flexible-server start -g rehearsal -n cdc-local), then run pulumi up again",
        ),
        (
            [],
            {"resourceGroup": "rehearsals"},
            "cannot look at server cdc-local in resource group rehearsals: ResourceGroupNotFound: "
            "Resource group 'rehearsals' could not be found. Remedy: check server.resourceGroup "
            "and the subscription",
        ),
    ],
    ids=["expired token", "server stopped", "wrong resource group"],
)
def test_the_preview_says_it_already(
    rehearsal: Rehearsal, faults: list[dict[str, Any]], server: dict[str, Any], line: str
) -> None:
    ask(rehearsal, **server)
    rehearsal.azure.faults = Faults(faults)
    assert refused(rehearsal) == line
    assert rehearsal.azure.journal.accepted == []
    check_usable(rehearsal)


@pytest.mark.full
def test_an_upper_case_name_is_refused_before_azure_is_asked(rehearsal: Rehearsal) -> None:
    ask(rehearsal, name="CDC-local")
    outcome = rehearsal.engine.up(capture=True, check=False)
    assert outcome.returncode
    assert "Traceback" not in outcome.text
    assert outcome.text.count("  - server.name: ") == 1
    assert (
        "server.name: 'CDC-local' is no server name: 3 to 63 lower-case letters, digits and inner "
        "hyphens (Azure's rule)"
    ) in outcome.text


@pytest.mark.full
def test_a_long_restart_says_in_the_engine_that_it_goes_on(rehearsal: Rehearsal) -> None:
    rehearsal.azure.faults = Faults([{"kind": "slow", "seconds": 5} | RESTART])
    through = rehearsal.engine.up("--skip-preview", capture=True)
    assert "restart server cdc-local: 2 s so far" in through.text
    assert rehearsal.azure.journal.restarts == 1
