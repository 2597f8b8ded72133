"""A run that is begun again later, and what happened meanwhile; what a run must not hide or forget.

The new server is the same one here: only the record says that it has a later version.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.database.conftest import Managed
from tests.database.doctor_support import Connector
from tests.database.doctor_support import ready_connector as ready_connector
from tests.database.slot_support import create, drop, recorded
from tests.database.test_upgrade_ends import after_the_drop as after_the_drop
from tests.database.test_upgrade_ends import arrived, looked_at, write_and_be_counted
from tests.database.test_upgrade_ends import resource as resource
from tests.database.test_upgrade_steps import drained, refusal, write
from tests.database.upgrade_support import said, upgrade_of

from azure_postgres_cdc.operations.stack import Stack
from azure_postgres_cdc.operations.upgrade import commands, drain
from azure_postgres_cdc.operations.upgrade import run as runs
from azure_postgres_cdc.operations.upgrade.change import ChangeVersion
from azure_postgres_cdc.operations.upgrade.commands import Options
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.drain import Drain
from azure_postgres_cdc.operations.upgrade.recreate import Recreate
from azure_postgres_cdc.operations.upgrade.slots import DropSlots


def nowhere(stack: Stack) -> Stack:
    """The same while its server does not answer."""
    login = stack.settings.connection.model_copy(update={"port": 1})
    return replace(stack, settings=stack.settings.model_copy(update={"connection": login}))


def test_rows_written_after_a_run_that_ended_before_the_slot_was_there(
    dropped: Upgrade, connector: Connector
) -> None:
    arrived(dropped, connector)
    dropped.record(connector.form).quiet = True  # then it was killed, or the slot could not be made
    write_and_be_counted(dropped, connector)
    Recreate().make_true(dropped)
    (reason,) = dropped.record(connector.form).unproven
    assert "1 rows were written to captured tables" in reason


@pytest.mark.parametrize("is_made_again", [False, True])
def test_slot_that_is_lost_once_it_was_there_on_the_new_server(
    dropped: Upgrade, connector: Connector, is_made_again: bool
) -> None:
    arrived(dropped, connector)
    Recreate().make_true(dropped)
    drop(connector.shop, connector.slot)
    if is_made_again:
        create(connector.shop, connector.slot)
    text = refusal(lambda: Recreate().make_true(dropped))
    assert f"slot {connector.slot}" in text
    assert "was made again on the new server, and is lost since" in text
    dropped.snapshot_afterwards = True
    Recreate().make_true(dropped)
    assert recorded(connector.shop).doubt is not None
    assert Recreate().is_true(dropped)


def test_kept_slots_of_others_do_not_stop_it_in_the_middle(
    connector: Connector, tmp_path: Path
) -> None:
    run = upgrade_of(connector, tmp_path, patience=0.1)
    run.state.keep_slots = True
    drained(run, connector)
    DropSlots().make_true(run)
    create(connector.shop, f"other_{connector.shop.name}")
    text = refusal(lambda: ChangeVersion().make_true(run))
    drop(connector.shop, f"other_{connector.shop.name}")
    assert "the server is not on version" in text


def test_server_that_does_not_answer_is_no_reason_to_give_up_the_proof(
    connector: Connector, tmp_path: Path
) -> None:
    run = upgrade_of(connector, tmp_path, snapshot_afterwards=True, patience=0.1)
    record, there = run.record(connector.form), run.stack
    record.marker_lsn = "FFF/0"
    run.stack = nowhere(there)
    assert "cannot connect" in refusal(lambda: drain._drain(run, connector.form))
    assert record.unproven == []
    run.stack = there
    Drain().make_true(run)  # patience has ended, and that is what the option is for
    assert record.unproven == [f"slot {connector.slot} is not drained"]


def test_abort_of_a_run_that_has_dropped_nothing_wants_no_snapshot(
    connector: Connector, managed: Managed, tmp_path: Path
) -> None:
    assert managed.id
    run = upgrade_of(connector, tmp_path, snapshot_afterwards=True, patience=0.1)
    write(connector)
    Drain().make_true(run)
    assert run.record(connector.form).unproven
    assert runs.abort(run) is True
    assert "Snapshot every captured table" not in said(run)


def test_abort_does_not_forget_what_was_lost_before(
    connector: Connector, managed: Managed, tmp_path: Path
) -> None:
    assert managed.id
    drop(connector.shop, connector.slot)
    run = upgrade_of(connector, tmp_path, snapshot_afterwards=True)
    Drain().make_true(run)
    assert runs.abort(run) is False


def test_doubt_that_came_up_meanwhile_outlives_the_upgrade(
    connector: Connector, managed: Managed, tmp_path: Path
) -> None:
    assert managed.id
    run = upgrade_of(connector, tmp_path)
    connector.shop.run("SELECT pg_stat_reset_shared('archiver')", superuser=True)
    drained(run, connector)
    DropSlots().make_true(run)
    arrived(run, connector)
    Recreate().make_true(run)
    doubt = recorded(connector.shop).doubt
    assert doubt is not None
    assert "the server's statistics begin anew" in doubt.reason


def test_publication_of_a_role_out_of_reach_is_found_before_anything_is_begun(
    dropped: Upgrade, connector: Connector
) -> None:
    name = f"record of {connector.slot}"
    assert name not in looked_at(connector)
    writable = "SET default_transaction_read_only = off"
    theirs = "ALTER PUBLICATION streamkap_pub OWNER TO azuresu"
    connector.shop.run(writable, theirs, superuser=True)
    state, evidence = looked_at(connector)[name]
    assert (state, "streamkap_pub belongs to azuresu" in evidence) == ("failed", True)
    arrived(dropped, connector)
    text = refusal(lambda: Recreate().make_true(dropped))
    assert "GRANT the owner of publication streamkap_pub to the administrator" in text
    ours = f"ALTER PUBLICATION streamkap_pub OWNER TO {connector.shop.server.admin_user}"
    connector.shop.run(writable, ours, superuser=True)
    Recreate().make_true(dropped)
    assert Recreate().is_true(dropped)
    assert dropped.record(connector.form).unproven == []


def test_slot_that_its_connector_was_to_make_and_has_not(connector: Connector) -> None:
    connector.settings["createSlot"] = False
    drop(connector.shop, connector.slot)
    state, evidence = looked_at(connector)[f"continuity of {connector.slot}"]
    assert (state, "createSlot: false leaves making it" in evidence) == ("failed", True)
    assert "has vanished" not in evidence


def test_what_the_administrator_may_not_look_at_is_no_reason_to_stop(connector: Connector) -> None:
    connector.storage_gib = 100
    shop = connector.shop
    shop.run("REVOKE pg_monitor FROM azure_pg_admin", superuser=True)
    try:
        found = looked_at(connector)["free storage"]
    finally:
        shop.run("GRANT pg_monitor TO azure_pg_admin WITH ADMIN OPTION", superuser=True)
    assert found[0] == "unknown"
    assert "permission denied" in found[1]


def test_status_while_the_server_is_down(dropped: Upgrade, connector: Connector) -> None:
    lines: list[str] = []
    dropped.save()
    dropped.record(connector.form).unproven.append("why not")
    dropped.save()
    commands.status(nowhere(dropped.stack), dropped.file, lines.append)
    assert lines[1] == f"NOT PROVED for slot {connector.slot}: why not"
    assert lines[2].startswith("the server does not answer, as while its version is changed: ")
    dropped.record(connector.form).position = ""  # nothing is let go: it should answer
    dropped.save()
    text = refusal(lambda: commands.status(nowhere(dropped.stack), dropped.file, lines.append))
    assert "cannot connect" in text


@pytest.mark.full
def test_remedies_in_the_middle_do_not_send_to_pulumi_up(
    dropped: Upgrade, connector: Connector
) -> None:
    dropped.save()
    with connector.shop.server.connect(connector.shop.name) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('azure-postgres-cdc'))")
        options = Options(pause=0.02)
        text = refusal(lambda: commands.abort(dropped.stack, dropped.file, options, print))
    assert "[55P03]. Remedy: the same command again when the transactions" in text
    assert commands.abort(dropped.stack, dropped.file, options, print) is True
