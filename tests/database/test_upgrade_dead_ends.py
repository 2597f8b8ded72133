"""What others do while an upgrade is under way: it hides no loss, and the fence can be lifted.

The new server is the same one here: only the record says that it has a later version.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.database.conftest import Managed
from tests.database.doctor_support import Connector
from tests.database.doctor_support import ready_connector as ready_connector
from tests.database.slot_support import create, drop, recorded
from tests.database.test_upgrade_again import nowhere
from tests.database.test_upgrade_ends import after_the_drop as after_the_drop
from tests.database.test_upgrade_ends import resource as resource
from tests.database.test_upgrade_steps import database_setting, drained, refusal, write
from tests.database.upgrade_support import said, upgrade_of

from azure_postgres_cdc.operations.upgrade import commands
from azure_postgres_cdc.operations.upgrade import run as runs
from azure_postgres_cdc.operations.upgrade.commands import Options
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.drain import Drain, StopSource
from azure_postgres_cdc.operations.upgrade.fence import Fence
from azure_postgres_cdc.operations.upgrade.recreate import Recreate
from azure_postgres_cdc.operations.upgrade.slots import DropSlots, leak


@pytest.fixture(name="leaky")
def written_and_made_again(connector: Connector, tmp_path: Path) -> Upgrade:
    """Dropped; then somebody wrote, and the connector made the slot again. No record tells that."""
    run = upgrade_of(connector, tmp_path, patience=10)
    drained(run, connector)
    DropSlots().make_true(run)
    write(connector)
    run.wait(lambda: bool(leak(run, connector.form)), "not counted")
    create(connector.shop, connector.slot)
    assert recorded(connector.shop).last is None
    return run


def test_slot_that_was_dropped_and_made_again_after_a_leak(
    leaky: Upgrade, connector: Connector
) -> None:
    assert "1 rows were written" in refusal(lambda: DropSlots().make_true(leaky))
    leaky.snapshot_afterwards = True
    DropSlots().make_true(leaky)
    assert "1 rows were written" in leaky.record(connector.form).unproven[0]


def test_abort_once_a_slot_was_made_again_after_a_leak(
    leaky: Upgrade, connector: Connector
) -> None:
    assert runs.abort(leaky) is False
    assert set(recorded(connector.shop).needs_snapshot) == {"public.orders", "sales.orders"}


def test_server_that_somebody_else_has_upgraded_behind_the_fence(
    connector: Connector, managed: Managed, tmp_path: Path
) -> None:
    assert managed.id
    run = upgrade_of(connector, tmp_path, read_only=True)
    Fence().make_true(run)
    run.save()
    drop(connector.shop, connector.slot)  # it went with the old server
    run.state.to = connector.shop.server.major
    text = refusal(lambda: runs.go(run), remedies=0)
    assert "nothing was begun" not in text
    assert "that is no upgrade" in text
    assert f"database {connector.shop.name} stays fenced" in text
    assert "azure-postgres-cdc upgrade abort" in text
    assert runs.abort(run) is False
    assert database_setting(connector) is None
    assert f"slot {connector.slot} of database" in said(run)
    assert "pulumi up, which says what is lost" in said(run)


def test_server_that_somebody_else_has_upgraded_with_some_slots_dropped(
    dropped: Upgrade, connector: Connector
) -> None:
    record = dropped.record(connector.form)
    record.position = ""
    dropped.state.connector("slot_of_another_database").position = "0/1"
    dropped.state.to = connector.shop.server.major
    assert "it was not proved before" in refusal(lambda: DropSlots().make_true(dropped))
    dropped.snapshot_afterwards = True
    DropSlots().make_true(dropped)
    assert DropSlots().is_true(dropped)
    Recreate().make_true(dropped)
    assert Recreate().is_true(dropped)
    assert recorded(connector.shop).doubt is not None


def test_what_was_written_after_the_marker_is_drained_with_another_marker(
    connector: Connector, tmp_path: Path
) -> None:
    """Debezium would not confirm it by itself: its heartbeats stop at a read-only fence."""
    run = upgrade_of(connector, tmp_path, patience=0.1)
    for refused in (StopSource(), DropSlots()):
        drained(run, connector)
        write(connector, len(said(run)))
        assert "still holds 1 changes" in refusal(lambda step=refused: step.make_true(run))
        assert not Drain().is_true(run)
        assert "is not drained" in refusal(lambda: Drain().make_true(run))
        marker = run.record(connector.form).marker
        assert connector.shop.column("SELECT id FROM streamkap.streamkap_signal")[-1] == marker
        connector.shop.run("DELETE FROM streamkap.streamkap_signal")


def test_run_that_stops_says_what_stays_read_only(connector: Connector, tmp_path: Path) -> None:
    name, lines = connector.shop.name, list[str]()
    file, options = tmp_path / "state.json", Options(read_only_database=True, patience=0.1)
    if connector.shop.server.major == 18:
        pytest.skip("there is no later version")
    refusal(lambda: commands.run(connector.stack(), 18, file, options, lines.append))
    assert lines[-1] == (
        f"database {name} stays read-only for new sessions until this goes on, or "
        "azure-postgres-cdc upgrade abort"
    )
    lines.clear()
    refusal(lambda: commands.run(nowhere(connector.stack()), 18, file, options, lines.append))
    assert lines == []
    assert commands.abort(connector.stack(), file, options, lines.append) is True
    refusal(lambda: commands.run(connector.stack(), 18, file, Options(patience=0), lines.append))
    assert "stays read-only" not in lines[-1]
